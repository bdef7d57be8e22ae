//! Notify jobs in, messages to people and machines out.
//!
//! Per kind of receiver: what a message says is pure (`snmp::varbinds`, `email::render`, `slack::render`,
//! `webhook::render`), sending is apart from it. [`decide`] holds the delivery contract, [`deliver`] carries it out
//! with the delivery log of `ow-store`, [`lanes`] keeps one receiver's messages in order and at its pace. It refuses
//! to know why something is told, and to whom: that was routed before. Start reading at [`run`], then
//! [`deliver::Deliverer`].
//!
//! A message may leave twice in one case only: when this process dies after sending and before the log is written. It
//! then has the same identifiers (SNMP sequence with `owResend`, Message-ID, webhook-id); Slack has none to give.

pub mod decide;
pub mod deliver;
pub mod email;
pub mod engines;
pub mod error;
pub mod heartbeat;
mod http;
mod lanes;
mod metrics;
pub mod receivers;
pub mod retry;
#[cfg(test)]
mod sample;
pub mod secret;
pub mod slack;
pub mod slack_api;
pub mod snmp;
mod text;
pub mod webhook;

use std::sync::Arc;
use std::time::Duration;

use ow_bus::{Bus, BusError, ConsumerSpec};
use ow_domain::incident::ReceiverKind;
use ow_service::{HumanDuration, Ops};
use ow_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use snmp::mib_text;

/// Name of the service: section of the configuration.
pub const SERVICE: &str = "notifier";
/// Old log rows are looked for this often.
const SWEEP: Duration = Duration::from_secs(3600);

/// Settings of the section `[notifier]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the dashboard as people reach it; links in messages start with it.
    pub public_url: String,
    /// Name of this installation, in heartbeats.
    pub instance: String,
    /// Jobs in hand at once, per kind of receiver.
    pub concurrency: usize,
    /// Receivers are read again this often, beside being told of changes.
    pub reconcile_interval: HumanDuration,
    /// Attempts for a raise or an update before it goes to the dead letters.
    pub max_attempts: u32,
    /// How long a clear is tried.
    pub clear_for: HumanDuration,
    /// Least wait after a wrong credential or setting.
    pub settings_wait: HumanDuration,
    /// The delivery log is kept this long.
    pub log_keep: HumanDuration,
    /// How long the end of the service may take.
    pub drain_timeout: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            instance: "ottwatch".to_owned(),
            concurrency: 64,
            reconcile_interval: HumanDuration(Duration::from_secs(4)),
            max_attempts: 20,
            clear_for: HumanDuration(Duration::from_secs(24 * 3600)),
            settings_wait: HumanDuration(Duration::from_secs(30)),
            log_keep: HumanDuration(Duration::from_secs(90 * 86_400)),
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

/// Delivers until `shutdown`, then finishes what is in hand and returns.
pub async fn run(config: Config, deps: Deps, shutdown: CancellationToken) -> Result<(), RunError> {
    if config.public_url.is_empty() {
        tracing::warn!("public_url is not set: messages carry no link to the dashboard");
    }
    let metrics = metrics::Metrics::new(&deps.ops);
    let receivers = receivers::Receivers::new(deps.store.clone());
    let env = secret::process_env();
    let http = Arc::new(http::HttpClients::default());
    let engines = Arc::new(engines::StoreEngines::new(deps.store.clone()));
    let snmp: Arc<dyn snmp::TrapSender> = Arc::new(snmp::SnmpSender::new(engines, env.clone()));
    let deliverer = Arc::new(deliver::Deliverer {
        store: deps.store.clone(),
        bus: deps.bus.clone(),
        receivers: receivers.clone(),
        limits: retry::Limits {
            max_attempts: config.max_attempts.max(1),
            clear_for: config.clear_for.0,
            settings_wait: config.settings_wait.0,
            ..retry::Limits::default()
        },
        public_url: config.public_url.clone(),
        holder: uuid::Uuid::new_v4().to_string(),
        snmp: snmp.clone(),
        mailer: email::Mailer::new(env.clone()),
        slack: slack_api::SlackApi::new(env.clone(), http.clone()),
        webhooks: webhook::Webhooks::new(env, http),
        lanes: lanes::Lanes::default(),
        in_hand: deliver::InHand::default(),
        metrics: metrics.clone(),
    });

    let mut tasks: JoinSet<Result<&'static str, RunError>> = JoinSet::new();
    for kind in ReceiverKind::ALL {
        let (bus, deliverer, stop) = (deps.bus.clone(), deliverer.clone(), shutdown.clone());
        let spec = ConsumerSpec::notifier(kind, config.concurrency);
        tasks.spawn(async move {
            bus.consume(spec, deliverer, stop).await?;
            Ok("consumer")
        });
    }
    let (follower, health, stop) = (receivers.clone(), deps.ops.health.clone(), shutdown.clone());
    tasks.spawn(async move {
        follower.follow(config.reconcile_interval.0, health, stop).await?;
        Ok("receivers")
    });
    let beats = heartbeat::Heartbeats {
        store: deps.store.clone(),
        receivers,
        snmp,
        instance: config.instance.clone(),
        metrics,
    };
    let stop = shutdown.clone();
    tasks.spawn(async move {
        beats.run(stop).await;
        Ok("heartbeats")
    });
    let (store, stop) = (deps.store.clone(), shutdown.clone());
    tasks.spawn(async move {
        sweep(&store, config.log_keep.0, stop).await;
        Ok("sweep")
    });

    let ended = tokio::select! {
        () = shutdown.cancelled() => None,
        ended = tasks.join_next() => ended,
    };
    if let Some(ended) = ended
        && !shutdown.is_cancelled()
    {
        return Err(RunError::Ended(ended??));
    }
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(config.drain_timeout.0, rest).await.is_err() {
        tracing::warn!("not every delivery ended in time; what is left is tried again by another notifier");
    }
    Ok(())
}

async fn sweep(store: &Store, keep: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        match store.delete_old_deliveries(keep).await {
            Ok(0) => {}
            Ok(n_rows) => tracing::info!(n_rows, "old deliveries deleted"),
            Err(error) => tracing::warn!(error = error.chain(), "old deliveries were not deleted"),
        }
    }
}
