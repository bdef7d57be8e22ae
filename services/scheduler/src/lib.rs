//! Turns what is wanted (policies in KV `CONFIG`) into what stands (one fetch job per channel and probe), and lets time
//! pass: a tick per partition and second.
//!
//! It keeps no state and elects nobody: any number of replicas read the same buckets, come to the same plan and write it
//! idempotently. Ticks carry derived ids, so that of all replicas' ticks one is kept. It refuses to know what a probe
//! does with a job. Start reading at [`run`], then [`plan`].

mod metrics;
pub mod plan;
mod reconcile;
mod ticks;

use std::time::Duration;

use ow_bus::{Bucket, Bus, BusError, Limits};
use ow_domain::policy::ChannelPolicy;
use ow_service::{HumanBytes, HumanDuration, Ops};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;

/// Settings, section `[scheduler]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SchedulerConfig {
    /// Everything is compared and repaired this often; changes are taken at once.
    pub reconcile_interval: HumanDuration,
    /// Fetchers get this long after our start to give their first sign of life before a channel counts as unwatched.
    pub probe_grace: HumanDuration,
    /// Create or update streams and buckets at the start.
    pub make_topology: bool,
    /// Copies of each stream: 1, or 3 on a cluster.
    pub stream_replicas: usize,
    /// Space set aside for captures.
    pub captures_size: HumanBytes,
    /// Space set aside for measures.
    pub measures_size: HumanBytes,
    /// Space set aside for each of the other streams and buckets.
    pub other_size: HumanBytes,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        let local = Limits::local();
        let size = |bytes: Option<u64>| HumanBytes(bytes.unwrap_or(512 << 20));
        Self {
            reconcile_interval: HumanDuration(Duration::from_secs(5)),
            probe_grace: HumanDuration(Duration::from_secs(10)),
            make_topology: true,
            stream_replicas: 1,
            captures_size: size(local.captures_bytes),
            measures_size: size(local.measures_bytes),
            other_size: size(local.other_bytes),
        }
    }
}

impl SchedulerConfig {
    fn limits(&self) -> Limits {
        Limits {
            replicas: self.stream_replicas,
            captures_bytes: Some(self.captures_size.0),
            measures_bytes: Some(self.measures_size.0),
            other_bytes: Some(self.other_size.0),
        }
    }

    /// What of it makes no sense: key, value, reason, example.
    pub fn validate(&self) -> Vec<ow_service::config::Problem> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, value: String, reason: &str, example: &str| {
            problems.push(ow_service::config::Problem {
                origin: "scheduler".into(),
                key: format!("scheduler.{key}"),
                value,
                reason: reason.into(),
                example: Some(example.into()),
            });
        };
        let interval = self.reconcile_interval;
        if !(Duration::from_millis(200)..=Duration::from_secs(60)).contains(&interval.0) {
            problem("reconcile_interval", interval.to_string(), "must be 200ms to 1m", "reconcile_interval = \"5s\"");
        }
        if !matches!(self.stream_replicas, 1 | 3 | 5) {
            let value = self.stream_replicas.to_string();
            problem("stream_replicas", value, "must be 1, 3 or 5", "stream_replicas = 3");
        }
        problems
    }
}

/// What the scheduler works with.
#[derive(Debug, Clone)]
pub struct Deps {
    pub bus: Bus,
    pub ops: Ops,
}

/// Why the scheduler ended other than by shutdown.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error("the scheduler could not prepare the bus")]
    Prepare(#[source] BusError),
    #[error("a part of the scheduler ended unexpectedly: {0}")]
    Ended(&'static str),
}

/// Runs until `shutdown`. Standing jobs stay when it ends: they are wanted, and somebody else looks after them.
pub async fn run(config: SchedulerConfig, deps: Deps, shutdown: CancellationToken) -> Result<(), SchedulerError> {
    let Deps { bus, ops } = deps;
    if config.make_topology {
        bus.ensure_topology(&config.limits()).await.map_err(SchedulerError::Prepare)?;
    }
    let metrics = Metrics::new(&ops);
    let watch = bus.kv::<ChannelPolicy>(Bucket::Config).watch(">").await.map_err(SchedulerError::Prepare)?;
    let tracker = TaskTracker::new();
    let stop = shutdown.child_token();
    let ticks = tracker.spawn(ticks::run(bus.clone(), metrics.clone(), stop.clone()));
    let (mover, token) = (bus.clone(), stop.clone());
    let letters = tracker.spawn(async move { mover.move_dead_letters(token).await });
    let reconciler = reconcile::Reconciler::new(bus, ops, metrics, config.probe_grace.0);
    let jobs = tracker.spawn(reconciler.run(watch, config.reconcile_interval.0, stop.clone()));
    tracker.close();
    let ended = tokio::select! {
        _ = ticks => "ticks",
        _ = jobs => "jobs",
        _ = letters => "dead letters",
    };
    let wanted = shutdown.is_cancelled();
    stop.cancel();
    tracker.wait().await;
    if wanted { Ok(()) } else { Err(SchedulerError::Ended(ended)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_sense_are_told() {
        assert!(SchedulerConfig::default().validate().is_empty());
        let config = SchedulerConfig {
            reconcile_interval: HumanDuration(Duration::ZERO),
            stream_replicas: 2,
            ..SchedulerConfig::default()
        };
        assert_eq!(config.validate().len(), 2);
    }
}
