//! Parts of channels and templates as resources of their own: streams, thresholds per check, and the effective policy
//! with the origin of each value. Their revision is that of the object they are part of.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ow_checks::registry::{self, CheckDef};
use ow_config::EffectiveValue;
use ow_domain::access::Principal;
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_store::config::StoredObject;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edit::{Precondition, change, problems_of};
use super::read::{not_found, slug};
use super::shown::{problem_of_store, shown, without_query};
use crate::Shared;
use crate::http::{Caller, ETag, IfMatch, JsonBody, Page, Problem, Query, Tagged};

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(list_streams))
        .routes(routes!(get_stream, put_stream, delete_stream))
        .routes(routes!(list_channel_thresholds))
        .routes(routes!(get_channel_threshold, put_channel_threshold, delete_channel_threshold))
        .routes(routes!(list_template_thresholds))
        .routes(routes!(get_template_threshold, put_template_threshold, delete_template_threshold))
        .routes(routes!(policy))
}

/// The object that the path names, as far as who asks may see it.
async fn stored(shared: &Shared, principal: &Principal, kind: ConfigKind, name: &str) -> Result<StoredObject, Problem> {
    let found = shared.store.config_object(kind, &slug(kind, name)?).await.map_err(|error| problem_of_store(&error))?;
    found
        .filter(|stored| kind != ConfigKind::Channel || principal.sees(&stored.object.labels))
        .ok_or_else(|| not_found(kind, name))
}

/// Changes the spec of an object. Problems at `prefix` are told as those of the body.
async fn change_spec(
    shared: &Shared,
    principal: &Principal,
    (kind, name): (ConfigKind, &str),
    (if_match, headers): (IfMatch, HeaderMap),
    dry_run: bool,
    edit: impl Fn(&mut Value) -> Result<String, Problem>,
) -> Result<ConfigObject, Problem> {
    let precondition = Precondition::new(if_match, &headers, true);
    let slug = slug(kind, name)?;
    let changed = change(shared, principal, kind, &slug, &precondition, dry_run, |stored| {
        let stored = stored.ok_or_else(|| not_found(kind, name))?;
        let mut spec = ow_config::spec_json(stored);
        let prefix = edit(&mut spec)?;
        let read = ow_config::document_of(kind, &slug, Some(&json!(stored.labels)), Some(&spec));
        let document = read.map_err(|mut problems| {
            for problem in &mut problems {
                if let Some(rest) = problem.pointer.strip_prefix(&prefix) {
                    problem.pointer = rest.to_owned();
                }
            }
            Problem::invalid(problems_of(&problems, ""))
        })?;
        Ok(Some(document))
    })
    .await?;
    changed.map(|changed| changed.object).ok_or_else(|| not_found(kind, name))
}

fn answer(status: StatusCode, revision: u64, body: Value) -> Response {
    (status, [(header::ETAG, HeaderValue::from(ETag(revision)))], Json(body)).into_response()
}

fn gone(revision: u64) -> Response {
    (StatusCode::NO_CONTENT, [(header::ETAG, HeaderValue::from(ETag(revision)))]).into_response()
}

fn streams_of(object: &ConfigObject, principal: &Principal) -> Vec<Value> {
    let stored = StoredObject { object: object.clone(), changed_at: ow_domain::Time::UNIX_EPOCH };
    let body = shown(&stored, principal);
    body["spec"]["streams"].as_array().cloned().unwrap_or_default()
}

fn position(streams: &[Value], name: &str) -> Option<usize> {
    streams.iter().position(|stream| stream["name"] == name)
}

