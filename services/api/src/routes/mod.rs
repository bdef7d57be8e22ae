//! The resources of `/api/v1`, one file each. A file gives its routes; a new one is a line in [`resources`].

mod alarms;
mod config;
mod dead_letters;
mod deliveries;
mod evidence;
mod health;
mod manifests;
mod meta;
mod objects;

use std::sync::Arc;

use axum::Router;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

use crate::Shared;
use crate::http;

pub use objects::add_schemas;

fn resources() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .merge(alarms::routes())
        .merge(config::routes())
        .merge(dead_letters::routes())
        .merge(deliveries::routes())
        .merge(evidence::routes())
        .merge(health::routes())
        .merge(manifests::routes())
        .merge(meta::routes())
        .merge(objects::routes())
}

/// The description of `/api/v1` for programs.
pub fn openapi() -> Value {
    http::document::complete(resources().into_openapi())
}

pub fn router(shared: Arc<Shared>) -> Router {
    http::assemble(resources().into(), shared)
}
