//! How far segments of a computed list begin from where their number puts them, over an hour.

use std::collections::VecDeque;

use ow_domain::capture::DashPromise;
use ow_domain::facts::ElementaryFacts;
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

/// One sample in so long, over an hour.
const EVERY: Span = Span::from_secs(120);
const MAX_SAMPLES: usize = 31;
/// Less says nothing of a rate: one frame more or less would be one.
const LEAST: Span = Span::from_secs(3_300);

/// Offsets of one Representation in one Period.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberDrift {
    /// What numbers stand for: Period, timescale, offset and duration.
    mapping: Option<u64>,
    /// Microseconds.
    samples: VecDeque<(Time, i64)>,
}

impl NumberDrift {
    pub(crate) fn take(&mut self, at: Time, promise: &DashPromise, off: Span) {
        let mapping = crate::judge::short_hash(&format!(
            "{} {} {} {} {}",
            promise.period, promise.representation, promise.timescale, promise.pto, promise.duration
        ));
        if self.mapping != Some(mapping) {
            *self = Self { mapping: Some(mapping), samples: VecDeque::new() };
        }
        if self.samples.back().is_some_and(|(last, _)| at - *last < EVERY) {
            return;
        }
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((at, off.micros()));
    }

    /// Parts per million that media falls behind its numbers (runs ahead where negative), and over how long.
    pub fn rate(&self) -> Option<(f64, Span)> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let over = last.0 - first.0;
        let quarter = self.samples.len() / 4;
        if over < LEAST || quarter == 0 {
            return None;
        }
        let middle = |samples: &[(Time, i64)]| {
            let n = samples.len() as f64;
            let at = samples.iter().map(|(at, _)| (*at - first.0).secs_f64()).sum::<f64>() / n;
            (at, samples.iter().map(|(_, off)| *off as f64).sum::<f64>() / n)
        };
        let samples: Vec<(Time, i64)> = self.samples.iter().copied().collect();
        let (from, to) = (middle(samples.get(..quarter)?), middle(samples.get(samples.len() - quarter..)?));
        Some(((to.1 - from.1) / (to.0 - from.0), over))
    }
}

/// Earliest presentation time less the promised one, exact before it is rounded to microseconds.
pub(crate) fn off_promise(main: &ElementaryFacts, promise: &DashPromise) -> Option<Span> {
    difference(main.first_pts?, main.timescale, promise)
}

/// Found less promised.
pub(crate) fn difference(found: i64, timescale: u32, promise: &DashPromise) -> Option<Span> {
    let (ours, theirs) = (i128::from(timescale), i128::from(promise.timescale));
    if ours == 0 || theirs == 0 {
        return None;
    }
    let ticks = i128::from(found) * theirs - i128::from(promise.time) * ours;
    let micros = ticks.checked_mul(1_000_000)? / (ours * theirs);
    i64::try_from(micros).ok().map(Span::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(n: i64, off_us: impl Fn(i64) -> i64) -> NumberDrift {
        let mut drift = NumberDrift::default();
        let promise = DashPromise { timescale: 90_000, duration: 180_000, ..DashPromise::default() };
        for i in 0..n {
            let at = Time::from_unix_micros(1_800_000_000_000_000 + i * 2_000_000);
            drift.take(at, &promise, Span::from_micros(off_us(i)));
        }
        drift
    }

    #[test]
    fn a_rate_needs_an_hour_and_a_frame_is_none() {
        assert_eq!(watched(900, |i| i * 240).rate(), None);
        let (ppm, over) = watched(1_800, |i| i * 240).rate().unwrap();
        assert!((ppm - 120.0).abs() < 0.1 && over >= LEAST, "{ppm} {over:?}");
        let (ppm, _) = watched(5_000, |i| i % 2 * 40_000).rate().unwrap();
        assert!(ppm.abs() < 20.0, "{ppm}");
        assert!(watched(100_000, |_| 0).samples.len() <= MAX_SAMPLES);
    }

    #[test]
    fn another_mapping_begins_anew() {
        let mut drift = watched(1_800, |i| i * 240);
        let promise = DashPromise { timescale: 90_000, duration: 360_000, ..DashPromise::default() };
        drift.take(Time::from_unix_micros(1_900_000_000_000_000), &promise, Span::ZERO);
        assert_eq!(drift.rate(), None);
    }
}
