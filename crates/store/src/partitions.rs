//! Tables cut by time: partitions made ahead, and dropped when nothing in them is kept any more.
//!
//! Any number of processes may call; one works at a time, by an advisory lock, and the others are told so. A row that
//! comes when its partition is not there (a clock that is wrong, an owner that was away for long) lies in
//! `<table>_other` and is moved when the partition is made. Nothing here runs in the way of messages: locks are waited
//! for 3 s and no longer, and what was not done is done the next time.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::{Client, GenericClient};

use crate::{Store, StoreError};

/// Incidents deleted by one statement, so that a long backlog holds no lock for long.
const DELETE_ROWS: i64 = 5_000;

/// How wide a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Day,
    Month,
}

impl Width {
    const fn unit(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Of names, for `to_char`.
    const fn pattern(self) -> &'static str {
        match self {
            Self::Day => "YYYYMMDD",
            Self::Month => "YYYYMM",
        }
    }
}

/// A table cut by time. All texts are ours: they stand in statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    table: &'static str,
    column: &'static str,
    width: Width,
    /// Partitions made beside that of now.
    ahead: i32,
}

const ALARM_EVENTS: Cut = Cut { table: "alarm_event", column: "recorded_at", width: Width::Month, ahead: 2 };
const MEASURES: Cut = Cut { table: "measure_minute", column: "minute", width: Width::Day, ahead: 3 };

/// What one call of [`Store::keep_history`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryKept {
    /// Partitions of the event log that were dropped.
    pub partitions: u64,
    /// Events deleted from partitions that hold others that stay.
    pub events: u64,
    /// Incidents forgotten.
    pub incidents: u64,
}

impl HistoryKept {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A partition whose time is over.
struct Old {
    name: String,
}

impl Store {
    /// Makes the partitions of now and of the time ahead that are not there; returns how many. `None`: another process
    /// is making them.
    pub async fn make_partitions(&self) -> Result<Option<u64>, StoreError> {
        let (mut client, _driver) = self.upkeep().await?;
        if !self.owns(&client, "make-partitions").await? {
            return Ok(None);
        }
        let made = make_all(&mut client).await;
        release(&client).await;
        made.map(Some)
    }

    /// The same on a connection of the caller's, who waits for the other process.
    pub(crate) async fn make_partitions_on(&self, client: &mut Client) -> Result<u64, StoreError> {
        client
            .execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&self.lock_name("make-partitions")])
            .await
            .map_err(StoreError::query("the lock of the partitions"))?;
        let made = make_all(client).await;
        release(client).await;
        made
    }

    /// Forgets incidents that were over before the month in which `keep` ago lies, with their events. What is open, and
    /// what was over later, keeps every event it ever had. `None`: another process is at it.
    pub async fn keep_history(&self, keep: Duration) -> Result<Option<HistoryKept>, StoreError> {
        let (client, _driver) = self.upkeep().await?;
        if !self.owns(&client, "keep-history").await? {
            return Ok(None);
        }
        let done = forget(&client, keep).await;
        release(&client).await;
        done.map(Some)
    }

    /// Drops the days of minute rollups that ended more than `keep` ago; returns how many partitions. What strayed
    /// outside of all days is deleted by the same age.
    pub async fn prune_measures(&self, keep: Duration) -> Result<u64, StoreError> {
        let (client, _driver) = self.upkeep().await?;
        if !self.owns(&client, "keep-measures").await? {
            return Ok(0);
        }
        let dropped = drop_days(&client, keep).await;
        release(&client).await;
        dropped
    }

    fn lock_name(&self, what: &str) -> String {
        format!("ottwatch-{what}/{}", self.schema())
    }

    /// Takes the lock for as long as the connection lives.
    async fn owns(&self, client: &Client, what: &str) -> Result<bool, StoreError> {
        let row = client
            .query_one("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", &[&self.lock_name(what)])
            .await
            .map_err(StoreError::query("the lock of the upkeep"))?;
        Ok(row.get(0))
    }
}

async fn forget(client: &Client, keep: Duration) -> Result<HistoryKept, StoreError> {
    let mut done = HistoryKept::default();
    let before = cutoff(client, ALARM_EVENTS, keep).await?;
    for old in old_partitions(client, ALARM_EVENTS, before).await? {
        // Names come from the catalogue, quoted by the server.
        let Old { name } = old;
        let stays = "EXISTS (SELECT 1 FROM incident i WHERE i.number = e.incident
            AND (i.state = 'open' OR i.cleared_at IS NULL OR i.cleared_at >= $1))";
        let any_stays: bool = client
            .query_one(&format!("SELECT EXISTS (SELECT 1 FROM {name} e WHERE {stays})"), &[&before])
            .await
            .map_err(StoreError::query("to look at old alarm events"))?
            .get(0);
        if any_stays {
            let delete = format!(
                "DELETE FROM {name} WHERE ctid = ANY(ARRAY(
                     SELECT e.ctid FROM {name} e WHERE NOT {stays} LIMIT $2))"
            );
            done.events += in_parts(client, &delete, before, "to delete old alarm events").await?;
        } else if drop_partition(client, &name).await? {
            done.partitions += 1;
        }
    }
    let delete = "DELETE FROM incident WHERE number = ANY(ARRAY(
        SELECT number FROM incident WHERE state = 'cleared' AND cleared_at < $1 LIMIT $2))";
    done.incidents = in_parts(client, delete, before, "to forget old incidents").await?;
    Ok(done)
}

async fn drop_days(client: &Client, keep: Duration) -> Result<u64, StoreError> {
    let before = cutoff(client, MEASURES, keep).await?;
    let mut dropped = 0;
    for old in old_partitions(client, MEASURES, before).await? {
        dropped += u64::from(drop_partition(client, &old.name).await?);
    }
    client
        .execute("DELETE FROM measure_minute_other WHERE minute < $1", &[&before])
        .await
        .map_err(StoreError::query("to prune minute rollups"))?;
    Ok(dropped)
}

