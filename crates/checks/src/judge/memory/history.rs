//! How many bytes and how much media the segments of a rendition had: the last ones one by one, the last hour in sums.

use std::collections::VecDeque;

use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

/// Segments remembered one by one.
const MAX_SAMPLES: usize = 24;
/// Sums over five minutes; an hour of them and the one under way.
const BUCKET: Span = Span::from_secs(300);
const MAX_BUCKETS: usize = 13;
/// One value each ten seconds over ten minutes.
const VALUE_EVERY: Span = Span::from_secs(10);
const MAX_VALUES: usize = 60;

/// Sizes and durations of one rendition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    samples: VecDeque<Sample>,
    buckets: VecDeque<Bucket>,
    /// Bits per second of segments.
    rates: Values,
    /// Mean bytes of frames that are no key frames.
    inter_sizes: Values,
}

/// One segment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub number: u64,
    pub discontinuity: bool,
    pub bytes: u64,
    /// Measured where the bytes tell it, else declared.
    pub media: Span,
    /// Digest of the payload of the main stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Bucket {
    since: Time,
    bytes: u64,
    media: Span,
}

/// Numbers of the last ten minutes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Values(VecDeque<(Time, u64)>);

impl Values {
    fn add(&mut self, at: Time, value: u64) {
        if self.0.back().is_some_and(|(last, _)| at - *last < VALUE_EVERY) {
            return;
        }
        if self.0.len() == MAX_VALUES {
            self.0.pop_front();
        }
        self.0.push_back((at, value));
    }

    /// Once there are `least` of them.
    fn median(&self, at: Time, least: usize) -> Option<u64> {
        let since = at + Span::from_secs(-600);
        let mut all: Vec<u64> = self.0.iter().filter(|(when, _)| *when >= since).map(|(_, value)| *value).collect();
        all.sort_unstable();
        (all.len() >= least.max(1)).then(|| all[all.len() / 2])
    }
}

/// Bits per second of `bytes` over `media`.
pub(crate) fn bit_rate(bytes: u64, media: Span) -> Option<f64> {
    (media > Span::ZERO).then(|| bytes as f64 * 8.0 / media.secs_f64())
}

