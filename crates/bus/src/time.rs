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

/// Times beyond what the client can hold are cut to the Unix epoch.
pub fn to_nats(at: Time) -> time::OffsetDateTime {
    let nanos = i128::from(at.unix_micros()) * 1_000;
    time::OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
