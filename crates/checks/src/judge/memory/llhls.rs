//! The live edge of a rendition with parts.

use std::collections::VecDeque;

use ow_domain::capture::{BlockingReload, Capture, Exchange};
use ow_domain::facts::EsKind;
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

/// Parts over which shares are taken.
const LAST: usize = 50;
/// Parts whose bytes are remembered.
const MAX_PARTS: usize = 64;

/// What is known of parts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PartMemory {
    pub part_target: Option<Span>,
    /// Newest part whose place in its segment is final: segment and place.
    pub settled: Option<(u64, u32)>,
    /// Newest part listed, and the end of the answer that showed it first.
    pub newest: Option<((u64, u32), Time)>,
    /// PART-INF was there and no part, since then.
    pub without_parts: Option<Time>,
    /// A blocking reload ran into its time limit; what was asked for, and how long it took.
    pub no_answer: Option<(BlockingReload, Span)>,
    seen: VecDeque<PartSeen>,
    /// The rendition as it was last seen.
    pub look: Option<Look>,
    /// What the last playlist hinted.
    pub hint: Option<SeenHint>,
    /// Of the last parts: whether they were others than hinted; whether they were gaps.
    pub strayed: VecDeque<bool>,
    pub gaps: VecDeque<bool>,
    /// A hint that was asked for in vain.
    pub in_vain: Option<AskedHint>,
    /// Newest segment whose parts were added up.
    pub summed: Option<u64>,
    /// The last whole playlist, where it can come as a delta update.
    pub held: Option<HeldList>,
    pub delta: Option<DeltaSeen>,
}

/// Newest part of a rendition, and when that was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    pub at: Time,
    /// Newest segment or part.
    pub newest: (u64, Option<u32>),
    /// Date-time at its end.
    pub edge: Option<Time>,
    pub part_target: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeenHint {
    /// Hash of the URI as written, and first byte.
    pub resource: (u64, u64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AskedHint {
    pub place: (u64, u32),
    pub url: String,
    pub at: Time,
    pub took: Span,
    /// `None`: no answer in time.
    pub status: Option<u16>,
}

/// Segments of a playlist as hashes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct HeldList {
    pub first: u64,
    pub segments: Vec<u64>,
}

impl HeldList {
    pub fn get(&self, number: u64) -> Option<u64> {
        self.segments.get(usize::try_from(number.checked_sub(self.first)?).ok()?).copied()
    }
}

/// A delta update that waits for the whole playlist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeltaSeen {
    pub at: Time,
    /// Hash of the name of the newest part or segment.
    pub newest: Option<u64>,
    pub first: u64,
    pub n_skipped: u64,
    /// From the first one that is not skipped.
    pub listed: HeldList,
    pub version: u64,
    pub n_skips: usize,
}

/// Remembers one more of the last fifty.
pub(crate) fn note(ring: &mut VecDeque<bool>, value: bool) {
    if ring.len() == LAST {
        ring.pop_front();
    }
    ring.push_back(value);
}

/// A part whose bytes were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartSeen {
    /// Media sequence number of its segment, and place in it from 0.
    pub number: u64,
    pub index: u32,
    /// Sum of the durations of the parts before it.
    pub offset: Span,
    pub declared: Span,
    pub kind: EsKind,
    pub timescale: u32,
    pub first_dts: i64,
    pub access_unit: i64,
    pub n_access_units: u32,
    pub payload_bytes: u64,
}

impl PartSeen {
    /// `None` where the bytes tell nothing of their place.
    pub fn of(capture: &Capture) -> Option<Self> {
        let promised = capture.promised.as_ref().filter(|p| p.key_method.is_none())?;
        let (place, main) = (promised.part?, capture.facts.as_ref()?.main()?);
        let is_timed = matches!(main.kind, EsKind::Video | EsKind::Audio) && main.timescale > 0 && !main.encrypted;
        is_timed.then_some(())?;
        Some(Self {
            number: promised.number?,
            index: place.index,
            offset: Span::from_micros(place.offset_us),
            declared: Span::from_micros(promised.duration_us?),
            kind: main.kind,
            timescale: main.timescale,
            first_dts: main.first_dts?,
            access_unit: main.access_unit_duration.unwrap_or(0),
            n_access_units: main.n_access_units,
            payload_bytes: main.payload_bytes,
        })
    }
}

impl PartMemory {
    pub fn remember(&mut self, part: PartSeen) {
        self.seen.retain(|known| (known.number, known.index) != (part.number, part.index));
        if self.seen.len() == MAX_PARTS {
            self.seen.pop_front();
        }
        self.seen.push_back(part);
    }

    /// Parts of a segment that were read, by place.
    pub fn of_segment(&self, number: u64) -> Vec<PartSeen> {
        let mut parts: Vec<_> = self.seen.iter().filter(|part| part.number == number).cloned().collect();
        parts.sort_by_key(|part| part.index);
        parts
    }

    /// Another timeline began: numbers mean other segments.
    pub fn forget(&mut self) {
        *self = Self { part_target: self.part_target, without_parts: self.without_parts, ..Self::default() };
    }
}

/// An answer that was held back tells how things are when it comes: its time runs from then on, as if it had been asked
/// for plainly.
pub(crate) fn as_if_plain(capture: &Capture) -> Capture {
    let exchange = &capture.exchange;
    let body = Span::from_micros(exchange.timings.body_us.unwrap_or(0)).max(Span::ZERO);
    let mut timings = exchange.timings;
    timings.ttfb_us = None;
    let t_req = (exchange.t_end - body).max(exchange.t_req);
    Capture { exchange: Exchange { t_req, timings, ..exchange.clone() }, ..capture.clone() }
}
