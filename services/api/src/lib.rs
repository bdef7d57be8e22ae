//! HTTP for people and programs, and the way of configuration from Postgres to the bus.
//!
//! Two jobs in one service: it answers `/api/v1` (health, channels, alarms, applying configuration), and it keeps KV
//! `CONFIG` equal to what the stored configuration compiles to ([`reconcile_config`]). It judges nothing and refuses to
//! know how alarms come about. Start reading at [`run`]; each resource is a file in `routes`, what all of them share is
//! `http`, who asks is `access`. The description for programs ([`openapi`]) is made from the routes.

mod access;
mod apply;
#[allow(dead_code, unused_imports, reason = "the framework is complete before its routes are")]
mod http;
mod keep;
mod metrics;
mod publish;
mod routes;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ow_bus::{Bus, BusError};
use ow_service::{HumanBytes, HumanDuration, Ops};
use ow_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use access::Anonymous;
pub use apply::{Applied, ApplyError, apply_documents};
pub use publish::{ReconcileError, Report, reconcile_config};
pub use routes::openapi;

use crate::access::TokenHash;
use crate::http::permission::Table;
use crate::metrics::Metrics;
use crate::status::StatusBoard;

/// Settings, section `[api]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Address of the REST interface.
    pub listen: SocketAddr,
    /// SHA-256 of the administrator token of the installation as 64 hex digits (`printf %s TOKEN | sha256sum`), for
    /// automation and the first start. Empty: there is none.
    pub token_sha256: String,
    /// What somebody unknown may do: `none` or `viewer` (read everything).
    pub anonymous: Anonymous,
    /// Serve `/metrics` and `/health/*` on this address too.
    pub with_ops: bool,
    /// Compiled policies are compared with the stored configuration this often; changes are taken at once.
    pub reconcile_interval: HumanDuration,
    /// A request that takes longer is answered with 503.
    pub request_timeout: HumanDuration,
    /// Largest request body.
    pub max_body: HumanBytes,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token_sha256: String::new(),
            anonymous: Anonymous::None,
            with_ops: false,
            reconcile_interval: HumanDuration(Duration::from_secs(3)),
            request_timeout: HumanDuration(Duration::from_secs(15)),
            max_body: HumanBytes(4 << 20),
        }
    }
}

impl ApiConfig {
    /// What of it makes no sense: key, value, reason, example.
    pub fn validate(&self) -> Vec<ow_service::config::Problem> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, value: String, reason: &str, example: &str| {
            problems.push(ow_service::config::Problem {
                origin: "api".into(),
                key: format!("api.{key}"),
                value,
                reason: reason.into(),
                example: Some(example.into()),
            });
        };
        if TokenHash::parse(&self.token_sha256).is_err() {
            let example = "token_sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";
            problem("token_sha256", String::new(), "is not 64 hex digits: the SHA-256 of the token", example);
        }
        let interval = self.reconcile_interval;
        if !(Duration::from_millis(200)..=Duration::from_secs(60)).contains(&interval.0) {
            problem("reconcile_interval", interval.to_string(), "must be 200ms to 1m", "reconcile_interval = \"3s\"");
        }
        let timeout = self.request_timeout;
        if !(Duration::from_millis(100)..=Duration::from_secs(300)).contains(&timeout.0) {
            problem("request_timeout", timeout.to_string(), "must be 100ms to 5m", "request_timeout = \"15s\"");
        }
        if !(1 << 10..=64 << 20).contains(&self.max_body.0) {
            problem("max_body", self.max_body.to_string(), "must be 1KiB to 64MiB", "max_body = \"4MiB\"");
        }
        problems
    }
}

/// What the api works with.
#[derive(Debug, Clone)]
pub struct Deps {
    pub bus: Bus,
    pub store: Store,
    pub ops: Ops,
}

