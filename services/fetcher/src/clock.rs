//! One time scale for all facts of a fetcher: UTC read once at the start, moved on by the monotonic clock, so that
//! the times of one run never step back when the machine's clock is set.

use std::time::{SystemTime, UNIX_EPOCH};

use ow_domain::Time;
use tokio::time::Instant;

/// Least half-width of the error of a probe's UTC that is ever claimed, microseconds.
const MIN_UNCERTAINTY_US: i64 = 50_000;

/// UTC anchor plus monotonic clock. Copies share the anchor.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    utc_us: i64,
    anchor: Instant,
    /// The time was given: the machine's clock says nothing of its error.
    given: bool,
}

impl SteadyClock {
    /// Anchors now.
    pub fn start() -> Self {
        Self { utc_us: system_utc_us(), anchor: Instant::now(), given: false }
    }

    /// Anchors now at a given time, for streams in a time of their own.
    pub fn start_at(time: Time) -> Self {
        Self { utc_us: time.unix_micros(), anchor: Instant::now(), given: true }
    }

    pub fn now(&self) -> Time {
        self.at(Instant::now())
    }

    /// The UTC of `instant`; an instant before the anchor is the anchor.
    pub fn at(&self, instant: Instant) -> Time {
        let since = instant.saturating_duration_since(self.anchor).as_micros();
        Time::from_unix_micros(self.utc_us.saturating_add(i64::try_from(since).unwrap_or(i64::MAX)))
    }

    /// The instant that [`Self::at`] maps to `time`; a time before the anchor is the anchor.
    pub fn instant(&self, time: Time) -> Instant {
        let since = time.unix_micros().saturating_sub(self.utc_us);
        self.anchor + std::time::Duration::from_micros(u64::try_from(since).unwrap_or(0))
    }

    /// How far the times of this clock may be from true UTC: what the system clock was moved since the anchor, at
    /// least 50 ms.
    pub fn uncertainty_us(&self) -> i64 {
        if self.given {
            return MIN_UNCERTAINTY_US;
        }
        self.moved_us().saturating_abs().max(MIN_UNCERTAINTY_US)
    }

    /// How far the system clock was moved since the anchor, microseconds; positive forward.
    pub fn moved_us(&self) -> i64 {
        system_utc_us().saturating_sub(self.now().unix_micros())
    }
}

fn system_utc_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn instants_and_times_map_both_ways() {
        let clock = SteadyClock::start();
        let later = clock.anchor + Duration::from_micros(1_234_567);
        assert_eq!(clock.instant(clock.at(later)), later);
        assert_eq!(clock.instant(Time::UNIX_EPOCH), clock.anchor);
        assert!(clock.uncertainty_us() >= MIN_UNCERTAINTY_US);
    }
}