/// Frees the locks at once; the end of a connection does it too, but some time after.
async fn release(client: &Client) {
    if let Err(error) = client.batch_execute("SELECT pg_advisory_unlock_all()").await {
        tracing::debug!(%error, "the lock goes with its connection");
    }
}

async fn make_all(client: &mut Client) -> Result<u64, StoreError> {
    let mut made = 0;
    for cut in [ALARM_EVENTS, MEASURES] {
        made += make(client, cut).await?;
    }
    Ok(made)
}

/// Partitions of a table with the times from which and to which they reach; nothing for the default one.
const BOUNDS: &str = "SELECT quote_ident(c.relname) AS name,
        substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \\(''([^'']+)''\\)')::timestamptz AS starts,
        substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([^'']+)''\\)')::timestamptz AS ends
    FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = $1::text::regclass";

async fn make(client: &mut Client, cut: Cut) -> Result<u64, StoreError> {
    let Cut { table, column, width, ahead } = cut;
    let what = "to make a partition";
    let unit = width.unit();
    // A place is taken when a partition reaches into it. What lies outside of all wants its own place too.
    let missing = client
        .query(
            &format!(
                "WITH bounds AS ({BOUNDS}),
                 place AS (
                     SELECT date_trunc('{unit}', now()) + n * interval '1 {unit}' AS starts FROM generate_series(0, $2::int) n
                     UNION SELECT date_trunc('{unit}', {column}) FROM {table}_other
                     WHERE {column} > now() - interval '400 days' AND {column} < now() + $2::int * interval '1 {unit}')
                 SELECT table_name.name, p.starts, p.starts + interval '1 {unit}' AS ends
                 FROM place p, LATERAL (SELECT '{table}_' || to_char(p.starts, '{}') AS name) table_name
                 WHERE NOT EXISTS (SELECT 1 FROM bounds b WHERE b.ends IS NOT NULL
                     AND p.starts < b.ends AND p.starts + interval '1 {unit}' > coalesce(b.starts, '-infinity'))
                 ORDER BY p.starts LIMIT 100",
                width.pattern()
            ),
            &[&table, &ahead],
        )
        .await
        .map_err(StoreError::query("to look at the partitions"))?;
    let mut made = 0;
    for row in missing {
        let (name, starts, ends): (String, Timestamp, Timestamp) = (row.get(0), row.get(1), row.get(2));
        let transaction = client.transaction().await.map_err(StoreError::query(what))?;
        // Attached, not made in place: that would hold up who reads and writes the table.
        transaction
            .batch_execute(&format!(
                "SET LOCAL lock_timeout = '3s';
                 CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE);
                 LOCK TABLE {table}_other IN ACCESS EXCLUSIVE MODE"
            ))
            .await
            .map_err(StoreError::query(what))?;
        transaction
            .execute(
                &format!(
                    "WITH moved AS (DELETE FROM {table}_other WHERE {column} >= $1 AND {column} < $2 RETURNING *)
                     INSERT INTO {name} SELECT * FROM moved"
                ),
                &[&starts, &ends],
            )
            .await
            .map_err(StoreError::query("to move rows to their partition"))?;
        transaction
            .batch_execute(&format!(
                "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{starts}') TO ('{ends}')"
            ))
            .await
            .map_err(StoreError::query("to attach a partition"))?;
        transaction.commit().await.map_err(StoreError::query(what))?;
        tracing::info!(name, "partition made");
        made += 1;
    }
    Ok(made)
}

/// Start of the partition in which `keep` ago lies: what is older goes.
async fn cutoff(client: &Client, cut: Cut, keep: Duration) -> Result<Timestamp, StoreError> {
    // Postgres' times begin in 4713 BC.
    let keep = keep.as_secs_f64().min(5_000.0 * 365.0 * 86_400.0);
    let row = client
        .query_one(&format!("SELECT date_trunc('{}', now() - make_interval(secs => $1))", cut.width.unit()), &[&keep])
        .await
        .map_err(StoreError::query("the time"))?;
    Ok(row.get(0))
}

async fn old_partitions(client: &impl GenericClient, cut: Cut, before: Timestamp) -> Result<Vec<Old>, StoreError> {
    let rows = client
        .query(&format!("SELECT name FROM ({BOUNDS}) b WHERE ends <= $2 ORDER BY ends"), &[&cut.table, &before])
        .await
        .map_err(StoreError::query("to look at the partitions"))?;
    Ok(rows.iter().map(|row| Old { name: row.get(0) }).collect())
}

/// `false`: somebody uses it just now.
async fn drop_partition(client: &Client, name: &str) -> Result<bool, StoreError> {
    match client.batch_execute(&format!("DROP TABLE {name}")).await {
        Ok(()) => {
            tracing::info!(name, "partition dropped");
            Ok(true)
        }
        Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE) => {
            tracing::info!(name, "a partition is in use and is dropped the next time");
            Ok(false)
        }
        Err(error) => Err(StoreError::query("to drop a partition")(error)),
    }
}

/// Repeats a deletion of at most so many rows (parameter 2) until none is left.
async fn in_parts(client: &Client, delete: &str, before: Timestamp, what: &'static str) -> Result<u64, StoreError> {
    let delete = client.prepare(delete).await.map_err(StoreError::query(what))?;
    let mut total = 0;
    loop {
        let n_rows = client.execute(&delete, &[&before, &DELETE_ROWS]).await.map_err(StoreError::query(what))?;
        total += n_rows;
        if n_rows < DELETE_ROWS.unsigned_abs() {
            return Ok(total);
        }
    }
}
