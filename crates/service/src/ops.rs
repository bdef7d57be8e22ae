//! The operations listener of a service: `/metrics` (OpenMetrics), `/health/live`, `/health/ready`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What a service can say of itself: named parts, each well or with a reason why not.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Option<String>>>>);

impl Health {
    pub fn well(&self, part: &'static str) {
        self.set(part, None);
    }
    pub fn ill(&self, part: &'static str, reason: impl Into<String>) {
        self.set(part, Some(reason.into()));
    }
    fn set(&self, part: &'static str, state: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, state);
    }
    /// Part -> `None` when well, else the reason.
    pub fn parts(&self) -> BTreeMap<&'static str, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub fn is_ready(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().all(Option::is_none)
    }
}

/// Metrics and health of one process. Services register metrics under the prefix `ottwatch`.
#[derive(Debug, Clone)]
pub struct Ops {
    registry: Arc<Mutex<Registry>>,
    pub health: Health,
}

impl Default for Ops {
    fn default() -> Self {
        Self { registry: Arc::new(Mutex::new(Registry::with_prefix("ottwatch"))), health: Health::default() }
    }
}

impl Ops {
    /// Registers metrics: `ops.register(|r| r.register("captures", "Captures judged", counter.clone()))`.
    pub fn register(&self, with: impl FnOnce(&mut Registry)) {
        with(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The OpenMetrics text of all registered metrics.
    pub fn metrics_text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    /// The routes, to be merged into a larger router.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/health/live", get(|| async { "ok\n" }))
            .route("/health/ready", get(ready))
            .with_state(self.clone())
    }
}

async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], ops.metrics_text())
}

async fn ready(State(ops): State<Ops>) -> impl IntoResponse {
    let parts = ops.health.parts();
    let status = if ops.health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text =
        parts.iter().map(|(part, state)| format!("{part}: {}\n", state.as_deref().unwrap_or("ok"))).collect::<String>();
    (status, if text.is_empty() { "ok\n".to_owned() } else { text })
}

/// Why the operations listener could not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr} for metrics and health; choose another address, for example \"127.0.0.1:0\"")]
pub struct ListenError {
    pub addr: SocketAddr,
    #[source]
    pub source: std::io::Error,
}

/// Serves until `shutdown`. Returns the bound address and the task to await.
pub async fn serve(
    ops: &Ops,
    addr: SocketAddr,
    shutdown: CancellationToken,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), ListenError> {
    let listener = TcpListener::bind(addr).await.map_err(|source| ListenError { addr, source })?;
    let bound = listener.local_addr().map_err(|source| ListenError { addr, source })?;
    let router = ops.router();
    let task = tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "operations listener ended");
        }
    });
    Ok((bound, task))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;

    #[test]
    fn metrics_carry_the_prefix_and_health_its_reasons() {
        let ops = Ops::default();
        let counter: Counter = Counter::default();
        ops.register(|r| r.register("captures", "Captures judged", counter.clone()));
        counter.inc_by(3);
        assert!(ops.metrics_text().contains("ottwatch_captures_total 3"), "{}", ops.metrics_text());
        ops.health.well("nats");
        assert!(ops.health.is_ready());
        ops.health.ill("nats", "no answer for 3 s");
        assert!(!ops.health.is_ready());
    }
}
