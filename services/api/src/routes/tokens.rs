//! `/api/v1/tokens`: bearer tokens of all people, for administrators. One's own are under `/api/v1/me/tokens`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use ow_domain::Time;
use ow_domain::access::{LabelScope, Permission, Permissions, Principal};
use ow_store::access::{NewToken, Token, TokenFilter};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::access::{self, secret, unscoped};
use crate::http::schema::{optional_time, time};
use crate::http::{Caller, ErrorItem, IfMatch, JsonBody, Page, PageParams, Problem, Query, Tagged};

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list, create_for)).routes(routes!(one, change, delete))
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenBody {
    pub id: i64,
    #[schema(example = "ci")]
    name: String,
    /// Its owner.
    user: String,
    /// How the secret begins.
    #[schema(example = "ow_pat_x7Qd")]
    hint: String,
    /// What it may do, as far as its owner may.
    #[schema(value_type = Vec<String>, example = json!(["read", "alarms.operate"]))]
    scopes: Permissions,
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>, required)]
    label_scope: Option<LabelScope>,
    revision: u64,
    #[schema(schema_with = time)]
    created_at: Time,
    #[schema(schema_with = time)]
    changed_at: Time,
    #[schema(schema_with = optional_time, required)]
    expires_at: Option<Time>,
    /// To the minute.
    #[schema(schema_with = optional_time, required)]
    last_used_at: Option<Time>,
    #[schema(required)]
    last_used_from: Option<String>,
}

impl From<Token> for TokenBody {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            user: token.user,
            hint: token.hint,
            scopes: token.scopes,
            label_scope: token.label_scope,
            revision: token.revision,
            created_at: token.created_at,
            changed_at: token.changed_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            last_used_from: token.last_used_from,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTokenBody {
    #[schema(example = "ci", pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    name: String,
    /// Words of permissions.
    #[schema(value_type = Vec<String>, min_items = 1, example = json!(["read", "alarms.operate"]))]
    scopes: Vec<String>,
    /// Labels and their values; the token sees channels that have all of them.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>, example = json!({"group": ["sport"]}))]
    label_scope: Option<LabelScope>,
    /// Without one it is good until it is taken away.
    #[serde(default)]
    #[schema(schema_with = optional_time)]
    expires_at: Option<Time>,
}

#[derive(Debug, Deserialize, ToSchema)]
struct NewTokenFor {
    /// Its owner.
    user: String,
    #[serde(flatten)]
    token: NewTokenBody,
}

/// A token that has just been made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedToken {
    /// Send it as `Authorization: Bearer ...`. It is not shown again.
    #[schema(read_only)]
    secret: String,
    token: TokenBody,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenPatch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = optional_time)]
    expires_at: Option<Option<Time>>,
}

/// Tells `null` (take away) from nothing said.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Makes a token of `user`, with no more than `principal` may.
pub(super) async fn create(
    shared: &Shared,
    principal: &Principal,
    user: &str,
    body: NewTokenBody,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let mut errors = Vec::new();
    if let Some(fault) = name_fault(&body.name) {
        errors.push(fault);
    }
    let mut scopes = Vec::new();
    for (n, word) in body.scopes.iter().take(64).enumerate() {
        let pointer = format!("/scopes/{n}");
        match word.parse::<Permission>() {
            Ok(scope) if !scope.is_grantable() => {
                errors.push(ErrorItem::new(pointer, "invalid-value", "is nothing that a token is given"));
            }
            Ok(scope) if !principal.may(scope) => {
                let message = format!("{} does not have it", principal.actor);
                errors.push(ErrorItem::new(pointer, "not-permitted", message));
            }
            Ok(scope) => scopes.push(scope),
            Err(error) => errors.push(ErrorItem::new(pointer, "invalid-value", error.to_string()).example("read")),
        }
    }
    if body.scopes.is_empty() || body.scopes.len() > 64 {
        let message = "names no permission, or more than there are";
        errors.push(ErrorItem::new("/scopes", "invalid-value", message).example(json!(["read"])));
    }
    let now = access::now();
    if body.expires_at.is_some_and(|at| at <= now) {
        errors.push(ErrorItem::new("/expires_at", "invalid-value", "is over already").example("2027-01-01T00:00:00Z"));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let secret = secret::random_token().map_err(|error| Problem::internal(error.to_string()))?;
    let new = NewToken {
        name: body.name,
        user: user.to_owned(),
        hash: secret::hash(&secret),
        hint: secret.chars().take(secret::TOKEN_PREFIX.len() + 4).collect(),
        scopes: scopes.into_iter().collect(),
        label_scope: body.label_scope,
        expires_at: body.expires_at,
    };
    let token = shared.store.create_token(&new, now, &principal.changed_by("api")).await.map_err(access::refused)?;
    Ok((StatusCode::CREATED, Json(CreatedToken { secret, token: token.into() })))
}

fn name_fault(name: &str) -> Option<ErrorItem> {
    let error = ow_domain::Slug::new(name).err()?;
    Some(ErrorItem::new("/name", "invalid-value", error.to_string()).example("ci"))
}

/// Tokens of all people.
#[utoipa::path(
    get, path = "/api/v1/tokens", operation_id = "listTokens",
    params(PageParams, ("user" = Option<String>, Query, description = "Of this person only.")),
    responses((status = 200, description = "Tokens, without their secrets.", body = Page<TokenBody>)),
    extensions(("x-permission" = json!("tokens.manage"))),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Page<TokenBody>>, Problem> {
    unscoped(&principal)?;
    let (limit, after, user) = (query.limit(), query.cursor("id"), query.text("user"));
    query.finish()?;
    let found = shared.store.tokens(&TokenFilter { after, user, limit: limit + 1 }).await.map_err(access::failed)?;
    let items = found.into_iter().map(TokenBody::from).collect();
    Ok(Json(Page::cut(items, limit, "id", |token: &TokenBody| token.id)))
}

/// Makes a token for somebody. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/api/v1/tokens", operation_id = "createToken", request_body = NewTokenFor,
    responses(
        (status = 201, description = "Made.", body = CreatedToken),
        (status = 404, description = "There is no such person."),
        (status = 409, description = "The person has one of this name."),
    ),
    extensions(("x-permission" = json!("tokens.manage"))),
)]
async fn create_for(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    JsonBody(body): JsonBody<NewTokenFor>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    unscoped(&principal)?;
    create(&shared, &principal, &body.user, body.token).await
}

