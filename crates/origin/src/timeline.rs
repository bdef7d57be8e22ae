//! When which segment is published, listed and gone: arithmetic on Unix microseconds, one per channel.

use crate::config::OriginConfig;

/// Twice what CAN-SKIP-UNTIL keeps.
const LL_WINDOW: i64 = 12;

/// The live timeline of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// Wall clock of the start of segment 0; DASH `availabilityStartTime`.
    pub start_us: i64,
    pub segment_us: i64,
    /// Listed segments.
    pub window: i64,
}

impl Timeline {
    pub fn of(channel: &str, config: &OriginConfig) -> Timeline {
        let segment_us = i64::from(config.segment_ms) * 1_000;
        let phase_ms = match config.phase_shift {
            true => i64::from(fnv1a(channel.as_bytes()) % config.segment_ms),
            false => 0,
        };
        Timeline {
            start_us: config.epoch_unix_s * 1_000_000 + phase_ms * 1_000,
            segment_us,
            window: config.window_segments.into(),
        }
    }

    /// As low-latency playlists list it: long enough that a delta update has something to skip.
    pub fn low_latency(self) -> Timeline {
        Timeline { window: self.window.max(LL_WINDOW), ..self }
    }

    /// Newest complete segment; negative before the first.
    pub fn edge(&self, now_us: i64) -> i64 {
        (now_us - self.start_us).div_euclid(self.segment_us) - 1
    }

    /// Oldest listed segment.
    pub fn first(&self, now_us: i64) -> i64 {
        (self.edge(now_us) - self.window + 1).max(0)
    }

    /// Wall clock of the media's start.
    pub fn wall(&self, n: i64) -> i64 {
        self.start_us + n * self.segment_us
    }

    /// When segment `n` is complete and listed.
    pub fn published(&self, n: i64) -> i64 {
        self.wall(n + 1)
    }

    /// Whether segment `n` can be fetched. After it left the playlist it stays for its own duration and the longest playlist that held it
    /// (RFC 8216 §6.2.2), and one segment more.
    pub fn is_available(&self, n: i64, now_us: i64) -> bool {
        n >= 0 && now_us >= self.published(n) && now_us < self.published(n) + (2 * self.window + 2) * self.segment_us
    }
}

/// 32-bit FNV-1a.
pub(crate) fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn iso(us: i64) -> String {
    match jiff::Timestamp::from_microsecond(us) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_and_availability() {
        let t = Timeline { start_us: 1_000, segment_us: 10, window: 3 };
        for (now, edge, first) in [(1_000, -1, 0), (1_009, -1, 0), (1_010, 0, 0), (1_030, 2, 0), (1_040, 3, 1)] {
            assert_eq!((t.edge(now), t.first(now)), (edge, first), "at {now}");
        }
        for (n, now, expected) in
            [(0, 1_009, false), (0, 1_010, true), (0, 1_089, true), (0, 1_090, false), (-1, 1_010, false)]
        {
            assert_eq!(t.is_available(n, now), expected, "{n} at {now}");
        }
    }

    #[test]
    fn iso_has_milliseconds_and_zone() {
        assert_eq!(iso(1_767_225_600_123_456), "2026-01-01T00:00:00.123Z");
        assert_eq!(iso(1_767_225_600_000_000), "2026-01-01T00:00:00.000Z");
    }
}
