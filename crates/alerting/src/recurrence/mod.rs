//! Recurring local times: the RRULE of RFC 5545 §3.3.10 in a time zone of the IANA database.
//!
//! Understood are FREQ (DAILY, WEEKLY, MONTHLY, YEARLY), INTERVAL, COUNT, UNTIL, BYDAY (with ordinals), BYMONTHDAY,
//! BYMONTH, BYHOUR, BYMINUTE, BYSETPOS and WKST. The other parts of the grammar are refused with a reason, never
//! ignored. The start gives the time of day and what the rule does not name; it is an occurrence only when the rule
//! says so (the RFC leaves other starts undefined).
//!
//! A local time that a change of the clock skips is read with the offset before the change, one that happens twice is
//! the first (RFC 5545 §3.3.5). The database is the one that is built in: nothing is read from the machine.

mod expand;
mod rule;

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use ow_domain::{Span, Time};

pub use rule::{Frequency, Rule, RuleError, Until};

/// An occurrence is looked for this far from where the search begins; rules with COUNT end there at the latest.
const HORIZON_YEARS: i16 = 50;

/// A zone by its IANA name, from the built-in database.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// A rule with its start and zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Recurrence {
    rule: Rule,
    start: DateTime,
    zone: TimeZone,
    /// The last occurrence may start here: of UNTIL or COUNT.
    last: Option<Time>,
}

impl Recurrence {
    /// Refused when no occurrence ever comes.
    pub fn new(rule: Rule, start: Time, zone: TimeZone) -> Result<Self, RuleError> {
        let instant =
            Timestamp::from_microsecond(start.unix_micros()).map_err(|_| RuleError::new("START", "is out of range"))?;
        // Occurrences are whole seconds.
        let start = zone.to_datetime(instant).with().subsec_nanosecond(0).build();
        let start = start.map_err(|_| RuleError::new("START", "is out of range"))?;
        let mut new = Self { rule, start, zone, last: None };
        new.last = match new.rule.until {
            Some(Until::Utc(time)) => Some(time),
            Some(Until::Local(local)) => new.instant(local),
            None => None,
        };
        if new.next_from(new.first()).is_none() {
            return Err(RuleError::new("FREQ", "has no occurrence after the start"));
        }
        if let Some(count) = new.rule.count {
            new.last = new.nth(count);
        }
        Ok(new)
    }

    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// All starts `s` with `from <= s <= to`, in order, each once.
    pub fn between(&self, from: Time, to: Time) -> Vec<Time> {
        let to = self.last.map_or(to, |last| last.min(to));
        let (Some(first), Some(end)) = (self.local_date(from), self.local_date(to)) else { return Vec::new() };
        // A day more on both sides: a skipped local time may move over midnight.
        let (first, end) = (first.saturating_sub(1.day()), end.saturating_add(1.day()));
        let mut starts: Vec<Time> = Vec::new();
        for period in expand::periods(&self.rule, self.start.date(), first).take_while(|p| p.first <= end) {
            starts.extend(self.starts_of(&period).into_iter().filter(|s| (from..=to).contains(s)));
        }
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// The first start at or after `from`.
    pub fn next_from(&self, from: Time) -> Option<Time> {
        let first = self.local_date(from.max(self.first()))?.saturating_sub(1.day());
        let horizon = Date::new(first.year().saturating_add(HORIZON_YEARS).min(9998), 12, 31).ok()?;
        let mut found: Option<Time> = None;
        for period in expand::periods(&self.rule, self.start.date(), first).take_while(|p| p.first <= horizon) {
            let next = self.starts_of(&period).into_iter().filter(|s| *s >= from).min();
            match (found, next) {
                // One period more: a skipped local time may have moved behind the next one.
                (Some(found), next) => return self.unless_over(next.map_or(found, |next| next.min(found))),
                (None, next) => found = next,
            }
            if self.last.is_some_and(|last| found.is_none() && self.begins_after(period.first, last)) {
                return None;
            }
        }
        self.unless_over(found?)
    }

    fn unless_over(&self, start: Time) -> Option<Time> {
        self.last.is_none_or(|last| start <= last).then_some(start)
    }

    fn begins_after(&self, date: Date, last: Time) -> bool {
        self.local_date(last).is_some_and(|end| date > end.saturating_add(1.day()))
    }

    /// The `count`th start, or the last one before the horizon.
    fn nth(&self, count: u32) -> Option<Time> {
        let date = self.start.date();
        let horizon = Date::new(date.year().saturating_add(HORIZON_YEARS).min(9998), 12, 31).ok()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut starts: Vec<Time> = Vec::new();
        for period in expand::periods(&self.rule, date, date).take_while(|p| p.first <= horizon) {
            starts.extend(self.starts_of(&period));
            if starts.len() >= count {
                break;
            }
        }
        starts.sort_unstable();
        starts.dedup();
        starts.get(count - 1).or(starts.last()).copied()
    }

    /// Starts of one period that are not before the start of the rule.
    fn starts_of(&self, period: &expand::Period) -> Vec<Time> {
        let locals = expand::candidates(&self.rule, self.start, period);
        locals.into_iter().filter(|local| *local >= self.start).filter_map(|local| self.instant(local)).collect()
    }

    fn first(&self) -> Time {
        self.instant(self.start).unwrap_or_default()
    }

    fn instant(&self, local: DateTime) -> Option<Time> {
        let stamp = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(Time::from_unix_micros(stamp.as_microsecond()))
    }

    fn local_date(&self, time: Time) -> Option<Date> {
        // The day before and after are added by callers: stay off the ends of time.
        const END: Time = Time::from_unix_micros(253_000_000_000_000_000);
        let time = time.clamp(Time::UNIX_EPOCH - Span::from_secs(365 * 86_400), END);
        let stamp = Timestamp::from_microsecond(time.unix_micros()).ok()?;
        Some(self.zone.to_datetime(stamp).date())
    }
}

#[cfg(test)]
mod tests;
