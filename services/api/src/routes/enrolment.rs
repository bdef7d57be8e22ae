//! `/api/v1/probes/{name}:enrol` and `:revoke`: the token of a probe.
//!
//! The token says which probe it is, and is kept as a hash only. It opens nothing on the bus: probes connect to NATS
//! with what their own configuration says, and the permissions there are those of the NATS server.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ow_domain::Slug;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::objects::problem_of_store;
use crate::Shared;
use crate::http::{Caller, Problem, Query};

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(enrol)).routes(routes!(revoke))
}

/// The token, told this once.
#[derive(Debug, Serialize, ToSchema)]
struct Enrolled {
    probe: String,
    /// Not told again.
    #[schema(example = "ow_probe_…")]
    token: String,
}

/// Give a probe a token of its own, in place of the one it may have. It is told once and kept as a hash.
#[utoipa::path(
    post, path = "/api/v1/probes/{name}/!enrol", operation_id = "enrolProbe",
    params(("name" = String, Path, description = "Of the probe.")),
    responses((status = 201, description = "The token.", body = Enrolled)),
    extensions(("x-permission" = json!("probes.manage"))),
)]
async fn enrol(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<(StatusCode, Json<Enrolled>), Problem> {
    query.finish()?;
    let probe = Slug::new(&name).map_err(|_| Problem::not_found("probe", &name))?;
    let (token, hash) = new_token();
    let done = shared.store.enrol_probe(&probe, &hash, &principal.changed_by("api")).await;
    if !done.map_err(|error| problem_of_store(&error))? {
        return Err(Problem::not_found("probe", &name));
    }
    Ok((StatusCode::CREATED, Json(Enrolled { probe: name, token })))
}

/// Take the token of a probe away.
#[utoipa::path(
    post, path = "/api/v1/probes/{name}/!revoke", operation_id = "revokeProbe",
    params(("name" = String, Path, description = "Of the probe.")),
    responses((status = 204, description = "It has none any more.")),
    extensions(("x-permission" = json!("probes.manage"))),
)]
async fn revoke(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode, Problem> {
    query.finish()?;
    let probe = Slug::new(&name).map_err(|_| Problem::not_found("probe", &name))?;
    let done = shared.store.revoke_probe(&probe, &principal.changed_by("api")).await;
    match done.map_err(|error| problem_of_store(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("token of the probe", &name)),
    }
}

/// A token of 244 random bits, and its hash.
fn new_token() -> (String, [u8; 32]) {
    let mut random = [0_u8; 32];
    random[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    random[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    let token = format!("ow_probe_{}", URL_SAFE_NO_PAD.encode(random));
    let hash = Sha256::digest(token.as_bytes()).into();
    (token, hash)
}