/// One token.
#[utoipa::path(
    get, path = "/api/v1/tokens/{id}", operation_id = "getToken", params(("id" = i64, Path)),
    responses((status = 200, description = "The token, without its secret.", body = TokenBody, headers(("ETag" = String)))),
    extensions(("x-permission" = json!("tokens.manage"))),
)]
async fn one(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<Tagged<TokenBody>, Problem> {
    unscoped(&principal)?;
    let token = find(&shared, &id).await?;
    Ok(Tagged { revision: token.revision, body: token.into() })
}

async fn find(shared: &Shared, id: &str) -> Result<Token, Problem> {
    let unknown = || Problem::not_found("token", id);
    let number = id.parse().map_err(|_| unknown())?;
    shared.store.token(number, None).await.map_err(access::failed)?.ok_or_else(unknown)
}

/// Renames a token or changes when it ends. What it may do is fixed: make another one.
#[utoipa::path(
    patch, path = "/api/v1/tokens/{id}", operation_id = "patchToken",
    params(("id" = i64, Path), ("If-Match" = Option<String>, Header)),
    request_body(content((TokenPatch = "application/merge-patch+json"), (TokenPatch = "application/json"))),
    responses(
        (status = 200, description = "Changed.", body = TokenBody, headers(("ETag" = String))),
        (status = 409, description = "Its owner has one of this name."),
    ),
    extensions(("x-permission" = json!("tokens.manage"))),
)]
async fn change(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    wanted: IfMatch,
    JsonBody(body): JsonBody<TokenPatch>,
) -> Result<Tagged<TokenBody>, Problem> {
    unscoped(&principal)?;
    if let Some(fault) = body.name.as_deref().and_then(name_fault) {
        return Err(Problem::invalid(vec![fault]));
    }
    let token = find(&shared, &id).await?;
    wanted.check(token.revision)?;
    let by = principal.changed_by("api");
    let change = (body.name.as_deref(), body.expires_at);
    let changed = shared.store.update_token(token.id, None, change, Some(token.revision), access::now(), &by).await;
    let token = changed.map_err(access::refused)?;
    Ok(Tagged { revision: token.revision, body: token.into() })
}

/// Takes a token away.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", operation_id = "deleteToken",
    params(("id" = i64, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "It is refused from now on.")),
    extensions(("x-permission" = json!("tokens.manage"))),
)]
async fn delete(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    wanted: IfMatch,
) -> Result<StatusCode, Problem> {
    unscoped(&principal)?;
    let wanted = wanted.required()?;
    let token = find(&shared, &id).await?;
    wanted.check(token.revision)?;
    let by = principal.changed_by("api");
    shared.store.delete_token(token.id, None, Some(token.revision), &by).await.map_err(access::refused)?;
    Ok(StatusCode::NO_CONTENT)
}
