//! Measures, verdicts and manifests in; minute rollups and manifests in Postgres, channel metrics for Prometheus and
//! lines for InfluxDB out.
//!
//! Nobody waits for it. Rollups are written before a message is acknowledged; metrics and InfluxDB lines are
//! best effort: what cannot be written is dropped, oldest first, and counted. It judges nothing and keeps no state
//! that a restart would miss. Start reading at [`run`].

mod handlers;
pub mod influx;
pub mod line;
mod manifests;
pub mod series;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ow_bus::{Bus, BusError, ConsumerSpec};
use ow_domain::capture::{Capture, ObjectKind};
use ow_domain::verdict::{Measures, Verdict};
use ow_service::{HumanBytes, HumanDuration, Ops};
use ow_store::Store;
use ow_store::manifests::Pruned;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::handlers::{MeasuresHandler, VerdictHandler};
use crate::influx::{Influx, InfluxError};
use crate::series::Series;

/// Name of the service: section of the configuration.
pub const SERVICE: &str = "recorder";

/// Settings of the section `[recorder]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Write minute rollups to Postgres.
    pub rollups: bool,
    /// Older minutes are deleted, by whole days.
    pub retention: HumanDuration,
    /// Old minutes are looked for this often.
    pub prune_interval: HumanDuration,
    /// Messages of one kind handled at once.
    pub concurrency: usize,
    /// Series that were not written for so long are no longer exported. Verdicts come at least once a minute.
    pub stale_after: HumanDuration,
    pub influx: InfluxConfig,
    /// Manifests as they were served, for `ottwatch manifest`.
    pub manifests: ManifestConfig,
    /// How long the end of the service may take.
    pub drain_timeout: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rollups: true,
            retention: HumanDuration(Duration::from_secs(90 * 86_400)),
            prune_interval: HumanDuration(Duration::from_secs(3600)),
            concurrency: 16,
            stale_after: HumanDuration(Duration::from_secs(180)),
            influx: InfluxConfig::default(),
            manifests: ManifestConfig::default(),
            drain_timeout: HumanDuration(Duration::from_secs(10)),
        }
    }
}

/// Where InfluxDB is; `url` empty: nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InfluxConfig {
    /// Server of the v2 write API, e.g. `https://influx.example.net:8086`.
    pub url: String,
    /// Organisation and bucket that lines are written to.
    pub org: String,
    /// See `org`.
    pub bucket: String,
    /// File with the token; read again for every batch, so that it may be replaced.
    pub token_file: Option<PathBuf>,
    /// PEM file with certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Lines of one request.
    pub batch_lines: usize,
    /// Lines wait at most so long for a batch to be full.
    pub flush_interval: HumanDuration,
    /// Lines that wait while the server is away; more push out the oldest.
    pub queue_lines: usize,
    /// For one request.
    pub timeout: HumanDuration,
}

impl Default for InfluxConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            org: String::new(),
            bucket: "ottwatch".to_owned(),
            token_file: None,
            ca_file: None,
            batch_lines: 5_000,
            flush_interval: HumanDuration(Duration::from_secs(5)),
            queue_lines: 200_000,
            timeout: HumanDuration(Duration::from_secs(10)),
        }
    }
}

/// Which manifests are kept, for `ottwatch manifest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManifestConfig {
    /// Keep playlists and MPDs as they were served.
    pub keep: bool,
    /// Older ones are deleted.
    pub retention: HumanDuration,
    /// All together weigh at most so much, compressed; the oldest are deleted first.
    pub max_size: HumanBytes,
    /// Age and size are looked at this often.
    pub prune_interval: HumanDuration,
    /// Captures of one kind of manifest handled at once; they are written together.
    pub concurrency: usize,
}

impl Default for ManifestConfig {
    fn default() -> Self {
        Self {
            keep: true,
            retention: HumanDuration(Duration::from_secs(3 * 86_400)),
            max_size: HumanBytes(8 << 30),
            prune_interval: HumanDuration(Duration::from_secs(300)),
            concurrency: 128,
        }
    }
}

