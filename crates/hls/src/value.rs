//! Numbers, durations and dates, exact: no floating point between text and model.

use crate::model::{DateTime, Resolution};

/// A decimal read from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// Rounded half up, away from zero; saturates at [`i64::MAX`].
    pub micros: i64,
    pub n_significant_digits: u32,
    pub is_integer: bool,
}

/// `[-]digits[.digits]` to microseconds. `None` for anything else, also for exponents and a lone point.
pub(crate) fn read_decimal(text: &str) -> Option<Decimal> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut micros: i64 = 0;
    let mut n_significant_digits = 0;
    let mut fraction: Option<u32> = None;
    let mut n_digits = 0;
    let mut round_up = false;
    for b in digits.bytes() {
        match b {
            b'0'..=b'9' => {
                n_digits += 1;
                if n_significant_digits > 0 || b != b'0' {
                    n_significant_digits += 1;
                }
                let digit = i64::from(b - b'0');
                match &mut fraction {
                    None => micros = micros.saturating_mul(10).saturating_add(digit),
                    Some(place) => {
                        if *place < 6 {
                            micros = micros.saturating_mul(10).saturating_add(digit);
                        } else if *place == 6 {
                            round_up = b >= b'5';
                        }
                        *place += 1;
                    }
                }
            }
            b'.' if fraction.is_none() => fraction = Some(0),
            _ => return None,
        }
    }
    if n_digits == 0 {
        return None;
    }
    for _ in fraction.unwrap_or(0).min(6)..6 {
        micros = micros.saturating_mul(10);
    }
    if round_up {
        micros = micros.saturating_add(1);
    }
    let micros = if negative { -micros } else { micros };
    Some(Decimal { micros, n_significant_digits, is_integer: fraction.is_none() })
}

/// Decimal seconds (`[-]digits[.digits]`) to microseconds, rounded half up, saturating.
pub fn parse_decimal_us(text: &str) -> Option<i64> {
    read_decimal(text).map(|decimal| decimal.micros)
}

