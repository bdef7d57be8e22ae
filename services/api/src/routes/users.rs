//! `/api/v1/users`: people, for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ow_domain::Time;
use ow_domain::access::{LabelScope, Role};
use ow_store::access::{NewUser, User, UserChange, UserFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::access::password::fault;
use crate::access::{self, invite, unscoped};
use crate::http::schema::{optional_time, time};
use crate::http::{Caller, ErrorItem, IfMatch, JsonBody, Page, PageParams, Problem, Query, Tagged};
use crate::routes::tokens::given;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(one, change, delete))
        .routes(routes!(create_invitation))
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
struct UserBody {
    #[schema(example = "thu")]
    name: String,
    display_name: String,
    email: String,
    #[schema(value_type = String, example = "operator")]
    role: Role,
    /// Labels and their values; null: all channels.
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>, required)]
    label_scope: Option<LabelScope>,
    disabled: bool,
    has_password: bool,
    /// Issuer of the OpenID provider at which this person signs in.
    #[schema(required)]
    issuer: Option<String>,
    revision: u64,
    #[schema(schema_with = time)]
    created_at: Time,
    #[schema(schema_with = time)]
    changed_at: Time,
    #[schema(schema_with = optional_time, required)]
    last_login_at: Option<Time>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            name: user.name,
            display_name: user.display_name,
            email: user.email,
            role: user.role,
            label_scope: user.label_scope,
            disabled: user.disabled,
            has_password: user.has_password,
            issuer: user.issuer,
            revision: user.revision,
            created_at: user.created_at,
            changed_at: user.changed_at,
            last_login_at: user.last_login_at,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUserBody {
    #[schema(example = "thu", pattern = "^[a-z0-9][a-z0-9._@-]{0,126}$")]
    name: String,
    #[serde(default)]
    #[schema(max_length = 128)]
    display_name: String,
    #[serde(default)]
    #[schema(max_length = 254)]
    email: String,
    #[schema(value_type = String, example = "operator")]
    role: Role,
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>, example = json!({"group": ["sport"]}))]
    label_scope: Option<LabelScope>,
    /// Better left out: the answer then has an invitation by which the person sets one that nobody else knows.
    #[serde(default)]
    #[schema(format = Password, write_only, min_length = 12, max_length = 256)]
    password: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserPatch {
    #[serde(default)]
    #[schema(max_length = 128)]
    display_name: Option<String>,
    #[serde(default)]
    #[schema(max_length = 254)]
    email: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "engineer")]
    role: Option<Role>,
    /// Null takes the scope away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>)]
    label_scope: Option<Option<LabelScope>>,
    #[serde(default)]
    disabled: Option<bool>,
}

/// A one-time code by which somebody sets a password.
#[derive(Debug, Serialize, ToSchema)]
struct Invitation {
    /// For `POST /api/v1/session:accept`. It is not shown again.
    #[schema(read_only)]
    code: String,
    /// The page that takes it, when the public address of the installation is set.
    #[schema(required)]
    url: Option<String>,
    #[schema(schema_with = time)]
    expires_at: Time,
}

/// A user that has just been made.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedUser {
    user: UserBody,
    /// Null when a password was given.
    #[schema(required)]
    invitation: Option<Invitation>,
}

/// The name of a person: what signs in and what stands in paths.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=127).contains(&name.len())
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'@' | b'-'))
}

fn text_faults(display_name: Option<&str>, email: Option<&str>) -> Vec<ErrorItem> {
    let mut errors = Vec::new();
    let is_bad = |text: &str, max: usize| text.chars().count() > max || text.contains(char::is_control);
    if display_name.is_some_and(|text| is_bad(text, 128)) {
        errors.push(ErrorItem::new(
            "/display_name",
            "invalid-value",
            "is longer than 128 characters or no line of text",
        ));
    }
    let is_address =
        |text: &str| text.is_empty() || text.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    if email.is_some_and(|text| is_bad(text, 254) || !is_address(text)) {
        errors.push(ErrorItem::new("/email", "invalid-value", "is no mail address").example("thu@example.net"));
    }
    errors
}

async fn find(shared: &Shared, name: &str) -> Result<User, Problem> {
    let unknown = || Problem::not_found("user", name);
    if !is_name(name) {
        return Err(unknown());
    }
    shared.store.user(name).await.map_err(access::failed)?.ok_or_else(unknown)
}

/// People by name.
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "listUsers",
    params(
        PageParams,
        ("role" = Option<String>, Query, description = "With this role."),
        ("disabled" = Option<bool>, Query, description = "Locked out, or not."),
        ("q" = Option<String>, Query, description = "Part of name, display name or address."),
    ),
    responses((status = 200, description = "People.", body = Page<UserBody>)),
    extensions(("x-permission" = json!("users.manage"))),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Page<UserBody>>, Problem> {
    unscoped(&principal)?;
    let limit = query.limit();
    let filter = UserFilter {
        after: query.cursor("name"),
        role: query.value("role", "viewer, operator, engineer or admin"),
        disabled: query.value("disabled", "true or false"),
        search: query.text("q"),
        limit: limit + 1,
    };
    query.finish()?;
    let found = shared.store.users(&filter).await.map_err(access::failed)?;
    let items = found.into_iter().map(UserBody::from).collect();
    Ok(Json(Page::cut(items, limit, "name", |user: &UserBody| user.name.clone())))
}

