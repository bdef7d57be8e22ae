//! Lists of one kind: filtered, sorted and cut into pages by the database.

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::{Slug, Time};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{labels, table, unsigned};
use crate::{Store, StoreError, from_sql_time, sql_time};

/// An object with the time of its last change.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredObject {
    pub object: ConfigObject,
    pub changed_at: Time,
}

/// Order of a list; objects that are equal in it are in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConfigSort {
    #[default]
    Name,
    ChangedAt,
}

/// A test of one field of the specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldTest {
    /// The field is this text.
    Is(&'static str, String),
    /// The field is a list with this text in it.
    Has(&'static str, String),
    /// The field, or its default where it is missing.
    Flag { field: &'static str, is: bool, default: bool },
}

/// Objects by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    Only(Vec<String>),
    Except(Vec<String>),
}

/// Which objects of a kind, in which order. Tests are met all.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigQuery {
    pub kind: ConfigKind,
    /// In the name or the display name, whatever its case.
    pub search: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Each of these labels has one of its values: what the asker may see.
    pub scope: Option<BTreeMap<String, BTreeSet<String>>>,
    pub fields: Vec<FieldTest>,
    pub names: Option<Names>,
    pub sort: ConfigSort,
    pub descending: bool,
    /// Name and time of change of the last object of the page before.
    pub after: Option<(String, Time)>,
    pub limit: u32,
}

impl ConfigQuery {
    /// All objects of a kind by name, at most `limit`.
    pub fn new(kind: ConfigKind, limit: u32) -> Self {
        Self {
            kind,
            search: None,
            labels: BTreeMap::new(),
            scope: None,
            fields: Vec::new(),
            names: None,
            sort: ConfigSort::Name,
            descending: false,
            after: None,
            limit,
        }
    }
}

/// Conditions of a statement with their values.
#[derive(Default)]
struct Where {
    text: String,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Where {
    fn value(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    fn and(&mut self, condition: &str) {
        self.text.push_str(if self.text.is_empty() { " WHERE " } else { " AND " });
        self.text.push_str(condition);
    }

    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}

fn filter(query: &ConfigQuery) -> Where {
    let mut sql = Where::default();
    if let Some(text) = &query.search {
        let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = sql.value(format!("%{escaped}%"));
        sql.and(&format!("(name LIKE {pattern} OR lower(spec ->> 'displayName') LIKE {pattern})"));
    }
    if !query.labels.is_empty() {
        let wanted = sql.value(json!(query.labels));
        sql.and(&format!("labels @> {wanted}"));
    }
    for (label, allowed) in query.scope.iter().flatten() {
        let label = sql.value(label.clone());
        let allowed = sql.value(allowed.iter().cloned().collect::<Vec<String>>());
        sql.and(&format!("labels ->> {label}::text = ANY({allowed}::text[])"));
    }
    for test in &query.fields {
        match test {
            FieldTest::Is(field, text) => {
                let (field, text) = (sql.value(*field), sql.value(text.clone()));
                sql.and(&format!("spec ->> {field}::text = {text}::text"));
            }
            FieldTest::Has(field, text) => {
                let (field, text) = (sql.value(*field), sql.value(json!([text])));
                sql.and(&format!("spec -> {field}::text @> {text}::jsonb"));
            }
            FieldTest::Flag { field, is, default } => {
                let (field, is, default) = (sql.value(*field), sql.value(*is), sql.value(*default));
                sql.and(&format!("COALESCE((spec ->> {field}::text)::boolean, {default}::boolean) = {is}::boolean"));
            }
        }
    }
    match &query.names {
        Some(Names::Only(names)) => {
            let names = sql.value(names.clone());
            sql.and(&format!("name = ANY({names}::text[])"));
        }
        Some(Names::Except(names)) => {
            let names = sql.value(names.clone());
            sql.and(&format!("name <> ALL({names}::text[])"));
        }
        None => {}
    }
    sql
}

impl Store {
    /// One page.
    pub async fn list_config(&self, query: &ConfigQuery) -> Result<Vec<StoredObject>, StoreError> {
        let mut sql = filter(query);
        let (than, order) = if query.descending { ("<", "DESC") } else { (">", "ASC") };
        if let Some((name, at)) = &query.after {
            let name = sql.value(name.clone());
            match query.sort {
                ConfigSort::Name => sql.and(&format!("name {than} {name}")),
                ConfigSort::ChangedAt => {
                    let at = sql.value(sql_time(*at));
                    sql.and(&format!("(changed_at, name) {than} ({at}, {name})"));
                }
            }
        }
        let limit = sql.value(i64::from(query.limit));
        let by = match query.sort {
            ConfigSort::Name => format!("name {order}"),
            ConfigSort::ChangedAt => format!("changed_at {order}, name {order}"),
        };
        let text = format!(
            "SELECT name, labels, spec, revision, changed_at FROM {}{} ORDER BY {by} LIMIT {limit}",
            table(query.kind),
            sql.text
        );
        let client = self.client().await?;
        let statement =
            client.prepare_cached(&text).await.map_err(StoreError::query("to prepare a list of objects"))?;
        let rows = client
            .query(&statement, &sql.params())
            .await
            .map_err(StoreError::query("to list configuration objects"))?;
        rows.iter().map(|row| read(query.kind, row)).collect()
    }

    /// How many objects the query finds on all its pages.
    pub async fn count_config(&self, query: &ConfigQuery) -> Result<u64, StoreError> {
        let sql = filter(query);
        let text = format!("SELECT count(*) FROM {}{}", table(query.kind), sql.text);
        let client = self.client().await?;
        let row = client
            .query_one(&text, &sql.params())
            .await
            .map_err(StoreError::query("to count configuration objects"))?;
        Ok(unsigned(row.get(0)))
    }

    /// One object.
    pub async fn config_object(&self, kind: ConfigKind, name: &Slug) -> Result<Option<StoredObject>, StoreError> {
        let text = format!("SELECT name, labels, spec, revision, changed_at FROM {} WHERE name = $1", table(kind));
        let client = self.client().await?;
        let statement =
            client.prepare_cached(&text).await.map_err(StoreError::query("to prepare reading an object"))?;
        let row = client
            .query_opt(&statement, &[&name.as_str()])
            .await
            .map_err(StoreError::query("to read a configuration object"))?;
        row.map(|row| read(kind, &row)).transpose()
    }
}

fn read(kind: ConfigKind, row: &Row) -> Result<StoredObject, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { what: "a configuration object", reason };
    Ok(StoredObject {
        object: ConfigObject {
            kind,
            name: Slug::new(row.get("name")).map_err(|error| corrupt(error.to_string()))?,
            labels: labels(row.get::<_, Value>("labels")),
            spec: row.get("spec"),
            revision: unsigned(row.get("revision")),
        },
        changed_at: from_sql_time(row.get("changed_at")),
    })
}
