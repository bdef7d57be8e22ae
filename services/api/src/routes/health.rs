//! `GET /api/v1/health`: what we stand on, and how fast it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ow_bus::Bucket;
use serde_json::{Value, json};

use crate::Shared;

const DEADLINE: Duration = Duration::from_secs(2);

pub async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let nats = async {
        // One round trip through JetStream; the key does not exist.
        let read = shared.bus.kv::<Value>(Bucket::Config).get("health.probe").await;
        read.map(|_| ()).map_err(|error| error.to_string())
    };
    let postgres = async { shared.store.ping().await.map_err(|error| error.to_string()) };
    let (mut nats, postgres) = tokio::join!(timed(nats), timed(postgres));
    nats["version"] = shared.bus.server_version().into();
    let well = [&nats, &postgres].iter().all(|part| part["status"] == "ok");
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "status": if well { "ok" } else { "failing" },
        "version": env!("CARGO_PKG_VERSION"),
        "components": {"nats": nats, "postgres": postgres},
    });
    (status, Json(body)).into_response()
}

async fn timed(part: impl Future<Output = Result<(), String>>) -> Value {
    let start = Instant::now();
    let result = tokio::time::timeout(DEADLINE, part).await;
    let latency_ms = start.elapsed().as_micros() as f64 / 1e3;
    match result {
        Ok(Ok(())) => json!({"status": "ok", "latency_ms": latency_ms}),
        Ok(Err(reason)) => json!({"status": "failing", "latency_ms": latency_ms, "reason": reason}),
        Err(_) => json!({"status": "failing", "latency_ms": latency_ms, "reason": "no answer in time"}),
    }
}
