//! How the media time of a rendition runs: against what is declared, and against the wall clock.

use std::collections::VecDeque;

use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

/// Steps from one segment to the next in the sum: a player seeks within a window, and rounding must not add up for ever.
const MAX_STEPS: usize = 256;
/// Listed segments whose bytes were not read yet.
const MAX_LISTED: usize = 64;
/// New segments of one MPD.
const MAX_AT_ONCE: usize = 3;
/// Publications are put together over so long.
const BIN: Span = Span::from_secs(90);
/// An hour.
const MAX_BINS: usize = 40;
const MIN_BIN_POINTS: u32 = 5;
/// Media time that is off by more did not drift there.
const MAX_JUMP: Span = Span::from_secs(30);
/// The earliest publication of a bin is known no better.
const JITTER_US: i64 = 250_000;
/// Share of the whole change that one bin may be off a straight line: a step is no drift.
const STRAIGHT: f64 = 0.3;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaClock {
    last: Option<u64>,
    /// Media time from segment to segment less what is declared, microseconds.
    steps: VecDeque<i64>,
    /// Number (in DASH begin on the media timeline), latest moment at which it was not there yet, first sight.
    listed: VecDeque<(u64, Time, Time)>,
    bins: VecDeque<Bin>,
    /// What an MPD listed last.
    edge: Option<Edge>,
}

/// The newest of a SegmentTimeline: its Period, where it ends, and when the MPD was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Edge {
    period: u64,
    end: u64,
    at: Time,
}

/// Publications of 90 seconds; offsets are wall clock less media time, microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Bin {
    from: Time,
    n: u32,
    /// Earliest first sight: publication is not later.
    seen: i64,
    /// Sum over the distance of each "not there yet" from `base`.
    base: i64,
    missing: i64,
}

impl Bin {
    /// Publication is hardly earlier.
    fn not_before(&self) -> i64 {
        (self.base.saturating_add(self.missing / i64::from(self.n.max(1)))).min(self.seen).saturating_sub(JITTER_US)
    }
}

/// Media time against the wall clock: parts per million that it runs fast, or slow where negative, at least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockDrift {
    pub ppm: f64,
    pub over: Span,
    pub n_points: u32,
}

impl MediaClock {
    /// A segment was first seen in a playlist at `at`, and was not in the one before.
    pub(crate) fn listed(&mut self, number: u64, not_before: Time, at: Time) {
        if self.listed.len() == MAX_LISTED {
            self.listed.pop_front();
        }
        self.listed.push_back((number, not_before, at));
    }

    /// An MPD of `at` lists the segments that begin at `starts`, the last one up to `end`.
    pub(crate) fn listed_in_mpd(&mut self, period: u64, starts: impl Iterator<Item = u64>, end: u64, at: Time) {
        let before = self.edge.replace(Edge { period, end, at }).filter(|edge| edge.period == period);
        let Some(before) = before.filter(|edge| edge.end <= end) else { return };
        let fresh: Vec<u64> = starts.filter(|start| *start >= before.end).take(MAX_AT_ONCE + 1).collect();
        // Many at once were there before somebody looked.
        if fresh.len() <= MAX_AT_ONCE {
            fresh.into_iter().for_each(|start| self.listed(start, before.at, at));
        }
    }

    /// The bytes of a segment begin at `media`; `step`: from the one before, less what that declares, where both are known.
    pub(crate) fn take(&mut self, number: u64, media: Span, step: Option<Span>) {
        if self.last == Some(number) {
            return;
        }
        self.last = Some(number);
        if let Some(step) = step {
            if self.steps.len() == MAX_STEPS {
                self.steps.pop_front();
            }
            self.steps.push_back(step.micros());
        }
        let Some(place) = self.listed.iter().position(|(listed, ..)| *listed == number) else { return };
        let Some((_, not_before, at)) = self.listed.remove(place) else { return };
        let offset = |time: Time| time.unix_micros().saturating_sub(media.micros());
        self.point(at, offset(not_before), offset(at));
    }

