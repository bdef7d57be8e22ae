//! `/api/v1/session`: signing in and out, and whose session it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use ow_domain::Time;
use ow_domain::access::{LabelScope, Principal, Role, Via};
use ow_domain::config::ChangedBy;
use ow_store::access::ThrottleKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::access::password::fault;
use crate::access::{self, Client, SignedIn, begin_session, sign_in, sign_out};
use crate::http::schema::{optional_time, time};
use crate::http::{Caller, ErrorItem, JsonBody, Problem, Query};

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(get_session, create_session, delete_session))
        .routes(routes!(accept_invitation))
        .routes(routes!(sign_in_methods))
        .routes(routes!(begin_oidc))
        .routes(routes!(finish_oidc))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    #[schema(example = "thu")]
    name: String,
    #[schema(format = Password, write_only)]
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Acceptance {
    /// Of the invitation.
    #[schema(write_only)]
    code: String,
    /// 12 characters or more.
    #[schema(format = Password, write_only, min_length = 12, max_length = 256)]
    password: String,
}

/// Who asks, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Whoami {
    /// As in the audit trail.
    #[schema(example = "user:thu")]
    actor: String,
    /// Name of the user, if it is one or a token of one.
    #[schema(required)]
    user: Option<String>,
    #[schema(value_type = String, example = "operator")]
    role: Role,
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>, required)]
    label_scope: Option<LabelScope>,
    #[schema(value_type = Vec<String>)]
    permissions: Vec<&'static str>,
    /// `session`, `token`, `installation` or `anonymous`.
    via: &'static str,
    /// For the header `X-CSRF-Token`, which every change by this session needs; null without a session.
    #[schema(required)]
    csrf_token: Option<String>,
    /// The session ends then at the latest.
    #[schema(schema_with = optional_time, required)]
    expires_at: Option<Time>,
}

pub(super) fn whoami(principal: &Principal) -> Whoami {
    Whoami {
        actor: principal.actor.clone(),
        user: principal.user.clone(),
        role: principal.role,
        label_scope: principal.label_scope.clone(),
        permissions: principal.permissions.iter().map(|p| p.as_str()).collect(),
        via: match principal.via {
            Via::Anonymous => "anonymous",
            Via::Session { .. } => "session",
            Via::Token { .. } => "token",
            Via::Installation | Via::Local => "installation",
        },
        csrf_token: None,
        expires_at: None,
    }
}

fn begun(signed_in: SignedIn) -> Response {
    let user = signed_in.user;
    let session = signed_in.session;
    let principal = Principal::session(&user.name, user.role, user.label_scope, session.id.to_string());
    let body =
        Whoami { csrf_token: Some(signed_in.csrf_token), expires_at: Some(session.expires_at), ..whoami(&principal) };
    ([(header::SET_COOKIE, signed_in.cookie)], Json(body)).into_response()
}

/// Signs in by name and password. The session comes as a cookie that pages cannot read.
#[utoipa::path(
    post, path = "/api/v1/session", operation_id = "signIn", request_body = Credentials,
    responses(
        (status = 200, description = "Signed in.", body = Whoami, headers(("Set-Cookie" = String))),
        (status = 401, description = "Name or password is wrong."),
        (status = 403, description = "The request comes from another site."),
    ),
    extensions(("x-permission" = json!("public"))),
)]
async fn create_session(
    State(shared): State<Arc<Shared>>,
    client: Client,
    JsonBody(body): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    Ok(begun(sign_in(&shared, &body.name, body.password, &client).await?))
}

/// Who asks, what they may do, and the token that changes by a session need.
#[utoipa::path(
    get, path = "/api/v1/session", operation_id = "getSession",
    responses((status = 200, description = "Who asks.", body = Whoami)),
    extensions(("x-permission" = json!("self"))),
)]
async fn get_session(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    client: Client,
) -> Result<Json<Whoami>, Problem> {
    let mut body = whoami(&principal);
    if matches!(principal.via, Via::Session { .. })
        && let Some((secret, found)) = access::session(&shared, &client.headers).await?
    {
        body.csrf_token = Some(access::csrf_token(&secret));
        body.expires_at = Some(found.session.expires_at);
    }
    Ok(Json(body))
}

