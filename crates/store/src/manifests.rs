//! Manifests as they were served: bodies once per digest, and which load brought which.

use std::time::Duration;

use jiff::Timestamp;
use ow_domain::access::LabelScope;
use ow_domain::capture::ObjectKind;
use ow_domain::{ChannelId, Span, Time};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::{Store, StoreError, from_sql_time, scope, sql_time};

/// zstd level: manifests are small and written once.
const LEVEL: i32 = 3;
/// Largest text that is unpacked.
const MAX_TEXT_BYTES: usize = 64 << 20;
/// What a row weighs beside its body, in the reckoning of the size.
const ROW_BYTES: i64 = 250;
/// Rows deleted by one statement, so that a long backlog holds no lock for long.
const PRUNE_ROWS: i64 = 20_000;
/// A manifest that was not asked for so long is no longer served.
const STILL_SERVED: Span = Span::from_secs(3_600);

/// One load of a manifest, to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestLoad {
    pub channel: String,
    pub stream: String,
    pub object: ObjectKind,
    pub track: Option<String>,
    pub probe: String,
    pub at: Time,
    /// Without query.
    pub url: String,
    pub status: Option<u16>,
    pub failure: Option<String>,
    /// SHA-256, 64 hex digits; of a body of this or of an earlier load.
    pub digest: Option<String>,
    pub body: Option<ManifestText>,
    pub capture: String,
}

/// The text of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestText {
    pub text: String,
    pub lossy: bool,
}

/// One load as it is kept, without the body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredLoad {
    pub stream: String,
    /// `mvp`, `media-playlist` or `mpd`.
    pub object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    pub probe: String,
    pub at: Time,
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    pub capture: String,
}

/// A manifest that was served, with its text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServedManifest {
    #[serde(flatten)]
    pub load: StoredLoad,
    pub text: String,
    pub lossy: bool,
}

/// Which manifests of a channel; absent: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestFilter {
    pub stream: Option<String>,
    pub track: Option<String>,
    /// `mvp`, `media-playlist` or `mpd`.
    pub object: Option<String>,
    pub probe: Option<String>,
}

/// Place of a load in the list of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadKey {
    pub at: Time,
    pub stream: String,
    pub object: String,
    /// Empty: none.
    pub track: String,
    pub probe: String,
}

impl StoredLoad {
    pub fn key(&self) -> LoadKey {
        let track = self.track.clone().unwrap_or_default();
        let (stream, object, probe) = (self.stream.clone(), self.object.clone(), self.probe.clone());
        LoadKey { at: self.at, stream, object, track, probe }
    }
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    pub loads: u64,
    pub bodies: u64,
}

