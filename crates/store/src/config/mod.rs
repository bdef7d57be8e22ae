//! Configuration objects: read as one snapshot, changed as one transaction with an audit trail.

pub(crate) mod redact;
mod revision;

use std::collections::BTreeMap;

use ow_domain::Slug;
use ow_domain::Time;
use ow_domain::config::{ChangedBy, ConfigChange, ConfigKind, ConfigObject};
use serde_json::Value;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::{CONFIG_CHANNEL, Store, StoreError, from_sql_time};

/// All objects at one instant, sorted by kind and name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigSnapshot {
    /// Grows by one with every applied change set.
    pub revision: u64,
    pub objects: Vec<ConfigObject>,
}

impl ConfigSnapshot {
    pub fn of(&self, kind: ConfigKind) -> impl Iterator<Item = &ConfigObject> {
        self.objects.iter().filter(move |object| object.kind == kind)
    }
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub at: Time,
    pub by: ChangedBy,
    /// `create`, `update` or `delete`.
    pub action: String,
    pub kind: String,
    pub name: String,
    /// `{labels, spec}` without secrets.
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub revision: u64,
}

impl Store {
    /// Everything that is configured.
    pub async fn load_config(&self) -> Result<ConfigSnapshot, StoreError> {
        // One statement is one snapshot. The first row carries the revision.
        const SQL: &str = "SELECT '' AS kind, '' AS name, '{}'::jsonb AS labels, 'null'::jsonb AS spec, max(revision) AS revision FROM config_revision
            UNION ALL SELECT 'Probe', name, labels, spec, revision FROM probe
            UNION ALL SELECT 'Receiver', name, labels, spec, revision FROM receiver
            UNION ALL SELECT 'Route', name, labels, spec, revision FROM route
            UNION ALL SELECT 'Template', name, labels, spec, revision FROM template
            UNION ALL SELECT 'Channel', name, labels, spec, revision FROM channel";
        let client = self.client().await?;
        let statement =
            client.prepare_cached(SQL).await.map_err(StoreError::query("to prepare reading the configuration"))?;
        let rows = client.query(&statement, &[]).await.map_err(StoreError::query("to read the configuration"))?;
        let mut snapshot = ConfigSnapshot::default();
        for row in rows {
            let kind: &str = row.get("kind");
            let revision = unsigned(row.get("revision"));
            if kind.is_empty() {
                snapshot.revision = revision;
                continue;
            }
            let corrupt = |reason| StoreError::Corrupt { what: "a configuration object", reason };
            let name: &str = row.get("name");
            snapshot.objects.push(ConfigObject {
                kind: kind.parse().map_err(corrupt)?,
                name: Slug::new(name).map_err(|error| corrupt(error.to_string()))?,
                labels: labels(row.get("labels")),
                spec: row.get("spec"),
                revision,
            });
        }
        snapshot.objects.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        Ok(snapshot)
    }

    /// Makes all changes or none, writes the audit trail and announces it. Returns the new configuration revision (the
    /// old one when there is nothing to change). [`StoreError::Conflict`]: something that the changes were computed
    /// from has changed since; read again and compute again.
    #[tracing::instrument(skip_all, fields(n_changes = changes.len(), actor = %by.actor))]
    pub async fn apply_config(&self, changes: &[ConfigChange], by: &ChangedBy) -> Result<u64, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a configuration change"))?;
        // One change set at a time: revisions are in the order of commits, and readers are not held up.
        transaction
            .batch_execute("LOCK TABLE config_revision IN SHARE ROW EXCLUSIVE MODE")
            .await
            .map_err(StoreError::query("to lock the configuration"))?;
        let current: i64 = transaction
            .query_one("SELECT max(revision) FROM config_revision", &[])
            .await
            .map_err(StoreError::query("to read the configuration revision"))?
            .get(0);
        if changes.is_empty() {
            return Ok(unsigned(current));
        }
        let revision = current + 1;
        let mut counts = [0_i32; 3];
        let mut kinds = BTreeMap::new();
        for change in changes {
            let (kind, action) = apply_one(&transaction, change, revision, by).await?;
            counts[action as usize] += 1;
            kinds.insert(kind, ());
        }
        transaction
            .execute(
                "INSERT INTO config_revision (revision, actor, source, n_created, n_updated, n_deleted) VALUES ($1, $2, $3, $4, $5, $6)",
                &[&revision, &by.actor, &by.source, &counts[0], &counts[1], &counts[2]],
            )
            .await
            .map_err(StoreError::query("to write the configuration revision"))?;
        for kind in kinds.keys() {
            transaction
                .execute("SELECT pg_notify($1, $2)", &[&CONFIG_CHANNEL, &kind.as_str().to_ascii_lowercase()])
                .await
                .map_err(StoreError::query("to announce the change"))?;
        }
        transaction.commit().await.map_err(conflict_or("to commit the configuration change"))?;
        Ok(unsigned(revision))
    }

    /// The newest entries of the audit trail, newest first; at most 500.
    pub async fn config_audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let limit = i64::from(limit.min(500));
        let rows = self
            .client()
            .await?
            .query(
                "SELECT at, actor, source, action, kind, name, before, after, revision FROM audit ORDER BY id DESC LIMIT $1",
                &[&limit],
            )
            .await
            .map_err(StoreError::query("to read the audit trail"))?;
        Ok(rows
            .iter()
            .map(|row| AuditEntry {
                at: from_sql_time(row.get("at")),
                by: ChangedBy { actor: row.get("actor"), source: row.get("source") },
                action: row.get("action"),
                kind: row.get("kind"),
                name: row.get("name"),
                before: row.get("before"),
                after: row.get("after"),
                revision: unsigned(row.get("revision")),
            })
            .collect())
    }
}

