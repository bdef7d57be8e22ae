//! What the router counts.

use ow_domain::incident::ChangeKind;
use ow_service::Ops;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum VerdictOutcome {
    Acted,
    Stale,
    Overtaken,
    Deferred,
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: VerdictOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabel {
    change: ChangeLabelValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
enum ChangeLabelValue {
    Raise,
    Update,
    Clear,
}

#[derive(Debug, Clone, Default)]
pub struct Metrics {
    verdicts: Family<OutcomeLabel, Counter>,
    changes: Family<ChangeLabel, Counter>,
    pub outbox_waiting: Gauge,
    pub outbox_sent: Counter,
    pub outbox_failed: Counter,
}

impl Metrics {
    pub fn new(ops: &Ops) -> Self {
        let metrics = Self::default();
        ops.register(|r| {
            r.register("router_verdicts", "Verdicts by what became of them", metrics.verdicts.clone());
            r.register("router_incident_changes", "Changes of incidents, info not counted", metrics.changes.clone());
            r.register("router_outbox_waiting", "Messages promised and not yet sent", metrics.outbox_waiting.clone());
            r.register("router_outbox_sent", "Messages sent from the outbox", metrics.outbox_sent.clone());
            r.register("router_outbox_failed", "Messages that could never be sent", metrics.outbox_failed.clone());
        });
        metrics
    }

    pub fn verdict(&self, outcome: VerdictOutcome) {
        self.verdicts.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub fn change(&self, change: ChangeKind) {
        let change = match change {
            ChangeKind::Raise => ChangeLabelValue::Raise,
            ChangeKind::Update => ChangeLabelValue::Update,
            ChangeKind::Clear => ChangeLabelValue::Clear,
        };
        self.changes.get_or_create(&ChangeLabel { change }).inc();
    }
}
