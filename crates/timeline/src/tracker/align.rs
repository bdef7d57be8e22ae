//! How a playlist relates to a timeline (CHECKS 5.1 step 5).

use std::collections::HashMap;

use ow_domain::Span;

use super::timeline::Timeline;
use super::view::View;
use super::{EXTINF_TOLERANCE, PDT_TOLERANCE};
use crate::SegmentKey;

/// Places in history kept per key: slate loops repeat one key for hours.
const MAX_PLACES: usize = 4;

/// Far more than rounding and drift of derived PDT.
const PDT_CONTRADICTION: Span = Span::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The numbers of shared segments agree (cases A, and C with k = 0 for at least half).
    Aligned,
    /// Shared segments stand `k` numbers off (case B, and C).
    Shifted { k: i64, n_segments: u32 },
    /// No shared segment, all numbers above (case D).
    Forward,
    /// No shared segment, but shared numbers agree in EXTINF, DSN and PDT (case E).
    UriOnly { pdt_compared: bool },
    /// Case R.
    Unknown,
}

pub(super) fn relate(timeline: &Timeline, view: &View<'_>) -> Relation {
    let (mut n_same, mut n_other) = (0usize, 0usize);
    for item in &view.items {
        if let Some(record) = timeline.find(item.segment.msn) {
            if record.now().key == item.key || record.first.key == item.key {
                n_same += 1;
            } else {
                n_other += 1;
            }
        }
    }
    if n_same > 0 && view.n1 < timeline.a1 && contradicts(timeline, view) {
        return Relation::Unknown;
    }
    if n_same > 0 && n_other == 0 {
        return Relation::Aligned;
    }
    let places = places(timeline);
    let alignment = align(timeline, view, &places);
    if n_same > 0 {
        let n_overlap = view.items.iter().filter(|item| places.contains_key(&item.key)).count();
        let at_zero = alignment.iter().filter(|&&(i, msn)| view.items[i].segment.msn == msn).count();
        if at_zero * 2 >= n_overlap {
            return Relation::Aligned;
        }
    }
    if let Some((k, n_segments)) = shift(timeline, view, &alignment) {
        return Relation::Shifted { k, n_segments };
    }
    if n_same > 0 {
        return Relation::Aligned;
    }
    if view.n0 > timeline.a1 {
        return Relation::Forward;
    }
    match uri_only(timeline, view) {
        Some(pdt_compared) => Relation::UriOnly { pdt_compared },
        None => Relation::Unknown,
    }
}

/// Numbers in history per key, newest first.
fn places(timeline: &Timeline) -> HashMap<SegmentKey, Vec<u64>> {
    let mut places: HashMap<SegmentKey, Vec<u64>> = HashMap::with_capacity(timeline.records.len());
    for record in timeline.records.iter().rev() {
        let list = places.entry(record.now().key).or_default();
        if list.len() < MAX_PLACES {
            list.push(record.msn);
        }
    }
    places
}

/// Longest common subsequence by (key, EXTINF), as (index in the view, number in history). Keys rarely repeat, so it is
/// a longest increasing subsequence over the few places of each key: n log n, at most [`MAX_PLACES`] per segment.
fn align(timeline: &Timeline, view: &View<'_>, places: &HashMap<SegmentKey, Vec<u64>>) -> Vec<(usize, u64)> {
    // tails[l]: the match that ends the best sequence of length l + 1; links give the one before.
    let mut matches: Vec<(usize, u64, Option<usize>)> = Vec::new();
    let mut tails: Vec<usize> = Vec::new();
    for (i, item) in view.items.iter().enumerate() {
        // Newest first: a segment can be used once only.
        for &msn in places.get(&item.key).map_or(&[][..], Vec::as_slice) {
            let equal = timeline
                .find(msn)
                .is_some_and(|record| (record.now().duration - item.duration).abs() <= EXTINF_TOLERANCE);
            if !equal {
                continue;
            }
            let length = tails.partition_point(|&tail| matches[tail].1 < msn);
            let before = length.checked_sub(1).map(|before| tails[before]);
            matches.push((i, msn, before));
            let this = matches.len() - 1;
            if length == tails.len() {
                tails.push(this);
            } else {
                tails[length] = this;
            }
        }
    }
    let mut sequence = Vec::with_capacity(tails.len());
    let mut at = tails.last().copied();
    while let Some(index) = at {
        let (i, msn, before) = matches[index];
        sequence.push((i, msn));
        at = before;
    }
    sequence.reverse();
    sequence
}

