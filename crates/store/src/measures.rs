//! Minute rollups of measured numbers. Old ones go by the day: [`crate::partitions`].

use jiff::Timestamp;
use ow_domain::{ChannelId, StreamId, Time};

use crate::{Store, StoreError, from_sql_time, sql_time};

/// One number measured at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `None` for a number of the stream itself.
    pub track: Option<String>,
    pub name: String,
    pub value: f64,
}

/// One minute of one number.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureMinute {
    pub track: Option<String>,
    pub name: String,
    pub minute: Time,
    pub n: u64,
    pub min: f64,
    pub max: f64,
    pub avg: f64,
    pub last: f64,
}

impl Store {
    /// Adds numbers of a stream measured at `at` to their minute. Numbers that are not finite, and a name that comes
    /// twice, are left out. The same or an older measurement changes neither count, sum nor last value, so that a
    /// message delivered twice counts once; the least and greatest value are right in any order.
    pub async fn add_measures(
        &self,
        channel: &ChannelId,
        stream: &StreamId,
        at: Time,
        samples: &[Sample],
    ) -> Result<(), StoreError> {
        let mut rows: Vec<&Sample> = samples.iter().filter(|s| s.value.is_finite()).collect();
        // In one order everywhere: two writers of the same rows cannot wait for each other.
        rows.sort_by(|a, b| (&a.track, &a.name).cmp(&(&b.track, &b.name)));
        rows.dedup_by(|a, b| (&a.track, &a.name) == (&b.track, &b.name));
        if rows.is_empty() {
            return Ok(());
        }
        let tracks: Vec<&str> = rows.iter().map(|s| s.track.as_deref().unwrap_or("")).collect();
        let names: Vec<&str> = rows.iter().map(|s| s.name.as_str()).collect();
        let values: Vec<f64> = rows.iter().map(|s| s.value).collect();
        let client = self.client().await?;
        let upsert = client
            .prepare_cached(
                "INSERT INTO measure_minute AS m (channel, stream, track, name, minute, n, min, max, sum, last, last_at)
                 SELECT $1, $2, track, name, date_trunc('minute', $3::timestamptz), 1, value, value, value, value, $3::timestamptz
                 FROM unnest($4::text[], $5::text[], $6::double precision[]) AS s (track, name, value)
                 ON CONFLICT (channel, stream, track, name, minute) DO UPDATE SET
                     n = CASE WHEN m.last_at < EXCLUDED.last_at THEN m.n + 1 ELSE m.n END,
                     sum = CASE WHEN m.last_at < EXCLUDED.last_at THEN m.sum + EXCLUDED.sum ELSE m.sum END,
                     last = CASE WHEN m.last_at < EXCLUDED.last_at THEN EXCLUDED.last ELSE m.last END,
                     last_at = greatest(m.last_at, EXCLUDED.last_at),
                     min = least(m.min, EXCLUDED.min), max = greatest(m.max, EXCLUDED.max)",
            )
            .await
            .map_err(StoreError::query("to prepare minute rollups"))?;
        client
            .execute(&upsert, &[&channel.as_str(), &stream.as_str(), &sql_time(at), &tracks, &names, &values])
            .await
            .map_err(StoreError::query("to write minute rollups"))?;
        Ok(())
    }

    /// The minutes of a stream from `from` (included) to `to` (not included), by time, track and name; at most `limit`.
    pub async fn measures(
        &self,
        channel: &ChannelId,
        stream: &StreamId,
        from: Time,
        to: Time,
        limit: u32,
    ) -> Result<Vec<MeasureMinute>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                "SELECT track, name, minute, n, min, max, sum, last FROM measure_minute
                 WHERE channel = $1 AND stream = $2 AND minute >= $3 AND minute < $4
                 ORDER BY minute, track, name LIMIT $5",
                &[&channel.as_str(), &stream.as_str(), &sql_time(from), &sql_time(to), &i64::from(limit)],
            )
            .await
            .map_err(StoreError::query("to read minute rollups"))?;
        Ok(rows
            .iter()
            .map(|row| {
                let n = row.get::<_, i64>("n").unsigned_abs();
                MeasureMinute {
                    track: Some(row.get::<_, String>("track")).filter(|t| !t.is_empty()),
                    name: row.get("name"),
                    minute: from_sql_time(row.get::<_, Timestamp>("minute")),
                    n,
                    min: row.get("min"),
                    max: row.get("max"),
                    avg: row.get::<_, f64>("sum") / n.max(1) as f64,
                    last: row.get("last"),
                }
            })
            .collect())
    }
}