/// Makes a user. Without a password the answer has an invitation.
#[utoipa::path(
    post, path = "/api/v1/users", operation_id = "createUser", request_body = NewUserBody,
    responses(
        (status = 201, description = "Made.", body = CreatedUser),
        (status = 409, description = "The name is taken."),
    ),
    extensions(("x-permission" = json!("users.manage"))),
)]
async fn create(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    JsonBody(body): JsonBody<NewUserBody>,
) -> Result<Response, Problem> {
    unscoped(&principal)?;
    let mut errors = text_faults(Some(&body.display_name), Some(&body.email));
    if !is_name(&body.name) {
        let message = "is no name: 1 to 127 of a-z, 0-9, '.', '_', '@' and '-', starting with a letter or digit";
        errors.push(ErrorItem::new("/name", "invalid-value", message).example("thu"));
    }
    if let Some(reason) = body.password.as_deref().and_then(|password| fault(password, &body.name)) {
        errors.push(ErrorItem::new("/password", "weak-password", reason));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let password = match body.password {
        Some(password) => Some(shared.access.passwords.hash(password).await.map_err(access::no_hash)?),
        None => None,
    };
    let by = principal.changed_by("api");
    let is_invited = password.is_none();
    let new = NewUser {
        name: body.name,
        display_name: body.display_name,
        email: body.email,
        role: body.role,
        label_scope: body.label_scope,
        password,
    };
    let user = shared.store.create_user(&new, access::now(), &by).await.map_err(access::refused)?;
    let invitation = if is_invited { Some(invitation(&shared, &user, &by).await?) } else { None };
    let body = CreatedUser { user: user.into(), invitation };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

async fn invitation(shared: &Shared, user: &User, by: &ow_domain::config::ChangedBy) -> Result<Invitation, Problem> {
    let (code, expires_at) = invite(shared, user, by).await?;
    let public = &shared.access.public_url;
    // Behind '#', so that no server and no log on the way sees it.
    let url = (!public.is_empty()).then(|| format!("{public}/accept#{code}"));
    Ok(Invitation { code, url, expires_at })
}

/// One person.
#[utoipa::path(
    get, path = "/api/v1/users/{name}", operation_id = "getUser", params(("name" = String, Path)),
    responses((status = 200, description = "The person.", body = UserBody, headers(("ETag" = String)))),
    extensions(("x-permission" = json!("users.manage"))),
)]
async fn one(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
) -> Result<Tagged<UserBody>, Problem> {
    unscoped(&principal)?;
    let user = find(&shared, &name).await?;
    Ok(Tagged { revision: user.revision, body: user.into() })
}

/// Changes a person (merge patch). Who is disabled is signed out at once. The last administrator stays one.
#[utoipa::path(
    patch, path = "/api/v1/users/{name}", operation_id = "patchUser",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content((UserPatch = "application/merge-patch+json"), (UserPatch = "application/json"))),
    responses(
        (status = 200, description = "Changed.", body = UserBody, headers(("ETag" = String))),
        (status = 409, description = "Nobody could administer the installation any more."),
    ),
    extensions(("x-permission" = json!("users.manage"))),
)]
async fn change(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    wanted: IfMatch,
    JsonBody(body): JsonBody<UserPatch>,
) -> Result<Tagged<UserBody>, Problem> {
    unscoped(&principal)?;
    let errors = text_faults(body.display_name.as_deref(), body.email.as_deref());
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let user = find(&shared, &name).await?;
    wanted.check(user.revision)?;
    let change = UserChange {
        display_name: body.display_name,
        email: body.email,
        role: body.role,
        label_scope: body.label_scope,
        disabled: body.disabled,
    };
    let by = principal.changed_by("api");
    let changed = shared.store.update_user(&name, &change, Some(user.revision), access::now(), &by).await;
    let user = changed.map_err(access::refused)?;
    Ok(Tagged { revision: user.revision, body: user.into() })
}

/// Takes a person away, with sessions and tokens. The last administrator stays.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}", operation_id = "deleteUser",
    params(("name" = String, Path), ("If-Match" = String, Header)),
    responses(
        (status = 204, description = "Gone."),
        (status = 409, description = "Nobody could administer the installation any more."),
    ),
    extensions(("x-permission" = json!("users.manage"))),
)]
async fn delete(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    wanted: IfMatch,
) -> Result<StatusCode, Problem> {
    unscoped(&principal)?;
    let wanted = wanted.required()?;
    let user = find(&shared, &name).await?;
    wanted.check(user.revision)?;
    let by = principal.changed_by("api");
    shared.store.delete_user(&name, Some(user.revision), &by).await.map_err(access::refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a person a new one-time code to set a password: the first, or one for a forgotten one.
#[utoipa::path(
    post, path = "/api/v1/users/{name}/invitation", operation_id = "inviteUser", params(("name" = String, Path)),
    responses(
        (status = 201, description = "The code; an earlier one is no longer good.", body = Invitation),
        (status = 409, description = "The person signs in at the OpenID provider, or is disabled."),
    ),
    extensions(("x-permission" = json!("users.manage"))),
)]
async fn create_invitation(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Invitation>), Problem> {
    unscoped(&principal)?;
    let user = find(&shared, &name).await?;
    if user.issuer.is_some() || user.disabled {
        let detail = "who is disabled or signs in at the OpenID provider has no password to set";
        return Err(Problem::conflict("no-password", detail));
    }
    let invitation = invitation(&shared, &user, &principal.changed_by("api")).await?;
    Ok((StatusCode::CREATED, Json(invitation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        for (name, good) in [
            ("thu", true),
            ("thu.nguyen@example.net", true),
            ("7", true),
            ("", false),
            (".thu", false),
            ("Thu", false),
            ("thu nguyen", false),
            ("thu/..", false),
            ("thứ", false),
        ] {
            assert_eq!(is_name(name), good, "{name}");
        }
        assert!(!is_name(&"a".repeat(128)));
    }
}
