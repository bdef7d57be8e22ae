//! Messages that were promised by a transaction and are sent after it.

use std::time::Duration;

use deadpool_postgres::Object;
use ow_domain::incident::{Notice, NotifyJob};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Store, StoreError};

/// One sender at a time, over all processes: what an incident has to say stays in order.
const SENDER_LOCK: i32 = 0x6f77_6f62;

/// Rows deleted by one statement, so that a long backlog holds no lock for long.
const PRUNE_ROWS: i64 = 10_000;

/// What is to be published.
#[derive(Debug, Clone, PartialEq)]
pub enum OutboxMessage {
    Notify(Box<NotifyJob>),
    /// For `alert.<severity>.<channel>`.
    Change(Box<Notice>),
    /// For `incident.<event>`.
    Incident(Box<Notice>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    pub id: i64,
    pub incident: i64,
    /// `Err`: why it cannot be read, by this version of the program.
    pub message: Result<OutboxMessage, String>,
}

/// The oldest messages that are not sent. Nobody else sends while this lives. Dropping it unfinished leaves them all
/// unsent.
#[derive(Debug)]
pub struct OutboxBatch {
    pub rows: Vec<OutboxRow>,
    client: Option<Connection>,
}

struct Connection(Object);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Store {
    /// At most `limit` messages in the order in which they were promised. `None`: somebody else is sending.
    pub async fn outbox_batch(&self, limit: u32) -> Result<Option<OutboxBatch>, StoreError> {
        let client = self.client().await?;
        let mut batch = OutboxBatch { rows: Vec::new(), client: Some(Connection(client)) };
        let Some(Connection(client)) = &batch.client else { return Ok(None) };
        client.batch_execute("BEGIN").await.map_err(StoreError::query("to open the outbox"))?;
        // One outbox per schema, so one lock per schema.
        let locked: bool = client
            .query_one("SELECT pg_try_advisory_xact_lock($1, hashtext(current_schema))", &[&SENDER_LOCK])
            .await
            .map_err(StoreError::query("the lock of the outbox"))?
            .get(0);
        if !locked {
            batch.close("ROLLBACK").await?;
            return Ok(None);
        }
        let rows = client
            .query(
                "SELECT id, incident, kind, payload FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT $1",
                &[&i64::from(limit)],
            )
            .await
            .map_err(StoreError::query("to read the outbox"))?;
        batch.rows = rows
            .into_iter()
            .map(|row| OutboxRow { id: row.get(0), incident: row.get(1), message: message(row.get(2), row.get(3)) })
            .collect();
        Ok(Some(batch))
    }

    /// Deletes what was sent longer ago than `keep`; returns how many rows.
    pub async fn prune_outbox(&self, keep: Duration) -> Result<u64, StoreError> {
        let what = "to prune the outbox";
        let (client, _driver) = self.upkeep().await?;
        let delete = client
            .prepare(
                "DELETE FROM outbox WHERE id = ANY(ARRAY(
                     SELECT id FROM outbox WHERE sent_at < now() - make_interval(secs => $1) LIMIT $2))",
            )
            .await
            .map_err(StoreError::query(what))?;
        let mut total = 0;
        loop {
            let n_rows =
                client.execute(&delete, &[&keep.as_secs_f64(), &PRUNE_ROWS]).await.map_err(StoreError::query(what))?;
            total += n_rows;
            if n_rows < PRUNE_ROWS.unsigned_abs() {
                return Ok(total);
            }
        }
    }

    /// Messages that wait to be sent.
    pub async fn outbox_depth(&self) -> Result<u64, StoreError> {
        let row = self
            .client()
            .await?
            .query_one("SELECT count(*) FROM outbox WHERE sent_at IS NULL", &[])
            .await
            .map_err(StoreError::query("to count the outbox"))?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }
}

impl OutboxBatch {
    /// Marks `sent`, and what can never be sent with the reason; the rest stays. Lets the next sender in.
    pub async fn finish(mut self, sent: &[i64], failed: &[(i64, String)]) -> Result<(), StoreError> {
        let Some(Connection(client)) = &self.client else { return Ok(()) };
        if !sent.is_empty() {
            client
                .execute("UPDATE outbox SET sent_at = now() WHERE id = ANY($1)", &[&sent])
                .await
                .map_err(StoreError::query("to mark what was sent"))?;
        }
        for (id, reason) in failed {
            client
                .execute("UPDATE outbox SET sent_at = now(), failure = $2 WHERE id = $1", &[id, reason])
                .await
                .map_err(StoreError::query("to mark what cannot be sent"))?;
        }
        self.close("COMMIT").await
    }

    async fn close(&mut self, how: &'static str) -> Result<(), StoreError> {
        let Some(Connection(client)) = &self.client else { return Ok(()) };
        client.batch_execute(how).await.map_err(StoreError::query("to close the outbox"))?;
        self.client = None;
        Ok(())
    }
}

impl Drop for OutboxBatch {
    fn drop(&mut self) {
        if let Some(Connection(client)) = self.client.take() {
            // Inside an open transaction: not for the pool. Its end rolls back and frees the lock.
            drop(Object::take(client));
        }
    }
}

fn message(kind: &str, payload: Value) -> Result<OutboxMessage, String> {
    fn read<T: DeserializeOwned>(payload: Value) -> Result<Box<T>, String> {
        serde_json::from_value(payload).map(Box::new).map_err(|error| error.to_string())
    }
    match kind {
        "notify" => read(payload).map(OutboxMessage::Notify),
        "change" => read(payload).map(OutboxMessage::Change),
        "incident" => read(payload).map(OutboxMessage::Incident),
        other => Err(format!("kind {other:?} is unknown")),
    }
}