    fn point(&mut self, at: Time, missing: i64, seen: i64) {
        if self.bins.back().is_some_and(|b| b.seen.saturating_sub(seen).saturating_abs() > MAX_JUMP.micros()) {
            self.bins.clear();
        }
        if self.bins.back().is_none_or(|b| at - b.from >= BIN) {
            if self.bins.len() == MAX_BINS {
                self.bins.pop_front();
            }
            self.bins.push_back(Bin { from: at, n: 0, seen, base: missing, missing: 0 });
        }
        let Some(bin) = self.bins.back_mut() else { return };
        bin.n = bin.n.saturating_add(1);
        bin.seen = bin.seen.min(seen);
        bin.missing = bin.missing.saturating_add(missing.saturating_sub(bin.base));
    }

    /// A seam or a jump: what follows does not continue what was.
    pub(crate) fn forget(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        *self = Self { listed, last: self.last, edge: self.edge, ..Self::default() };
    }

    /// Another timeline: numbers mean other segments.
    pub(crate) fn forget_all(&mut self) {
        *self = Self::default();
    }

    /// Media time less declared durations over the steps remembered, and how many they are.
    pub fn cumulative(&self) -> (Span, usize) {
        (Span::from_micros(self.steps.iter().fold(0i64, |sum, step| sum.saturating_add(*step))), self.steps.len())
    }

    /// The slowest straight line through all publications, once there are `min_points`. `None` where it cannot be told, or no
    /// line fits.
    pub fn drift(&self, min_points: u32) -> Option<ClockDrift> {
        let bins: Vec<&Bin> = self.bins.iter().filter(|b| b.n >= MIN_BIN_POINTS).collect();
        let n_points = bins.iter().fold(0u32, |n, b| n.saturating_add(b.n));
        let over = bins.last()?.from - bins.first()?.from;
        if n_points < min_points || bins.len() < 4 {
            return None;
        }
        let (mut least, mut most, mut slopes) = (f64::NEG_INFINITY, f64::INFINITY, Vec::new());
        for (i, a) in bins.iter().enumerate() {
            for b in bins.iter().skip(i + 1) {
                let time = (b.from - a.from).secs_f64();
                let slope = |to: i64, from: i64| to.saturating_sub(from) as f64 / time;
                least = least.max(slope(b.not_before(), a.seen));
                most = most.min(slope(b.seen, a.not_before()));
                slopes.push(slope(b.seen, a.seen));
            }
        }
        if least > most {
            return None;
        }
        // Microseconds later per second: media time runs slow.
        let late = if least > 0.0 { least } else { most.min(0.0) };
        if late != 0.0 && !is_straight(&bins, &mut slopes) {
            return None;
        }
        Some(ClockDrift { ppm: -late, over, n_points })
    }
}