impl Store {
    /// Keeps a batch of loads in one transaction. What is there already stays; a digest that cannot be read is left
    /// out.
    pub async fn add_manifests(&self, loads: &[ManifestLoad]) -> Result<(), StoreError> {
        if loads.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<(&ManifestLoad, Option<Vec<u8>>)> =
            loads.iter().map(|load| (load, load.digest.as_deref().and_then(from_hex))).collect();
        // In one order everywhere: two writers of the same rows cannot wait for each other.
        rows.sort_by(|(a, x), (b, y)| (x, a.at).cmp(&(y, b.at)));
        let mut bodies: Vec<(&[u8], Time, Option<&ManifestText>)> = Vec::new();
        for (load, digest) in &rows {
            let Some(digest) = digest else { continue };
            match bodies.last_mut().filter(|(last, ..)| *last == digest.as_slice()) {
                Some((_, seen, text)) => {
                    *seen = load.at.max(*seen);
                    *text = text.or(load.body.as_ref());
                }
                None => bodies.push((digest, load.at, load.body.as_ref())),
            }
        }
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin"))?;
        let seen = transaction
            .prepare_cached(
                "UPDATE manifest_body SET last_seen = greatest(last_seen, s.at)
                 FROM unnest($1::bytea[], $2::timestamptz[]) AS s (digest, at)
                 WHERE manifest_body.digest = s.digest RETURNING manifest_body.digest",
            )
            .await
            .map_err(StoreError::query("to prepare manifests"))?;
        let digests: Vec<&[u8]> = bodies.iter().map(|(digest, ..)| *digest).collect();
        let times: Vec<Timestamp> = bodies.iter().map(|(_, at, _)| sql_time(*at)).collect();
        let known = transaction.query(&seen, &[&digests, &times]).await;
        let known = known.map_err(StoreError::query("to note manifests seen"))?;
        let known: std::collections::BTreeSet<Vec<u8>> = known.iter().map(|row| row.get(0)).collect();
        let insert = transaction
            .prepare_cached(
                "INSERT INTO manifest_body (digest, body, text_bytes, size, lossy, last_seen)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (digest) DO UPDATE SET last_seen = greatest(manifest_body.last_seen, EXCLUDED.last_seen)",
            )
            .await
            .map_err(StoreError::query("to prepare manifest bodies"))?;
        for (digest, at, text) in &bodies {
            let Some(text) = text.filter(|_| !known.contains(*digest)) else { continue };
            let invalid = |reason: String| StoreError::Invalid { field: "manifest body".to_owned(), reason };
            let body = zstd::bulk::compress(text.text.as_bytes(), LEVEL).map_err(|e| invalid(e.to_string()))?;
            let length = |n: usize| i32::try_from(n).map_err(|_| invalid(format!("{n} bytes are too many")));
            let (text_bytes, size) = (length(text.text.len())?, length(body.len())?);
            transaction
                .execute(&insert, &[digest, &body, &text_bytes, &size, &text.lossy, &sql_time(*at)])
                .await
                .map_err(StoreError::query("to write a manifest body"))?;
        }
        let column = |of: &dyn Fn(&ManifestLoad) -> String| rows.iter().map(|(l, _)| of(l)).collect::<Vec<_>>();
        let clean = |text: &str| text.replace('\0', "\u{fffd}");
        let at: Vec<Timestamp> = rows.iter().map(|(l, _)| sql_time(l.at)).collect();
        let status: Vec<Option<i16>> = rows.iter().map(|(l, _)| l.status.and_then(|s| i16::try_from(s).ok())).collect();
        let failure: Vec<Option<String>> = rows.iter().map(|(l, _)| l.failure.as_deref().map(clean)).collect();
        let digest: Vec<Option<&[u8]>> = rows.iter().map(|(_, d)| d.as_deref()).collect();
        let insert = transaction
            .prepare_cached(
                "INSERT INTO manifest_load (channel, stream, object, track, probe, at, url, status, failure, digest, capture)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                     $7::text[], $8::smallint[], $9::text[], $10::bytea[], $11::text[])
                 ON CONFLICT DO NOTHING",
            )
            .await
            .map_err(StoreError::query("to prepare manifest loads"))?;
        transaction
            .execute(
                &insert,
                &[
                    &column(&|l| l.channel.clone()),
                    &column(&|l| l.stream.clone()),
                    &column(&|l| l.object.as_str().to_owned()),
                    &column(&|l| l.track.clone().unwrap_or_default()),
                    &column(&|l| l.probe.clone()),
                    &at,
                    &column(&|l| clean(&l.url)),
                    &status,
                    &failure,
                    &digest,
                    &column(&|l| clean(&l.capture)),
                ],
            )
            .await
            .map_err(StoreError::query("to write manifest loads"))?;
        transaction.commit().await.map_err(StoreError::query("to commit manifests"))
    }

