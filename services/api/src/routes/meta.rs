//! The interface about itself: `GET /api/v1/openapi.json`, and a page that shows it at `/api/docs`.
//!
//! The page is ours (13 KB, nothing from elsewhere): it works in networks without internet, and under a policy that lets
//! nothing of others in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(document))
        .routes(routes!(explorer))
        .routes(routes!(explorer_script))
        .routes(routes!(explorer_style))
}

/// This document: OpenAPI 3.1.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "getOpenapi",
    responses((status = 200, description = "OpenAPI 3.1.", body = Value)),
    extensions(("x-permission" = json!("public"))),
)]
async fn document(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.document.clone())
}

/// Only what comes with the page itself, and requests to where it comes from.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page to read this document and try its operations.
#[utoipa::path(
    get, path = "/api/docs", operation_id = "getExplorer",
    responses((status = 200, description = "HTML.", body = String, content_type = "text/html")),
    extensions(("x-permission" = json!("public"))),
)]
async fn explorer() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, PAGE_POLICY)];
    (headers, include_str!("../../assets/docs/index.html"))
}

/// Its script.
#[utoipa::path(
    get, path = "/api/docs/app.js", operation_id = "getExplorerScript",
    responses((status = 200, description = "JavaScript.", body = String, content_type = "text/javascript")),
    extensions(("x-permission" = json!("public"))),
)]
async fn explorer_script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../../assets/docs/app.js"))
}

/// Its style.
#[utoipa::path(
    get, path = "/api/docs/style.css", operation_id = "getExplorerStyle",
    responses((status = 200, description = "CSS.", body = String, content_type = "text/css")),
    extensions(("x-permission" = json!("public"))),
)]
async fn explorer_style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../assets/docs/style.css"))
}