#[derive(Clone, Copy)]
enum Action {
    Create,
    Update,
    Delete,
}

/// Table of a kind; a constant text, so that it may stand in statements.
const fn table(kind: ConfigKind) -> &'static str {
    match kind {
        ConfigKind::Probe => "probe",
        ConfigKind::Receiver => "receiver",
        ConfigKind::Route => "route",
        ConfigKind::Template => "template",
        ConfigKind::Channel => "channel",
    }
}

async fn apply_one(
    transaction: &Transaction<'_>,
    change: &ConfigChange,
    revision: i64,
    by: &ChangedBy,
) -> Result<(ConfigKind, Action), StoreError> {
    let (kind, name, action) = match change {
        ConfigChange::Create(object) => (object.kind, &object.name, Action::Create),
        ConfigChange::Update(object) => (object.kind, &object.name, Action::Update),
        ConfigChange::Delete { kind, name, .. } => (*kind, name, Action::Delete),
    };
    let name = name.as_str();
    let table = table(kind);
    let before = transaction
        .query_opt(&format!("SELECT labels, spec, revision FROM {table} WHERE name = $1"), &[&name])
        .await
        .map_err(StoreError::query("to read an object before its change"))?;
    let stored = before.as_ref().map(|row| unsigned(row.get("revision")));
    let expected = match change {
        ConfigChange::Create(_) => None,
        ConfigChange::Update(object) => Some(object.revision),
        ConfigChange::Delete { revision, .. } => Some(*revision),
    };
    if stored != expected {
        return Err(StoreError::Conflict { what: "the configuration" });
    }
    let before = before
        .map(|row| serde_json::json!({"labels": row.get::<_, Value>("labels"), "spec": row.get::<_, Value>("spec")}));
    let after = match change {
        ConfigChange::Create(object) | ConfigChange::Update(object) => {
            let labels = serde_json::to_value(&object.labels).unwrap_or_default();
            transaction
                .execute(
                    &format!(
                        "INSERT INTO {table} (name, labels, spec, revision) VALUES ($1, $2, $3, $4)
                         ON CONFLICT (name) DO UPDATE SET labels = $2, spec = $3, revision = $4, changed_at = now()"
                    ),
                    &[&name, &labels, &object.spec, &revision],
                )
                .await
                .map_err(conflict_or("to write an object"))?;
            write_parts(transaction, kind, name).await?;
            Some(serde_json::json!({"labels": labels, "spec": object.spec}))
        }
        ConfigChange::Delete { .. } => {
            transaction
                .execute(&format!("DELETE FROM {table} WHERE name = $1"), &[&name])
                .await
                .map_err(conflict_or("to delete an object"))?;
            None
        }
    };
    let action_name = match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
    };
    transaction
        .execute(
            "INSERT INTO audit (actor, source, action, kind, name, before, after, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                &by.actor,
                &by.source,
                &action_name,
                &kind.as_str(),
                &name,
                &before.map(redact::redacted),
                &after.map(redact::redacted),
                &revision,
            ],
        )
        .await
        .map_err(StoreError::query("to write the audit trail"))?;
    Ok((kind, action))
}

/// Rows that repeat parts of a spec, for references and queries.
async fn write_parts(transaction: &Transaction<'_>, kind: ConfigKind, name: &str) -> Result<(), StoreError> {
    let statements: &[&str] = match kind {
        ConfigKind::Channel => &[
            "DELETE FROM stream WHERE channel = $1",
            "INSERT INTO stream (channel, name, position, protocol, url)
             SELECT c.name, s.value ->> 'name', s.ordinality, s.value ->> 'protocol', s.value ->> 'url'
             FROM channel c, jsonb_array_elements(c.spec -> 'streams') WITH ORDINALITY s WHERE c.name = $1",
            "DELETE FROM channel_probe WHERE channel = $1",
            "INSERT INTO channel_probe (channel, probe)
             SELECT DISTINCT c.name, p.value FROM channel c, jsonb_array_elements_text(c.spec -> 'probes') p WHERE c.name = $1",
        ],
        ConfigKind::Route => &[
            "DELETE FROM route_receiver WHERE route = $1",
            "INSERT INTO route_receiver (route, receiver)
             SELECT DISTINCT r.name, x.value FROM route r, jsonb_array_elements_text(r.spec -> 'receivers') x WHERE r.name = $1",
        ],
        ConfigKind::Probe | ConfigKind::Receiver | ConfigKind::Template => &[],
    };
    for statement in statements {
        transaction.execute(*statement, &[&name]).await.map_err(conflict_or("to write the parts of an object"))?;
    }
    Ok(())
}

/// A broken reference means that what was referred to went away in between.
fn conflict_or(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> StoreError {
    move |source| match source.code() {
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
            StoreError::Conflict { what: "an object that this change refers to, or that refers to what it deletes," }
        }
        _ => StoreError::Query { what, source },
    }
}

fn labels(value: Value) -> BTreeMap<String, String> {
    serde_json::from_value(value).unwrap_or_default()
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
