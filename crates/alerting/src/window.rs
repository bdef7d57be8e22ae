//! When something holds: once, or again and again.

use ow_domain::{Span, Time};

use crate::recurrence::{Recurrence, Rule, RuleError, zone};

/// Shortest and longest window.
pub const MIN_DURATION: Span = Span::from_secs(60);
pub const MAX_DURATION: Span = Span::from_secs(31 * 86_400);

/// From `start`, up to but not with `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    pub start: Time,
    pub end: Time,
}

impl Window {
    pub fn holds(&self, time: Time) -> bool {
        (self.start..self.end).contains(&time)
    }
}

/// One window, or one at each occurrence of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    start: Time,
    /// Of elapsed time: a window of four hours lasts four hours also when the clocks change in it.
    duration: Span,
    recurrence: Option<Recurrence>,
}

/// What of a schedule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("{name:?} is not a time zone of the IANA database, for example Asia/Ho_Chi_Minh")]
    Zone { name: String },
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error("lasts less than a minute or more than 31 days")]
    Duration,
}

impl Schedule {
    pub fn once(start: Time, end: Time) -> Self {
        Self { start, duration: end.since(start), recurrence: None }
    }

    /// A window at each occurrence of `rule` (RRULE of RFC 5545), whose first possible start is `start`, in the time
    /// zone of that name.
    pub fn recurring(start: Time, duration: Span, rule: &str, zone_name: &str) -> Result<Self, ScheduleError> {
        if !(MIN_DURATION..=MAX_DURATION).contains(&duration) {
            return Err(ScheduleError::Duration);
        }
        let zone = zone(zone_name).ok_or_else(|| ScheduleError::Zone { name: zone_name.chars().take(80).collect() })?;
        let rule: Rule = rule.parse()?;
        Ok(Self { start, duration, recurrence: Some(Recurrence::new(rule, start, zone)?) })
    }

    /// The window that holds `time`; of several that overlap the one that ends last.
    pub fn active_at(&self, time: Time) -> Option<Window> {
        match &self.recurrence {
            None => Some(self.window(self.start)).filter(|window| window.holds(time)),
            Some(recurrence) => {
                let starts = recurrence.between(time - self.duration, time);
                starts.last().map(|start| self.window(*start)).filter(|window| window.holds(time))
            }
        }
    }

    /// The first window that starts after `time`.
    pub fn next_after(&self, time: Time) -> Option<Window> {
        match &self.recurrence {
            None => (self.start > time).then(|| self.window(self.start)),
            Some(recurrence) => recurrence.next_from(time + Span::from_micros(1)).map(|start| self.window(start)),
        }
    }

    /// No window comes after `time`, and none holds.
    pub fn is_over(&self, time: Time) -> bool {
        self.active_at(time).is_none() && self.next_after(time).is_none()
    }

    fn window(&self, start: Time) -> Window {
        Window { start, end: start + self.duration }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_single_window_has_a_start_and_an_end() {
        let schedule = Schedule::once(time("2026-11-22T10:00:00Z"), time("2026-11-22T12:00:00Z"));
        for (at, active, over) in [
            ("2026-11-22T09:59:59Z", false, false),
            ("2026-11-22T10:00:00Z", true, false),
            ("2026-11-22T11:59:59Z", true, false),
            ("2026-11-22T12:00:00Z", false, true),
        ] {
            let at = time(at);
            assert_eq!((schedule.active_at(at).is_some(), schedule.is_over(at)), (active, over), "{at}");
        }
        assert_eq!(schedule.next_after(time("2026-11-22T00:00:00Z")).unwrap().start, time("2026-11-22T10:00:00Z"));
    }

    #[test]
    fn a_weekly_window_is_that_of_its_zone() {
        // Tuesday 02:00 to 04:00 in Ho Chi Minh City is Monday 19:00 to 21:00 UTC.
        let start = time("2026-11-24T02:00:00+07:00");
        let schedule =
            Schedule::recurring(start, Span::from_secs(7200), "FREQ=WEEKLY;BYDAY=TU", "Asia/Ho_Chi_Minh").unwrap();
        for (at, active) in [
            ("2026-11-16T20:00:00Z", false),
            ("2026-11-23T18:59:59Z", false),
            ("2026-11-23T19:00:00Z", true),
            ("2026-11-23T21:00:00Z", false),
            ("2027-06-14T20:59:59Z", true),
        ] {
            assert_eq!(schedule.active_at(time(at)).is_some(), active, "{at}");
        }
        let next = schedule.next_after(time("2026-11-23T19:00:00Z")).unwrap();
        assert_eq!((next.start, next.end), (time("2026-11-30T19:00:00Z"), time("2026-11-30T21:00:00Z")));
        assert!(!schedule.is_over(time("2040-01-01T00:00:00Z")));
    }

    #[test]
    fn windows_that_overlap_are_one_until_the_last_ends() {
        let start = time("2026-11-24T00:00:00Z");
        let schedule = Schedule::recurring(start, Span::from_secs(36 * 3600), "FREQ=DAILY;COUNT=3", "UTC").unwrap();
        assert_eq!(schedule.active_at(time("2026-11-25T06:00:00Z")).unwrap().end, time("2026-11-26T12:00:00Z"));
        assert!(schedule.active_at(time("2026-11-27T11:59:59Z")).is_some());
        assert!(schedule.is_over(time("2026-11-27T12:00:00Z")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let start = time("2026-11-24T00:00:00Z");
        let hour = Span::from_secs(3600);
        for (duration, rule, zone, part) in [
            (hour, "FREQ=DAILY", "Mars/Base", "Mars/Base"),
            (hour, "FREQ=HOURLY", "UTC", "FREQ"),
            (Span::from_secs(1), "FREQ=DAILY", "UTC", "less than a minute"),
            (Span::from_secs(32 * 86_400), "FREQ=DAILY", "UTC", "31 days"),
            (hour, "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "UTC", "no occurrence"),
        ] {
            let error = Schedule::recurring(start, duration, rule, zone).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
