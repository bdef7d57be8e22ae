//! Times of the command line: an instant, `now`, so long ago or in so long.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ow_domain::{Span, Time};
use ow_service::HumanDuration;

/// A time as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    At(Time),
    Ago(Duration),
    In(Duration),
}

impl When {
    pub fn time(self, now: Time) -> Time {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => now - Span::from_std(ago),
            Self::In(time) => now + Span::from_std(time),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Ago(Duration::ZERO));
        }
        if let Some(later) = text.strip_prefix('+').and_then(|later| later.parse::<HumanDuration>().ok()) {
            return Ok(Self::In(later.0));
        }
        let ago = text.strip_prefix('-').and_then(|ago| ago.parse::<HumanDuration>().ok());
        match ago {
            Some(ago) => Ok(Self::Ago(ago.0)),
            None => Time::parse_rfc3339(text)
                .map(Self::At)
                .ok_or_else(|| "is no time; examples: 2026-11-22T09:41:07Z, -10m, now, +2h".to_owned()),
        }
    }
}

/// The wall clock.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_or_so_long_ago_or_ahead() {
        let now = Time::parse_rfc3339("2026-11-22T09:41:07Z").unwrap();
        for (text, expected) in [
            ("now", Some("2026-11-22T09:41:07Z")),
            ("-90s", Some("2026-11-22T09:39:37Z")),
            ("-2h", Some("2026-11-22T07:41:07Z")),
            ("2026-11-22T16:00:00+07:00", Some("2026-11-22T09:00:00Z")),
            ("+2h", Some("2026-11-22T11:41:07Z")),
            ("2h", None),
            ("yesterday", None),
            ("", None),
            ("-", None),
            ("+", None),
        ] {
            let read = text.parse::<When>().ok().map(|when| when.time(now));
            assert_eq!(read, expected.and_then(Time::parse_rfc3339), "{text}");
        }
    }
}
