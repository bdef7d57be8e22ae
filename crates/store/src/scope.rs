//! Label scopes in SQL: which channels exist for who asks.

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::ChannelId;
use ow_domain::access::LabelScope;
use serde_json::Value;

use crate::{Store, StoreError};

/// The scope as a parameter of type `jsonb`; `None`: all channels.
pub(crate) fn parameter(scope: Option<&LabelScope>) -> Option<Value> {
    scope.and_then(|scope| serde_json::to_value(scope).ok())
}

/// Condition: the scope in parameter `n` admits a channel with these labels (an expression of type `jsonb`). As
/// [`LabelScope::admits`].
pub(crate) fn admits(n: usize, labels: &str) -> String {
    format!(
        "(${n}::jsonb IS NULL OR NOT EXISTS (SELECT 1 FROM jsonb_each(${n}::jsonb) AS s (label, vals)
             WHERE NOT coalesce(s.vals ? ({labels} ->> s.label), false)))"
    )
}

impl Store {
    /// The labels of a configured channel.
    pub async fn channel_labels(&self, channel: &ChannelId) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached("SELECT labels FROM channel WHERE name = $1")
            .await
            .map_err(StoreError::query("to prepare reading the labels of a channel"))?;
        let row = client
            .query_opt(&statement, &[&channel.as_str()])
            .await
            .map_err(StoreError::query("to read the labels of a channel"))?;
        let corrupt = |error: serde_json::Error| StoreError::Corrupt { what: "a channel", reason: error.to_string() };
        row.map(|row| serde_json::from_value(row.get(0)).map_err(corrupt)).transpose()
    }

    /// Names of the configured channels that the scope admits.
    pub async fn channels_in_scope(&self, scope: &LabelScope) -> Result<BTreeSet<String>, StoreError> {
        let sql = format!("SELECT name FROM channel c WHERE {}", admits(1, "c.labels"));
        let client = self.client().await?;
        let statement = client
            .prepare_cached(&sql)
            .await
            .map_err(StoreError::query("to prepare reading the channels of a scope"))?;
        let rows = client
            .query(&statement, &[&parameter(Some(scope))])
            .await
            .map_err(StoreError::query("to read the channels of a scope"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
