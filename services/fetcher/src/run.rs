//! The service: leases in, captures out.

use std::sync::Arc;

use ow_bus::{Bus, BusError, Lease, LeaseChange, LeaseConfig, LeaseTaker, Publisher};
use ow_domain::ProbeId;
use ow_domain::capture::Capture;
use ow_domain::id::SlugError;
use ow_domain::probe::ProbeFacts;
use ow_service::Ops;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::FetcherConfig;
use crate::http::{Probe, ProbeOptions};
use crate::metrics::Metrics;
use crate::own::{OwnSettings, OwnWatch};
use crate::watch::{CaptureSink, WatchOptions, follow_channel};

/// What the fetcher works with.
#[derive(Debug, Clone)]
pub struct Deps {
    pub bus: Bus,
    pub ops: Ops,
    /// Name of this process, unique on the probe; a slug.
    pub replica: String,
}

/// Why the fetcher ended other than by shutdown.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    #[error("setting fetcher.probe: {0}")]
    Probe(SlugError),
    #[error("the fetcher could not watch its jobs")]
    Start(#[source] BusError),
    #[error("the fetcher got no more leases, although nobody stopped it")]
    LeasesEnded,
}

/// Runs until `shutdown`: takes leases of the probe's channels, watches them, publishes what it sees. At the end leases
/// are given back at once, and captures in flight are flushed.
///
/// A changed job is taken over in place, a withdrawn one ends. The heartbeat of the probe is shown by the leases.
pub async fn run(config: FetcherConfig, deps: Deps, shutdown: CancellationToken) -> Result<(), FetcherError> {
    let Deps { bus, ops, replica } = deps;
    let probe_id = ProbeId::new(&config.probe).map_err(FetcherError::Probe)?;
    let metrics = Metrics::new(&ops);
    let probe = Arc::new(Probe::new(ProbeOptions {
        native_roots: config.native_roots,
        idle_timeout: config.idle_timeout.0,
        names_kept: config.dns_cache.0,
        ..ProbeOptions::default()
    }));
    let settings = OwnSettings {
        replica: replica.clone(),
        control_targets: config.control_targets.clone(),
        ntp_servers: config.ntp_servers.clone(),
        link_mbps: config.link_mbps,
    };
    let own = Arc::new(OwnWatch::new(settings, probe.clock()));
    let options = WatchOptions { own: own.clone(), ..WatchOptions::new(probe.clone()) };
    let publisher = Publisher::new(bus.clone(), config.publish_in_flight);
    let lease_config = LeaseConfig {
        probe: probe_id.clone(),
        replica,
        version: env!("CARGO_PKG_VERSION").into(),
        region: config.region.clone(),
        slots: config.slots,
    };
    let mut leases = LeaseTaker::start(bus, lease_config, shutdown.clone()).await.map_err(FetcherError::Start)?;
    let tasks = TaskTracker::new();
    let upkeep = tasks.spawn(keep_up(probe, publisher.clone(), metrics.clone(), shutdown.clone()));
    let reporting = tasks.spawn(report(own, probe_id, publisher.clone(), metrics.clone(), shutdown.clone()));
    while let Some(lease) = leases.next().await {
        let sink = BusSink { publisher: publisher.clone(), metrics: metrics.clone() };
        tasks.spawn(hold(lease, options.clone(), sink, metrics.clone()));
    }
    let wanted = shutdown.is_cancelled();
    tasks.close();
    let drain = async {
        leases.drained().await;
        tasks.wait().await;
        publisher.flush().await;
    };
    if !wanted {
        upkeep.abort();
        reporting.abort();
        return Err(FetcherError::LeasesEnded);
    }
    if tokio::time::timeout(config.drain_timeout.0, drain).await.is_err() {
        tracing::warn!(in_flight = publisher.n_in_flight(), "captures did not leave in time");
    }
    Ok(())
}

/// Closes connections that idle for too long, and shows the gauges.
async fn keep_up(probe: Arc<Probe>, publisher: Publisher, metrics: Metrics, shutdown: CancellationToken) {
    let mut beat = tokio::time::interval(std::time::Duration::from_secs(5));
    let mut lost = 0;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = beat.tick() => {}
        }
        probe.sweep();
        metrics.connections.set(i64::try_from(probe.n_connections()).unwrap_or(i64::MAX));
        let failed = publisher.n_failed();
        metrics.captures_lost.inc_by(failed - lost);
        lost = failed;
    }
}

/// Measures this process, and reports it under the channel of the probe.
async fn report(
    own: Arc<OwnWatch>,
    probe: ProbeId,
    publisher: Publisher,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let held = || u32::try_from(metrics.channels.get()).unwrap_or(0);
    let mut seq = 0;
    let send = |facts: ProbeFacts| {
        seq += 1;
        let (publisher, at) = (publisher.clone(), facts.at);
        let capture = ow_domain::probe::report(&probe, at, Some(facts)).map(|capture| Capture {
            id: uuid::Uuid::now_v7().to_string(),
            seq,
            ..capture
        });
        async move {
            let Some(capture) = capture else { return };
            if let Err(error) = publisher.publish(&capture).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a report of the probe is lost");
            }
        }
    };
    own.run(held, send, shutdown).await;
}

/// Watches the channel of a lease until it ends.
async fn hold(mut lease: Lease, options: WatchOptions, sink: BusSink, metrics: Metrics) {
    let channel = lease.job().channel.clone();
    tracing::info!(%channel, revision = lease.job().revision, "channel taken");
    metrics.channels.inc();
    let (jobs, following) = watch::channel(lease.job().clone());
    let stop = CancellationToken::new();
    let watching = follow_channel(following, options, sink, stop.clone());
    tokio::pin!(watching);
    let end = loop {
        let change = tokio::select! {
            change = lease.changed() => change,
            () = &mut watching => LeaseChange::Lost,
        };
        match change {
            LeaseChange::Updated(job) => {
                tracing::info!(%channel, revision = job.revision, "job changed");
                jobs.send_replace(job);
            }
            end => break end,
        }
    };
    stop.cancel();
    match end {
        // Another one may begin at once: what is in hand here is dropped or already with the publisher.
        LeaseChange::GiveBack => lease.give_back(),
        LeaseChange::Lost => {
            metrics.leases_lost.inc();
            drop(lease);
        }
        _ => drop(lease),
    }
    watching.await;
    metrics.channels.dec();
    tracing::info!(%channel, "channel left");
}

/// Publishes captures without waiting for each acknowledgement; when too many are in flight it waits, and with it the
/// requests of the channel.
struct BusSink {
    publisher: Publisher,
    metrics: Metrics,
}

impl CaptureSink for BusSink {
    async fn send(&mut self, capture: Capture) {
        self.metrics.count(&capture);
        if let Err(error) = self.publisher.publish(&capture).await {
            self.metrics.captures_lost.inc();
            tracing::error!(error = &error as &dyn std::error::Error, channel = %capture.channel, "a capture is lost");
        }
    }
}
