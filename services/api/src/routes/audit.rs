//! `GET /api/v1/audit`: who changed what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ow_domain::Time;
use ow_store::audit::{AuditFilter, AuditRecord};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::access::{self, unscoped};
use crate::http::schema::time;
use crate::http::{Caller, Page, PageParams, Problem, Query};

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list))
}

/// One line of the trail.
#[derive(Debug, Serialize, ToSchema)]
struct AuditBody {
    id: i64,
    #[schema(schema_with = time)]
    at: Time,
    /// `user:thu`, `token:thu/ci`, `installation`, `cli`, `anonymous`.
    #[schema(example = "user:thu")]
    actor: String,
    /// `api`, `cli`, `up`.
    source: String,
    /// `create`, `update`, `delete`, `sign-in`, ...
    action: String,
    /// `Channel`, `User`, `Token`, ...
    kind: String,
    name: String,
    /// Before the change, without secrets.
    #[schema(value_type = Option<Value>, required)]
    before: Option<Value>,
    #[schema(value_type = Option<Value>, required)]
    after: Option<Value>,
    /// Revision of the configuration; 0 for what is no configuration.
    revision: u64,
}

impl From<AuditRecord> for AuditBody {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id,
            at: record.at,
            actor: record.actor,
            source: record.source,
            action: record.action,
            kind: record.kind,
            name: record.name,
            before: record.before,
            after: record.after,
            revision: record.revision,
        }
    }
}

/// The audit trail, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "listAudit",
    params(
        PageParams,
        ("actor" = Option<String>, Query, description = "Who: `user:thu`."),
        ("source" = Option<String>, Query, description = "By which way: `api`, `cli`, `up`."),
        ("action" = Option<String>, Query, description = "What was done: `update`."),
        ("kind" = Option<String>, Query, description = "Kind of the object: `Channel`."),
        ("name" = Option<String>, Query, description = "Name of the object."),
        ("since" = Option<String>, Query, format = DateTime, description = "Not before."),
        ("until" = Option<String>, Query, format = DateTime, description = "Before."),
    ),
    responses((status = 200, description = "Lines of the trail.", body = Page<AuditBody>)),
    extensions(("x-permission" = json!("audit.read"))),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Page<AuditBody>>, Problem> {
    // The trail tells of all channels.
    unscoped(&principal)?;
    let limit = query.limit();
    let mut at = |key: &str| {
        let text = query.text(key)?;
        let time = Time::parse_rfc3339(&text);
        if time.is_none() {
            query.error(key, "invalid-value", "is not a time such as 2026-11-22T09:41:07Z".into());
        }
        time
    };
    let (since, until) = (at("since"), at("until"));
    let filter = AuditFilter {
        before_id: query.cursor("-id"),
        actor: query.text("actor"),
        source: query.text("source"),
        action: query.text("action"),
        kind: query.text("kind"),
        name: query.text("name"),
        since,
        until,
        limit: limit + 1,
    };
    query.finish()?;
    let found = shared.store.audit(&filter).await.map_err(access::failed)?;
    let items = found.into_iter().map(AuditBody::from).collect();
    Ok(Json(Page::cut(items, limit, "-id", |line: &AuditBody| line.id)))
}
