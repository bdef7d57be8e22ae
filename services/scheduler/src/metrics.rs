//! What the scheduler counts.

use ow_service::Ops;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Jobs that should stand.
    pub jobs_wanted: Gauge,
    /// Enabled channels none of whose probes is alive.
    pub channels_unwatched: Gauge,
    pub jobs_put: Counter,
    pub jobs_withdrawn: Counter,
    /// Leases that had gone although their job was wanted.
    pub leases_repaired: Counter,
    pub reconcile_failures: Counter,
    pub ticks: Counter,
    /// Ticks that were not acknowledged within their second.
    pub ticks_lost: Counter,
}

impl Metrics {
    pub fn new(ops: &Ops) -> Self {
        let metrics = Self::default();
        let m = metrics.clone();
        ops.register(|registry| {
            registry.register("scheduler_jobs_wanted", "Fetch jobs that should stand", m.jobs_wanted);
            registry.register("channels_unwatched", "Enabled channels without a live probe", m.channels_unwatched);
            registry.register("scheduler_jobs_put", "Fetch jobs written", m.jobs_put);
            registry.register("scheduler_jobs_withdrawn", "Fetch jobs withdrawn", m.jobs_withdrawn);
            registry.register("scheduler_leases_repaired", "Leases made to stand again", m.leases_repaired);
            registry.register("scheduler_reconcile_failures", "Comparisons that failed", m.reconcile_failures);
            registry.register("scheduler_ticks", "Ticks published or found published", m.ticks);
            registry.register("scheduler_ticks_lost", "Ticks not acknowledged within their second", m.ticks_lost);
        });
        metrics
    }
}
