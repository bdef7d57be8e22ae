//! Our SNMP engine, claimed in the store.

use std::pin::Pin;

use ow_store::Store;
use ow_store::deliveries::EngineClaim;
use tokio::sync::Mutex;

use crate::error::SendError;
use crate::snmp::sender::{EngineSource, EngineState, new_engine_id};

/// [`EngineSource`] in the store: boots are counted up there before they are used, and no two notifiers have one
/// engine at a time.
pub struct StoreEngines {
    store: Store,
    held: Mutex<(u64, Option<EngineClaim>)>,
}

impl StoreEngines {
    pub fn new(store: Store) -> Self {
        Self { store, held: Mutex::new((0, None)) }
    }

    async fn claim(&self) -> Result<EngineState, SendError> {
        let mut held = self.held.lock().await;
        let (generation, claim) = &mut *held;
        if claim.as_ref().is_none_or(EngineClaim::is_lost) {
            // First the old one goes, so that its slot is free.
            *claim = None;
            let made = self
                .store
                .claim_snmp_engine(&new_engine_id()?)
                .await
                .map_err(|e| SendError::transient(format!("no SNMP engine: {}", e.chain())))?;
            *generation += 1;
            tracing::info!(slot = made.slot, boots = made.boots, "SNMP engine claimed");
            *claim = Some(made);
        }
        match claim {
            Some(claim) => {
                Ok(EngineState { engine_id: claim.engine_id.clone(), boots: claim.boots, generation: *generation })
            }
            None => Err(SendError::transient("no SNMP engine")),
        }
    }
}

impl EngineSource for StoreEngines {
    fn engine(&self) -> Pin<Box<dyn Future<Output = Result<EngineState, SendError>> + Send + '_>> {
        Box::pin(self.claim())
    }
}