/// Decimal integer of at most 20 digits (BIS 4.2).
pub(crate) fn read_u64(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `WxH`.
pub(crate) fn read_resolution(text: &str) -> Option<Resolution> {
    let (width, height) = text.split_once('x')?;
    Some(Resolution { width: read_u64(width)?.try_into().ok()?, height: read_u64(height)?.try_into().ok()? })
}

/// ISO 8601 date and time as playlists write it: `2026-11-22T09:41:07.250+07:00`, also `Z`, `+0700`, `+07`, a comma
/// as decimal point, or no zone (taken as UTC, see [`DateTime::has_zone`]). `line` of the result is 0.
pub fn parse_date_time(text: &str) -> Option<DateTime> {
    let mut cursor = Cursor(text.as_bytes());
    let year = cursor.number(4)?;
    cursor.expect(b'-')?;
    let month = cursor.number(2)?;
    cursor.expect(b'-')?;
    let day = cursor.number(2)?;
    match cursor.next()? {
        b'T' | b't' | b' ' => {}
        _ => return None,
    }
    let hour = cursor.number(2)?;
    cursor.expect(b':')?;
    let minute = cursor.number(2)?;
    let mut second = 0;
    if cursor.peek() == Some(b':') {
        cursor.next();
        second = cursor.number(2)?;
    }
    let mut fraction_us = 0;
    let mut n_fraction_digits = 0u8;
    if matches!(cursor.peek(), Some(b'.' | b',')) {
        cursor.next();
        let mut scale = 100_000;
        while let Some(b @ b'0'..=b'9') = cursor.peek() {
            cursor.next();
            n_fraction_digits = n_fraction_digits.saturating_add(1);
            fraction_us += i64::from(b - b'0') * scale;
            scale /= 10;
        }
        if n_fraction_digits == 0 {
            return None;
        }
    }
    let (has_zone, zone_without_colon, zone_seconds) = match cursor.next() {
        None => (false, false, 0),
        Some(b'Z' | b'z') => (true, false, 0),
        Some(sign @ (b'+' | b'-')) => {
            let hours = cursor.number(2)?;
            let mut bare = false;
            let minutes = match cursor.peek() {
                Some(b':') => {
                    cursor.next();
                    cursor.number(2)?
                }
                Some(_) => {
                    bare = true;
                    cursor.number(2)?
                }
                None => {
                    bare = true;
                    0
                }
            };
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            (true, bare, if sign == b'-' { -seconds } else { seconds })
        }
        Some(_) => return None,
    };
    // 60 for a leap second, read as the first moment of the next minute.
    if !cursor.0.is_empty() || day < 1 || day > days_in_month(year, month)? || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - zone_seconds;
    Some(DateTime {
        line: 0,
        unix_us: seconds * 1_000_000 + fraction_us,
        has_zone,
        zone_without_colon,
        n_fraction_digits,
    })
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }
    fn number(&mut self, n_digits: usize) -> Option<i64> {
        let digits = self.0.get(..n_digits)?;
        self.0 = &self.0[n_digits..];
        digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    }
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

/// Days since 1970-01-01 of the proleptic Gregorian calendar (Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// UTC text with microseconds: the inverse of [`parse_date_time`] for writers.
pub(crate) fn write_date_time(unix_us: i64) -> String {
    let seconds = unix_us.div_euclid(1_000_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        unix_us.rem_euclid(1_000_000)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (text, expected) in [
            ("6", Some(6_000_000)),
            ("6.0", Some(6_000_000)),
            ("5.994667", Some(5_994_667)),
            ("5.9946666666", Some(5_994_667)),
            ("0.0000005", Some(1)),
            ("0.00000049", Some(0)),
            ("-1.5", Some(-1_500_000)),
            (".5", Some(500_000)),
            ("6.", Some(6_000_000)),
            ("99999999999999999999999", Some(i64::MAX)),
            ("", None),
            (".", None),
            ("-", None),
            ("abc", None),
            ("1e3", None),
            ("1.2.3", None),
            ("+1", None),
            ("0x6", None),
            ("6 ", None),
            ("inf", None),
            ("NaN", None),
        ] {
            assert_eq!(parse_decimal_us(text), expected, "{text:?}");
        }
        let d = read_decimal("006.1234567890123456").unwrap();
        assert_eq!((d.n_significant_digits, d.is_integer), (17, false));
        assert!(read_decimal("6").unwrap().is_integer);
    }

    #[test]
    fn dates_are_read() {
        let us = |text: &str| parse_date_time(text).map(|d| d.unix_us);
        assert_eq!(us("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(us("2026-11-22T09:41:07.250Z"), Some(1_795_340_467_250_000));
        assert_eq!(us("2026-11-22T16:41:07.25+07:00"), us("2026-11-22T09:41:07.250Z"));
        assert_eq!(us("2026-11-22T16:41:07.25+0700"), us("2026-11-22T09:41:07.250Z"));
        assert_eq!(us("2026-11-22T16:41:07,25+07"), us("2026-11-22T09:41:07.250Z"));
        assert_eq!(us("2024-02-29T00:00:00Z"), Some(1_709_164_800_000_000));
        assert_eq!(us("1900-03-01T00:00:00Z"), Some(-2_203_891_200_000_000));
        let bare = parse_date_time("2026-11-22T09:41:07").unwrap();
        assert!(!bare.has_zone && bare.n_fraction_digits == 0);
        assert!(parse_date_time("2026-11-22T09:41:07.1+0700").unwrap().zone_without_colon);
        for bad in [
            "",
            "2026-11-22",
            "2023-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T25:00:00Z",
            "2026-11-22T09:41:07.Z",
            "2026-11-22T09:41:07Zx",
            "2026-11-22T09:41:07+7",
            "yesterday",
        ] {
            assert_eq!(parse_date_time(bad), None, "{bad:?}");
        }
        for n in [0, 1, 1_795_340_467_250_000, -2_203_891_200_000_001, 951_782_400_000_000] {
            assert_eq!(us(&write_date_time(n)), Some(n));
        }
    }
}
