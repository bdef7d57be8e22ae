//! `GET /api/v1/openapi.json`: the interface about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(document))
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
