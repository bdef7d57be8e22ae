//! The text of an RRULE.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time as Clock, Weekday};
use jiff::tz::TimeZone;
use ow_domain::Time;

/// Longest text in bytes.
pub const MAX_RULE_BYTES: usize = 512;
const MAX_INTERVAL: u32 = 1_000;
const MAX_COUNT: u32 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// Up to and with this start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Utc(Time),
    /// In the zone of the rule; a date alone is the end of that day.
    Local(DateTime),
}

/// A rule as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) frequency: Frequency,
    pub(super) interval: u32,
    pub(super) count: Option<u32>,
    pub(super) until: Option<Until>,
    pub(super) by_month: Vec<i8>,
    /// 1 to 31, or from the end of the month.
    pub(super) by_month_day: Vec<i8>,
    /// Ordinal (0: every) and day.
    pub(super) by_day: Vec<(i8, Weekday)>,
    pub(super) by_hour: Vec<i8>,
    pub(super) by_minute: Vec<i8>,
    /// From 1, or from the end of the period.
    pub(super) by_set_pos: Vec<i16>,
    pub(super) week_start: Weekday,
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {reason}; for example FREQ=WEEKLY;BYDAY=TU (RFC 5545)")]
pub struct RuleError {
    /// `BYDAY`.
    pub part: String,
    pub reason: String,
}

impl RuleError {
    pub(super) fn new(part: &str, reason: impl Into<String>) -> Self {
        Self { part: part.chars().take(40).collect(), reason: reason.into() }
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

fn day(text: &str) -> Option<Weekday> {
    DAYS.iter().find(|(name, _)| *name == text).map(|(_, day)| *day)
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        if text.len() > MAX_RULE_BYTES {
            return Err(RuleError::new("the rule", format!("is longer than {MAX_RULE_BYTES} bytes")));
        }
        let text = text.trim().to_ascii_uppercase();
        let text = text.strip_prefix("RRULE:").unwrap_or(&text);
        let mut rule = Self {
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            by_month: Vec::new(),
            by_month_day: Vec::new(),
            by_day: Vec::new(),
            by_hour: Vec::new(),
            by_minute: Vec::new(),
            by_set_pos: Vec::new(),
            week_start: Weekday::Monday,
        };
        let mut seen: Vec<&str> = Vec::new();
        for part in text.split(';').filter(|part| !part.trim().is_empty()) {
            let Some((name, value)) = part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
                return Err(RuleError::new(part, "has no value; write NAME=VALUE"));
            };
            if seen.contains(&name) {
                return Err(RuleError::new(name, "is there twice"));
            }
            seen.push(name);
            rule.set(name, value)?;
        }
        if !seen.contains(&"FREQ") {
            return Err(RuleError::new("FREQ", "is missing"));
        }
        rule.check()?;
        Ok(rule)
    }
}

impl Rule {
    fn set(&mut self, name: &str, value: &str) -> Result<(), RuleError> {
        let fail = |reason: &str| Err(RuleError::new(name, reason));
        match name {
            "FREQ" => {
                self.frequency = match value {
                    "DAILY" => Frequency::Daily,
                    "WEEKLY" => Frequency::Weekly,
                    "MONTHLY" => Frequency::Monthly,
                    "YEARLY" => Frequency::Yearly,
                    _ => return fail("is not one of DAILY, WEEKLY, MONTHLY, YEARLY"),
                }
            }
            "INTERVAL" => match value.parse() {
                Ok(n) if (1..=MAX_INTERVAL).contains(&n) => self.interval = n,
                _ => return fail("is not a number from 1 to 1000"),
            },
            "COUNT" => match value.parse() {
                Ok(n) if (1..=MAX_COUNT).contains(&n) => self.count = Some(n),
                _ => return fail("is not a number from 1 to 1000"),
            },
            "UNTIL" => match until(value) {
                Some(until) => self.until = Some(until),
                None => return fail("is not a time such as 20261231T170000Z"),
            },
            "BYMONTH" => self.by_month = numbers(name, value, |n: i8| (1..=12).contains(&n), "1 to 12")?,
            "BYMONTHDAY" => {
                self.by_month_day =
                    numbers(name, value, |n: i8| n != 0 && (-31..=31).contains(&n), "1 to 31 or -31 to -1")?;
            }
            "BYHOUR" => self.by_hour = numbers(name, value, |n: i8| (0..=23).contains(&n), "0 to 23")?,
            "BYMINUTE" => self.by_minute = numbers(name, value, |n: i8| (0..=59).contains(&n), "0 to 59")?,
            "BYSETPOS" => {
                self.by_set_pos =
                    numbers(name, value, |n: i16| n != 0 && (-366..=366).contains(&n), "1 to 366 or -366 to -1")?;
            }
            "BYDAY" => {
                for item in value.split(',') {
                    let split = item.len().saturating_sub(2);
                    let found = item.get(split..).and_then(day);
                    let ordinal = match item.get(..split) {
                        Some("") => Some(0),
                        Some(text) => text.parse::<i8>().ok().filter(|n| *n != 0 && (-53..=53).contains(n)),
                        None => None,
                    };
                    let (Some(found), Some(ordinal)) = (found, ordinal) else {
                        return fail("is not a list of days such as MO,TU or 1SA,-1SU");
                    };
                    self.by_day.push((ordinal, found));
                }
                self.by_day.sort_by_key(|(n, day)| (*n, day.to_monday_zero_offset()));
                self.by_day.dedup();
            }
            "WKST" => match day(value) {
                Some(day) => self.week_start = day,
                None => return fail("is not a day such as MO"),
            },
            "BYSECOND" | "BYYEARDAY" | "BYWEEKNO" => return fail("is not supported"),
            _ => return fail("is not a part of a rule"),
        }
        Ok(())
    }

