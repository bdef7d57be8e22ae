//! Every kind of configuration as a resource: list, read, create or replace, change in part, delete, many at once.
//! One mechanism for all kinds; what a kind has of its own is in [`kinds`], the description for programs in
//! [`document`].

mod bulk;
mod document;
mod edit;
mod kinds;
mod parts;
mod read;
mod shown;

use std::sync::Arc;

use axum::routing::{get, post};
use ow_domain::config::ConfigKind;
use utoipa_axum::router::OpenApiRouter;

use crate::Shared;

pub use document::add_schemas;
pub use edit::{ATTEMPTS, refuse_outside_scope};
pub use shown::{now, problem_of_store, severity};

/// The routes of all kinds, and of parts of channels and templates.
pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    ConfigKind::ALL.into_iter().fold(parts::routes(), |router, kind| router.merge(of(kind)))
}

fn of(kind: ConfigKind) -> OpenApiRouter<Arc<Shared>> {
    let plural = kind.plural();
    OpenApiRouter::with_openapi(document::of(kind))
        .route(&format!("/api/v1/{plural}"), get(move |s, c, q| read::list(kind, s, c, q)))
        .route(
            &format!("/api/v1/{plural}/{{name}}"),
            get(move |s, c, p, q| read::one(kind, s, c, p, q))
                .put(move |s, c, p, h, q, b| edit::put(kind, s, c, p, h, q, b))
                .patch(move |s, c, p, h, q, b| edit::patch(kind, s, c, p, h, q, b))
                .delete(move |s, c, p, h, q| edit::delete(kind, s, c, p, h, q)),
        )
        .route(&format!("/api/v1/{plural}:bulk"), post(move |s, c, q, b| bulk::bulk(kind, s, c, q, b)))
}
