//! `POST /api/v1/config:apply` and `GET /api/v1/config`: the same documents as `ottwatch apply` and `export`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use ow_config::{SourceFile, Unlisted};
use ow_domain::config::{ChangedBy, ConfigKind};
use serde_json::{Value, json};

use crate::Shared;
use crate::apply::{ApplyError, apply_documents};
use crate::problem::{ErrorItem, Problem};
use crate::publish::reconcile_config;
use crate::query::Query;

/// Writing needs a token to be set: without one everybody who reaches the address could write.
fn need_token(shared: &Shared) -> Result<(), Problem> {
    if shared.token.is_some() {
        return Ok(());
    }
    let detail = "configuration is not readable or writable over HTTP unless api.token_sha256 is set";
    Err(Problem::new(StatusCode::FORBIDDEN, "no-token-configured", "Not allowed", detail))
}

pub async fn apply(
    State(shared): State<Arc<Shared>>,
    RawQuery(raw): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    need_token(&shared)?;
    let mut query = Query::new(raw.as_deref(), &["dry_run", "prune"]);
    let dry_run = query.value("dry_run", "true or false").unwrap_or(false);
    let prune = query.value("prune", "true or false").unwrap_or(false);
    query.finish()?;
    let body = body.map_err(|rejection| {
        let status = rejection.status();
        Problem::new(status, "body", "The body could not be read", rejection.body_text())
    })?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, "body", "The body could not be read", "the body is not UTF-8")
    })?;
    let files = [SourceFile { name: "body".into(), text }];
    let unlisted = if prune { Unlisted::Prune } else { Unlisted::Keep };
    let by = ChangedBy { actor: "token".into(), source: "api".into() };
    let applied = apply_documents(&shared.store, &files, unlisted, (!dry_run).then_some(&by)).await.map_err(refused)?;
    if !dry_run && !applied.plan.is_empty() {
        // The keeper does it anyway; doing it now means that the answer is the truth.
        if let Err(error) = reconcile_config(&shared.store, &shared.bus).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "applied, but not published yet");
        }
    }
    Ok(Json(json!({"dry_run": dry_run, "revision": applied.revision, "plan": applied.plan.to_json()})))
}

pub async fn export(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Result<impl IntoResponse, Problem> {
    need_token(&shared)?;
    let mut query = Query::new(raw.as_deref(), &["kind"]);
    let kinds: Vec<ConfigKind> = query.list("kind", "Channel, Template, Receiver, Route or Probe");
    query.finish()?;
    let mut objects = shared.store.load_config().await.map_err(|error| Problem::unavailable(&error))?.objects;
    objects.retain(|object| kinds.is_empty() || kinds.contains(&object.kind));
    Ok(([(header::CONTENT_TYPE, "application/yaml")], ow_config::export(&objects)))
}

fn refused(error: ApplyError) -> Problem {
    match error {
        ApplyError::Invalid(problems) => {
            let items = problems.iter().map(|problem| ErrorItem {
                pointer: problem.pointer.clone(),
                code: serde_json::to_value(problem.code)
                    .ok()
                    .and_then(|c| c.as_str().map(str::to_owned))
                    .unwrap_or_default(),
                message: problem.to_string(),
            });
            let detail = format!("{} problems; nothing was changed", problems.len());
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-documents", "Documents are not valid", detail)
                .with(items.collect())
        }
        ApplyError::Empty => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no-documents",
            "Documents are not valid",
            "the body describes nothing; nothing was changed",
        ),
        ApplyError::Store(ow_store::StoreError::Conflict { .. }) => Problem::new(
            StatusCode::CONFLICT,
            "conflict",
            "Changed by somebody else",
            "the configuration is being changed by others; nothing was changed, try again",
        ),
        ApplyError::Store(error) => Problem::unavailable(&error),
    }
}
