//! `GET /api/v1/channels` and `/api/v1/channels/{name}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::job::StreamJob;
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::Verdict;
use ow_domain::{Severity, Slug};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::{Caller, Page, PageParams, Problem, Query, schema};

/// The order of the list, for its cursors.
const ORDER: &str = "name";

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one))
}

/// A channel. `conditions`, `stream_states` and `policy` come with one channel only, not in lists.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `summary` gives")]
struct Channel {
    name: String,
    display_name: String,
    enabled: bool,
    #[schema(value_type = Option<String>)]
    class: Value,
    template: Option<String>,
    packager: Option<String>,
    region: Option<String>,
    labels: BTreeMap<String, String>,
    probes: Vec<String>,
    runbook: Option<String>,
    #[schema(schema_with = schema::optional_time)]
    event_start: Option<String>,
    #[schema(schema_with = schema::optional_time)]
    event_end: Option<String>,
    streams: Vec<Stream>,
    revision: u64,
    status: Status,
    #[schema(schema_with = schema::list_of::<ow_domain::verdict::Condition>, required = false)]
    conditions: Value,
    #[schema(schema_with = schema::list_of::<ow_domain::verdict::StreamState>, required = false)]
    stream_states: Value,
    /// The effective policy; null for a channel whose configuration gives none.
    #[schema(value_type = Option<Object>)]
    policy: Value,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `stream` gives")]
struct Stream {
    name: String,
    /// `hls` or `dash`.
    protocol: String,
    /// Without its query, which may be secret.
    url: String,
    #[schema(value_type = Value)]
    depth: Value,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `summary` gives")]
struct Status {
    #[schema(schema_with = schema::severity)]
    severity: Severity,
    n_conditions: usize,
    #[schema(schema_with = schema::optional_time)]
    as_of: Option<String>,
    policy_revision: Option<u64>,
}

/// Channels by name, with their state.
#[utoipa::path(
    get, path = "/api/v1/channels", operation_id = "listChannels",
    description = "Also `label.<name>=<value>`.",
    params(
        PageParams,
        ("severity" = Option<String>, Query, description = "Only these; several separated by commas.", example = "critical,major"),
        ("enabled" = Option<bool>, Query, description = "Enabled or disabled ones."),
        ("template" = Option<String>, Query, description = "Of this template."),
        ("packager" = Option<String>, Query, description = "Of this packager."),
        ("region" = Option<String>, Query, description = "Of this region."),
        ("probe" = Option<String>, Query, description = "Watched by this probe."),
        ("q" = Option<String>, Query, description = "Part of the name."),
    ),
    responses((status = 200, description = "One page.", body = Page<Channel>)),
    extensions(("x-permission" = json!("read")), ("x-query-prefixes" = json!(["label."]))),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Page<Value>>, Problem> {
    let severities: Vec<Severity> = query.list("severity", "a severity such as major");
    let enabled: Option<bool> = query.value("enabled", "true or false");
    let after: Option<Slug> = query.cursor(ORDER);
    let limit = query.limit();
    let same = ["template", "packager", "region"].map(|key| (key, query.text(key)));
    let probe = query.text("probe");
    let search = query.text("q").map(|text| text.to_lowercase());
    let labels = query.with_prefix("label.");
    query.finish()?;

    let objects = shared.store.load_config().await.map_err(|error| Problem::unavailable(&error))?.objects;
    let policies = compiled(&objects);
    let mut items = Vec::new();
    // Sorted by name.
    for channel in objects.iter().filter(|o| o.kind == ConfigKind::Channel) {
        let spec = &channel.spec;
        let verdict = shared.status.get(channel.name.as_str());
        let wanted = principal.sees(&channel.labels)
            && after.as_ref().is_none_or(|after| channel.name > *after)
            && (severities.is_empty() || severities.contains(&severity(verdict.as_deref())))
            && enabled.is_none_or(|e| spec["enabled"].as_bool().unwrap_or(true) == e)
            && same.iter().all(|(key, value)| value.as_deref().is_none_or(|v| spec[*key] == v))
            && probe.as_deref().is_none_or(|p| spec["probes"].as_array().is_some_and(|all| all.iter().any(|x| x == p)))
            && labels.iter().all(|(key, value)| channel.labels.get(key) == Some(value))
            && search.as_deref().is_none_or(|text| {
                let name = spec["displayName"].as_str().unwrap_or_default().to_lowercase();
                channel.name.as_str().contains(text) || name.contains(text)
            });
        if !wanted {
            continue;
        }
        items.push(summary(channel, policies.get(&channel.name), verdict.as_deref()));
        if items.len() > limit as usize {
            break;
        }
    }
    Ok(Json(Page::cut(items, limit, ORDER, |item| item["name"].clone())))
}

/// One channel with its conditions and effective policy.
#[utoipa::path(
    get, path = "/api/v1/channels/{name}", operation_id = "getChannel",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The channel.", body = Channel)),
    extensions(("x-permission" = json!("read"))),
)]
async fn one(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    query.finish()?;
    let objects = shared.store.load_config().await.map_err(|error| Problem::unavailable(&error))?.objects;
    let policies = compiled(&objects);
    let channel = objects.iter().find(|o| o.kind == ConfigKind::Channel && o.name.as_str() == name);
    let channel = channel.filter(|channel| principal.sees(&channel.labels));
    let channel = channel.ok_or_else(|| Problem::not_found("channel", &name))?;
    let verdict = shared.status.get(&name);
    let policy = policies.get(&channel.name);
    let mut body = summary(channel, policy, verdict.as_deref());
    body["conditions"] = json!(verdict.as_deref().map(|v| &v.conditions[..]).unwrap_or_default());
    body["stream_states"] = json!(verdict.as_deref().map(|v| &v.streams[..]).unwrap_or_default());
    body["policy"] = policy.map_or(Value::Null, |policy| shown(policy.clone()));
    Ok(Json(body))
}