/// Why the api could not start or ended other than by shutdown.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("cannot listen on {addr}; choose another address, for example \"127.0.0.1:0\"")]
    Listen {
        addr: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("setting api.token_sha256 is not 64 hex digits")]
    Token,
    #[error("the api could not prepare the bus")]
    Bus(#[source] BusError),
    #[error("the api could not listen to changes of the configuration")]
    Store(#[source] StoreError),
    #[error("a part of the api ended unexpectedly: {0}")]
    Ended(&'static str),
}

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub bus: Bus,
    pub store: Store,
    pub status: StatusBoard,
    pub metrics: Metrics,
    pub token: Option<TokenHash>,
    pub anonymous: Anonymous,
    /// What each operation needs, from the document.
    pub table: Table,
    /// The OpenAPI document.
    pub document: serde_json::Value,
    pub request_timeout: Duration,
    pub max_body: usize,
}

/// Listens on `config.listen` and runs until `shutdown`.
pub async fn run(config: ApiConfig, deps: Deps, shutdown: CancellationToken) -> Result<(), ApiError> {
    let addr = config.listen;
    let listener = TcpListener::bind(addr).await.map_err(|source| ApiError::Listen { addr, source })?;
    serve(listener, config, deps, shutdown).await
}

/// The same on a listener that is there already; `config.listen` is not used.
pub async fn serve(
    listener: TcpListener,
    config: ApiConfig,
    deps: Deps,
    shutdown: CancellationToken,
) -> Result<(), ApiError> {
    let Deps { bus, store, ops } = deps;
    let token = TokenHash::parse(&config.token_sha256).map_err(|_| ApiError::Token)?;
    let addr = listener.local_addr().unwrap_or(config.listen);
    if config.anonymous == Anonymous::Viewer && !addr.ip().is_loopback() {
        tracing::warn!(%addr, "everybody who reaches this address can read; set api.anonymous to \"none\"");
    }
    let metrics = Metrics::new(&ops);
    let watch = bus.kv(ow_bus::Bucket::Status).watch(">").await.map_err(ApiError::Bus)?;
    let changes = store.listen(ow_store::CONFIG_CHANNEL).map_err(ApiError::Store)?;
    let status = StatusBoard::default();
    let tracker = TaskTracker::new();
    let stop = shutdown.child_token();
    let follower = tracker.spawn(status::follow(watch, status.clone(), stop.clone()));
    let keeper = keep::Keeper { bus: bus.clone(), store: store.clone(), ops: ops.clone(), metrics: metrics.clone() };
    let keeper = tracker.spawn(keeper.run(changes, config.reconcile_interval.0, stop.clone()));
    let document = routes::openapi();
    let (table, faults) = Table::read(&document);
    for fault in faults {
        tracing::error!(error = &fault as &dyn std::error::Error, "an operation is refused to everybody");
    }
    let shared = Arc::new(Shared {
        bus,
        store,
        status,
        metrics,
        token,
        anonymous: config.anonymous,
        table,
        document,
        request_timeout: config.request_timeout.0,
        max_body: usize::try_from(config.max_body.0).unwrap_or(usize::MAX),
    });
    let mut router: Router = routes::router(shared);
    if config.with_ops {
        router = router.merge(ops.router());
    }
    tracing::info!(%addr, "REST interface listens");
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let server = tracker.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    tracker.close();
    let ended = tokio::select! {
        _ = follower => "status",
        _ = keeper => "configuration",
        _ = server => "http",
    };
    let wanted = shutdown.is_cancelled();
    stop.cancel();
    // Requests in hand end by their own time-out.
    tracker.wait().await;
    if wanted { Ok(()) } else { Err(ApiError::Ended(ended)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_sense_are_told() {
        assert!(ApiConfig::default().validate().is_empty());
        let config = ApiConfig {
            token_sha256: "geheim".into(),
            max_body: HumanBytes(0),
            reconcile_interval: HumanDuration(Duration::ZERO),
            request_timeout: HumanDuration(Duration::ZERO),
            ..ApiConfig::default()
        };
        let text: Vec<String> = config.validate().iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 4);
        assert!(!text.join("\n").contains("geheim"), "a token written by mistake is not shown");
    }
}