    /// What was served at `at`: of each manifest asked for within the hour before, the last body that had arrived.
    pub async fn manifests_at(
        &self,
        channel: &ChannelId,
        at: Time,
        filter: &ManifestFilter,
    ) -> Result<Vec<ServedManifest>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                "SELECT l.*, b.body, b.lossy, b.text_bytes
                 FROM (SELECT DISTINCT stream, object, track, probe FROM manifest_load
                       WHERE channel = $1 AND at <= $2 AND at > $3
                         AND ($4::text IS NULL OR stream = $4) AND ($5::text IS NULL OR track = $5)
                         AND ($6::text IS NULL OR object = $6) AND ($7::text IS NULL OR probe = $7)) AS k
                 CROSS JOIN LATERAL (SELECT * FROM manifest_load AS m
                       WHERE m.channel = $1 AND m.stream = k.stream AND m.object = k.object AND m.track = k.track
                         AND m.probe = k.probe AND m.at <= $2 AND m.digest IS NOT NULL
                       ORDER BY m.at DESC LIMIT 1) AS l
                 JOIN manifest_body AS b ON b.digest = l.digest
                 ORDER BY l.stream, l.object = 'media-playlist', l.object, l.track, l.probe",
                &[
                    &channel.as_str(),
                    &sql_time(at),
                    &sql_time(at - STILL_SERVED),
                    &filter.stream,
                    &filter.track,
                    &filter.object,
                    &filter.probe,
                ],
            )
            .await
            .map_err(StoreError::query("to read manifests"))?;
        rows.iter()
            .map(|row| {
                let text = text_of(row)?;
                Ok(ServedManifest { load: load_of(row), text, lossy: row.get("lossy") })
            })
            .collect()
    }

    /// Loads of a channel from `from` (included) to `to` (not included), by time; at most `limit`.
    pub async fn manifest_loads(
        &self,
        channel: &ChannelId,
        from: Time,
        to: Time,
        filter: &ManifestFilter,
        limit: u32,
    ) -> Result<Vec<StoredLoad>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                "SELECT * FROM manifest_load
                 WHERE channel = $1 AND at >= $2 AND at < $3
                   AND ($4::text IS NULL OR stream = $4) AND ($5::text IS NULL OR track = $5)
                   AND ($6::text IS NULL OR object = $6) AND ($7::text IS NULL OR probe = $7)
                 ORDER BY at, stream, object, track LIMIT $8",
                &[
                    &channel.as_str(),
                    &sql_time(from),
                    &sql_time(to),
                    &filter.stream,
                    &filter.track,
                    &filter.object,
                    &filter.probe,
                    &i64::from(limit),
                ],
            )
            .await
            .map_err(StoreError::query("to read manifest loads"))?;
        Ok(rows.iter().map(load_of).collect())
    }

    /// Loads of a channel from `from` (included) to `to` (not included), by time; at most `limit` + 1, where one more
    /// tells that there is a next page. `after`: behind this one.
    pub async fn page_of_loads(
        &self,
        channel: &ChannelId,
        (from, to): (Time, Time),
        filter: &ManifestFilter,
        after: Option<&LoadKey>,
        limit: u32,
    ) -> Result<Vec<StoredLoad>, StoreError> {
        let at_least = after.map_or(from, |key| key.at.max(from));
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT * FROM manifest_load
                 WHERE channel = $1 AND at >= $2 AND at < $3
                   AND ($4::text IS NULL OR stream = $4) AND ($5::text IS NULL OR track = $5)
                   AND ($6::text IS NULL OR object = $6) AND ($7::text IS NULL OR probe = $7)
                   AND ($8::text IS NULL OR (at, stream, object, track, probe) > ($2, $8, $9, $10, $11))
                 ORDER BY at, stream, object, track, probe LIMIT $12",
            )
            .await
            .map_err(StoreError::query("to prepare the list of manifest loads"))?;
        let rows = client
            .query(
                &statement,
                &[
                    &channel.as_str(),
                    &sql_time(at_least),
                    &sql_time(to),
                    &filter.stream,
                    &filter.track,
                    &filter.object,
                    &filter.probe,
                    // A key from before `from` ends nothing.
                    &after.filter(|key| key.at >= from).map(|key| key.stream.as_str()),
                    &after.map(|key| key.object.as_str()),
                    &after.map(|key| key.track.as_str()),
                    &after.map(|key| key.probe.as_str()),
                    &(i64::from(limit) + 1),
                ],
            )
            .await
            .map_err(StoreError::query("to list manifest loads"))?;
        Ok(rows.iter().map(load_of).collect())
    }

    /// The text of a body by its SHA-256 (64 hex digits), if it was served by a channel that the scope admits, with
    /// whether bytes of it were replaced. `None` when there is none, or the digest is none.
    pub async fn manifest_in_scope(
        &self,
        digest: &str,
        scope: Option<&LabelScope>,
    ) -> Result<Option<(String, bool)>, StoreError> {
        let Some(digest) = from_hex(digest) else { return Ok(None) };
        let sql = format!(
            "SELECT body, text_bytes, lossy FROM manifest_body b WHERE digest = $1
             AND ($2::jsonb IS NULL OR EXISTS (SELECT 1 FROM manifest_load l JOIN channel c ON c.name = l.channel
                 WHERE l.digest = b.digest AND {}))",
            scope::admits(2, "c.labels")
        );
        let row = self
            .client()
            .await?
            .query_opt(&sql, &[&digest, &scope::parameter(scope)])
            .await
            .map_err(StoreError::query("to read a manifest body"))?;
        row.as_ref().map(|row| Ok((text_of(row)?, row.get("lossy")))).transpose()
    }

    /// Which of these digests have a body that is kept.
    pub async fn manifests_kept(&self, digests: &[&str]) -> Result<Vec<String>, StoreError> {
        let digests: Vec<Vec<u8>> = digests.iter().filter_map(|digest| from_hex(digest)).collect();
        let rows = self
            .client()
            .await?
            .query("SELECT digest FROM manifest_body WHERE digest = ANY ($1)", &[&digests])
            .await
            .map_err(StoreError::query("to look for manifest bodies"))?;
        Ok(rows.iter().map(|row| to_hex(row.get(0))).collect())
    }

    /// The text of a body by its SHA-256 (64 hex digits); `None` when it is not kept.
    pub async fn manifest_body(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let Some(digest) = from_hex(digest) else {
            let reason = "is no SHA-256 of 64 hex digits".to_owned();
            return Err(StoreError::Invalid { field: "digest".to_owned(), reason });
        };
        let row = self
            .client()
            .await?
            .query_opt("SELECT body, text_bytes FROM manifest_body WHERE digest = $1", &[&digest])
            .await
            .map_err(StoreError::query("to read a manifest body"))?;
        row.as_ref().map(text_of).transpose()
    }

    /// Deletes manifests older than `keep`, and the oldest until all that is kept weighs at most `max_bytes`
    /// (compressed, rows included, exact to a minute).
    pub async fn prune_manifests(&self, keep: Duration, max_bytes: u64) -> Result<Pruned, StoreError> {
        let (client, _driver) = self.upkeep().await?;
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        // The newest minute at which what is kept from there on is too much: it goes, and all before it.
        let too_much: Option<Timestamp> = client
            .query_opt(
                "SELECT minute FROM (
                     SELECT minute, sum(bytes) OVER (ORDER BY minute DESC) AS total FROM (
                         SELECT date_trunc('minute', at) AS minute, sum(bytes) AS bytes FROM (
                             SELECT last_seen AS at, size + $2::bigint AS bytes FROM manifest_body
                             UNION ALL SELECT at, $2::bigint FROM manifest_load) AS kept
                         GROUP BY 1) AS minutes) AS totals
                 WHERE total > $1::bigint ORDER BY minute DESC LIMIT 1",
                &[&max_bytes, &ROW_BYTES],
            )
            .await
            .map_err(StoreError::query("to weigh manifests"))?
            .map(|row| row.get(0));
        let mut pruned = Pruned::default();
        for (table, column) in [("manifest_load", "at"), ("manifest_body", "last_seen")] {
            let delete = format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                     SELECT ctid FROM {table}
                     WHERE {column} < greatest(now() - make_interval(secs => $1), $2::timestamptz + interval '1 minute') LIMIT $3))"
            );
            let delete = client.prepare(&delete).await.map_err(StoreError::query("to prepare pruning"))?;
            let too_much = too_much.unwrap_or(Timestamp::UNIX_EPOCH);
            loop {
                let n = client
                    .execute(&delete, &[&keep.as_secs_f64(), &too_much, &PRUNE_ROWS])
                    .await
                    .map_err(StoreError::query("to prune manifests"))?;
                let total = if table == "manifest_load" { &mut pruned.loads } else { &mut pruned.bodies };
                *total += n;
                if n < PRUNE_ROWS.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(pruned)
    }
}

fn load_of(row: &Row) -> StoredLoad {
    StoredLoad {
        stream: row.get("stream"),
        object: row.get("object"),
        track: Some(row.get::<_, String>("track")).filter(|t| !t.is_empty()),
        probe: row.get("probe"),
        at: from_sql_time(row.get("at")),
        url: row.get("url"),
        status: row.get::<_, Option<i16>>("status").and_then(|s| u16::try_from(s).ok()),
        failure: row.get("failure"),
        digest: row.get::<_, Option<&[u8]>>("digest").map(to_hex),
        capture: row.get("capture"),
    }
}

fn text_of(row: &Row) -> Result<String, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { what: "a manifest body", reason };
    let length = usize::try_from(row.get::<_, i32>("text_bytes")).unwrap_or(0).min(MAX_TEXT_BYTES);
    let text = zstd::bulk::decompress(row.get("body"), length).map_err(|e| corrupt(e.to_string()))?;
    String::from_utf8(text).map_err(|e| corrupt(e.to_string()))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// 32 bytes of 64 hex digits.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..64).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_written() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert_eq!(from_hex(text).as_deref().map(to_hex).as_deref(), Some(text));
        for wrong in ["", "9f", &"+1".repeat(32), &"é".repeat(32)] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
