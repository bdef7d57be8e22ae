//! Configuration objects: read as one snapshot, changed as one transaction with an audit trail.

mod list;
mod probes;
pub(crate) mod redact;
mod revision;
mod write;

use std::collections::BTreeMap;

use ow_domain::Slug;
use ow_domain::Time;
use ow_domain::config::{ChangedBy, ConfigChange, ConfigKind, ConfigObject};
use serde_json::Value;

pub use self::list::{ConfigQuery, ConfigSort, FieldTest, Names, StoredObject};
pub use self::probes::ProbeCredential;
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
            UNION ALL SELECT 'Channel', name, labels, spec, revision FROM channel
            UNION ALL SELECT 'Region', name, labels, spec, revision FROM region
            UNION ALL SELECT 'Packager', name, labels, spec, revision FROM packager
            UNION ALL SELECT 'Group', name, labels, spec, revision FROM channel_group
            UNION ALL SELECT 'Silence', name, labels, spec, revision FROM silence
            UNION ALL SELECT 'Maintenance', name, labels, spec, revision FROM maintenance";
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
        let counts = write::write(&transaction, changes, revision, by).await?;
        transaction
            .execute(
                "INSERT INTO config_revision (revision, actor, source, n_created, n_updated, n_deleted) VALUES ($1, $2, $3, $4, $5, $6)",
                &[&revision, &by.actor, &by.source, &counts.created, &counts.updated, &counts.deleted],
            )
            .await
            .map_err(StoreError::query("to write the configuration revision"))?;
        for kind in counts.kinds {
            transaction
                .execute("SELECT pg_notify($1, $2)", &[&CONFIG_CHANNEL, &kind.as_str().to_ascii_lowercase()])
                .await
                .map_err(StoreError::query("to announce the change"))?;
        }
        transaction.commit().await.map_err(write::conflict_or("to commit the configuration change"))?;
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

/// Table of a kind; a constant text, so that it may stand in statements.
const fn table(kind: ConfigKind) -> &'static str {
    match kind {
        ConfigKind::Probe => "probe",
        ConfigKind::Receiver => "receiver",
        ConfigKind::Route => "route",
        ConfigKind::Template => "template",
        ConfigKind::Channel => "channel",
        ConfigKind::Region => "region",
        ConfigKind::Packager => "packager",
        ConfigKind::Group => "channel_group",
        ConfigKind::Silence => "silence",
        ConfigKind::Maintenance => "maintenance",
    }
}

fn labels(value: Value) -> BTreeMap<String, String> {
    serde_json::from_value(value).unwrap_or_default()
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
