//! Service validator: captures in order, one verdict per channel.
//!
//! It owns partitions of the capture stream and feeds each message to the [`ow_checks::ChannelJudge`] of its channel;
//! what is wrong now goes out as one complete verdict. It reads no clock for judging: time comes with captures and
//! ticks. It refuses to know HTTP, SQL and receivers. State is rebuilt from snapshots and a replay (docs/adr/0004).
//! Start reading at [`run`], then [`judging`], then `partition`.

pub mod judging;
mod metrics;
mod partition;
mod policies;
pub mod replay;
mod snapshot;

use ow_bus::{Bus, BusError, PartitionedConfig, PartitionedConsumer, StreamName};
use ow_service::{HumanDuration, Ops};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use metrics::Metrics;
use partition::Owner;
use policies::Policies;

/// Settings of `[validator]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidatorConfig {
    /// Name of this process, unique among validators; a slug. Default: made at start.
    pub replica: Option<String>,
    /// How far back captures are read again when a partition has no snapshot at all.
    pub rebuild: HumanDuration,
    /// Longest time of facts between two snapshots of a channel.
    pub snapshot_every: HumanDuration,
}

impl Default for ValidatorConfig {
    fn default() -> Self {
        Self {
            replica: None,
            rebuild: HumanDuration(Duration::from_secs(15 * 60)),
            snapshot_every: HumanDuration(Duration::from_secs(30)),
        }
    }
}

/// What it runs on.
#[derive(Debug, Clone)]
pub struct Deps {
    pub bus: Bus,
    pub ops: Ops,
    /// Unique name of the process, used when the configuration names none.
    pub replica: String,
}

/// Why the service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ValidatorError {
    #[error("the validator cannot work with the bus")]
    Bus(#[from] BusError),
}

/// Judges until `shutdown`, then hands its partitions over.
pub async fn run(config: ValidatorConfig, deps: Deps, shutdown: CancellationToken) -> Result<(), ValidatorError> {
    let metrics = Metrics::register(&deps.ops);
    let Some(policies) = Policies::follow(&deps.bus, shutdown.clone()).await? else { return Ok(()) };
    let partitioned = PartitionedConfig {
        service: "validator".to_owned(),
        replica: config.replica.clone().unwrap_or(deps.replica),
        stream: StreamName::Captures,
    };
    let bus = deps.bus.clone();
    let make = move |partition| Owner::new(partition, bus.clone(), policies.clone(), metrics.clone(), &config);
    PartitionedConsumer::run(deps.bus, partitioned, make, shutdown).await?;
    Ok(())
}