fn compiled(objects: &[ConfigObject]) -> BTreeMap<Slug, ChannelPolicy> {
    let (policies, _) = ow_config::compile_all(objects);
    policies.into_iter().filter_map(|policy| Some((Slug::new(policy.channel.as_str()).ok()?, policy))).collect()
}

/// Nothing heard of a channel is not well: we cannot tell.
fn severity(verdict: Option<&Verdict>) -> Severity {
    verdict.map_or(Severity::Indeterminate, |verdict| verdict.severity)
}

fn summary(channel: &ConfigObject, policy: Option<&ChannelPolicy>, verdict: Option<&Verdict>) -> Value {
    let streams: Vec<Value> = policy.map_or(&[][..], |p| &p.streams).iter().map(stream).collect();
    json!({
        "name": channel.name,
        "display_name": policy.map_or(channel.name.as_str(), |p| &p.name),
        "enabled": channel.spec["enabled"].as_bool().unwrap_or(true),
        "class": policy.map(|p| p.class),
        "template": channel.spec["template"],
        "packager": channel.spec["packager"],
        "region": channel.spec["region"],
        "labels": channel.labels,
        "probes": channel.spec["probes"],
        "runbook": channel.spec["runbook"],
        "event_start": channel.spec["eventStart"],
        "event_end": channel.spec["eventEnd"],
        "streams": streams,
        "revision": channel.revision,
        "status": {
            "severity": severity(verdict),
            "n_conditions": verdict.map_or(0, |v| v.conditions.len()),
            "as_of": verdict.map(|v| v.as_of),
            "policy_revision": verdict.map(|v| v.policy_revision),
        },
    })
}

fn stream(stream: &StreamJob) -> Value {
    json!({"name": stream.stream, "protocol": stream.protocol, "url": without_query(&stream.url), "depth": stream.depth})
}

/// A policy without what may be secret: header values and the queries of URLs.
fn shown(mut policy: ChannelPolicy) -> Value {
    for stream in &mut policy.streams {
        stream.url = without_query(&stream.url).to_owned();
        for (_, value) in &mut stream.headers {
            "(hidden)".clone_into(value);
        }
    }
    serde_json::to_value(policy).unwrap_or_default()
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}