/// Signs out: the session is over, also for whoever has a copy of its cookie.
#[utoipa::path(
    delete, path = "/api/v1/session", operation_id = "signOut",
    responses((status = 204, description = "Signed out.")),
    extensions(("x-permission" = json!("self"))),
)]
async fn delete_session(State(shared): State<Arc<Shared>>, Caller(principal): Caller) -> Result<Response, Problem> {
    let user = access::person(&principal)?;
    let id = match &principal.via {
        Via::Session { id } => id.parse().map_err(|_| Problem::internal("the session has no id"))?,
        _ => return Err(Problem::internal("a person without a session")),
    };
    let cookie = sign_out(&shared, user, id, &principal.changed_by("api")).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Sets the first or a forgotten password with the code of an invitation, and signs in. A code is good once.
#[utoipa::path(
    post, path = "/api/v1/session:accept", operation_id = "acceptInvitation", request_body = Acceptance,
    responses(
        (status = 200, description = "Signed in.", body = Whoami, headers(("Set-Cookie" = String))),
        (status = 401, description = "The code is not known, was used or has expired."),
        (status = 403, description = "The request comes from another site."),
    ),
    extensions(("x-permission" = json!("public"))),
)]
async fn accept_invitation(
    State(shared): State<Arc<Shared>>,
    client: Client,
    JsonBody(body): JsonBody<Acceptance>,
) -> Result<Response, Problem> {
    if access::is_from_elsewhere(&client.headers) {
        return Err(Problem::forbidden("csrf", "a page of another site may not sign anybody in"));
    }
    let policy = &shared.access.throttle;
    let keys = [ThrottleKey::address(client.address, policy)];
    let now = access::now();
    let counted = shared.store.count_attempt(&keys, policy, now).await.map_err(access::failed)?;
    counted.map_err(|blocked| {
        let seconds = blocked.until.since(now).micros().max(0).unsigned_abs().div_ceil(1_000_000);
        Problem::too_many("too many wrong attempts", seconds)
    })?;
    let not_good =
        || Problem::unauthorized("the code is not known, was used or has expired; ask for another invitation");
    let hash = access::secret::hash(&body.code);
    let invited = shared.store.invited(&hash, now).await.map_err(access::failed)?.ok_or_else(not_good)?;
    if let Some(reason) = fault(&body.password, &invited.user.name) {
        return Err(Problem::invalid(vec![ErrorItem::new("/password", "weak-password", reason)]));
    }
    let hashed = shared.access.passwords.hash(body.password).await.map_err(access::no_hash)?;
    let by = ChangedBy { actor: format!("user:{}", invited.user.name), source: "api".into() };
    let user = shared.store.accept_invitation(&hash, &hashed, now, &by).await.map_err(access::refused)?;
    let user = user.ok_or_else(not_good)?;
    shared.store.forgive_attempt(&keys).await.map_err(access::failed)?;
    Ok(begun(begin_session(&shared, user, "invitation", &client).await?))
}

/// Ways to sign in.
#[derive(Debug, Serialize, ToSchema)]
struct Methods {
    password: bool,
    /// What the button of the OpenID provider says; null when none is set up.
    #[schema(required)]
    oidc: Option<String>,
    /// The clock of the server.
    #[schema(schema_with = time)]
    now: Time,
}

/// What a page for signing in has to offer.
#[utoipa::path(
    get, path = "/api/v1/session/methods", operation_id = "getSignInMethods",
    responses((status = 200, description = "Ways to sign in.", body = Methods)),
    extensions(("x-permission" = json!("public"))),
)]
async fn sign_in_methods(State(shared): State<Arc<Shared>>) -> Json<Methods> {
    let oidc = shared.access.oidc.as_ref().map(|provider| provider.display_name().to_owned());
    Json(Methods { password: true, oidc, now: access::now() })
}