/// The streams of a channel.
#[utoipa::path(
    get, path = "/api/v1/channels/{name}/streams", operation_id = "listStreams",
    params(("name" = String, Path, description = "Of the channel.")),
    responses((status = 200, description = "All of them.", body = Page<Value>)),
    extensions(("x-permission" = json!("read"))),
)]
async fn list_streams(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Tagged<Page<Value>>, Problem> {
    query.finish()?;
    let stored = stored(&shared, &principal, ConfigKind::Channel, &name).await?;
    let body = Page::new(streams_of(&stored.object, &principal), None);
    Ok(Tagged { revision: stored.object.revision, body })
}

/// One stream of a channel.
#[utoipa::path(
    get, path = "/api/v1/channels/{name}/streams/{stream}", operation_id = "getStream",
    params(("name" = String, Path, description = "Of the channel."), ("stream" = String, Path, description = "Of the stream.")),
    responses((status = 200, description = "The stream.", body = Value)),
    extensions(("x-permission" = json!("read"))),
)]
async fn get_stream(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path((name, stream)): Path<(String, String)>,
    query: Query,
) -> Result<Tagged<Value>, Problem> {
    query.finish()?;
    let stored = stored(&shared, &principal, ConfigKind::Channel, &name).await?;
    let mut streams = streams_of(&stored.object, &principal);
    let at = position(&streams, &stream).ok_or_else(|| Problem::not_found("stream", &stream))?;
    Ok(Tagged { revision: stored.object.revision, body: streams.swap_remove(at) })
}

/// Add or replace a stream. `If-Match` is the ETag of the channel.
#[utoipa::path(
    put, path = "/api/v1/channels/{name}/streams/{stream}", operation_id = "putStream",
    params(
        ("name" = String, Path, description = "Of the channel."), ("stream" = String, Path, description = "Of the stream."),
        ("If-Match" = Option<String>, Header, description = "ETag of the channel, or *."),
        ("dry_run" = Option<bool>, Query, description = "Only check."),
    ),
    request_body = Object,
    responses(
        (status = 200, description = "Replaced.", body = Value), (status = 201, description = "Added.", body = Value),
        (status = 409, description = "The configuration is being changed by others."),
    ),
    extensions(("x-permission" = json!("config.write"))),
)]
async fn put_stream(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path((name, stream)): Path<(String, String)>,
    headers: (IfMatch, HeaderMap),
    mut query: Query,
    JsonBody(body): JsonBody<serde_json::Map<String, Value>>,
) -> Result<Response, Problem> {
    let dry_run = query.flag("dry_run");
    query.finish()?;
    let is_new = std::sync::atomic::AtomicBool::new(false);
    let changed = change_spec(&shared, &principal, (ConfigKind::Channel, &name), headers, dry_run, |spec| {
        let mut wanted = Value::Object(body.clone());
        if wanted.get("name").is_none() {
            wanted["name"] = stream.clone().into();
        } else if wanted["name"] != stream.as_str() {
            let item = crate::http::ErrorItem::new("/name", "invalid-value", "is not the name in the path");
            return Err(Problem::invalid(vec![item.example(stream.as_str())]));
        }
        let mut streams = spec["streams"].as_array().cloned().unwrap_or_default();
        let at = position(&streams, &stream);
        is_new.store(at.is_none(), std::sync::atomic::Ordering::Relaxed);
        let at = match at {
            Some(at) => {
                streams[at] = wanted;
                at
            }
            None => {
                streams.push(wanted);
                streams.len() - 1
            }
        };
        spec["streams"] = Value::Array(streams);
        Ok(format!("/spec/streams/{at}"))
    })
    .await?;
    let mut streams = streams_of(&changed, &principal);
    let at = position(&streams, &stream).ok_or_else(|| Problem::not_found("stream", &stream))?;
    let is_new = is_new.into_inner() && !dry_run;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, changed.revision, streams.swap_remove(at)))
}

/// Remove a stream. The last one stays: a channel has one at least.
#[utoipa::path(
    delete, path = "/api/v1/channels/{name}/streams/{stream}", operation_id = "deleteStream",
    params(
        ("name" = String, Path, description = "Of the channel."), ("stream" = String, Path, description = "Of the stream."),
        ("If-Match" = Option<String>, Header, description = "ETag of the channel, or *."),
        ("dry_run" = Option<bool>, Query, description = "Only check."),
    ),
    responses(
        (status = 204, description = "Gone."), (status = 409, description = "The configuration is being changed by others."),
        (status = 422, description = "It is the last one."),
    ),
    extensions(("x-permission" = json!("config.write"))),
)]
async fn delete_stream(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path((name, stream)): Path<(String, String)>,
    headers: (IfMatch, HeaderMap),
    mut query: Query,
) -> Result<Response, Problem> {
    let dry_run = query.flag("dry_run");
    query.finish()?;
    let changed = change_spec(&shared, &principal, (ConfigKind::Channel, &name), headers, dry_run, |spec| {
        let streams = spec["streams"].as_array_mut().ok_or_else(|| Problem::not_found("stream", &stream))?;
        let at = position(streams, &stream).ok_or_else(|| Problem::not_found("stream", &stream))?;
        streams.remove(at);
        Ok(String::new())
    })
    .await?;
    Ok(gone(changed.revision))
}

