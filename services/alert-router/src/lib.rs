//! Verdict in, incident changes and notify jobs out.
//!
//! [`acting`] compares each verdict with the open alarms of its channel (the thinking is in `ow-alerting`) and records
//! what changes, with the messages that follow, in one transaction; [`outbox`] publishes those messages afterwards, in
//! order and again until the bus has them. So nothing is announced that is not recorded, and everything recorded is
//! announced. A router that lost its partition without knowing is stopped by the position that the transaction
//! compares. [`sweep`] looks at what no verdict tells: acknowledgements and shelves that run out, silences that begin
//! and end. It refuses to know how a receiver is told. Start reading at [`run`].

pub mod acting;
mod convert;
mod history;
pub mod metrics;
pub mod outbox;
mod partition;
pub mod routes;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use ow_bus::{Bus, BusError, PartitionedConfig, PartitionedConsumer, StreamName};
use ow_domain::Time;
use ow_service::{HumanDuration, Ops};
use ow_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::acting::Acting;
use crate::metrics::Metrics;
use crate::outbox::Sender;
use crate::partition::PartitionRouter;

/// Name of the service: section of the configuration, prefix of its consumers.
pub const SERVICE: &str = "alert-router";

/// Settings of the section `[alert-router]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Routes and receivers are read again this often, beside being told of changes.
    pub reconcile_interval: HumanDuration,
    /// The outbox is looked at this often, beside being told of new messages: finds what a dead router left.
    pub outbox_interval: HumanDuration,
    /// Messages taken from the outbox at a time.
    pub outbox_batch: u32,
    /// Sent messages are kept this long.
    pub outbox_keep: HumanDuration,
    /// What was over before the month in which so long ago lies is forgotten, with its history. At least `1d`.
    pub history_keep: HumanDuration,
    /// How long the end of the service may take.
    pub drain_timeout: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reconcile_interval: HumanDuration(Duration::from_secs(4)),
            outbox_interval: HumanDuration(Duration::from_secs(1)),
            outbox_batch: 500,
            outbox_keep: HumanDuration(Duration::from_secs(24 * 3600)),
            history_keep: HumanDuration(Duration::from_secs(400 * 86_400)),
            drain_timeout: HumanDuration(Duration::from_secs(10)),
        }
    }
}

/// What the service works with. The schema of the store is migrated and the bus has its streams.
#[derive(Debug, Clone)]
pub struct Deps {
    pub bus: Bus,
    pub store: Store,
    pub ops: Ops,
    /// Name of this process among the routers; a slug.
    pub replica: String,
}

/// Why the service ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the bus failed")]
    Bus(#[from] BusError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the task {0} ended, which it never should")]
    Ended(&'static str),
    #[error("a task broke down")]
    Task(#[from] tokio::task::JoinError),
}

/// Routes until `shutdown`: then hands its partitions over, sends what is in the outbox and returns.
pub async fn run(config: Config, deps: Deps, shutdown: CancellationToken) -> Result<(), RunError> {
    let metrics = Metrics::new(&deps.ops);
    let wake = Arc::new(Notify::new());
    // Ends after the partitions: what they promised last is to be sent as well.
    let after = CancellationToken::new();
    let _end = after.clone().drop_guard();
    let mut tasks: JoinSet<Result<&'static str, RunError>> = JoinSet::new();

    let (follower, rules) = routes::follow(&deps.store, &deps.ops, config.reconcile_interval.0)?;
    let stop = after.clone();
    tasks.spawn(async move {
        follower.run(stop).await;
        Ok("routes")
    });
    let sender = Sender {
        store: deps.store.clone(),
        bus: deps.bus.clone(),
        health: deps.ops.health.clone(),
        metrics: metrics.clone(),
        wake: wake.clone(),
        interval: config.outbox_interval.0,
        batch: config.outbox_batch,
        keep: config.outbox_keep.0,
    };
    let stop = after.clone();
    tasks.spawn(async move {
        sender.run(stop).await;
        Ok("outbox")
    });

    let (store, keep, stop) = (deps.store.clone(), config.history_keep.0, after.clone());
    tasks.spawn(async move {
        history::keep(&store, keep, &stop).await;
        Ok("history")
    });

    let acting =
        Acting { store: deps.store.clone(), rules: rules.clone(), health: deps.ops.health.clone(), metrics, wake };
    let (sweeper, stop) = (sweep::Sweeper::new(acting.clone(), rules), after.clone());
    tasks.spawn(async move {
        sweeper.run(&stop).await;
        Ok("sweep")
    });
    let partitions =
        PartitionedConfig { service: SERVICE.to_owned(), replica: deps.replica.clone(), stream: StreamName::Verdicts };
    let make = move |_| PartitionRouter::new(acting.clone());
    let consumer = PartitionedConsumer::run(deps.bus.clone(), partitions, make, shutdown.clone());
    let mut consumer = std::pin::pin!(consumer);
    tokio::select! {
        ended = &mut consumer => {
            ended?;
            if !shutdown.is_cancelled() {
                return Err(RunError::Ended("partitions"));
            }
        }
        Some(ended) = tasks.join_next() => return Err(RunError::Ended(ended??)),
        () = drained(&shutdown, config.drain_timeout.0) => {
            tracing::warn!("partitions were not handed over in time; the next owner waits for the server to free them");
        }
    }
    after.cancel();
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(config.drain_timeout.0, rest).await.is_err() {
        tracing::warn!("not everything in the outbox was sent in time; it is sent at the next start");
    }
    Ok(())
}

/// Returns `limit` after `shutdown`.
async fn drained(shutdown: &CancellationToken, limit: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(limit).await;
}

/// UTC by the system clock.
fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