impl History {
    /// Adds a segment; one that is known already (a second look) changes nothing.
    pub(crate) fn add(&mut self, at: Time, sample: Sample, mean_inter_size: Option<u64>) {
        if self.samples.iter().any(|s| s.number == sample.number) {
            return;
        }
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        if let Some(rate) = bit_rate(sample.bytes, sample.media) {
            self.rates.add(at, rate as u64);
        }
        if let Some(size) = mean_inter_size {
            self.inter_sizes.add(at, size);
        }
        if self.buckets.back().is_none_or(|b| at - b.since >= BUCKET) {
            if self.buckets.len() == MAX_BUCKETS {
                self.buckets.pop_front();
            }
            self.buckets.push_back(Bucket { since: at, bytes: 0, media: Span::ZERO });
        }
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.bytes = bucket.bytes.saturating_add(sample.bytes);
            bucket.media += sample.media;
        }
    }

    /// Another timeline: numbers mean other segments.
    pub(crate) fn forget_segments(&mut self) {
        self.samples.clear();
    }

    pub fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.samples.iter()
    }

    fn of(&self, number: u64) -> Option<&Sample> {
        self.samples.iter().find(|s| s.number == number)
    }

    /// The highest bit rate of runs of segments in a row that contain `number` and last from half of `target` to one and
    /// a half times `target` and half a second (BIS, definition of peak segment bit rate).
    pub fn peak_around(&self, number: u64, target: Span) -> Option<f64> {
        let (least, most) = (target.mul_ratio(1, 2), target.mul_ratio(3, 2) + Span::from_millis(500));
        let mut best: Option<f64> = None;
        let mut first = number;
        loop {
            // From `first` on to the right, at least up to `number`.
            let (mut bytes, mut media, mut n) = (0_u64, Span::ZERO, first);
            while let Some(sample) = self.of(n) {
                if n > first && sample.discontinuity {
                    break;
                }
                bytes = bytes.saturating_add(sample.bytes);
                media += sample.media;
                if media > most {
                    break;
                }
                if n >= number
                    && media >= least
                    && let Some(rate) = bit_rate(bytes, media)
                {
                    best = Some(best.map_or(rate, |b| b.max(rate)));
                }
                n += 1;
            }
            let starts_timeline = self.of(first).is_none_or(|s| s.discontinuity);
            let Some(before) = first.checked_sub(1).filter(|_| !starts_timeline && number - first < 16) else { break };
            if self.of(before).is_none() {
                break;
            }
            first = before;
        }
        best
    }

    /// The highest bit rate that any such run reached.
    pub fn peak(&self, target: Span) -> Option<f64> {
        self.samples.iter().filter_map(|s| self.peak_around(s.number, target)).reduce(f64::max)
    }

    /// Mean bit rate and covered media time of what came in the last `span`, in whole sums of five minutes.
    pub fn mean(&self, at: Time, span: Span) -> Option<(f64, Span)> {
        let since = at + Span::from_micros(-span.micros());
        let recent = self.buckets.iter().filter(|b| b.since >= since);
        let (bytes, media) =
            recent.fold((0_u64, Span::ZERO), |(bytes, media), b| (bytes.saturating_add(b.bytes), media + b.media));
        Some((bit_rate(bytes, media)?, media))
    }

    /// Mean bit rate of the last five minutes that are over, and of the hour before them.
    pub fn last_and_hour_before(&self) -> Option<(f64, f64, Span)> {
        let n = self.buckets.len();
        let last = self.buckets.get(n.checked_sub(2)?)?;
        let before = self.buckets.iter().take(n - 2);
        let (bytes, media) =
            before.fold((0_u64, Span::ZERO), |(bytes, media), b| (bytes.saturating_add(b.bytes), media + b.media));
        Some((bit_rate(last.bytes, last.media)?, bit_rate(bytes, media)?, media))
    }

    /// Median bit rate of the last ten minutes, once there are twelve values.
    pub fn median_rate(&self, at: Time) -> Option<u64> {
        self.rates.median(at, 12)
    }

    /// Median size of frames that are no key frames over ten minutes, once there are twelve values.
    pub fn median_inter_size(&self, at: Time) -> Option<u64> {
        self.inter_sizes.median(at, 12)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(samples: &[(u64, u64, i64, bool)]) -> History {
        let mut history = History::default();
        for (number, bytes, ms, discontinuity) in samples {
            let media = Span::from_millis(*ms);
            let sample = Sample { number: *number, discontinuity: *discontinuity, bytes: *bytes, media, payload: None };
            history.add(Time::from_unix_micros(0), sample, None);
        }
        history
    }

    #[test]
    fn peaks_are_of_runs_of_the_right_length() {
        let target = Span::from_secs(6);
        // A last short piece of a break is too short to stand alone.
        let all = history(&[(1, 750_000, 6_000, false), (2, 500_000, 1_000, false), (3, 750_000, 6_000, false)]);
        assert_eq!(all.peak_around(1, target), Some(1_250_000.0 * 8.0 / 7.0));
        assert_eq!(all.peak_around(2, target), Some(1_250_000.0 * 8.0 / 7.0));
        // A discontinuity begins another run, a hole ends one.
        let cut = history(&[(1, 750_000, 6_000, false), (2, 500_000, 1_000, true), (4, 750_000, 6_000, false)]);
        assert_eq!((cut.peak_around(1, target), cut.peak_around(2, target)), (Some(1_000_000.0), None));
        assert_eq!(cut.peak_around(4, target), Some(1_000_000.0));
        // Pieces of two seconds go together: 2 to 4 of them.
        let short = history(&[(1, 250_000, 2_000, false), (2, 500_000, 2_000, false), (3, 250_000, 2_000, false)]);
        assert_eq!(short.peak(target), Some(1_500_000.0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut history = History::default();
        for n in 0..5_000 {
            let sample =
                Sample { number: n, discontinuity: false, bytes: 1_000, media: Span::from_secs(2), payload: None };
            history.add(Time::from_unix_micros(n as i64 * 2_000_000), sample, Some(n));
        }
        assert!(serde_json::to_string(&history).unwrap().len() < 12_000);
        let at = Time::from_unix_micros(10_000_000_000);
        assert_eq!(history.median_rate(at), Some(4_000));
        let (mean, media) = history.mean(at, Span::from_secs(3_600)).unwrap();
        assert!((mean - 4_000.0).abs() < 1.0 && media >= Span::from_secs(3_300), "{media:?}");
    }
}
