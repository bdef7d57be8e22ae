//! Durations, dates and numbers, exact: no floating point between text and model.

/// xs:dateTime as an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DateTime {
    /// Microseconds since 1970-01-01T00:00:00Z, further digits rounded half up.
    pub unix_us: i64,
    /// False when no zone is written; then UTC was taken.
    pub has_zone: bool,
}

/// xs:duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duration {
    /// Rounded half up, away from zero.
    pub micros: i64,
    /// Years or months are written: taken as 365 and 30 days.
    pub calendar: bool,
}

/// Why a number cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberError {
    Invalid,
    Range,
}

/// `[+-]digits` to u64. A sign is legal for xs:integer types; below zero is out of range.
pub(crate) fn read_u64(text: &str) -> Result<u64, NumberError> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberError::Invalid);
    }
    let value = digits.parse::<u64>().map_err(|_| NumberError::Range)?;
    if negative && value != 0 { Err(NumberError::Range) } else { Ok(value) }
}

pub(crate) fn read_i64(text: &str) -> Result<i64, NumberError> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberError::Invalid);
    }
    let value = digits.parse::<i128>().map_err(|_| NumberError::Range)?;
    i64::try_from(if negative { -value } else { value }).map_err(|_| NumberError::Range)
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// `digits[.digits]` (a leading or trailing point is legal) scaled by 10^`places`, rounded half up.
fn read_scaled(text: &str, places: i32) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    let mut place = -(whole.len() as i64);
    let mut round_up = false;
    for b in whole.bytes().chain(fraction.bytes()) {
        if !b.is_ascii_digit() {
            return None;
        }
        place += 1;
        if place <= i64::from(places) {
            value = value.checked_mul(10)?.checked_add(i128::from(b - b'0'))?;
        } else if place == i64::from(places) + 1 {
            round_up = b >= b'5';
        }
    }
    while place < i64::from(places) {
        place += 1;
        value = value.checked_mul(10)?;
    }
    Some(value + i128::from(round_up))
}

/// xs:double seconds (`0.5`, `-1`, `1.5E1`) to microseconds; `INF` and `NaN` are no answer here.
pub(crate) fn read_seconds_us(text: &str) -> Option<i64> {
    let (negative, rest) = split_sign(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    if !(-30..=12).contains(&exponent) {
        return None;
    }
    let micros = i64::try_from(read_scaled(mantissa, 6 + exponent)?).ok()?;
    Some(if negative { -micros } else { micros })
}

/// Longer ones (36 000 years) are refused, so that sums of a few stay far from the end of the type.
const MAX_DURATION_US: i64 = i64::MAX / 8;

/// xs:duration: `[-]PnYnMnDTnHnMn.nS`, each part optional but one.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (rest, None),
    };
    let mut total: i128 = 0;
    let mut calendar = false;
    let mut n_parts = 0;
    let mut part = |text: &str, units: &[(char, i128)]| -> Option<()> {
        let mut rest = text;
        let mut units = units.iter();
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, tail) = rest.split_at(end);
            let unit = tail.chars().next()?;
            let (_, micros) = units.by_ref().find(|(name, _)| *name == unit)?;
            if unit == 'S' {
                total = total.checked_add(read_scaled(number, 6)?)?;
            } else {
                total = total.checked_add(i128::from(read_u64(number).ok()?).checked_mul(*micros)?)?;
            }
            calendar |= *micros > 86_400_000_000;
            n_parts += 1;
            rest = &tail[unit.len_utf8()..];
        }
        Some(())
    };
    const SECOND: i128 = 1_000_000;
    part(date, &[('Y', 365 * 86_400 * SECOND), ('M', 30 * 86_400 * SECOND), ('D', 86_400 * SECOND)])?;
    if let Some(time) = time {
        if time.is_empty() {
            return None;
        }
        part(time, &[('H', 3_600 * SECOND), ('M', 60 * SECOND), ('S', SECOND)])?;
    }
    if n_parts == 0 {
        return None;
    }
    let micros = i64::try_from(total).ok().filter(|micros| *micros <= MAX_DURATION_US)?;
    Some(Duration { micros: if negative { -micros } else { micros }, calendar })
}

/// xs:dateTime: `2026-11-22T09:41:07.25+07:00`, `Z`, or no zone (taken as UTC).
pub fn parse_date_time(text: &str) -> Option<DateTime> {
    let (date, rest) = text.split_once('T')?;
    let mut date = date.splitn(3, '-');
    let year = fixed(date.next()?, 4)?;
    let month = fixed(date.next()?, 2)?;
    let day = fixed(date.next()?, 2)?;
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    let zone_seconds = match zone {
        "" | "Z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let (hours, minutes) = (fixed(hours, 2)?, fixed(minutes, 2)?);
            if minutes > 59 || hours * 60 + minutes > 14 * 60 {
                return None;
            }
            (hours * 3_600 + minutes * 60) * if zone.starts_with('-') { -1 } else { 1 }
        }
    };
    let mut clock = clock.splitn(3, ':');
    let hour = fixed(clock.next()?, 2)?;
    let minute = fixed(clock.next()?, 2)?;
    let second = clock.next()?;
    let whole = second.split_once('.').map_or(second, |(whole, _)| whole);
    // 60 for a leap second, read as the first moment of the next minute.
    if fixed(whole, 2)? > 60 || second.ends_with('.') {
        return None;
    }
    let second_us = i64::try_from(read_scaled(second, 6)?).ok()?;
    if day < 1 || day > days_in_month(year, month)? || minute > 59 {
        return None;
    }
    if hour > 23 && !(hour == 24 && minute == 0 && second_us == 0) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 - zone_seconds;
    Some(DateTime { unix_us: seconds * 1_000_000 + second_us, has_zone: !zone.is_empty() })
}

