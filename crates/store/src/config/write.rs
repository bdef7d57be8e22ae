//! A set of changes as few statements: per kind one that reads, one that writes, one that deletes, and one for the
//! audit trail. A thousand channels take as many round trips as one.

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::config::{ChangedBy, ConfigChange, ConfigKind, ConfigObject};
use serde_json::{Value, json};
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::{redact, table, unsigned};
use crate::StoreError;

/// What was done.
pub struct Counts {
    pub created: i32,
    pub updated: i32,
    pub deleted: i32,
    pub kinds: BTreeSet<ConfigKind>,
}

/// Changes of one kind.
#[derive(Default)]
struct Batch<'a> {
    puts: Vec<&'a ConfigObject>,
    deletes: Vec<&'a str>,
}

/// One line of the audit trail.
struct Line<'a> {
    action: &'static str,
    kind: ConfigKind,
    name: &'a str,
    before: Option<Value>,
    after: Option<Value>,
}

/// Makes the changes. [`StoreError::Conflict`] if what is stored is not what they were computed from.
pub async fn write(
    transaction: &Transaction<'_>,
    changes: &[ConfigChange],
    revision: i64,
    by: &ChangedBy,
) -> Result<Counts, StoreError> {
    let mut batches: BTreeMap<ConfigKind, Batch<'_>> = BTreeMap::new();
    let mut names: BTreeMap<ConfigKind, Vec<&str>> = BTreeMap::new();
    for change in changes {
        let (kind, name) = match change {
            ConfigChange::Create(object) | ConfigChange::Update(object) => {
                batches.entry(object.kind).or_default().puts.push(object);
                (object.kind, &object.name)
            }
            ConfigChange::Delete { kind, name, .. } => {
                batches.entry(*kind).or_default().deletes.push(name.as_str());
                (*kind, name)
            }
        };
        names.entry(kind).or_default().push(name.as_str());
    }
    let mut before = BTreeMap::new();
    for (kind, names) in &names {
        before.extend(stored(transaction, *kind, names).await?);
    }
    let lines = audit_lines(changes, &mut before)?;
    for (kind, batch) in &batches {
        write_batch(transaction, *kind, batch, revision).await?;
    }
    write_audit(transaction, &lines, revision, by).await?;
    let count = |action: &str| i32::try_from(lines.iter().filter(|l| l.action == action).count()).unwrap_or(i32::MAX);
    Ok(Counts {
        created: count("create"),
        updated: count("update"),
        deleted: count("delete"),
        kinds: batches.into_keys().collect(),
    })
}

type Before = BTreeMap<(ConfigKind, String), (u64, Value)>;

/// Revision and content of what is stored under these names.
async fn stored(transaction: &Transaction<'_>, kind: ConfigKind, names: &[&str]) -> Result<Before, StoreError> {
    let sql = format!("SELECT name, labels, spec, revision FROM {} WHERE name = ANY($1)", table(kind));
    let rows =
        transaction.query(&sql, &[&names]).await.map_err(StoreError::query("to read objects before their change"))?;
    let read = |row: tokio_postgres::Row| {
        let content = json!({"labels": row.get::<_, Value>("labels"), "spec": row.get::<_, Value>("spec")});
        ((kind, row.get("name")), (unsigned(row.get("revision")), content))
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Checks that each change was computed from what is stored, and says what it does.
fn audit_lines<'a>(changes: &'a [ConfigChange], before: &mut Before) -> Result<Vec<Line<'a>>, StoreError> {
    let mut lines = Vec::with_capacity(changes.len());
    for change in changes {
        let (action, kind, name, expected, after) = match change {
            ConfigChange::Create(object) => ("create", object.kind, &object.name, None, Some(object)),
            ConfigChange::Update(object) => ("update", object.kind, &object.name, Some(object.revision), Some(object)),
            ConfigChange::Delete { kind, name, revision } => ("delete", *kind, name, Some(*revision), None),
        };
        // Taken out: an object that is changed twice in one set is a conflict.
        let found = before.remove(&(kind, name.to_string()));
        if found.as_ref().map(|(revision, _)| *revision) != expected {
            return Err(StoreError::Conflict { what: "the configuration" });
        }
        let content = |object: &ConfigObject| redact::redacted(json!({"labels": object.labels, "spec": object.spec}));
        lines.push(Line {
            action,
            kind,
            name: name.as_str(),
            before: found.map(|(_, content)| redact::redacted(content)),
            after: after.map(content),
        });
    }
    Ok(lines)
}

