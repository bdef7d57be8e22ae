//! The event log over the months: partitions ahead of time, and the end of what is old.

use std::time::Duration;

use ow_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(3600);
const AFTER_ERROR: Duration = Duration::from_secs(60);
/// A slip in a setting must not forget what happened today.
const LEAST: Duration = Duration::from_secs(86_400);

/// Works until `stop`. Any number of routers may: one does it, by a lock of the store.
pub async fn keep(store: &Store, keep: Duration, stop: &CancellationToken) {
    loop {
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = once(store, keep.max(LEAST)) => done,
        };
        let wait = match done {
            Ok(()) => INTERVAL,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "the history was not looked after and will be again");
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn once(store: &Store, keep: Duration) -> Result<(), StoreError> {
    store.make_partitions().await?;
    if let Some(kept) = store.keep_history(keep).await?.filter(|kept| !kept.is_nothing()) {
        let (partitions, events, incidents) = (kept.partitions, kept.events, kept.incidents);
        tracing::info!(partitions, events, incidents, "old alarms were forgotten");
    }
    Ok(())
}