/// Exactly `n` digits.
fn fixed(text: &str, n: usize) -> Option<i64> {
    (text.len() == n && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => return None,
    })
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// UTC text with microseconds: the inverse of [`parse_date_time`].
pub(crate) fn write_date_time(unix_us: i64) -> String {
    let seconds = unix_us.div_euclid(1_000_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let fraction = match unix_us.rem_euclid(1_000_000) {
        0 => String::new(),
        us => format!(".{us:06}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// Decimal seconds without trailing zeros.
pub(crate) fn write_seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let text = format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `PT12.5S`: the inverse of [`parse_duration`].
pub(crate) fn write_duration(micros: i64) -> String {
    let seconds = write_seconds(micros);
    match seconds.strip_prefix('-') {
        Some(seconds) => format!("-PT{seconds}S"),
        None => format!("PT{seconds}S"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact() {
        for (text, expected) in [
            ("PT2S", Some(2_000_000)),
            ("PT0S", Some(0)),
            ("PT1.920S", Some(1_920_000)),
            ("PT1.9199999S", Some(1_920_000)),
            ("PT.5S", Some(500_000)),
            ("PT1H2M3.000001S", Some(3_723_000_001)),
            ("P1D", Some(86_400_000_000)),
            ("P1DT1S", Some(86_401_000_000)),
            ("-PT1S", Some(-1_000_000)),
            ("PT100M", Some(6_000_000_000)),
            ("P292000Y", None),
            ("P", None),
            ("PT", None),
            ("P1DT", None),
            ("PT1S2M", None),
            ("PT1M1M", None),
            ("P1H", None),
            ("PT1.5M", None),
            ("PT-1S", None),
            ("2", None),
            ("", None),
            ("PTS", None),
            ("pt2s", None),
            ("PT2é", None),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.micros), expected, "{text:?}");
        }
        assert!(parse_duration("P1Y").unwrap().calendar && parse_duration("P1M").unwrap().calendar);
        assert!(!parse_duration("P400DT1M").unwrap().calendar);
        for micros in [0, 1, 1_500_000, -2_000_001, MAX_DURATION_US] {
            assert_eq!(parse_duration(&write_duration(micros)).unwrap().micros, micros);
        }
    }

    #[test]
    fn dates_are_exact() {
        let us = |text: &str| parse_date_time(text).map(|d| d.unix_us);
        assert_eq!(us("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(us("2026-01-01T00:00:00Z"), us("2026-01-01T00:00:00+00:00"));
        assert_eq!(us("2026-11-22T16:41:07.25+07:00"), Some(1_795_340_467_250_000));
        assert_eq!(us("2026-11-22T09:41:07.2500004Z"), Some(1_795_340_467_250_000));
        assert_eq!(us("2026-11-22T24:00:00Z"), us("2026-11-23T00:00:00Z"));
        assert_eq!(
            parse_date_time("2026-11-22T09:41:07"),
            Some(DateTime { unix_us: 1_795_340_467_000_000, has_zone: false })
        );
        for bad in [
            "",
            "T",
            "2026-11-22",
            "2026-11-22 09:41:07Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:01Z",
            "2026-11-22T09:41Z",
            "2026-11-22T09:41:07.Z",
            "2026-11-22T09:41:07+07",
            "2026-11-22T09:41:07+0700",
            "2026-11-22T09:41:07+15:00",
            "2026-11-22T09:41:07Zx",
            "26-11-22T09:41:07Z",
        ] {
            assert_eq!(us(bad), None, "{bad:?}");
        }
        for n in [0, 1, 1_795_340_467_250_000, -2_203_891_200_000_001, 951_782_400_000_000] {
            assert_eq!(us(&write_date_time(n)), Some(n));
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(read_u64("0090"), Ok(90));
        assert_eq!(read_u64("+9"), Ok(9));
        assert_eq!(read_u64("-0"), Ok(0));
        assert_eq!(read_u64("-1"), Err(NumberError::Range));
        assert_eq!(read_u64("18446744073709551616"), Err(NumberError::Range));
        assert_eq!(read_u64("1.0"), Err(NumberError::Invalid));
        assert_eq!(read_u64(""), Err(NumberError::Invalid));
        assert_eq!(read_i64("-1"), Ok(-1));
        assert_eq!(read_i64("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(read_i64("9223372036854775808"), Err(NumberError::Range));
        for (text, expected) in [
            ("0.5", Some(500_000)),
            ("1.5E1", Some(15_000_000)),
            ("15e-1", Some(1_500_000)),
            ("-2", Some(-2_000_000)),
            ("7.000", Some(7_000_000)),
            ("INF", None),
            ("1e99", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(read_seconds_us(text), expected, "{text:?}");
        }
    }
}