/// What the service works with. The schema of the store is migrated and the bus has its streams. Channel metrics are
/// registered with `ops`.
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
    #[error("InfluxDB cannot be used")]
    Influx(#[from] InfluxError),
    #[error("the task {0} ended, which it never should")]
    Ended(&'static str),
    #[error("a task broke down")]
    Task(#[from] tokio::task::JoinError),
}

/// Records until `shutdown`; then finishes what is in hand and sends the lines that wait.
pub async fn run(config: Config, deps: Deps, shutdown: CancellationToken) -> Result<(), RunError> {
    let series = Arc::new(Series::new(&deps.ops, config.stale_after.0));
    let influx = match config.influx.url.as_str() {
        "" => None,
        _ => Some(Arc::new(Influx::new(config.influx.clone(), &deps.ops)?)),
    };
    let mut consumers: JoinSet<Result<&'static str, RunError>> = JoinSet::new();
    let measures = Arc::new(MeasuresHandler {
        store: config.rollups.then(|| deps.store.clone()),
        series: series.clone(),
        influx: influx.clone(),
        health: deps.ops.health.clone(),
    });
    let (bus, stop, spec) = (deps.bus.clone(), shutdown.clone(), ConsumerSpec::recorder_measures(config.concurrency));
    consumers.spawn(async move {
        bus.consume::<Measures, _>(spec, measures, stop).await?;
        Ok("measures")
    });
    let verdicts = Arc::new(VerdictHandler { series: series.clone() });
    let (bus, stop, spec) = (deps.bus.clone(), shutdown.clone(), ConsumerSpec::recorder_verdicts(config.concurrency));
    consumers.spawn(async move {
        bus.consume::<Verdict, _>(spec, verdicts, stop).await?;
        Ok("verdicts")
    });

    let mut writer = None;
    if config.manifests.keep {
        let concurrency = config.manifests.concurrency;
        let (handler, manifests, waiting) = manifests::parts(deps.store.clone(), &deps.ops, concurrency);
        for object in [ObjectKind::Mvp, ObjectKind::MediaPlaylist, ObjectKind::Mpd] {
            let spec = ConsumerSpec::recorder_manifests(object, concurrency);
            let (bus, stop, handler) = (deps.bus.clone(), shutdown.clone(), handler.clone());
            consumers.spawn(async move {
                bus.consume::<Capture, _>(spec, handler, stop).await?;
                Ok("manifests")
            });
        }
        writer = Some((manifests, waiting));
    }

    // Ends after the consumers, so that their last lines are sent.
    let after = CancellationToken::new();
    let _end = after.clone().drop_guard();
    let mut others = JoinSet::new();
    if let Some(influx) = influx {
        let stop = after.clone();
        others.spawn(async move {
            influx.run(stop).await;
            "influx"
        });
    }
    if let Some((manifests, waiting)) = writer {
        // Ends when the consumers have: what they hold is written, unless the store is away.
        let stop = shutdown.clone();
        others.spawn(async move {
            let ended = manifests.run(waiting, stop.clone()).await;
            stop.cancelled().await;
            ended
        });
        others.spawn(prune_manifests(config.manifests.clone(), deps.store.clone(), after.clone()));
    }
    others.spawn(upkeep(config.clone(), deps.store.clone(), series, after.clone()));

    let failure = tokio::select! {
        () = shutdown.cancelled() => None,
        Some(ended) = consumers.join_next() => match ended? {
            Ok(_) if shutdown.is_cancelled() => None,
            Ok(name) => Some(RunError::Ended(name)),
            Err(error) => Some(error),
        },
        Some(ended) = others.join_next() => Some(RunError::Ended(ended?)),
    };
    if let Some(failure) = failure {
        return Err(failure);
    }
    let rest = async {
        while consumers.join_next().await.is_some() {}
        after.cancel();
        while others.join_next().await.is_some() {}
    };
    if tokio::time::timeout(config.drain_timeout.0, rest).await.is_err() {
        tracing::warn!("not everything in hand was finished in time; it comes again");
    }
    Ok(())
}

/// Takes stale series away, makes the partitions of the days to come and drops those of old minutes.
async fn upkeep(config: Config, store: Store, series: Arc<Series>, stop: CancellationToken) -> &'static str {
    let mut sweep = tokio::time::interval((config.stale_after.0 / 6).max(Duration::from_millis(50)));
    let mut prune = tokio::time::interval(config.prune_interval.0.max(Duration::from_secs(1)));
    for every in [&mut sweep, &mut prune] {
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return "upkeep",
            _ = sweep.tick() => series.sweep(),
            _ = prune.tick() => {
                if !config.rollups {
                    continue;
                }
                let pruned = tokio::select! {
                    () = stop.cancelled() => return "upkeep",
                    pruned = async {
                        store.make_partitions().await?;
                        store.prune_measures(config.retention.0).await
                    } => pruned,
                };
                match pruned {
                    Ok(0) => {}
                    Ok(n_days) => tracing::info!(n_days, "old minute rollups were deleted"),
                    Err(error) => tracing::warn!(error = %error.chain(), "old minute rollups were not deleted"),
                }
            }
        }
    }
}

/// Keeps manifests within their age and size.
async fn prune_manifests(config: ManifestConfig, store: Store, stop: CancellationToken) -> &'static str {
    let mut prune = tokio::time::interval(config.prune_interval.0.max(Duration::from_secs(1)));
    prune.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let pruned = tokio::select! {
            () = stop.cancelled() => return "manifests",
            pruned = async {
                prune.tick().await;
                store.prune_manifests(config.retention.0, config.max_size.0).await
            } => pruned,
        };
        match pruned {
            Ok(pruned) if pruned == Pruned::default() => {}
            Ok(Pruned { loads, bodies }) => tracing::info!(loads, bodies, "old manifests were deleted"),
            Err(error) => tracing::warn!(error = %error.chain(), "old manifests were not deleted"),
        }
    }
}
