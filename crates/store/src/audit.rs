//! The audit trail: who changed what, by which way, with the object before and after. Append-only; secrets are taken
//! out before it is written.

use ow_domain::Time;
use ow_domain::config::ChangedBy;
use serde_json::Value;
use tokio_postgres::Transaction;

use crate::config::redact::redacted;
use crate::{Store, StoreError, from_sql_time, sql_time};

/// One line of the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    pub id: i64,
    pub at: Time,
    /// `user:thu`, `token:thu/ci`, `installation`, `cli`, a service.
    pub actor: String,
    /// `api`, `cli`, `up`.
    pub source: String,
    /// `create`, `update`, `delete`, `sign-in`, ...
    pub action: String,
    /// `Channel`, `User`, `Token`, `Alarm`, ...
    pub kind: String,
    pub name: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// Of the configuration; 0 for what is no configuration.
    pub revision: u64,
}

/// Which lines, newest first; what is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditFilter {
    /// Older than the line with this id.
    pub before_id: Option<i64>,
    pub actor: Option<String>,
    pub source: Option<String>,
    pub action: Option<String>,
    pub kind: Option<String>,
    pub name: Option<String>,
    pub since: Option<Time>,
    pub until: Option<Time>,
    pub limit: u32,
}

/// Writes one line as part of a change.
pub(crate) async fn write(
    transaction: &Transaction<'_>,
    by: &ChangedBy,
    (action, kind, name): (&str, &str, &str),
    before: Option<Value>,
    after: Option<Value>,
    revision: i64,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO audit (actor, source, action, kind, name, before, after, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[&by.actor, &by.source, &action, &kind, &name, &before.map(redacted), &after.map(redacted), &revision],
        )
        .await
        .map_err(StoreError::query("to write the audit trail"))?;
    Ok(())
}

impl Store {
    /// Writes one line about something that is no change of a table: a refused sign-in, a test message sent, keys
    /// rotated. Changes write theirs in their own transaction.
    pub async fn write_audit(
        &self,
        by: &ChangedBy,
        what: (&str, &str, &str),
        after: Option<Value>,
    ) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin the audit trail"))?;
        write(&transaction, by, what, None, after, 0).await?;
        transaction.commit().await.map_err(StoreError::query("to commit the audit trail"))
    }

    /// Lines of the trail, newest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT id, at, actor, source, action, kind, name, before, after, revision FROM audit
                 WHERE ($1::bigint IS NULL OR id < $1) AND ($2::text IS NULL OR actor = $2)
                   AND ($3::text IS NULL OR source = $3) AND ($4::text IS NULL OR action = $4)
                   AND ($5::text IS NULL OR kind = $5) AND ($6::text IS NULL OR name = $6)
                   AND ($7::timestamptz IS NULL OR at >= $7) AND ($8::timestamptz IS NULL OR at < $8)
                 ORDER BY id DESC LIMIT $9",
            )
            .await
            .map_err(StoreError::query("to prepare reading the audit trail"))?;
        let rows = client
            .query(
                &statement,
                &[
                    &filter.before_id,
                    &filter.actor,
                    &filter.source,
                    &filter.action,
                    &filter.kind,
                    &filter.name,
                    &filter.since.map(sql_time),
                    &filter.until.map(sql_time),
                    &i64::from(filter.limit),
                ],
            )
            .await
            .map_err(StoreError::query("to read the audit trail"))?;
        let read = |row: &tokio_postgres::Row| AuditRecord {
            id: row.get("id"),
            at: from_sql_time(row.get("at")),
            actor: row.get("actor"),
            source: row.get("source"),
            action: row.get("action"),
            kind: row.get("kind"),
            name: row.get("name"),
            before: row.get("before"),
            after: row.get("after"),
            revision: u64::try_from(row.get::<_, i64>("revision")).unwrap_or(0),
        };
        Ok(rows.iter().map(read).collect())
    }
}
