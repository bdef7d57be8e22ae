//! `timestamptz` has microseconds, as [`Time`] has: the way there and back is exact.

use jiff::Timestamp;
use ow_domain::Time;

/// For a `timestamptz` parameter. Times that Postgres cannot hold are cut to its range.
pub fn sql_time(time: Time) -> Timestamp {
    Timestamp::from_microsecond(time.unix_micros()).unwrap_or(if time.unix_micros() < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// From a `timestamptz` column.
pub fn from_sql_time(stamp: Timestamp) -> Time {
    Time::from_unix_micros(stamp.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_to_postgres_and_back() {
        for micros in [0, 1, -1, 1_795_000_000_123_456] {
            let time = Time::from_unix_micros(micros);
            assert_eq!(from_sql_time(sql_time(time)), time);
        }
        assert_eq!(sql_time(Time::from_unix_micros(i64::MAX)), Timestamp::MAX);
        assert_eq!(sql_time(Time::from_unix_micros(i64::MIN)), Timestamp::MIN);
    }
}