fn no_provider() -> Problem {
    Problem::not_found("OpenID provider", "api.oidc.issuer")
}

/// Sends the browser to the OpenID provider.
#[utoipa::path(
    get, path = "/api/v1/session/oidc", operation_id = "beginOidc",
    params(("return_to" = Option<String>, Query, description = "Path to go to afterwards.")),
    responses(
        (status = 303, description = "To the provider.", headers(("Location" = String), ("Set-Cookie" = String))),
        (status = 404, description = "No provider is set up."),
    ),
    extensions(("x-permission" = json!("public"))),
)]
async fn begin_oidc(State(shared): State<Arc<Shared>>, query: Query) -> Result<Response, Problem> {
    let return_to = access::oidc::safe_path(query.text("return_to").as_deref());
    query.finish()?;
    let provider = shared.access.oidc.as_ref().ok_or_else(no_provider)?;
    let begun = provider.begin(&shared.store, &return_to, shared.access.secure, access::now()).await?;
    let location = HeaderValue::from_str(&begun.location).map_err(|_| Problem::internal("the provider's address"))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location), (header::SET_COOKIE, begun.cookie)]).into_response())
}

/// Where the OpenID provider sends the browser back to.
#[utoipa::path(
    get, path = "/api/v1/session/oidc/callback", operation_id = "finishOidc",
    params(
        ("state" = Option<String>, Query, description = "What the sign-in was begun with."),
        ("code" = Option<String>, Query, description = "For the tokens of the provider."),
        ("iss" = Option<String>, Query, description = "The provider, if it says so."),
        ("session_state" = Option<String>, Query, description = "Of the provider; not used."),
        ("scope" = Option<String>, Query, description = "Of the provider; not used."),
        ("error" = Option<String>, Query, description = "Why the provider refused."),
        ("error_description" = Option<String>, Query, description = "The same for people."),
        ("error_uri" = Option<String>, Query, description = "Of the provider; not used."),
    ),
    responses(
        (status = 200, description = "Signed in; the page leads on.", body = String, content_type = "text/html"),
        (status = 401, description = "The provider's answer was not accepted."),
        (status = 403, description = "Known to the provider, not allowed here."),
        (status = 404, description = "No provider is set up."),
        (status = 409, description = "A local person has this name."),
    ),
    extensions(("x-permission" = json!("public"))),
)]
async fn finish_oidc(State(shared): State<Arc<Shared>>, client: Client, query: Query) -> Result<Response, Problem> {
    let answer = access::oidc::Answer {
        state: query.text("state").unwrap_or_default(),
        code: query.text("code"),
        issuer: query.text("iss"),
        error: query.text("error"),
    };
    query.finish()?;
    let provider = shared.access.oidc.as_ref().ok_or_else(no_provider)?;
    let secure = shared.access.secure;
    let (identity, return_to) = provider.finish(&shared.store, &answer, &client.headers, secure, access::now()).await?;
    let by = ChangedBy { actor: format!("oidc:{}", identity.name), source: "api".into() };
    let user = shared.store.sign_in_identity(&identity, access::now(), &by).await.map_err(access::refused)?;
    if user.disabled {
        return Err(Problem::forbidden("disabled", "this account is disabled"));
    }
    let signed_in = begin_session(&shared, user, "oidc", &client).await?;
    // A redirect would be a step that another site began, on which browsers do not send the session's cookie.
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>ottwatch</title><meta http-equiv=refresh content=\"0;url={0}\"><a href=\"{0}\">ottwatch</a>\n",
        return_to.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
    );
    let mut headers = HeaderMap::new();
    headers.append(header::SET_COOKIE, signed_in.cookie);
    headers.append(header::SET_COOKIE, access::cookie::OIDC.write("", secure, 0));
    Ok((headers, Html(page)).into_response())
}
