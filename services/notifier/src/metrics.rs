//! What the notifier counts.

use ow_domain::incident::{DeliveryOutcome, ReceiverKind};
use ow_service::Ops;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Default)]
pub struct Metrics {
    deliveries: Family<Label, Counter>,
    pub heartbeats: Counter,
}

impl Metrics {
    pub fn new(ops: &Ops) -> Self {
        let metrics = Self::default();
        ops.register(|r| {
            r.register("notifier_deliveries", "Notify jobs by what became of an attempt", metrics.deliveries.clone());
            r.register("notifier_heartbeats", "SNMP heartbeats sent", metrics.heartbeats.clone());
        });
        metrics
    }

    pub fn delivered(&self, kind: ReceiverKind, outcome: DeliveryOutcome) {
        let outcome = match outcome {
            DeliveryOutcome::Delivered => "delivered",
            DeliveryOutcome::Deferred => "deferred",
            DeliveryOutcome::Failed => "failed",
            DeliveryOutcome::Superseded => "superseded",
        };
        self.deliveries.get_or_create(&Label { kind: kind.as_str(), outcome }).inc();
    }
}