fn is_straight(bins: &[&Bin], slopes: &mut [f64]) -> bool {
    let Some(first) = bins.first() else { return false };
    slopes.sort_unstable_by(f64::total_cmp);
    let slope = slopes.get(slopes.len() / 2).copied().unwrap_or(0.0);
    let time = |b: &Bin| (b.from - first.from).secs_f64();
    let mut off: Vec<f64> = bins.iter().map(|b| b.seen.saturating_sub(first.seen) as f64 - slope * time(b)).collect();
    off.sort_unstable_by(f64::total_cmp);
    let middle = off.get(off.len() / 2).copied().unwrap_or(0.0);
    let change = slope.abs() * bins.last().map_or(0.0, |b| time(b));
    off.iter().all(|o| (o - middle).abs() <= STRAIGHT * change)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: i64 = 4_000_000;

    /// Segments of four seconds that are there at the offset given, looked for every two seconds and a bit.
    fn watched(n: i64, ppm: i64, offset: impl Fn(i64) -> i64) -> MediaClock {
        let mut clock = MediaClock::default();
        let start = 1_800_000_000_000_000;
        let (mut look, mut before) = (start, start - 2_030_000);
        for i in 0..n {
            let there = start + i * SEGMENT + offset(i);
            while look < there {
                before = look;
                look += 2_030_000;
            }
            let number = i as u64;
            clock.listed(number, Time::from_unix_micros(before), Time::from_unix_micros(look));
            clock.take(number, Span::from_micros(i * SEGMENT + i * SEGMENT / 1_000_000 * ppm), None);
        }
        clock
    }

    fn ppm(clock: &MediaClock) -> Option<f64> {
        clock.drift(200).map(|d| d.ppm)
    }

    #[test]
    fn a_drift_is_told_and_looks_are_none() {
        assert_eq!(ppm(&watched(190, 5_000, |_| 0)), None, "too few");
        assert_eq!(ppm(&watched(900, 0, |_| 0)), Some(0.0));
        let fast = ppm(&watched(900, 2_000, |_| 0)).unwrap();
        assert!((1_000.0..=2_000.0).contains(&fast), "{fast}");
        let slow = ppm(&watched(900, -2_000, |_| 0)).unwrap();
        assert!((-2_000.0..=-1_000.0).contains(&slow), "{slow}");
    }

    #[test]
    fn jitter_steps_and_outages_are_no_drift() {
        // Late by up to three seconds, in no order.
        let jittery = ppm(&watched(900, 0, |i| i * 7_919 % 31 * 100_000));
        assert!(jittery.is_none_or(|ppm| ppm == 0.0), "{jittery:?}");
        for step in [500_000, 1_400_000, 2_000_000, 3_000_000, 6_000_000] {
            let stepped = ppm(&watched(600, 0, |i| if i < 300 { step } else { 0 }));
            assert!(stepped.is_none_or(|ppm| ppm == 0.0), "{step}: {stepped:?}");
        }
        // Nothing for forty seconds, then all at once.
        let outage = |i| if (300..310).contains(&i) { (310 - i) * SEGMENT } else { 0 };
        let out = ppm(&watched(600, 0, outage));
        assert!(out.is_none_or(|ppm| ppm == 0.0), "{out:?}");
    }

    #[test]
    fn what_an_mpd_lists_anew_was_published_since_the_last_one() {
        let mut clock = MediaClock::default();
        let at = |second: i64| Time::from_unix_micros(second * 1_000_000);
        let mut list = |period: u64, from: u64, to: u64, second: i64| {
            clock.listed_in_mpd(period, (from..to).map(|n| n * 10), to * 10, at(second));
            std::mem::take(&mut clock.listed)
        };
        assert!(list(1, 5, 10, 0).is_empty(), "the first shows nothing");
        assert_eq!(list(1, 6, 11, 4), [(100, at(0), at(4))]);
        assert!(list(1, 6, 11, 6).is_empty());
        assert_eq!(list(1, 8, 13, 12), [(110, at(6), at(12)), (120, at(6), at(12))]);
        assert!(list(1, 20, 30, 20).is_empty(), "an outage");
        assert!(list(2, 0, 2, 24).is_empty(), "another Period");
        assert_eq!(list(2, 0, 3, 28), [(20, at(24), at(28))]);
        assert!(list(2, 0, 1, 32).is_empty(), "taken back");
    }

    #[test]
    fn memory_is_bounded() {
        let mut clock = watched(5_000, 0, |_| 0);
        for i in 0..1_000 {
            clock.listed(i, Time::UNIX_EPOCH, Time::UNIX_EPOCH);
            clock.take(10_000 + i, Span::ZERO, Some(Span::from_millis(1)));
        }
        assert_eq!((clock.steps.len(), clock.listed.len(), clock.bins.len()), (MAX_STEPS, MAX_LISTED, MAX_BINS));
        assert_eq!(clock.cumulative(), (Span::from_millis(256), 256));
    }
}
