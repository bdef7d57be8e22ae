//! `POST /api/v1/config:apply` and `GET /api/v1/config`: the same documents as `ottwatch apply` and `export`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use ow_config::{Owner, SourceFile};
use ow_domain::Slug;
use ow_domain::access::Principal;
use ow_domain::config::ConfigKind;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::apply::{ApplyError, apply_read};
use crate::http::{Caller, ETag, ErrorItem, IfMatch, Problem, Query, Tagged, TextBody, body};
use crate::publish::reconcile_config;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(export)).routes(routes!(apply))
}

#[derive(Debug, Serialize, ToSchema)]
struct Done {
    dry_run: bool,
    /// Of the configuration afterwards; of now for a dry run.
    revision: u64,
    #[schema(value_type = Plan)]
    plan: Value,
}

/// What was, or would be, changed. Objects are named `Kind/name`.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what ow_config::Plan::to_json gives")]
struct Plan {
    create: Vec<String>,
    update: Vec<Update>,
    delete: Vec<String>,
    unchanged: Vec<String>,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what ow_config::Plan::to_json gives")]
struct Update {
    object: String,
    fields: Vec<FieldChange>,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what ow_config::Plan::to_json gives")]
struct FieldChange {
    field: String,
    before: String,
    after: String,
}

/// Applies documents, YAML or JSON (one, or a list of them): all of them or nothing.
#[utoipa::path(
    post, path = "/api/v1/config:apply", operation_id = "applyConfig",
    params(
        ("dry_run" = Option<bool>, Query, description = "Only tell what would change."),
        ("owner" = Option<String>, Query, description = "On whose behalf: written into the label managed-by of each object.", example = "git"),
        ("prune" = Option<bool>, Query, description = "Delete the owner's objects that are not described. Those of others stay."),
        ("take_over" = Option<bool>, Query, description = "Take objects that another owner looks after."),
        ("If-Match" = Option<String>, Header, description = "ETag of the configuration as a whole; what is stale is refused (412)."),
    ),
    request_body(content((String = "application/yaml"), (Value = "application/json"), (String = "text/yaml"), (String = "application/x-yaml"), (String = "text/plain"))),
    responses(
        (status = 200, description = "What was, or would be, changed.", body = Done),
        (status = 409, description = "The configuration is being changed by others."),
    ),
    extensions(("x-permission" = json!("config.write"))),
)]
async fn apply(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    (if_match, headers): (IfMatch, HeaderMap),
    mut query: Query,
    TextBody(text): TextBody,
) -> Result<Tagged<Done>, Problem> {
    refuse_scoped(&principal)?;
    let (dry_run, prune, take_over) = (query.flag("dry_run"), query.flag("prune"), query.flag("take_over"));
    let name: Option<Slug> = query.value("owner", "a name of a-z, 0-9 and '-'");
    if name.is_none() && (prune || take_over) {
        query.error(
            "owner",
            "missing",
            "is needed with prune and take_over: only an owner's objects are deleted or taken".into(),
        );
    }
    query.finish()?;
    let owner = name.map(|name| Owner { name, prune, take_over });
    let is_json =
        headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let documents = if is_json {
        let body: Value = body::json(text.as_bytes())?;
        ow_config::read_json("body", &body.as_array().cloned().unwrap_or_else(|| vec![body]))
    } else {
        ow_config::read(&[SourceFile { name: "body".into(), text }])
    };
    let documents = documents.map_err(|problems| refused(ApplyError::Invalid(problems)))?;
    if if_match != IfMatch::Absent {
        let now = shared.store.load_config().await.map_err(|error| Problem::unavailable(&error))?.revision;
        if_match.check(now)?;
    }
    let by = principal.changed_by("api");
    let applied =
        apply_read(&shared.store, &documents, owner.as_ref(), (!dry_run).then_some(&by)).await.map_err(refused)?;
    if !dry_run && !applied.plan.is_empty() {
        // The keeper does it anyway; doing it now means that the answer is the truth.
        if let Err(error) = reconcile_config(&shared.store, &shared.bus).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "applied, but not published yet");
        }
    }
    let body = Done { dry_run, revision: applied.revision, plan: applied.plan.to_json() };
    Ok(Tagged { revision: applied.revision, body })
}

/// Who sees some channels only does not handle the configuration as a whole.
fn refuse_scoped(principal: &Principal) -> Result<(), Problem> {
    match principal.label_scope {
        None => Ok(()),
        Some(_) => Err(Problem::forbidden("outside-scope", "it is about more channels than those that you may see")),
    }
}

/// The stored configuration as YAML documents, in a stable order. In place of secrets stands a mark, which keeps what
/// is stored when it is applied here.
#[utoipa::path(
    get, path = "/api/v1/config", operation_id = "exportConfig",
    params(("kind" = Option<String>, Query, description = "Only these kinds, separated by commas.")),
    responses((status = 200, description = "Documents.", body = String, content_type = "application/yaml")),
    extensions(("x-permission" = json!("config.write"))),
)]
async fn export(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<impl IntoResponse, Problem> {
    refuse_scoped(&principal)?;
    let kinds: Vec<ConfigKind> = query.list("kind", "a kind such as Channel");
    query.finish()?;
    let snapshot = shared.store.load_config().await.map_err(|error| Problem::unavailable(&error))?;
    let wanted = snapshot.objects.into_iter().filter(|object| kinds.is_empty() || kinds.contains(&object.kind));
    let objects: Vec<_> = wanted.map(ow_config::without_secrets).collect();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/yaml")),
        (header::ETAG, ETag(snapshot.revision).into()),
    ];
    Ok((headers, ow_config::export(&objects)))
}

fn refused(error: ApplyError) -> Problem {
    let invalid =
        |code, detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, "Documents are not valid", detail);
    match error {
        ApplyError::Invalid(problems) => {
            let code = |problem: &ow_config::Problem| {
                let code = serde_json::to_value(problem.code).unwrap_or_default();
                code.as_str().unwrap_or_default().to_owned()
            };
            let items = problems.iter().map(|problem| {
                let item = ErrorItem::new(problem.pointer.clone(), code(problem), problem.to_string());
                if problem.example.is_empty() { item } else { item.example(problem.example.clone()) }
            });
            let detail = format!("{} problems; nothing was changed", problems.len());
            invalid("invalid-documents", detail).with(items.collect())
        }
        ApplyError::Empty => invalid("no-documents", "the body describes nothing; nothing was changed".into()),
        ApplyError::Seal(error) => Problem::conflict("cannot-seal", format!("a secret cannot be sealed: {error}")),
        ApplyError::Store(ow_store::StoreError::Conflict { .. }) => Problem::conflict(
            "conflict",
            "the configuration is being changed by others; nothing was changed, try again",
        ),
        ApplyError::Store(error) => Problem::unavailable(&error),
    }
}