async fn write_batch(
    transaction: &Transaction<'_>,
    kind: ConfigKind,
    batch: &Batch<'_>,
    revision: i64,
) -> Result<(), StoreError> {
    let table = table(kind);
    if !batch.puts.is_empty() {
        let names: Vec<&str> = batch.puts.iter().map(|object| object.name.as_str()).collect();
        let labels: Vec<Value> = batch.puts.iter().map(|object| json!(object.labels)).collect();
        let specs: Vec<&Value> = batch.puts.iter().map(|object| &object.spec).collect();
        let sql = format!(
            "INSERT INTO {table} (name, labels, spec, revision)
             SELECT n, l, s, $4 FROM unnest($1::text[], $2::jsonb[], $3::jsonb[]) AS given (n, l, s)
             ON CONFLICT (name) DO UPDATE
             SET labels = excluded.labels, spec = excluded.spec, revision = excluded.revision, changed_at = now()"
        );
        let params: [&(dyn ToSql + Sync); 4] = [&names, &labels, &specs, &revision];
        transaction.execute(&sql, &params).await.map_err(conflict_or("to write objects"))?;
        for statement in parts(kind) {
            transaction.execute(*statement, &[&names]).await.map_err(conflict_or("to write the parts of objects"))?;
        }
    }
    if !batch.deletes.is_empty() {
        transaction
            .execute(&format!("DELETE FROM {table} WHERE name = ANY($1)"), &[&batch.deletes])
            .await
            .map_err(conflict_or("to delete objects"))?;
    }
    Ok(())
}

/// Rows that repeat parts of the specs of the named objects, for references and queries.
fn parts(kind: ConfigKind) -> &'static [&'static str] {
    match kind {
        ConfigKind::Channel => &[
            "DELETE FROM stream WHERE channel = ANY($1)",
            "INSERT INTO stream (channel, name, position, protocol, url)
             SELECT c.name, s.value ->> 'name', s.ordinality, s.value ->> 'protocol', s.value ->> 'url'
             FROM channel c, jsonb_array_elements(c.spec -> 'streams') WITH ORDINALITY s WHERE c.name = ANY($1)",
            "DELETE FROM channel_probe WHERE channel = ANY($1)",
            "INSERT INTO channel_probe (channel, probe) SELECT DISTINCT c.name, p.value
             FROM channel c, jsonb_array_elements_text(c.spec -> 'probes') p WHERE c.name = ANY($1)",
        ],
        ConfigKind::Route => &[
            "DELETE FROM route_receiver WHERE route = ANY($1)",
            "INSERT INTO route_receiver (route, receiver) SELECT DISTINCT r.name, x.value
             FROM route r, jsonb_array_elements_text(r.spec -> 'receivers') x WHERE r.name = ANY($1)",
        ],
        ConfigKind::Group => &[
            "DELETE FROM channel_group_member WHERE channel_group = ANY($1)",
            "INSERT INTO channel_group_member (channel_group, channel) SELECT DISTINCT g.name, x.value
             FROM channel_group g, jsonb_array_elements_text(g.spec -> 'channels') x WHERE g.name = ANY($1)",
        ],
        ConfigKind::Maintenance => &[
            "DELETE FROM maintenance_group WHERE maintenance = ANY($1)",
            "INSERT INTO maintenance_group (maintenance, channel_group) SELECT DISTINCT m.name, x.value
             FROM maintenance m, jsonb_array_elements_text(m.spec -> 'groups') x WHERE m.name = ANY($1)",
        ],
        ConfigKind::Probe
        | ConfigKind::Receiver
        | ConfigKind::Template
        | ConfigKind::Region
        | ConfigKind::Packager
        | ConfigKind::Silence => &[],
    }
}

async fn write_audit(
    transaction: &Transaction<'_>,
    lines: &[Line<'_>],
    revision: i64,
    by: &ChangedBy,
) -> Result<(), StoreError> {
    let actions: Vec<&str> = lines.iter().map(|line| line.action).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line.kind.as_str()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line.name).collect();
    let before: Vec<Option<&Value>> = lines.iter().map(|line| line.before.as_ref()).collect();
    let after: Vec<Option<&Value>> = lines.iter().map(|line| line.after.as_ref()).collect();
    let params: [&(dyn ToSql + Sync); 8] =
        [&by.actor, &by.source, &revision, &actions, &kinds, &names, &before, &after];
    transaction
        .execute(
            "INSERT INTO audit (actor, source, action, kind, name, before, after, revision)
             SELECT $1, $2, a, k, n, b, f, $3
             FROM unnest($4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[]) AS line (a, k, n, b, f)",
            &params,
        )
        .await
        .map_err(StoreError::query("to write the audit trail"))?;
    Ok(())
}

/// A broken reference means that what was referred to went away in between.
pub fn conflict_or(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> StoreError {
    move |source| match source.code() {
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
            StoreError::Conflict { what: "an object that this change refers to, or that refers to what it deletes," }
        }
        _ => StoreError::Query { what, source },
    }
}