/// What is set of a check, and what holds.
#[derive(Debug, Serialize, ToSchema)]
struct Threshold {
    #[schema(example = "hls-playlist-stale")]
    check: String,
    title: &'static str,
    /// What this template or channel itself sets: enabled, severity, hold, clear, params.
    #[schema(required, value_type = Option<Object>)]
    r#override: Value,
    /// Everything that may be set, as it holds, and who says so. With one check only, not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, value_type = Vec<Setting>)]
    effective: Vec<EffectiveValue>,
}

/// One setting as it is in force.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes ow_config::EffectiveValue")]
struct Setting {
    #[schema(example = "limits.originRps")]
    field: String,
    value: Value,
    origin: SettingOrigin,
    /// What it hides, the nearest first.
    #[schema(required = false)]
    over: Vec<Hidden>,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes ow_config::Overridden")]
struct Hidden {
    value: Value,
    origin: SettingOrigin,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes ow_config::Origin")]
struct SettingOrigin {
    /// `default`, `template` or `channel`.
    kind: String,
    /// Of the template.
    name: Option<String>,
}

fn check_of(id: &str) -> Result<&'static CheckDef, Problem> {
    registry::find(id).ok_or_else(|| Problem::not_found("check", id))
}

/// Where the overrides of a kind are in its spec.
fn overrides_at(kind: ConfigKind) -> &'static [&'static str] {
    match kind {
        ConfigKind::Channel => &["overrides", "checks", "overrides"],
        _ => &["checks", "overrides"],
    }
}

fn overrides(object: &ConfigObject) -> &Value {
    overrides_at(object.kind).iter().fold(&object.spec, |value, key| &value[*key])
}

async fn list_thresholds(
    kind: ConfigKind,
    shared: &Shared,
    principal: &Principal,
    name: &str,
) -> Result<Tagged<Page<Threshold>>, Problem> {
    let stored = stored(shared, principal, kind, name).await?;
    let set = overrides(&stored.object).as_object().into_iter().flatten();
    let items = set.map(|(id, change)| Threshold {
        check: id.clone(),
        title: registry::find(id).map_or("", |check| check.title),
        r#override: change.clone(),
        effective: Vec::new(),
    });
    Ok(Tagged { revision: stored.object.revision, body: Page::new(items.collect(), None) })
}

async fn one_threshold(
    kind: ConfigKind,
    shared: &Shared,
    principal: &Principal,
    (name, check): (&str, &str),
) -> Result<Tagged<Value>, Problem> {
    let check = check_of(check)?;
    let stored = stored(shared, principal, kind, name).await?;
    let body = threshold(shared, &stored.object, check).await?;
    Ok(Tagged { revision: stored.object.revision, body })
}

async fn threshold(shared: &Shared, object: &ConfigObject, check: &CheckDef) -> Result<Value, Problem> {
    let mut objects = shared.store.load_config().await.map_err(|error| problem_of_store(&error))?.objects;
    // What is answered is this object, also when somebody was there since.
    objects.retain(|o| o.kind == ConfigKind::Template && (o.kind, &o.name) != (object.kind, &object.name));
    objects.push(object.clone());
    let effective = ow_config::thresholds(&objects, object.kind, &object.name, check)
        .map_err(|error| Problem::conflict("no-policy", error.to_string()))?;
    let body = Threshold {
        check: check.id.to_owned(),
        title: check.title,
        r#override: overrides(object)[check.id].clone(),
        effective,
    };
    Ok(serde_json::to_value(body).unwrap_or_default())
}

