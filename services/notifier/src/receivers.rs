//! The receivers as configured, kept in memory and read again when they change.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ow_domain::ReceiverId;
use ow_domain::receiver::ReceiverSpec;
use ow_service::Health;
use ow_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// All receivers, by name. A spec that this version cannot read is kept with the reason.
pub type Table = HashMap<String, Result<Arc<ReceiverSpec>, String>>;

/// A view of the receivers. Cheap to clone.
#[derive(Clone)]
pub struct Receivers {
    store: Store,
    table: Arc<RwLock<Arc<Table>>>,
}

impl Receivers {
    pub fn new(store: Store) -> Self {
        Self { store, table: Arc::default() }
    }

    pub fn all(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The settings of a receiver. One that is not known is looked for in the store before it is said not to exist.
    pub async fn get(&self, name: &ReceiverId) -> Result<Option<Result<Arc<ReceiverSpec>, String>>, StoreError> {
        if let Some(found) = self.all().get(name.as_str()) {
            return Ok(Some(found.clone()));
        }
        self.reload().await?;
        Ok(self.all().get(name.as_str()).cloned())
    }

    pub async fn reload(&self) -> Result<(), StoreError> {
        let rows = self.store.receivers().await?;
        let read = |spec: &serde_json::Value| {
            ReceiverSpec::from_json(spec)
                .map(Arc::new)
                .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        let placed = |row: &ow_store::deliveries::ReceiverRow| crate::secret::placed(&row.name, &row.spec);
        let table: Table = rows.into_iter().map(|row| (row.name.clone(), read(&placed(&row)))).collect();
        for (name, spec) in &table {
            if let Err(reason) = spec {
                tracing::warn!(receiver = name, reason, "a receiver's settings cannot be used");
            }
        }
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }

    /// Reads them again when told of a change, and each `interval` whatever is told.
    pub async fn follow(&self, interval: Duration, health: Health, stop: CancellationToken) -> Result<(), StoreError> {
        let mut listener = self.store.listen(ow_store::CONFIG_CHANNEL)?;
        while !stop.is_cancelled() {
            match self.reload().await {
                Ok(()) => health.well("receivers"),
                Err(error) => health.ill("receivers", error.chain()),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = listener.recv() => {}
                () = tokio::time::sleep(interval) => {}
            }
        }
        Ok(())
    }
}
