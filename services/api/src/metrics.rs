//! What the api counts.

use ow_service::Ops;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// By class of the answer: `2xx`, `4xx`, `5xx`.
    pub requests: Family<Vec<(&'static str, &'static str)>, Counter>,
    pub policies: Gauge,
    pub policies_written: Counter,
    pub reconcile_failures: Counter,
    /// Channels whose stored configuration gives no policy.
    pub channels_invalid: Gauge,
}

impl Metrics {
    pub fn new(ops: &Ops) -> Self {
        let metrics = Self::default();
        let m = metrics.clone();
        ops.register(|registry| {
            registry.register("api_requests", "HTTP requests answered, by class of status", m.requests);
            registry.register("config_policies", "Compiled channel policies", m.policies);
            registry.register("config_policies_written", "Policies written or removed", m.policies_written);
            registry.register("config_reconcile_failures", "Comparisons that failed", m.reconcile_failures);
            registry.register("config_channels_invalid", "Channels without a valid policy", m.channels_invalid);
        });
        metrics
    }

    pub fn answered(&self, status: u16) {
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&vec![("class", class)]).inc();
    }
}
