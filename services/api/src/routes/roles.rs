//! `GET /api/v1/roles`: the roles and what each may do. They are fixed.

use std::sync::Arc;

use axum::Json;
use ow_domain::access::Role;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct RoleBody {
    #[schema(value_type = String, example = "operator")]
    name: Role,
    description: &'static str,
    /// Words as in `x-permission` and in the scopes of tokens.
    #[schema(value_type = Vec<String>)]
    permissions: Vec<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Roles {
    items: Vec<RoleBody>,
}

/// The roles, from the least to the most powerful, with their permissions.
#[utoipa::path(
    get, path = "/api/v1/roles", operation_id = "listRoles",
    responses((status = 200, description = "Roles.", body = Roles)),
    extensions(("x-permission" = json!("read"))),
)]
async fn list() -> Json<Roles> {
    let shown = |role: Role| RoleBody {
        name: role,
        description: role.description(),
        permissions: role.permissions().iter().map(|permission| permission.as_str()).collect(),
    };
    Json(Roles { items: Role::ALL.map(shown).into() })
}
