//! A rule and a period (day, week, month, year) -> the local times of that period.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};

use super::rule::{Frequency, Rule};

/// Days of one period of the rule's frequency.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    pub first: Date,
    last: Date,
}

/// The periods of a rule from the one that holds `from` (or the next one, by INTERVAL), without end but that of the
/// calendar.
pub fn periods(rule: &Rule, start: Date, from: Date) -> impl Iterator<Item = Period> {
    let interval = i64::from(rule.interval.max(1));
    let from = from.max(start);
    let (frequency, week_start) = (rule.frequency, rule.week_start);
    let passed = match frequency {
        Frequency::Daily => days(start, from),
        Frequency::Weekly => days(week_of(start, week_start), week_of(from, week_start)) / 7,
        Frequency::Monthly => months(from) - months(start),
        Frequency::Yearly => i64::from(from.year()) - i64::from(start.year()),
    };
    // The last one of ours that is not after `from`.
    let mut number = passed - passed.rem_euclid(interval);
    std::iter::from_fn(move || {
        let period = period(frequency, week_start, start, number)?;
        number += interval;
        Some(period)
    })
}

fn period(frequency: Frequency, week_start: Weekday, start: Date, number: i64) -> Option<Period> {
    match frequency {
        Frequency::Daily => {
            let day = start.checked_add(number.days()).ok()?;
            Some(Period { first: day, last: day })
        }
        Frequency::Weekly => {
            let first = week_of(start, week_start).checked_add(number.checked_mul(7)?.days()).ok()?;
            Some(Period { first, last: first.checked_add(6.days()).ok()? })
        }
        Frequency::Monthly => {
            let month = months(start) + number;
            let year = i16::try_from(month.div_euclid(12)).ok()?;
            let first = Date::new(year, i8::try_from(month.rem_euclid(12) + 1).ok()?, 1).ok()?;
            Some(Period { first, last: first.last_of_month() })
        }
        Frequency::Yearly => {
            let year = i16::try_from(i64::from(start.year()) + number).ok()?;
            Some(Period { first: Date::new(year, 1, 1).ok()?, last: Date::new(year, 12, 31).ok()? })
        }
    }
}

fn days(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

fn months(date: Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

/// First day of the week that holds the date.
fn week_of(date: Date, week_start: Weekday) -> Date {
    let back =
        (7 + i64::from(date.weekday().to_monday_zero_offset()) - i64::from(week_start.to_monday_zero_offset())) % 7;
    date.saturating_sub(back.days())
}

/// Local times of a period in order, after BYSETPOS; also those before the start of the rule, which count for BYSETPOS.
pub fn candidates(rule: &Rule, start: DateTime, period: &Period) -> Vec<DateTime> {
    let own = |by: &[i8], of_start: i8| if by.is_empty() { vec![of_start] } else { by.to_vec() };
    let (hours, minutes) = (own(&rule.by_hour, start.hour()), own(&rule.by_minute, start.minute()));
    let mut all = Vec::new();
    let mut date = period.first;
    loop {
        if is_day(rule, start.date(), date) {
            for hour in &hours {
                all.extend(minutes.iter().map(|minute| date.at(*hour, *minute, start.second(), 0)));
            }
        }
        match date.tomorrow() {
            Ok(next) if next <= period.last => date = next,
            _ => break,
        }
    }
    if rule.by_set_pos.is_empty() {
        return all;
    }
    let mut positions: Vec<usize> = rule
        .by_set_pos
        .iter()
        .filter_map(|n| {
            let n = isize::from(*n);
            if n > 0 { usize::try_from(n - 1).ok() } else { all.len().checked_sub(n.unsigned_abs()) }
        })
        .collect();
    positions.sort_unstable();
    positions.dedup();
    positions.into_iter().filter_map(|at| all.get(at).copied()).collect()
}

/// The table of RFC 5545 §3.3.10: what a BY part is not given for comes from the start.
fn is_day(rule: &Rule, start: Date, date: Date) -> bool {
    if !rule.by_month.is_empty() && !rule.by_month.contains(&date.month()) {
        return false;
    }
    if !rule.by_month_day.is_empty() {
        let from_end = date.day() - date.days_in_month() - 1;
        if !rule.by_month_day.iter().any(|n| *n == date.day() || *n == from_end) {
            return false;
        }
    }
    if !rule.by_day.is_empty() {
        return rule.by_day.iter().any(|(ordinal, day)| *day == date.weekday() && is_nth(rule, *ordinal, date));
    }
    if !rule.by_month_day.is_empty() {
        return true;
    }
    match rule.frequency {
        Frequency::Daily => true,
        Frequency::Weekly => date.weekday() == start.weekday(),
        Frequency::Monthly => date.day() == start.day(),
        Frequency::Yearly => date.day() == start.day() && (!rule.by_month.is_empty() || date.month() == start.month()),
    }
}

/// Whether it is the nth such weekday of its month (of its year for YEARLY without BYMONTH); negative: from the end.
fn is_nth(rule: &Rule, ordinal: i8, date: Date) -> bool {
    let (day, length) = if rule.frequency == Frequency::Monthly || !rule.by_month.is_empty() {
        (i16::from(date.day()), i16::from(date.days_in_month()))
    } else {
        (date.day_of_year(), date.days_in_year())
    };
    match i16::from(ordinal) {
        0 => true,
        n if n > 0 => (day - 1) / 7 + 1 == n,
        n => (length - day) / 7 + 1 == -n,
    }
}
