//! HTTP for people and programs, and the way of configuration from Postgres to the bus.
//!
//! Two jobs in one service: it answers `/api/v1` (health, channels, alarms, applying configuration), and it keeps KV
//! `CONFIG` equal to what the stored configuration compiles to ([`reconcile_config`]). It judges nothing and refuses to
//! know how alarms come about. Start reading at [`run`]; each resource is a file in `routes`, what all of them share is
//! `http`, who asks is `access`. The description for programs ([`openapi`]) is made from the routes.

#![allow(clippy::result_large_err, reason = "a Problem is made once, when a request is refused, and moved a few times")]

mod access;
mod apply;
mod config;
mod events;
mod http;
mod keep;
pub mod manifests;
mod metrics;
mod operate;
mod probe_url;
mod publish;
mod routes;
mod sealing;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ow_bus::{Bus, BusError};
use ow_service::Ops;
use ow_store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use access::secret::{hash as hash_secret, random as random_secret};
pub use access::{Anonymous, token_sha256};
pub use apply::{Applied, ApplyError, apply_documents};
pub use config::{ApiConfig, TlsConfig};
pub use publish::{ReconcileError, Report, reconcile_config};
pub use routes::{is_user_name, openapi};
pub use sealing::reseal;

use crate::access::{Access, TokenHash};
use crate::http::permission::Table;
use crate::http::rate::Limiter;
use crate::http::tls::Tls;
use crate::metrics::Metrics;
use crate::status::StatusBoard;

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
    #[error("TLS cannot be served")]
    Tls(#[from] http::tls::TlsError),
    #[error("signing in could not be set up")]
    Access(#[source] access::SetupError),
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
    pub access: Access,
    /// For who watches.
    pub events: events::Hub,
    /// What each operation needs, from the document.
    pub table: Table,
    /// The OpenAPI document.
    pub document: serde_json::Value,
    /// `None`: any number of requests.
    pub limiter: Option<Limiter>,
    pub request_timeout: Duration,
    pub max_body: usize,
    /// Origins of pages of others that may use the interface from a browser.
    pub cors_origins: Vec<String>,
    /// We speak TLS ourselves.
    pub is_tls: bool,
    /// Work that goes on to its end when its client has gone.
    pub tasks: TaskTracker,
    /// The service ends: streams of events end, too.
    pub stop: CancellationToken,
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
    let tls = match (&config.tls.cert_file, &config.tls.key_file) {
        (Some(cert_file), Some(key_file)) => Some(Tls::load(cert_file, key_file)?),
        _ => None,
    };
    let addr = listener.local_addr().unwrap_or(config.listen);
    if config.anonymous == Anonymous::Viewer && !addr.ip().is_loopback() {
        tracing::warn!(%addr, "everybody who reaches this address can read; set api.anonymous to \"none\"");
    }
    let reached = (config.public_url.as_str(), config.trusted_proxies.as_slice());
    let access = Access::new(config.sessions, &config.passwords, &config.oidc, reached, tls.is_some());
    let access = access.map_err(ApiError::Access)?;
    let metrics = Metrics::new(&ops);
    let watch = bus.kv(ow_bus::Bucket::Status).watch(">").await.map_err(ApiError::Bus)?;
    let changes = store.listen(ow_store::CONFIG_CHANNEL).map_err(ApiError::Store)?;
    let status = StatusBoard::default();
    let tracker = TaskTracker::new();
    let stop = shutdown.child_token();
    let pending = events::Pending::default();
    let hub = events::Hub::new(uuid::Uuid::now_v7().simple().to_string());
    let alarms = store.listen(ow_store::ALARM_CHANNEL).map_err(ApiError::Store)?;
    let kinds = store.listen(ow_store::CONFIG_CHANNEL).map_err(ApiError::Store)?;
    let teller =
        events::Follower { store: store.clone(), status: status.clone(), pending: pending.clone(), hub: hub.clone() };
    let teller = tracker.spawn(teller.run(alarms, kinds, stop.clone()));
    let follower = tracker.spawn(status::follow(watch, status.clone(), pending, stop.clone()));
    let keeper = keep::Keeper { bus: bus.clone(), store: store.clone(), ops: ops.clone(), metrics: metrics.clone() };
    let keeper = tracker.spawn(keeper.run(changes, config.reconcile_interval.0, stop.clone()));
    let sweeper = tracker.spawn(access::sweep(store.clone(), access.throttle.forget, stop.clone()));
    let document = routes::openapi();
    let (table, faults) = Table::read(&document);
    for fault in faults {
        tracing::error!(error = &fault as &dyn std::error::Error, "an operation is refused to everybody");
    }
    tracker.spawn(http::idempotency::sweep(store.clone(), stop.clone()));
    let shared = Arc::new(Shared {
        bus,
        store,
        status,
        metrics,
        token,
        anonymous: config.anonymous,
        access,
        events: hub,
        table,
        document,
        limiter: Limiter::new(config.rate_limit, config.rate_burst),
        request_timeout: config.request_timeout.0,
        max_body: usize::try_from(config.max_body.0).unwrap_or(usize::MAX),
        cors_origins: config.cors_origins,
        is_tls: tls.is_some(),
        tasks: tracker.clone(),
        stop: stop.clone(),
    });
    let mut router = routes::router(shared);
    if config.with_ops {
        router = router.merge(ops.router());
    }
    tracing::info!(%addr, tls = tls.is_some(), "REST interface listens");
    let acceptors = tls.as_ref().map(Tls::acceptors);
    if let Some(tls) = tls {
        tracker.spawn(tls.follow(http::tls::RELOAD, stop.clone()));
    }
    let server = http::server::Server {
        listener,
        tls: acceptors,
        max_connections: config.max_connections,
        drain: config.request_timeout.0,
    };
    let server = tracker.spawn(server.run(router, stop.clone()));
    tracker.close();
    let ended = tokio::select! {
        _ = follower => "status",
        _ = keeper => "configuration",
        _ = sweeper => "sessions",
        _ = teller => "events",
        _ = server => "http",
    };
    let wanted = shutdown.is_cancelled();
    stop.cancel();
    // Requests in hand end by their own time-out.
    tracker.wait().await;
    if wanted { Ok(()) } else { Err(ApiError::Ended(ended)) }
}
