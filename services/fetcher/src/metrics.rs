//! What the fetcher counts.

use ow_domain::capture::{Capture, Outcome};
use ow_service::Ops;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub channels: Gauge,
    pub connections: Gauge,
    pub captures: Counter,
    /// Requests without a status line, or with a body that ended early.
    pub failures: Counter,
    pub body_bytes: Counter,
    pub late_polls: Counter,
    pub leases_lost: Counter,
    /// Captures that could not be published.
    pub captures_lost: Counter,
}

impl Metrics {
    pub fn new(ops: &Ops) -> Self {
        let metrics = Self::default();
        let m = metrics.clone();
        ops.register(|registry| {
            registry.register("fetcher_channels", "Channels held", m.channels);
            registry.register("fetcher_connections", "Connections to origins, idle ones included", m.connections);
            registry.register("fetcher_captures", "Requests made", m.captures);
            registry.register("fetcher_failures", "Requests without a whole answer", m.failures);
            registry.register("fetcher_body_bytes", "Body bytes received", m.body_bytes);
            registry.register("fetcher_late_polls", "Requests late or left out", m.late_polls);
            registry.register("fetcher_leases_lost", "Leases taken over by others", m.leases_lost);
            registry.register("fetcher_captures_lost", "Captures that could not be published", m.captures_lost);
        });
        metrics
    }

    pub fn count(&self, capture: &Capture) {
        self.captures.inc();
        self.late_polls.inc_by(u64::from(capture.late_polls));
        match &capture.exchange.outcome {
            Outcome::Failed(_) => {
                self.failures.inc();
            }
            Outcome::Response(response) => {
                self.body_bytes.inc_by(response.body_bytes);
                use ow_domain::capture::BodyEnd::{Complete, NotRead};
                if !matches!(response.body_end, Complete | NotRead) {
                    self.failures.inc();
                }
            }
        }
    }
}
