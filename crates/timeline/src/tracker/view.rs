//! A playlist as the tracker compares it: keys, identities and derived PDT computed once.

use ow_domain::{Span, Time};
use ow_hls::{MediaPlaylist, Segment};

use crate::{KeyRules, SegmentFacts, SegmentKey};

/// Only made for playlists with at least one segment.
pub(super) struct View<'a> {
    pub playlist: &'a MediaPlaylist,
    pub items: Vec<Item<'a>>,
    pub window: Span,
    pub n0: u64,
    pub n1: u64,
}

pub(super) struct Item<'a> {
    pub segment: &'a Segment,
    pub key: SegmentKey,
    pub duration: Span,
    pub map: u64,
    pub keys: u64,
    /// Own, or derived from the nearest earlier tag, never across a DISCONTINUITY.
    pub pdt: Option<Time>,
}

impl<'a> View<'a> {
    pub fn new(playlist: &'a MediaPlaylist, base: &str, rules: &KeyRules) -> Option<Self> {
        let (first, last) = (playlist.segments.first()?, playlist.segments.last()?);
        let keys = rules.keys(base, &playlist.segments);
        let mut items: Vec<Item<'a>> = Vec::with_capacity(keys.len());
        let mut window = Span::ZERO;
        let mut next_pdt: Option<Time> = None;
        for (segment, key) in playlist.segments.iter().zip(keys) {
            let duration = Span::from_micros(segment.duration_us);
            window += duration;
            let own = segment.program_date_time.map(|date| Time::from_unix_micros(date.unix_us));
            let pdt = match own {
                Some(own) => Some(own),
                None if segment.discontinuity.is_some() => None,
                None => next_pdt,
            };
            next_pdt = pdt.map(|pdt| pdt + duration);
            // Neighbours share their MAP and keys: compare by place before hashing.
            let before = items.last();
            let map = match before {
                Some(before) if same(before.segment.map.as_ref(), segment.map.as_ref()) => before.map,
                _ => rules.map_identity(base, segment.map.as_deref()),
            };
            let keys = match before {
                Some(before) if same(before.segment.keys.as_ref(), segment.keys.as_ref()) => before.keys,
                _ => rules.keys_identity(base, segment.keys.as_deref()),
            };
            items.push(Item { segment, key, duration, map, keys, pdt });
        }
        Some(Self { playlist, items, window, n0: first.msn, n1: last.msn })
    }

    pub fn median_duration(&self) -> Span {
        let mut durations: Vec<Span> = self.items.iter().map(|item| item.duration).collect();
        durations.sort_unstable();
        durations[durations.len() / 2]
    }

    pub fn pdt_end(&self) -> Option<Time> {
        self.items.last().and_then(|item| item.pdt.map(|pdt| pdt + item.duration))
    }
}

fn same<T: ?Sized>(a: Option<&std::sync::Arc<T>>, b: Option<&std::sync::Arc<T>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => std::sync::Arc::ptr_eq(a, b),
        _ => false,
    }
}

impl Item<'_> {
    pub fn facts(&self) -> SegmentFacts {
        SegmentFacts {
            key: self.key,
            uri: self.segment.uri.clone(),
            duration: self.duration,
            dsn: self.segment.dsn,
            discontinuity: self.segment.discontinuity.is_some(),
            gap: self.segment.gap.is_some(),
            byte_range: self.segment.byte_range,
            map: self.map,
            keys: self.keys,
            pdt: self.pdt,
            pdt_own: self.segment.program_date_time.is_some(),
        }
    }

    /// Says the same as `facts`, DSN and PDT aside, which have verdicts of their own.
    pub fn agrees(&self, facts: &SegmentFacts, tag_may_leave: bool) -> bool {
        self.key == facts.key
            && (self.duration - facts.duration).abs() <= super::EXTINF_TOLERANCE
            && (tag_may_leave || self.segment.discontinuity.is_some() == facts.discontinuity)
            && self.segment.gap.is_some() == facts.gap
            && self.map == facts.map
            && self.keys == facts.keys
            && same_range(self.segment.byte_range, facts.byte_range)
    }
}

pub(super) fn same_range(a: Option<ow_hls::ByteRange>, b: Option<ow_hls::ByteRange>) -> bool {
    a.map(|range| (range.offset, range.length)) == b.map(|range| (range.offset, range.length))
}
