//! All renditions of one stream as one burst of requests saw them (CHECKS 5.5).

use ow_domain::capture::{Capture, TrackKind};
use ow_domain::{Span, Time, TrackId};

pub use crate::judge::memory::{MediaStart, PlaylistShape};

/// Media timestamps repeat after this, 90 kHz.
const WRAP: i64 = 1 << 33;

/// Renditions whose playlists were asked for within half a second; once per burst.
pub struct Aligned<'a> {
    pub capture: &'a Capture,
    /// At least two, by id.
    pub tracks: &'a [AlignedTrack<'a>],
}

/// One rendition of a burst.
pub struct AlignedTrack<'a> {
    pub id: &'a TrackId,
    pub kind: TrackKind,
    pub bandwidth: Option<u64>,
    pub host: String,
    pub target_duration: Span,
    /// Stands still, or has ended: told elsewhere.
    pub is_stale: bool,
    pub shape: &'a PlaylistShape,
    /// The newest ones, in order.
    pub segments: Vec<AlignedSegment>,
    /// Date-time at the start of the oldest segment listed.
    pub window_start: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlignedSegment {
    pub msn: u64,
    pub duration: Span,
    pub dsn: u64,
    pub discontinuity: bool,
    pub pdt: Option<Time>,
    pub media: Option<MediaStart>,
}

/// A point where the timeline breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Break {
    /// Date-time at the end of the segment before.
    pub at: Time,
    pub dsn: u64,
}

/// `a - b` of two media times that wrap.
pub fn media_difference(a: i64, b: i64) -> Span {
    let ticks = (a - b + WRAP / 2).rem_euclid(WRAP) - WRAP / 2;
    span_of(ticks)
}

/// 90 kHz to a span.
pub fn span_of(ticks: i64) -> Span {
    Span::from_micros(ticks.saturating_mul(100) / 9)
}

fn ticks_of(span: Span) -> i64 {
    span.micros().saturating_mul(9) / 100
}

impl AlignedTrack<'_> {
    pub fn is_video(&self) -> bool {
        matches!(self.kind, TrackKind::Video | TrackKind::Muxed)
    }

    /// Date-time at the end of the newest segment.
    pub fn pdt_edge(&self) -> Option<Time> {
        self.segments.last().and_then(|s| Some(s.pdt? + s.duration))
    }

    /// Media time at the end of the newest segment, from the newest segment of its timeline whose bytes were read.
    pub fn media_edge(&self) -> Option<i64> {
        let dsn = self.segments.last()?.dsn;
        let mut behind = Span::ZERO;
        for segment in self.segments.iter().rev().take_while(|s| s.dsn == dsn) {
            behind += segment.duration;
            if let Some(media) = segment.media {
                return Some(media.start + ticks_of(behind));
            }
        }
        None
    }

    /// Media times of 32 bits.
    pub fn has_short_times(&self) -> bool {
        self.segments.iter().filter_map(|s| s.media).any(|m| m.short)
    }

    /// Longest access unit seen.
    pub fn unit(&self) -> Span {
        span_of(self.segments.iter().filter_map(|s| s.media).map(|m| m.unit).max().unwrap_or(0))
    }

    /// Breaks inside the listed segments, by date-time.
    pub fn breaks(&self) -> Vec<Break> {
        let mut found = Vec::new();
        for pair in self.segments.windows(2) {
            let [before, after] = pair else { continue };
            if after.discontinuity {
                let at = before.pdt.map(|pdt| pdt + before.duration).or(after.pdt);
                found.extend(at.map(|at| Break { at, dsn: after.dsn }));
            }
        }
        found
    }

    /// Start and end of the segments at hand, by date-time.
    pub fn interval(&self) -> Option<(Time, Time)> {
        let start = self.segments.iter().find_map(|s| s.pdt)?;
        Some((start, self.pdt_edge()?))
    }

    /// Longest segment at hand.
    pub fn longest(&self) -> Span {
        self.segments.iter().map(|s| s.duration).max().unwrap_or(self.target_duration)
    }

    /// Typical difference of date-time and media time in the newest timeline.
    pub fn pdt_offset(&self) -> Option<(u64, Time, i64)> {
        let dsn = self.segments.last()?.dsn;
        let newest = self.segments.iter().rev().take_while(|s| s.dsn == dsn);
        newest.filter_map(|s| Some((dsn, s.pdt?, s.media?.start))).next()
    }
}

impl<'a> Aligned<'a> {
    /// The video of the lowest bitrate, else the first rendition.
    pub fn reference(&self) -> Option<&AlignedTrack<'a>> {
        let videos = self.tracks.iter().filter(|t| t.is_video() && !t.is_stale);
        videos
            .min_by_key(|t| (t.bandwidth.unwrap_or(u64::MAX), t.id))
            .or_else(|| self.tracks.iter().find(|t| !t.is_stale))
    }

    /// Longest target duration of the burst.
    pub fn target_duration(&self) -> Span {
        self.tracks.iter().map(|t| t.target_duration).max().unwrap_or(Span::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_time_wraps() {
        for (a, b, seconds) in
            [(90_000, 0, 1.0), (0, 90_000, -1.0), (45_000, WRAP - 45_000, 1.0), (WRAP - 90_000, 0, -1.0)]
        {
            assert!((media_difference(a, b).secs_f64() - seconds).abs() < 1e-6, "{a} {b}");
        }
    }
}
