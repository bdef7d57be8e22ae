//! `GET /api/v1/health`: what we stand on, and how fast it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ow_bus::Bucket;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;

const DEADLINE: Duration = Duration::from_secs(2);

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(health))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Well {
    Ok,
    Failing,
}

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    status: Well,
    /// Of this program.
    version: &'static str,
    components: Components,
}

#[derive(Debug, Serialize, ToSchema)]
struct Components {
    nats: Component,
    postgres: Component,
}

#[derive(Debug, Serialize, ToSchema)]
struct Component {
    status: Well,
    latency_ms: f64,
    /// Why it is failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// Whether NATS and PostgreSQL answer, and how fast.
#[utoipa::path(
    get, path = "/api/v1/health", operation_id = "getHealth",
    responses(
        (status = 200, description = "All is well.", body = Health),
        (status = 503, description = "Something does not answer.", body = Health),
    ),
    extensions(("x-permission" = json!("public"))),
)]
async fn health(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<Health>) {
    let nats = async {
        // One round trip through JetStream; the key does not exist.
        let read = shared.bus.kv::<Value>(Bucket::Config).get("health.probe").await;
        read.map(|_| ()).map_err(|error| error.to_string())
    };
    let postgres = async { shared.store.ping().await.map_err(|error| error.to_string()) };
    let (mut nats, postgres) = tokio::join!(timed(nats), timed(postgres));
    nats.version = Some(shared.bus.server_version());
    let well = [&nats, &postgres].iter().all(|part| part.status == Well::Ok);
    let (code, status) =
        if well { (StatusCode::OK, Well::Ok) } else { (StatusCode::SERVICE_UNAVAILABLE, Well::Failing) };
    let components = Components { nats, postgres };
    (code, Json(Health { status, version: env!("CARGO_PKG_VERSION"), components }))
}

async fn timed(part: impl Future<Output = Result<(), String>>) -> Component {
    let start = Instant::now();
    let result = tokio::time::timeout(DEADLINE, part).await;
    let latency_ms = start.elapsed().as_micros() as f64 / 1e3;
    let (status, reason) = match result {
        Ok(Ok(())) => (Well::Ok, None),
        Ok(Err(reason)) => (Well::Failing, Some(reason)),
        Err(_) => (Well::Failing, Some("no answer in time".to_owned())),
    };
    Component { status, latency_ms, reason, version: None }
}
