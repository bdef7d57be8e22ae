//! What was answered to changes that carry an `Idempotency-Key`.
//!
//! The row is made before the change begins and gets its answer afterwards, so that two requests with one key at the
//! same time do not both change something. Time comes in with the call.

use ow_domain::{Span, Time};

use crate::{Store, StoreError, sql_time};

/// An answer, to be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is new, or whoever began with it has not been heard of for long: go on, then [`Store::finish_once`].
    New,
    /// The same request is being worked on.
    Running,
    /// It was another request.
    Other,
    Answered(StoredAnswer),
}

impl Store {
    /// Begins a change that `actor` asked for under `key`. `request`: SHA-256 of all that makes it what it is. `patience`:
    /// who began so long ago and has not answered is taken for dead.
    pub async fn begin_once(
        &self,
        actor: &str,
        key: &str,
        request: &[u8; 32],
        now: Time,
        patience: Span,
    ) -> Result<Begun, StoreError> {
        let client = self.client().await?;
        let too_old = sql_time(now - patience);
        let made = client
            .execute(
                "INSERT INTO idempotency (actor, key, request, began_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (actor, key) DO UPDATE SET began_at = excluded.began_at
                 WHERE idempotency.status IS NULL AND idempotency.began_at < $5
                   AND idempotency.request = excluded.request",
                &[&actor, &key, &request.as_slice(), &sql_time(now), &too_old],
            )
            .await
            .map_err(StoreError::query("to begin under a key"))?;
        if made > 0 {
            return Ok(Begun::New);
        }
        let row = client
            .query_opt(
                "SELECT request, status, headers, body FROM idempotency WHERE actor = $1 AND key = $2",
                &[&actor, &key],
            )
            .await
            .map_err(StoreError::query("to read what a key stands for"))?;
        // Gone in between: it failed, or its day was over.
        let Some(row) = row else { return Ok(Begun::Running) };
        if row.get::<_, &[u8]>(0) != request {
            return Ok(Begun::Other);
        }
        let Some(status) = row.get::<_, Option<i16>>(1) else { return Ok(Begun::Running) };
        let headers = row.get::<_, Option<serde_json::Value>>(2).unwrap_or_default();
        Ok(Begun::Answered(StoredAnswer {
            status: u16::try_from(status).unwrap_or_default(),
            headers: serde_json::from_value(headers).unwrap_or_default(),
            body: row.get::<_, Option<Vec<u8>>>(3).unwrap_or_default(),
        }))
    }

    /// Keeps the answer. `None`: nothing was changed, so the key is free again.
    pub async fn finish_once(&self, actor: &str, key: &str, answer: Option<&StoredAnswer>) -> Result<(), StoreError> {
        let client = self.client().await?;
        let Some(answer) = answer else {
            let sql = "DELETE FROM idempotency WHERE actor = $1 AND key = $2 AND status IS NULL";
            client.execute(sql, &[&actor, &key]).await.map_err(StoreError::query("to free a key"))?;
            return Ok(());
        };
        let status = i16::try_from(answer.status).unwrap_or_default();
        let headers = serde_json::to_value(&answer.headers).unwrap_or_default();
        client
            .execute(
                "UPDATE idempotency SET status = $3, headers = $4, body = $5 WHERE actor = $1 AND key = $2",
                &[&actor, &key, &status, &headers, &answer.body],
            )
            .await
            .map_err(StoreError::query("to keep an answer"))?;
        Ok(())
    }

    /// Forgets what began before `before`; returns how many.
    pub async fn forget_answers(&self, before: Time) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let sql = "DELETE FROM idempotency WHERE began_at < $1";
        client.execute(sql, &[&sql_time(before)]).await.map_err(StoreError::query("to forget answers"))
    }
}