/// Sets (`Some`) or takes away what a template or channel says of a check.
async fn set_threshold(
    kind: ConfigKind,
    shared: &Shared,
    principal: &Principal,
    (name, check): (&str, &str),
    headers: (IfMatch, HeaderMap),
    dry_run: bool,
    wanted: Option<Value>,
) -> Result<Response, Problem> {
    let check = check_of(check)?;
    let changed = change_spec(shared, principal, (kind, name), headers, dry_run, |spec| {
        let mut at = spec;
        for key in overrides_at(kind) {
            if !at[*key].is_object() {
                at[*key] = json!({});
            }
            at = &mut at[*key];
        }
        match &wanted {
            Some(wanted) => at[check.id] = wanted.clone(),
            None => {
                let was_set = at.as_object_mut().is_some_and(|map| map.remove(check.id).is_some());
                if !was_set {
                    return Err(Problem::not_found("override of the check", check.id));
                }
            }
        }
        Ok(format!("/spec/{}/{}", overrides_at(kind).join("/"), check.id))
    })
    .await?;
    if wanted.is_none() {
        return Ok(gone(changed.revision));
    }
    let body = threshold(shared, &changed, check).await?;
    Ok(answer(StatusCode::OK, changed.revision, body))
}

macro_rules! thresholds {
    ($kind:expr, $collection:tt, $one:tt, $list_id:tt, $get_id:tt, $put_id:tt, $delete_id:tt,
        $list:ident, $get:ident, $put:ident, $delete:ident) => {
        /// Checks that are set here other than above.
        #[utoipa::path(
            get, path = $collection, operation_id = $list_id,
            params(("name" = String, Path, description = "Of the template or channel.")),
            responses((status = 200, description = "All of them.", body = Page<Threshold>)),
            extensions(("x-permission" = json!("read"))),
        )]
        async fn $list(
            State(shared): State<Arc<Shared>>,
            Caller(principal): Caller,
            Path(name): Path<String>,
            query: Query,
        ) -> Result<Tagged<Page<Threshold>>, Problem> {
            query.finish()?;
            list_thresholds($kind, &shared, &principal, &name).await
        }

        /// What is set of one check, and what holds.
        #[utoipa::path(
            get, path = $one, operation_id = $get_id,
            params(("name" = String, Path, description = "Of the template or channel."), ("check" = String, Path, description = "Id of the check.")),
            responses((status = 200, description = "The check.", body = Threshold)),
            extensions(("x-permission" = json!("read"))),
        )]
        async fn $get(
            State(shared): State<Arc<Shared>>,
            Caller(principal): Caller,
            Path((name, check)): Path<(String, String)>,
            query: Query,
        ) -> Result<Tagged<Value>, Problem> {
            query.finish()?;
            one_threshold($kind, &shared, &principal, (&name, &check)).await
        }

        /// Set a check: enabled, severity, hold, clear, params. `If-Match` is the ETag of the template or channel.
        #[utoipa::path(
            put, path = $one, operation_id = $put_id,
            params(
                ("name" = String, Path, description = "Of the template or channel."), ("check" = String, Path, description = "Id of the check."),
                ("If-Match" = Option<String>, Header, description = "ETag of the template or channel, or *."),
                ("dry_run" = Option<bool>, Query, description = "Only check."),
            ),
            request_body = Object,
            responses(
                (status = 200, description = "What holds now.", body = Threshold),
                (status = 409, description = "The configuration is being changed by others."),
            ),
            extensions(("x-permission" = json!("config.write"))),
        )]
        async fn $put(
            State(shared): State<Arc<Shared>>,
            Caller(principal): Caller,
            Path((name, check)): Path<(String, String)>,
            headers: (IfMatch, HeaderMap),
            mut query: Query,
            JsonBody(body): JsonBody<serde_json::Map<String, Value>>,
        ) -> Result<Response, Problem> {
            let dry_run = query.flag("dry_run");
            query.finish()?;
            let wanted = Some(Value::Object(body));
            set_threshold($kind, &shared, &principal, (&name, &check), headers, dry_run, wanted).await
        }

        /// Let hold what holds above.
        #[utoipa::path(
            delete, path = $one, operation_id = $delete_id,
            params(
                ("name" = String, Path, description = "Of the template or channel."), ("check" = String, Path, description = "Id of the check."),
                ("If-Match" = Option<String>, Header, description = "ETag of the template or channel, or *."),
                ("dry_run" = Option<bool>, Query, description = "Only check."),
            ),
            responses((status = 204, description = "Gone."), (status = 409, description = "The configuration is being changed by others.")),
            extensions(("x-permission" = json!("config.write"))),
        )]
        async fn $delete(
            State(shared): State<Arc<Shared>>,
            Caller(principal): Caller,
            Path((name, check)): Path<(String, String)>,
            headers: (IfMatch, HeaderMap),
            mut query: Query,
        ) -> Result<Response, Problem> {
            let dry_run = query.flag("dry_run");
            query.finish()?;
            set_threshold($kind, &shared, &principal, (&name, &check), headers, dry_run, None).await
        }
    };
}

