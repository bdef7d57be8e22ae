//! Attribute values by type. What cannot be read is an issue and `None`.

use crate::value::{NumberError, parse_date_time, parse_duration, read_i64, read_seconds_us, read_u64};
use crate::xml::{Attribute, Element, Space, Walker};
use crate::{At, ByteRange, DateTime, Duration, IssueKind, Offset, Ratio, model::Text};

impl<'a> Walker<'a> {
    pub(super) fn text(&self, a: &Attribute<'a>) -> Option<At<Text>> {
        Some(At { value: (*a.value).into(), at: a.at })
    }

    fn wrong(&mut self, e: &Element<'a>, a: &Attribute<'a>, kind: IssueKind, expected: &str) {
        self.issue(a.at, kind, format!("{}@{}", e.name, a.name), format!("{:?}", a.value), expected);
    }

    fn read_number(&mut self, e: &Element<'a>, a: &Attribute<'a>, invalid: IssueKind, range: IssueKind) -> Option<u64> {
        match read_u64(a.value.trim()) {
            Ok(value) => Some(value),
            Err(NumberError::Invalid) => {
                self.wrong(e, a, invalid, "a whole number");
                None
            }
            Err(NumberError::Range) => {
                self.wrong(e, a, range, "0 to 18446744073709551615");
                None
            }
        }
    }

    /// A number that the arithmetic of segments needs.
    pub(super) fn number(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<u64>> {
        let value = self.read_number(e, a, IssueKind::NumberInvalid, IssueKind::NumberRange)?;
        Some(At { value, at: a.at })
    }

    /// The same, where zero has no meaning.
    pub(super) fn positive(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<u64>> {
        let number = self.number(e, a)?;
        self.not_zero(e, a, number.value);
        Some(number)
    }

    /// A number that only describes.
    pub(super) fn plain(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<u64>> {
        let value = self.read_number(e, a, IssueKind::AttributeValue, IssueKind::AttributeValue)?;
        Some(At { value, at: a.at })
    }

    pub(super) fn plain_positive(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<u64>> {
        let number = self.plain(e, a)?;
        self.not_zero(e, a, number.value);
        Some(number)
    }

    fn not_zero(&mut self, e: &Element<'a>, a: &Attribute<'a>, value: u64) {
        if value == 0 {
            self.issue(a.at, IssueKind::ZeroValue, format!("{}@{}", e.name, a.name), "0", "at least 1");
        }
    }

    pub(super) fn signed(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<i64>> {
        match read_i64(a.value.trim()) {
            Ok(value) => Some(At { value, at: a.at }),
            Err(NumberError::Invalid) => {
                self.wrong(e, a, IssueKind::NumberInvalid, "a whole number");
                None
            }
            Err(NumberError::Range) => {
                self.wrong(e, a, IssueKind::NumberRange, "a number of 64 bits");
                None
            }
        }
    }

    pub(super) fn duration(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<Duration>> {
        let Some(value) = parse_duration(a.value.trim()) else {
            self.wrong(e, a, IssueKind::DurationInvalid, "a duration such as PT2S");
            return None;
        };
        if value.calendar {
            self.wrong(e, a, IssueKind::DurationCalendar, "no years and months");
        }
        if value.micros < 0 {
            self.wrong(e, a, IssueKind::NumberRange, "at least PT0S");
            return None;
        }
        Some(At { value, at: a.at })
    }

    pub(super) fn date_time(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<DateTime>> {
        let Some(value) = parse_date_time(a.value.trim()) else {
            self.wrong(e, a, IssueKind::DateTimeInvalid, "a date such as 2026-01-01T00:00:00Z");
            return None;
        };
        if !value.has_zone {
            self.wrong(e, a, IssueKind::DateTimeWithoutZone, "a time zone; taken as UTC");
        }
        Some(At { value, at: a.at })
    }

    pub(super) fn boolean(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<bool>> {
        let value = match a.value.trim() {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                self.wrong(e, a, IssueKind::AttributeValue, "true or false");
                return None;
            }
        };
        Some(At { value, at: a.at })
    }

    pub(super) fn offset(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<Offset>> {
        let value = match a.value.trim() {
            "INF" | "+INF" => Offset::Infinite,
            text => match read_seconds_us(text) {
                Some(micros) => Offset::Micros(micros),
                None => {
                    self.wrong(e, a, IssueKind::NumberInvalid, "seconds or INF");
                    return None;
                }
            },
        };
        Some(At { value, at: a.at })
    }

    pub(super) fn seconds(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<i64>> {
        match read_seconds_us(a.value.trim()) {
            Some(value) => Some(At { value, at: a.at }),
            None => {
                self.wrong(e, a, IssueKind::NumberInvalid, "seconds");
                None
            }
        }
    }

    pub(super) fn ratio(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<Ratio>> {
        let text = a.value.trim();
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        let (Ok(numerator), Ok(denominator)) = (read_u64(numerator), read_u64(denominator)) else {
            self.wrong(e, a, IssueKind::AttributeValue, "a whole number or a ratio of two");
            return None;
        };
        if numerator == 0 || denominator == 0 {
            self.wrong(e, a, IssueKind::ZeroValue, "above 0");
        }
        Some(At { value: Ratio { numerator, denominator }, at: a.at })
    }

    pub(super) fn range(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<ByteRange>> {
        let range = read_range(a.value.trim());
        if range.is_none() {
            self.wrong(e, a, IssueKind::NumberInvalid, "first-last");
        }
        Some(At { value: range?, at: a.at })
    }

    /// `@xlink:href`: kept, reported, not followed.
    pub(super) fn href(&mut self, e: &Element<'a>, a: &Attribute<'a>) -> Option<At<Text>> {
        let nil = &*a.value == "urn:mpeg:dash:resolve-to-zero:2013";
        if !nil {
            self.wrong(e, a, IssueKind::NotCovered, "nothing remote; it is not fetched");
        }
        self.text(a)
    }

    /// The attributes of no namespace that `each` does not know are ignored; `xlink:href` is shown to it as `href`.
    pub(super) fn each_attribute(&mut self, e: &Element<'a>, mut each: impl FnMut(&mut Self, &Attribute<'a>, Space)) {
        for attribute in self.attributes(e) {
            each(self, &attribute, attribute.space);
        }
    }
}

/// `first-last` or `first-`.
fn read_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.split_once('-')?;
    let first = read_u64(first).ok()?;
    let last = if last.is_empty() { None } else { Some(read_u64(last).ok()?) };
    last.is_none_or(|last| last >= first).then_some(ByteRange { first, last })
}
