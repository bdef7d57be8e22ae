//! The wall clock, and the client's time type as ours.

use std::time::{SystemTime, UNIX_EPOCH};

use ow_domain::Time;

pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

pub fn from_nats(at: time::OffsetDateTime) -> Time {
    Time::from_unix_micros(i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX))
}