thresholds!(
    ConfigKind::Channel,
    "/api/v1/channels/{name}/thresholds",
    "/api/v1/channels/{name}/thresholds/{check}",
    "listChannelThresholds",
    "getChannelThreshold",
    "putChannelThreshold",
    "deleteChannelThreshold",
    list_channel_thresholds,
    get_channel_threshold,
    put_channel_threshold,
    delete_channel_threshold
);
thresholds!(
    ConfigKind::Template,
    "/api/v1/templates/{name}/thresholds",
    "/api/v1/templates/{name}/thresholds/{check}",
    "listTemplateThresholds",
    "getTemplateThreshold",
    "putTemplateThreshold",
    "deleteTemplateThreshold",
    list_template_thresholds,
    get_template_threshold,
    put_template_threshold,
    delete_template_threshold
);

/// The effective policy of a channel.
#[derive(Debug, Serialize, ToSchema)]
struct Effective {
    channel: String,
    /// As the services act on it; streams without the queries of their URLs, headers without their values.
    #[schema(value_type = Object)]
    policy: Value,
    /// Where each setting comes from. Of checks those are listed that somebody sets.
    #[schema(value_type = Vec<Setting>)]
    values: Vec<EffectiveValue>,
    /// Probes that watch it, also in place of those that drain.
    probes: Vec<String>,
}

/// The policy that a channel's configuration, templates and the defaults give together, with the origin of each value.
#[utoipa::path(
    get, path = "/api/v1/channels/{name}/policy", operation_id = "getChannelPolicy",
    params(("name" = String, Path, description = "Of the channel.")),
    responses(
        (status = 200, description = "The policy.", body = Effective),
        (status = 409, description = "The configuration of the channel gives no policy."),
    ),
    extensions(("x-permission" = json!("read"))),
)]
async fn policy(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Effective>, Problem> {
    query.finish()?;
    let channel = stored(&shared, &principal, ConfigKind::Channel, &name).await?.object;
    let mut objects = shared.store.load_config().await.map_err(|error| problem_of_store(&error))?.objects;
    objects.retain(|o| matches!(o.kind, ConfigKind::Template | ConfigKind::Probe));
    let slug = channel.name.clone();
    objects.push(channel);
    let no_policy = |error: String| Problem::conflict("no-policy", error);
    let (policies, errors) = ow_config::compile_all(&objects);
    let Some(mut policy) = policies.into_iter().next() else {
        return Err(no_policy(errors.first().map(ToString::to_string).unwrap_or_default()));
    };
    let values = ow_config::effective(&objects, ConfigKind::Channel, &slug).map_err(|e| no_policy(e.to_string()))?;
    for stream in &mut policy.streams {
        stream.url = without_query(&stream.url).to_owned();
        for (_, value) in &mut stream.headers {
            ow_config::HIDDEN.clone_into(value);
        }
    }
    let probes = policy.probes.iter().map(ToString::to_string).collect();
    let policy = serde_json::to_value(policy).unwrap_or_default();
    Ok(Json(Effective { channel: name, policy, values, probes }))
}
