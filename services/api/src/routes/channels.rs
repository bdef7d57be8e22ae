//! `GET /api/v1/channels` and `/api/v1/channels/{name}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::job::StreamJob;
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::Verdict;
use ow_domain::{Severity, Slug};
use serde_json::{Value, json};

use crate::Shared;
use crate::problem::Problem;
use crate::query::Query;

const PARAMETERS: &[&str] =
    &["severity", "enabled", "template", "packager", "region", "probe", "q", "limit", "cursor", "label."];

pub async fn list(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Result<Json<Value>, Problem> {
    let mut query = Query::new(raw.as_deref(), PARAMETERS);
    let severities: Vec<Severity> = query.list("severity", "a severity such as major");
    let enabled: Option<bool> = query.value("enabled", "true or false");
    let after: Option<Slug> = query.value("cursor", "a cursor that was given with a page");
    let limit = query.limit() as usize;
    let same = ["template", "packager", "region"].map(|key| (key, query.text(key)));
    let probe = query.text("probe");
    let search = query.text("q").map(|text| text.to_lowercase());
    let labels = query.with_prefix("label.");
    query.finish()?;

    let objects = shared.store.load_config().await.map_err(|error| Problem::unavailable(&error))?.objects;
    let policies = compiled(&objects);
    let mut items = Vec::new();
    let mut next_cursor = Value::Null;
    // Sorted by name.
    for channel in objects.iter().filter(|o| o.kind == ConfigKind::Channel) {
        let spec = &channel.spec;
        let verdict = shared.status.get(channel.name.as_str());
        let wanted = after.as_ref().is_none_or(|after| channel.name > *after)
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
        if items.len() == limit {
            next_cursor = items.last().map(|item: &Value| item["name"].clone()).unwrap_or_default();
            break;
        }
        items.push(summary(channel, policies.get(&channel.name), verdict.as_deref()));
    }
    Ok(Json(json!({"items": items, "next_cursor": next_cursor})))
}

pub async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let objects = shared.store.load_config().await.map_err(|error| Problem::unavailable(&error))?.objects;
    let policies = compiled(&objects);
    let channel = objects.iter().find(|o| o.kind == ConfigKind::Channel && o.name.as_str() == name);
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