    /// What RFC 5545 forbids together.
    fn check(&self) -> Result<(), RuleError> {
        let fail = |part: &str, reason: &str| Err(RuleError::new(part, reason));
        if self.count.is_some() && self.until.is_some() {
            return fail("COUNT", "and UNTIL exclude each other");
        }
        let ordinals = self.by_day.iter().any(|(n, _)| *n != 0);
        if ordinals && !matches!(self.frequency, Frequency::Monthly | Frequency::Yearly) {
            return fail("BYDAY", "takes a number before the day for MONTHLY and YEARLY only");
        }
        if !self.by_month_day.is_empty() && self.frequency == Frequency::Weekly {
            return fail("BYMONTHDAY", "has no meaning for WEEKLY");
        }
        let none = self.by_month.is_empty()
            && self.by_month_day.is_empty()
            && self.by_day.is_empty()
            && self.by_hour.is_empty()
            && self.by_minute.is_empty();
        if none && !self.by_set_pos.is_empty() {
            return fail("BYSETPOS", "needs another BY part");
        }
        Ok(())
    }
}

fn numbers<T: FromStr + Ord + Copy>(
    name: &str,
    value: &str,
    good: impl Fn(T) -> bool,
    wanted: &str,
) -> Result<Vec<T>, RuleError> {
    let mut out = Vec::new();
    for item in value.split(',') {
        match item.trim().parse::<T>() {
            Ok(n) if good(n) => out.push(n),
            _ => return Err(RuleError::new(name, format!("is not a list of numbers {wanted}"))),
        }
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// `20261231T170000Z`, `20261231T170000`, `20261231`.
fn until(text: &str) -> Option<Until> {
    let (text, utc) = text.strip_suffix('Z').map_or((text, false), |text| (text, true));
    let (date, clock) = text.split_once('T').map_or((text, None), |(date, clock)| (date, Some(clock)));
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || clock.is_some_and(|clock| !digits(clock, 6)) || (utc && clock.is_none()) {
        return None;
    }
    let number = |text: &str| text.parse::<i8>().ok();
    let date = Date::new(date.get(..4)?.parse().ok()?, number(date.get(4..6)?)?, number(date.get(6..8)?)?).ok()?;
    let clock = match clock {
        None => Clock::new(23, 59, 59, 0).ok()?,
        Some(c) => Clock::new(number(c.get(..2)?)?, number(c.get(2..4)?)?, number(c.get(4..6)?)?, 0).ok()?,
    };
    let local = date.to_datetime(clock);
    if !utc {
        return Some(Until::Local(local));
    }
    let stamp = TimeZone::UTC.to_ambiguous_timestamp(local).compatible().ok()?;
    Some(Until::Utc(Time::from_unix_micros(stamp.as_microsecond())))
}

impl fmt::Display for Rule {
    /// The parts in the order of the RFC, defaults left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T>(f: &mut fmt::Formatter<'_>, name: &str, items: &[T], show: impl Fn(&T) -> String) -> fmt::Result {
            if items.is_empty() {
                return Ok(());
            }
            write!(f, ";{name}={}", items.iter().map(show).collect::<Vec<_>>().join(","))
        }
        let name_of = |day: Weekday| DAYS.iter().find(|(_, d)| *d == day).map_or("", |(name, _)| name);
        f.write_str(match self.frequency {
            Frequency::Daily => "FREQ=DAILY",
            Frequency::Weekly => "FREQ=WEEKLY",
            Frequency::Monthly => "FREQ=MONTHLY",
            Frequency::Yearly => "FREQ=YEARLY",
        })?;
        match self.until {
            Some(Until::Utc(time)) => {
                let stamp = jiff::Timestamp::from_microsecond(time.unix_micros()).unwrap_or_default();
                write!(f, ";UNTIL={}", stamp.strftime("%Y%m%dT%H%M%SZ"))?;
            }
            Some(Until::Local(local)) => write!(f, ";UNTIL={}", local.strftime("%Y%m%dT%H%M%S"))?,
            None => {}
        }
        if let Some(count) = self.count {
            write!(f, ";COUNT={count}")?;
        }
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        list(f, "BYMINUTE", &self.by_minute, ToString::to_string)?;
        list(f, "BYHOUR", &self.by_hour, ToString::to_string)?;
        list(f, "BYDAY", &self.by_day, |(n, day)| match n {
            0 => name_of(*day).to_owned(),
            n => format!("{n}{}", name_of(*day)),
        })?;
        list(f, "BYMONTHDAY", &self.by_month_day, ToString::to_string)?;
        list(f, "BYMONTH", &self.by_month, ToString::to_string)?;
        list(f, "BYSETPOS", &self.by_set_pos, ToString::to_string)?;
        if self.week_start != Weekday::Monday {
            write!(f, ";WKST={}", name_of(self.week_start))?;
        }
        Ok(())
    }
}
