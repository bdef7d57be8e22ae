//! Makes what stands equal to what is wanted: at every change of a policy, and every few seconds anyway.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, TryStreamExt, stream};
use ow_bus::{Bucket, Bus, BusError, JobPut, KvWatch};
use ow_domain::job::{FetchJob, ProbeHeartbeat};
use ow_domain::policy::ChannelPolicy;
use ow_domain::{ChannelId, Time};
use ow_service::Ops;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::plan;

/// Changes that come together are handled together.
const GATHER: Duration = Duration::from_millis(100);
/// Requests to the bus at once.
const PARALLEL: usize = 16;
/// A comparison that takes longer is given up and begun again.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Reconciler {
    bus: Bus,
    ops: Ops,
    metrics: Metrics,
    /// From then on a channel without a live probe counts as unwatched.
    probes_due: Instant,
    unwatched: BTreeSet<ChannelId>,
}

/// How thorough a pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Write what differs.
    Changes,
    /// See also that the lease of everything unchanged stands.
    Everything,
}

impl Reconciler {
    pub fn new(bus: Bus, ops: Ops, metrics: Metrics, probe_grace: Duration) -> Self {
        Self { bus, ops, metrics, probes_due: Instant::now() + probe_grace, unwatched: BTreeSet::new() }
    }

    pub async fn run(mut self, mut watch: KvWatch<ChannelPolicy>, interval: Duration, stop: CancellationToken) {
        let mut full = tokio::time::interval(interval);
        full.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due: Option<Instant> = None;
        loop {
            let gathered = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let pass = tokio::select! {
                () = stop.cancelled() => return,
                // The content is read anew: what is told here is only that something has changed.
                _ = watch.next() => {
                    due.get_or_insert(Instant::now() + GATHER);
                    continue;
                }
                () = gathered => Pass::Changes,
                _ = full.tick() => Pass::Everything,
            };
            due = None;
            let done = tokio::select! {
                // Every step is idempotent and safe to leave in the middle.
                () = stop.cancelled() => return,
                done = tokio::time::timeout(DEADLINE, self.pass(pass)) => done,
            };
            match done {
                Ok(Ok(())) => self.ops.health.well("jobs"),
                Ok(Err(error)) => self.failed(&error),
                Err(late) => self.failed(&late),
            }
        }
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        self.metrics.reconcile_failures.inc();
        self.ops.health.ill("jobs", error.to_string());
        tracing::warn!(error, "jobs could not be compared with policies and will be again");
    }

    async fn pass(&mut self, pass: Pass) -> Result<(), BusError> {
        let now = wall_clock();
        let policies = self.bus.kv::<ChannelPolicy>(Bucket::Config).entries(">").await?;
        let policies: Vec<ChannelPolicy> = policies.into_iter().map(|entry| entry.value).collect();
        let standing = self.bus.jobs().await?;
        let plan = plan::plan(&policies, &standing, now);
        let n_wanted = plan.put.len() + plan.keep.len();
        self.metrics.jobs_wanted.set(i64::try_from(n_wanted).unwrap_or(i64::MAX));
        let bus = &self.bus;
        for (probe, channel) in &plan.withdraw {
            bus.purge_job(probe, channel).await?;
            self.metrics.jobs_withdrawn.inc();
            tracing::info!(%probe, %channel, "job withdrawn");
        }
        let put = async |job: FetchJob| {
            let put = bus.put_job(&job).await?;
            Ok::<_, BusError>((job, put))
        };
        stream::iter(plan.put)
            .map(put)
            .buffer_unordered(PARALLEL)
            .try_for_each(async |(job, _)| {
                self.metrics.jobs_put.inc();
                tracing::info!(probe = %job.probe, channel = %job.channel, revision = job.revision, "job put");
                Ok(())
            })
            .await?;
        if pass == Pass::Everything {
            stream::iter(plan.keep)
                .map(put)
                .buffer_unordered(PARALLEL)
                .try_for_each(async |(job, put)| {
                    if put == JobPut::New {
                        self.metrics.leases_repaired.inc();
                        tracing::warn!(probe = %job.probe, channel = %job.channel, "lease had gone and stands again");
                    }
                    Ok(())
                })
                .await?;
            self.look_for_probes(&policies, now).await?;
        }
        Ok(())
    }

    async fn look_for_probes(&mut self, policies: &[ChannelPolicy], now: Time) -> Result<(), BusError> {
        if Instant::now() < self.probes_due {
            return Ok(());
        }
        let alive = self.bus.kv::<ProbeHeartbeat>(Bucket::Probes).entries(">").await?;
        let alive: Vec<ProbeHeartbeat> = alive.into_iter().map(|entry| entry.value).collect();
        let unwatched = plan::unwatched(policies, &alive, now);
        for channel in unwatched.difference(&self.unwatched) {
            tracing::error!(%channel, "no probe of this channel is alive: it is not watched");
        }
        for channel in self.unwatched.difference(&unwatched) {
            tracing::info!(%channel, "a probe of this channel is alive again, or it is no longer wanted");
        }
        self.metrics.channels_unwatched.set(i64::try_from(unwatched.len()).unwrap_or(i64::MAX));
        self.unwatched = unwatched;
        Ok(())
    }
}

/// UTC by this machine's clock.
pub fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
