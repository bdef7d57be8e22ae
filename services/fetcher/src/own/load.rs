//! Lateness of polls and timers, and memory.

use std::collections::VecDeque;
use std::fs;
use std::time::{Duration, Instant};

use ow_domain::Span;
use ow_domain::probe::{MemoryFacts, ScheduleFacts};

/// Polls are counted over this.
const WINDOW_S: u64 = 60;
/// A poll that begins later than this is late (`sched_late_ms`).
const LATE: Span = Span::from_millis(500);
/// Beats of the event loop remembered: a minute.
const MAX_LAGS: usize = 600;
const PAGE: u64 = 4_096;

/// Polls per second over the last minute.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    anchor: Option<Instant>,
    /// Second since the anchor, polls, late ones.
    seconds: VecDeque<(u64, u32, u32)>,
}

impl Schedule {
    pub fn polled(&mut self, now: Instant, late: Span) {
        let second = self.second(now);
        if self.seconds.back().is_none_or(|(last, _, _)| *last < second) {
            self.seconds.push_back((second, 0, 0));
        }
        if let Some((_, polls, late_polls)) = self.seconds.back_mut() {
            *polls = polls.saturating_add(1);
            *late_polls = late_polls.saturating_add(u32::from(late > LATE));
        }
        self.forget(second);
    }

    pub fn facts(&mut self, now: Instant) -> ScheduleFacts {
        let second = self.second(now);
        self.forget(second);
        let sum = |of: fn(&(u64, u32, u32)) -> u32| self.seconds.iter().map(of).fold(0, u32::saturating_add);
        ScheduleFacts { polls: sum(|s| s.1), late: sum(|s| s.2), loop_lag_p99_us: 0 }
    }

    fn second(&mut self, now: Instant) -> u64 {
        now.saturating_duration_since(*self.anchor.get_or_insert(now)).as_secs()
    }

    fn forget(&mut self, second: u64) {
        while self.seconds.front().is_some_and(|(first, _, _)| first + WINDOW_S <= second) {
            self.seconds.pop_front();
        }
    }
}

/// How late timers fire.
#[derive(Debug, Default)]
pub(super) struct LoopLag(VecDeque<u32>);

impl LoopLag {
    pub fn add(&mut self, lag: Duration) {
        if self.0.len() == MAX_LAGS {
            self.0.pop_front();
        }
        self.0.push_back(u32::try_from(lag.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn p99_us(&self) -> i64 {
        let mut sorted: Vec<u32> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let index = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().map_or(0, i64::from)
    }
}

/// Resident memory and the limit of the control group; `None` where either cannot be read, or there is no limit.
pub(super) fn memory() -> Option<MemoryFacts> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .or_else(|_| fs::read_to_string("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    let limit_bytes: u64 = limit.ok()?.trim().parse().ok()?;
    // Version 1 writes "no limit" as a number near the end of the range.
    (limit_bytes < 1 << 60).then_some(MemoryFacts { resident_bytes: pages * PAGE, limit_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_polls_are_counted_over_a_minute() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        schedule.polled(start, Span::from_millis(500));
        schedule.polled(start, Span::from_millis(501));
        schedule.polled(start + Duration::from_secs(30), Span::from_secs(2));
        let facts = |schedule: &mut Schedule, s| {
            let facts = schedule.facts(start + Duration::from_secs(s));
            (facts.polls, facts.late)
        };
        assert_eq!(facts(&mut schedule, 30), (3, 2));
        assert_eq!(facts(&mut schedule, 59), (3, 2));
        assert_eq!(facts(&mut schedule, 60), (1, 1));
        assert_eq!(facts(&mut schedule, 90), (0, 0));
    }

    #[test]
    fn one_slow_beat_in_a_hundred_does_not_count_two_do() {
        let mut lag = LoopLag::default();
        assert_eq!(lag.p99_us(), 0);
        (0..99).for_each(|_| lag.add(Duration::from_millis(1)));
        lag.add(Duration::from_secs(1));
        assert_eq!(lag.p99_us(), 1_000);
        lag.add(Duration::from_secs(1));
        assert_eq!(lag.p99_us(), 1_000_000);
    }
}
