//! The routes of `/api/v1` and what all of them share: time-out, token, headers, errors.

mod alarms;
mod channels;
mod config;
mod health;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::Shared;
use crate::problem::Problem;

pub fn router(shared: Arc<Shared>) -> Router {
    let guarded = Router::new()
        .route("/api/v1/channels", get(channels::list))
        .route("/api/v1/channels/{name}", get(channels::one))
        .route("/api/v1/alarms", get(alarms::list))
        .route("/api/v1/alarms/{number}", get(alarms::one))
        .route("/api/v1/config", get(config::export))
        .route("/api/v1/config:apply", post(config::apply))
        .route_layer(middleware::from_fn_with_state(shared.clone(), admit));
    Router::new()
        .route("/api/v1/health", get(health::health))
        .route("/api/v1/openapi.json", get(|| async { axum::Json(crate::openapi()) }))
        .merge(guarded)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(shared.max_body))
        .layer(middleware::from_fn_with_state(shared.clone(), around))
        .with_state(shared)
}

async fn not_found(request: Request) -> Problem {
    Problem::not_found("resource", request.uri().path())
}

async fn wrong_method() -> Problem {
    let detail = "this resource does not take this method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
}

/// Around every request: it ends in time, is counted, and its answer is not kept by anybody.
async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(shared.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(late) => Problem::unavailable(&late).into_response(),
    };
    shared.metrics.answered(response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Lets requests with the token through; all, when none is set.
async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match &shared.token {
        Some(token) if !token.admits(authorization) => {
            let detail = "send the header 'Authorization: Bearer <token>' with the right token";
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Token missing or wrong", detail).into_response()
        }
        _ => next.run(request).await,
    }
}
