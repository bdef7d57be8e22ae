//! `/api/v1/me`: what everybody who is known may do about themselves: password, sessions, tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use ow_domain::Time;
use ow_domain::access::Via;
use ow_store::access::{Session, ThrottleKey, TokenFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Shared;
use crate::access::password::fault;
use crate::access::{self, Client, person};
use crate::http::schema::time;
use crate::http::{Caller, ErrorItem, JsonBody, Page, PageParams, Problem, Query};
use crate::routes::session::{Whoami, whoami};
use crate::routes::tokens::{CreatedToken, NewTokenBody, TokenBody, create};

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(me))
        .routes(routes!(change_password))
        .routes(routes!(list_sessions))
        .routes(routes!(delete_session))
        .routes(routes!(list_tokens, create_token))
        .routes(routes!(delete_token))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    #[schema(format = Password, write_only)]
    current: String,
    /// 12 characters or more.
    #[schema(format = Password, write_only, min_length = 12, max_length = 256)]
    new: String,
}

/// One of one's own sessions.
#[derive(Debug, Serialize, ToSchema)]
struct SessionBody {
    #[schema(value_type = String)]
    id: Uuid,
    /// The one of this request.
    current: bool,
    /// `password`, `invitation` or `oidc`.
    method: String,
    address: String,
    agent: String,
    #[schema(schema_with = time)]
    created_at: Time,
    /// To the minute.
    #[schema(schema_with = time)]
    seen_at: Time,
    #[schema(schema_with = time)]
    expires_at: Time,
}

#[derive(Debug, Serialize, ToSchema)]
struct Sessions {
    items: Vec<SessionBody>,
}

/// Who asks, and what they may do.
#[utoipa::path(
    get, path = "/api/v1/me", operation_id = "getMe",
    responses((status = 200, description = "Who asks.", body = Whoami)),
    extensions(("x-permission" = json!("self"))),
)]
async fn me(Caller(principal): Caller) -> Json<Whoami> {
    Json(whoami(&principal))
}

/// Changes one's own password. All other sessions end.
#[utoipa::path(
    post, path = "/api/v1/me:change-password", operation_id = "changePassword", request_body = PasswordChange,
    responses((status = 204, description = "Changed.")),
    extensions(("x-permission" = json!("self"))),
)]
async fn change_password(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    client: Client,
    JsonBody(body): JsonBody<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let name = person(&principal)?;
    // Whoever found an open browser may not guess the password any faster than elsewhere.
    let policy = &shared.access.throttle;
    let keys = [ThrottleKey::account(name, policy), ThrottleKey::address(client.address, policy)];
    let now = access::now();
    let counted = shared.store.count_attempt(&keys, policy, now).await.map_err(access::failed)?;
    counted.map_err(|blocked| {
        let seconds = blocked.until.since(now).micros().max(0).unsigned_abs().div_ceil(1_000_000);
        Problem::too_many("too many wrong attempts", seconds)
    })?;
    let found = shared.store.password_of(name).await.map_err(access::failed)?;
    let stored = found.as_ref().and_then(|found| found.password.as_deref());
    if !shared.access.passwords.verify(stored, body.current).await.map_err(access::no_hash)? {
        return Err(Problem::invalid(vec![ErrorItem::new("/current", "wrong-password", "is not the password")]));
    }
    if let Some(reason) = fault(&body.new, name) {
        return Err(Problem::invalid(vec![ErrorItem::new("/new", "weak-password", reason)]));
    }
    let hashed = shared.access.passwords.hash(body.new).await.map_err(access::no_hash)?;
    let keep = current_session(&principal.via);
    shared.store.set_password(name, &hashed, keep, now, &principal.changed_by("api")).await.map_err(access::refused)?;
    shared.store.forgive_attempt(&keys).await.map_err(access::failed)?;
    Ok(StatusCode::NO_CONTENT)
}

fn current_session(via: &Via) -> Option<Uuid> {
    match via {
        Via::Session { id } => id.parse().ok(),
        _ => None,
    }
}

/// One's own sessions, newest first; 50 at most.
#[utoipa::path(
    get, path = "/api/v1/me/sessions", operation_id = "listMySessions",
    responses((status = 200, description = "Sessions.", body = Sessions)),
    extensions(("x-permission" = json!("self"))),
)]
async fn list_sessions(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
) -> Result<Json<Sessions>, Problem> {
    let sessions = shared.store.sessions_of(person(&principal)?, access::now()).await.map_err(access::failed)?;
    let current = current_session(&principal.via);
    let shown = |session: Session| SessionBody {
        id: session.id,
        current: current == Some(session.id),
        method: session.method,
        address: session.address,
        agent: session.agent,
        created_at: session.created_at,
        seen_at: session.seen_at,
        expires_at: session.expires_at.min(session.idle_until),
    };
    Ok(Json(Sessions { items: sessions.into_iter().map(shown).collect() }))
}

/// Ends one of one's own sessions.
#[utoipa::path(
    delete, path = "/api/v1/me/sessions/{id}", operation_id = "endMySession",
    params(("id" = String, Path)),
    responses((status = 204, description = "Ended.")),
    extensions(("x-permission" = json!("self"))),
)]
async fn delete_session(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let user = person(&principal)?;
    let parsed = id.parse().map_err(|_| Problem::not_found("session", &id))?;
    shared.store.end_session(user, parsed, &principal.changed_by("api")).await.map_err(access::refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// One's own tokens.
#[utoipa::path(
    get, path = "/api/v1/me/tokens", operation_id = "listMyTokens", params(PageParams),
    responses((status = 200, description = "Tokens, without their secrets.", body = Page<TokenBody>)),
    extensions(("x-permission" = json!("self"))),
)]
async fn list_tokens(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Page<TokenBody>>, Problem> {
    let (limit, after) = (query.limit(), query.cursor("id"));
    query.finish()?;
    let user = Some(person(&principal)?.to_owned());
    let found = shared.store.tokens(&TokenFilter { after, user, limit: limit + 1 }).await.map_err(access::failed)?;
    let items = found.into_iter().map(TokenBody::from).collect();
    Ok(Json(Page::cut(items, limit, "id", |token: &TokenBody| token.id)))
}

/// Makes a token for oneself, with no more permissions than one has. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/api/v1/me/tokens", operation_id = "createMyToken", request_body = NewTokenBody,
    responses(
        (status = 201, description = "Made.", body = CreatedToken),
        (status = 409, description = "There is one of this name."),
    ),
    extensions(("x-permission" = json!("self"))),
)]
async fn create_token(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    JsonBody(body): JsonBody<NewTokenBody>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let user = person(&principal)?.to_owned();
    create(&shared, &principal, &user, body).await
}

/// Takes one of one's own tokens away.
#[utoipa::path(
    delete, path = "/api/v1/me/tokens/{id}", operation_id = "deleteMyToken", params(("id" = i64, Path)),
    responses((status = 204, description = "It is refused from now on.")),
    extensions(("x-permission" = json!("self"))),
)]
async fn delete_token(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let user = person(&principal)?;
    let number = id.parse().map_err(|_| Problem::not_found("token", &id))?;
    let by = principal.changed_by("api");
    shared.store.delete_token(number, Some(user), None, &by).await.map_err(access::refused)?;
    Ok(StatusCode::NO_CONTENT)
}
