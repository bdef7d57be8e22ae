//! What the validator counts of itself.

use ow_service::Ops;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    pub(crate) captures: Counter,
    pub(crate) unknown_channel: Counter,
    pub(crate) from_the_future: Counter,
    pub(crate) ticks: Counter,
    pub(crate) verdicts: Counter,
    pub(crate) snapshots: Counter,
    pub(crate) snapshot_failures: Counter,
    pub(crate) fenced: Counter,
    pub(crate) unsendable: Counter,
    pub(crate) replayed: Counter,
    pub(crate) check_panics: Counter,
    pub(crate) partitions: Gauge,
    pub(crate) channels: Gauge,
    /// Microseconds between the end of a request and its judgement, of the last capture.
    pub(crate) lag_us: Gauge,
}

impl Metrics {
    pub(crate) fn register(ops: &Ops) -> Self {
        let m = Self::default();
        ops.register(|r| {
            r.register("validator_captures", "Captures judged", m.captures.clone());
            r.register(
                "validator_captures_unknown_channel",
                "Captures of channels without policy",
                m.unknown_channel.clone(),
            );
            let future = "Captures rejected because the probe's clock is minutes ahead";
            r.register("validator_captures_from_the_future", future, m.from_the_future.clone());
            r.register("validator_ticks", "Ticks judged", m.ticks.clone());
            r.register("validator_verdicts", "Verdicts published", m.verdicts.clone());
            r.register("validator_snapshots", "Snapshots written", m.snapshots.clone());
            r.register(
                "validator_snapshot_failures",
                "Snapshots that could not be written or read",
                m.snapshot_failures.clone(),
            );
            r.register("validator_fenced", "Times that another validator had gone further", m.fenced.clone());
            r.register("validator_unsendable", "Outputs that the bus can never take", m.unsendable.clone());
            r.register("validator_replayed", "Captures read again to rebuild state", m.replayed.clone());
            r.register("validator_check_panics", "Checks that failed by a defect of ours", m.check_panics.clone());
            r.register("validator_partitions", "Partitions owned", m.partitions.clone());
            r.register("validator_channels", "Channels judged", m.channels.clone());
            r.register(
                "validator_lag_microseconds",
                "Store time of the last capture minus the end of its request",
                m.lag_us.clone(),
            );
        });
        m
    }
}
