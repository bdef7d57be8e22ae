//! Instants and spans. One scale for all facts: UTC in microseconds.
//!
//! A probe anchors UTC once at its start and adds its monotonic clock, so the times of one fetcher run never step
//! back; [`crate::capture::Capture::clock_uncertainty_us`] says how far from true UTC they may be.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in UTC, microseconds since 1970-01-01T00:00:00Z. JSON form: RFC 3339 with six decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, JsonSchema)]
#[schemars(with = "String", extend("format" = "date-time"))]
pub struct Time(i64);

/// A signed span in microseconds. JSON form: integer microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Span(i64);

impl Time {
    pub const UNIX_EPOCH: Self = Self(0);

    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// `self - earlier`, may be negative.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Reads RFC 3339 / ISO 8601 with a zone.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let stamp: jiff::Timestamp = text.parse().ok()?;
        Some(Self(stamp.as_microsecond()))
    }

    /// Reads the date of an HTTP header (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let stamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
        Some(Self(stamp.as_microsecond()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A playlist may lead beyond the year 9999; what is written must be readable again.
        let end = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let stamp = jiff::Timestamp::from_microsecond(self.0).unwrap_or(end);
        write!(f, "{stamp:.6}")
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is not a time; example: \"2026-11-22T09:41:07.250000Z\""))
        })
    }
}

impl Span {
    pub const ZERO: Self = Self(0);

    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }
    /// Rounds to the microsecond; saturates, NaN is zero.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e6).round() as i64)
    }
    pub const fn micros(self) -> i64 {
        self.0
    }
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
    /// `self * num / den`, exact in 128 bits, rounded toward zero, saturating. `den` 0 counts as 1.
    pub fn mul_ratio(self, num: i64, den: i64) -> Self {
        let wide = i128::from(self.0) * i128::from(num) / i128::from(if den == 0 { 1 } else { den });
        Self(wide.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
    /// Negative spans become zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }
    pub fn from_std(duration: std::time::Duration) -> Self {
        Self(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.secs_f64())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}
impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}
impl Sub<Span> for Time {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}
impl Sub for Time {
    type Output = Span;
    fn sub(self, earlier: Self) -> Span {
        self.since(earlier)
    }
}
impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
impl Neg for Span {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}
impl std::iter::Sum for Span {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_and_write_rfc3339() {
        let t = Time::parse_rfc3339("2026-11-22T09:41:07.25Z").unwrap();
        assert_eq!(t.to_string(), "2026-11-22T09:41:07.250000Z");
        assert_eq!(serde_json::from_str::<Time>(&serde_json::to_string(&t).unwrap()).unwrap(), t);
        assert_eq!(Time::parse_rfc3339("2026-11-22T16:41:07.25+07:00").unwrap(), t);
        assert!(Time::parse_rfc3339("yesterday").is_none());
        for beyond in [i64::MAX, i64::MIN] {
            let text = Time::from_unix_micros(beyond).to_string();
            assert!(Time::parse_rfc3339(&text).is_some(), "{text}");
        }
        assert_eq!(t + Span::from_secs(1) - t, Span::from_millis(1000));
    }

    #[test]
    fn dates_of_http_are_read() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            (" Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("1994-11-06T08:49:37Z", None),
            ("soon", None),
        ] {
            assert_eq!(Time::parse_http_date(text).map(Time::unix_seconds), seconds, "{text}");
        }
    }

    #[test]
    fn spans_saturate_and_scale_exactly() {
        assert_eq!(Span::from_secs(6).mul_ratio(3, 2), Span::from_secs(9));
        assert_eq!(Span::from_micros(i64::MAX) + Span::from_secs(1), Span::from_micros(i64::MAX));
        assert_eq!(Span::from_secs_f64(f64::NAN), Span::ZERO);
        assert_eq!(Span::from_secs(-1).to_std(), std::time::Duration::ZERO);
    }
}