/// The k of a shift, if the playlist is the old one under other numbers: its head is the rest of the old window, or at
/// least half of it is known. One segment that is used again (slate, advertisement) is no shift.
fn shift(timeline: &Timeline, view: &View<'_>, alignment: &[(usize, u64)]) -> Option<(i64, u32)> {
    let k_of = |&(i, msn): &(usize, u64)| i128::from(view.items[i].segment.msn) - i128::from(msn);
    let mut counts: HashMap<i128, usize> = HashMap::new();
    for k in alignment.iter().map(k_of).filter(|&k| k != 0) {
        *counts.entry(k).or_default() += 1;
    }
    let (&k, &n) = counts.iter().max_by_key(|&(&k, &n)| (n, std::cmp::Reverse(k.unsigned_abs())))?;
    let first = alignment.iter().find(|place| k_of(place) == k)?;
    let last = alignment.iter().rev().find(|place| k_of(place) == k)?;
    // Repeated content alone proves nothing about numbers.
    let distinct: std::collections::HashSet<SegmentKey> =
        alignment.iter().filter(|place| k_of(place) == k).map(|&(i, _)| view.items[i].key).collect();
    let is_head = first.0 == 0 && last.1 == timeline.a1 && last.0 + 1 == n;
    let repeats = distinct.len() < n || (n < view.items.len() && distinct.len() == 1 && repeats(view, first.0));
    if repeats || !(is_head || n * 2 >= view.items.len()) {
        return None;
    }
    Some((i64::try_from(k).ok()?, u32::try_from(n).unwrap_or(u32::MAX)))
}

fn repeats(view: &View<'_>, i: usize) -> bool {
    view.items.iter().filter(|item| item.key == view.items[i].key).count() > 1
}

/// Would be an old copy by its names, but at least half of the shared segments have another PDT or EXTINF: a packager
/// that was restarted and numbers its files as before. (An old copy repeats both.)
fn contradicts(timeline: &Timeline, view: &View<'_>) -> bool {
    let (mut n_shared, mut n_contradict) = (0usize, 0usize);
    for item in &view.items {
        let Some(facts) = timeline.find(item.segment.msn).map(|record| record.now()) else { continue };
        if facts.key != item.key {
            continue;
        }
        n_shared += 1;
        let moved = facts.pdt.zip(item.pdt).is_some_and(|(a, b)| (a - b).abs() > PDT_CONTRADICTION);
        n_contradict += usize::from(moved || (facts.duration - item.duration).abs() > EXTINF_TOLERANCE);
    }
    n_contradict > 0 && n_contradict * 2 >= n_shared
}

/// Case E; the value says whether PDT was compared.
fn uri_only(timeline: &Timeline, view: &View<'_>) -> Option<bool> {
    let mut n_shared = 0;
    let mut pdt_compared = false;
    for item in &view.items {
        let Some(record) = timeline.find(item.segment.msn) else { continue };
        n_shared += 1;
        let facts = record.now();
        if (facts.duration - item.duration).abs() > EXTINF_TOLERANCE || facts.dsn != item.segment.dsn {
            return None;
        }
        match (facts.pdt, item.pdt) {
            (Some(a), Some(b)) if (a - b).abs() > PDT_TOLERANCE => return None,
            (Some(_), Some(_)) => pdt_compared = true,
            (None, None) => {}
            _ => return None,
        }
    }
    (n_shared > 0).then_some(pdt_compared)
}
