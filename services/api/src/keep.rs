//! Keeps the compiled policies equal to the stored configuration: at every change, and every few seconds anyway.

use std::time::Duration;

use ow_bus::Bus;
use ow_service::Ops;
use ow_store::{Listener, Store};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::publish::{Report, reconcile_config};

/// Changes that come together are handled together.
const GATHER: Duration = Duration::from_millis(50);
/// A comparison that takes longer is given up and begun again.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Keeper {
    pub bus: Bus,
    pub store: Store,
    pub ops: Ops,
    pub metrics: Metrics,
}

impl Keeper {
    pub async fn run(self, mut changes: Listener, interval: Duration, stop: CancellationToken) {
        let mut regular = tokio::time::interval(interval);
        regular.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due: Option<Instant> = None;
        // Told once, not every few seconds.
        let mut told: Vec<String> = Vec::new();
        loop {
            let gathered = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => {
                    if change.is_none() {
                        return;
                    }
                    due.get_or_insert(Instant::now() + GATHER);
                    continue;
                }
                () = gathered => {}
                _ = regular.tick() => {}
            }
            due = None;
            let done = tokio::select! {
                // Every write stands for itself.
                () = stop.cancelled() => return,
                done = tokio::time::timeout(DEADLINE, reconcile_config(&self.store, &self.bus)) => done,
            };
            match done {
                Ok(Ok(report)) => self.succeeded(&report, &mut told),
                Ok(Err(error)) => self.failed(&error),
                Err(late) => self.failed(&late),
            }
        }
    }

    fn succeeded(&self, report: &Report, told: &mut Vec<String>) {
        self.ops.health.well("configuration");
        let n_changed = report.written.len() + report.removed.len();
        self.metrics.policies_written.inc_by(n_changed as u64);
        let n_policies = report.n_unchanged + report.written.len() + report.conflicts.len();
        self.metrics.policies.set(i64::try_from(n_policies).unwrap_or(i64::MAX));
        self.metrics.channels_invalid.set(i64::try_from(report.invalid.len()).unwrap_or(i64::MAX));
        if n_changed > 0 {
            let (n_written, n_removed) = (report.written.len(), report.removed.len());
            tracing::info!(revision = report.revision, n_written, n_removed, "policies published");
        }
        let invalid: Vec<String> = report.invalid.iter().map(ToString::to_string).collect();
        for reason in invalid.iter().filter(|reason| !told.contains(reason)) {
            tracing::error!(reason, "a stored channel gives no policy; the last good one stays in force");
        }
        *told = invalid;
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        self.metrics.reconcile_failures.inc();
        self.ops.health.ill("configuration", error.to_string());
        tracing::warn!(error, "policies could not be compared with the stored configuration and will be again");
    }
}
