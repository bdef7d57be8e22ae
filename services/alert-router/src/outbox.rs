//! Publishing what the transactions promised.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use ow_bus::{Bus, BusError};
use ow_contracts::{ChannelIncident, IncidentChange};
use ow_service::Health;
use ow_store::alarms::{OutboxMessage, OutboxRow};
use ow_store::{Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Incidents published side by side. Messages of one incident follow each other.
const N_SIDE_BY_SIDE: usize = 32;
const AFTER_ERROR: Duration = Duration::from_millis(500);
/// Another router is sending: it may not see what we have just recorded, so look again soon.
const WHILE_BUSY: Duration = Duration::from_millis(50);
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
const PART: &str = "outbox";

/// Publishes the outbox.
#[derive(Debug)]
pub struct Sender {
    pub store: Store,
    pub bus: Bus,
    pub health: Health,
    pub metrics: Metrics,
    pub wake: Arc<Notify>,
    pub interval: Duration,
    pub batch: u32,
    pub keep: Duration,
}

/// What one look at the outbox came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// There may be more.
    Full,
    All,
    /// Another router is at it.
    Busy,
}

impl Sender {
    /// Sends until `stop`, then once more all that is there.
    pub async fn run(self, stop: CancellationToken) {
        let mut pruned: Option<tokio::time::Instant> = None;
        let mut was_busy = false;
        loop {
            let stopping = stop.is_cancelled();
            let wait = match self.send().await {
                Ok(Sent::Full) => {
                    was_busy = false;
                    continue;
                }
                Ok(Sent::All) => {
                    was_busy = false;
                    self.interval
                }
                // Once more for what we may have added meanwhile, then the other one has it.
                Ok(Sent::Busy) if was_busy => self.interval,
                Ok(Sent::Busy) => {
                    was_busy = true;
                    WHILE_BUSY
                }
                Err(()) => AFTER_ERROR,
            };
            if stopping {
                return;
            }
            if pruned.is_none_or(|at| at.elapsed() >= PRUNE_INTERVAL) {
                pruned = Some(tokio::time::Instant::now());
                self.prune().await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => was_busy = false,
            }
        }
    }

    async fn send(&self) -> Result<Sent, ()> {
        match self.send_batch().await {
            Ok(sent) => {
                if sent != Sent::Busy {
                    self.health.well(PART);
                }
                Ok(sent)
            }
            Err(reason) => {
                tracing::warn!(error = reason, "the outbox was not sent and is tried again");
                self.health.ill(PART, reason);
                Err(())
            }
        }
    }

    async fn send_batch(&self) -> Result<Sent, String> {
        let failed = |error: StoreError| error.chain();
        let Some(batch) = self.store.outbox_batch(self.batch).await.map_err(failed)? else { return Ok(Sent::Busy) };
        let n_rows = batch.rows.len();
        if n_rows == 0 {
            batch.finish(&[], &[]).await.map_err(failed)?;
            self.metrics.outbox_waiting.set(0);
            return Ok(Sent::All);
        }
        let mut groups: Vec<Vec<&OutboxRow>> = Vec::new();
        for row in &batch.rows {
            match groups.iter_mut().find(|group| group[0].incident == row.incident) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        let groups: Vec<_> = groups.into_iter().map(|group| self.publish_group(group)).collect();
        let results: Vec<GroupResult> = stream::iter(groups).buffer_unordered(N_SIDE_BY_SIDE).collect().await;
        let sent: Vec<i64> = results.iter().flat_map(|r| r.sent.iter().copied()).collect();
        let refused: Vec<(i64, String)> = results.iter().flat_map(|r| r.refused.iter().cloned()).collect();
        batch.finish(&sent, &refused).await.map_err(failed)?;
        self.metrics.outbox_sent.inc_by(sent.len() as u64);
        self.metrics.outbox_failed.inc_by(refused.len() as u64);
        let waiting = n_rows - sent.len() - refused.len();
        self.metrics.outbox_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        match results.into_iter().find_map(|r| r.stopped_by) {
            Some(reason) => Err(reason),
            None if n_rows >= self.batch as usize => Ok(Sent::Full),
            None => Ok(Sent::All),
        }
    }

    /// Messages of one incident, in order, up to the first that cannot be published now.
    async fn publish_group(&self, rows: Vec<&OutboxRow>) -> GroupResult {
        let mut result = GroupResult::default();
        for row in rows {
            let published = match &row.message {
                Ok(message) => self.publish(message).await,
                Err(reason) => {
                    result.refuse(row, reason.clone());
                    continue;
                }
            };
            match published {
                Ok(()) => result.sent.push(row.id),
                Err(error) if error.is_permanent() => result.refuse(row, error.to_string()),
                Err(error) => {
                    result.stopped_by = Some(error.to_string());
                    break;
                }
            }
        }
        result
    }

    async fn publish(&self, message: &OutboxMessage) -> Result<(), BusError> {
        match message {
            OutboxMessage::Notify(job) => self.bus.publish(job.as_ref()).await,
            OutboxMessage::Change(notice) => self.bus.publish(&IncidentChange(notice.as_ref().clone())).await,
            OutboxMessage::Incident(notice) => self.bus.publish(&ChannelIncident(notice.as_ref().clone())).await,
        }
        .map(|_| ())
    }

    async fn prune(&self) {
        match self.store.prune_outbox(self.keep).await {
            Ok(0) => {}
            Ok(n_rows) => tracing::debug!(n_rows, "sent messages were deleted from the outbox"),
            Err(error) => tracing::warn!(error = %error.chain(), "the outbox was not pruned"),
        }
    }
}

#[derive(Debug, Default)]
struct GroupResult {
    sent: Vec<i64>,
    refused: Vec<(i64, String)>,
    stopped_by: Option<String>,
}

impl GroupResult {
    fn refuse(&mut self, row: &OutboxRow, reason: String) {
        tracing::error!(id = row.id, incident = row.incident, reason, "a message can never be sent and is left out");
        self.refused.push((row.id, reason));
    }
}
