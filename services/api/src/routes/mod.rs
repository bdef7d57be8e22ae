//! The resources of `/api/v1`, one file each. A file gives its routes; a new one is a line in [`resources`].

mod alarms;
mod channels;
mod config;
mod health;
mod meta;

use std::sync::Arc;

use axum::Router;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

use crate::Shared;
use crate::http;

fn resources() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .merge(alarms::routes())
        .merge(channels::routes())
        .merge(config::routes())
        .merge(health::routes())
        .merge(meta::routes())
}

/// The description of `/api/v1` for programs.
pub fn openapi() -> Value {
    http::document::complete(resources().into_openapi())
}

pub fn router(shared: Arc<Shared>) -> Router {
    http::assemble(resources().into(), shared)
}
