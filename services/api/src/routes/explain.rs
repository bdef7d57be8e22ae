//! `/api/v1/routes:explain`: who hears of an alarm and why, and why others do not.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ow_alerting::{Mutes, explain::least_alarm};
use ow_domain::access::Principal;
use ow_domain::config::ConfigKind;
use ow_domain::incident::{ChangeKind, IncidentNumber, Notice};
use ow_domain::verdict::Subject;
use ow_domain::{ChannelId, Severity, Time};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::{Caller, ErrorItem, JsonBody, Problem, Query, schema};
use crate::operate::now;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(explain_alarm, explain))
}

/// An alarm that is there, or one that might be.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    /// `INC-1042`: this one. Then nothing else is to be given.
    #[schema(example = "INC-1042")]
    alarm: Option<String>,
    /// Of a channel that is configured the labels, packager and region are taken when they are not given.
    #[schema(value_type = Option<String>)]
    channel: Option<ChannelId>,
    #[schema(schema_with = schema::severity)]
    severity: Option<Severity>,
    check: Option<String>,
    protocol: Option<String>,
    stream: Option<String>,
    track: Option<String>,
    host: Option<String>,
    reason: Option<String>,
    packager: Option<String>,
    region: Option<String>,
    probe: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

/// The way of an alarm.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what is answered")]
struct Explanation {
    /// What the matchers looked at.
    #[schema(value_type = Object)]
    looked_at: Value,
    /// All routes in their order; those not reached come after one that matched and does not continue.
    routes: Vec<RouteStep>,
    /// No route matched: the default receivers are told.
    default_used: bool,
    /// Everybody who was named.
    receivers: Vec<ReceiverStep>,
    /// Silences, maintenance windows and shelves that hide it now: while there is one, nobody is told.
    #[schema(schema_with = schema::list_of::<ow_domain::operation::Suppression>)]
    suppressed_by: Vec<Value>,
    /// Who would be told now.
    would_tell: Vec<String>,
    /// Of an alarm that is there: who was told and will hear of its end.
    was_told: Vec<String>,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what is answered")]
struct RouteStep {
    route: String,
    reached: bool,
    matches: bool,
    matchers: Vec<MatcherStep>,
    r#continue: bool,
    receivers: Vec<String>,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what is answered")]
struct MatcherStep {
    #[schema(example = "severity>=major")]
    matcher: String,
    matches: bool,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what is answered")]
struct ReceiverStep {
    receiver: String,
    #[schema(required = false)]
    kind: Option<String>,
    /// The routes that named it.
    by: Vec<String>,
    told: bool,
    #[schema(required = false)]
    why_not: Option<String>,
}

/// Who hears of an alarm that is there, and why.
#[utoipa::path(
    get, path = "/api/v1/routes:explain", operation_id = "explainAlarm",
    params(("alarm" = String, Query, description = "`INC-1042`.")),
    responses(
        (status = 200, description = "The way of the alarm.", body = Explanation),
        (status = 404, description = "There is no such alarm."),
    ),
    extensions(("x-permission" = json!("read"))),
)]
async fn explain_alarm(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Value>, Problem> {
    let alarm = query.text("alarm");
    if alarm.is_none() {
        query.error("alarm", "missing", "is needed, for example INC-1042".into());
    }
    query.finish()?;
    explained(&shared, &principal, Asked { alarm, ..Asked::default() }).await
}

/// Who would hear of an alarm, and why.
#[utoipa::path(
    post, path = "/api/v1/routes:explain", operation_id = "explainRoutes",
    request_body = Asked,
    responses(
        (status = 200, description = "The way of the alarm.", body = Explanation),
        (status = 404, description = "There is no such alarm."),
    ),
    extensions(("x-permission" = json!("read"))),
)]
async fn explain(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Json<Value>, Problem> {
    explained(&shared, &principal, asked).await
}

async fn explained(shared: &Shared, principal: &Principal, asked: Asked) -> Result<Json<Value>, Problem> {
    let failed = |error: ow_store::StoreError| Problem::unavailable(&error);
    let objects = shared.store.load_config().await.map_err(failed)?.objects;
    let mut was_told = Vec::new();
    let notice = match &asked.alarm {
        Some(id) => {
            let row = super::alarms::find(shared, principal, id).await?;
            was_told = row.receivers.iter().map(|told| told.receiver.to_string()).collect();
            // The severity it has or had: of a clear nobody new hears.
            Notice { severity: row.severity, ..row.notice }
        }
        None => {
            let channel = asked.channel.as_ref().and_then(|name| {
                objects.iter().find(|o| {
                    o.kind == ConfigKind::Channel && o.name.as_str() == name.as_str() && principal.sees(&o.labels)
                })
            });
            let of_channel = |field: &str| channel.and_then(|c| c.spec[field].as_str()).map(str::to_owned);
            let labels = channel.map(|c| c.labels.clone()).unwrap_or_default();
            hypothetical(&asked, of_channel("packager"), of_channel("region"), labels)?
        }
    };
    let (routes, _) = ow_config::routes(&objects);
    let (silences, _) = ow_config::silences(&objects);
    let (maintenance, _) = ow_config::maintenance(&objects);
    let found = routes.explain(&notice);
    let now = now();
    let shelves = notice.suppressed.iter().filter(|s| {
        s.kind == ow_domain::operation::SuppressionKind::Shelved && s.until.is_none_or(|until| until > now)
    });
    let mut suppressed_by: Vec<_> = shelves.cloned().collect();
    suppressed_by.extend(Mutes::at(&silences, &maintenance, now).of(&notice));
    let would_tell: Vec<String> = match suppressed_by.is_empty() {
        true => found.told().into_iter().map(ToString::to_string).collect(),
        false => Vec::new(),
    };
    let subject = &notice.subject;
    Ok(Json(json!({
        "looked_at": {
            "severity": notice.severity, "channel": notice.channel, "check": notice.check,
            "protocol": subject.protocol, "stream": subject.stream, "track": subject.track, "host": subject.host,
            "reason": subject.reason, "packager": notice.packager, "region": notice.region, "probe": notice.probe,
            "labels": notice.labels,
        },
        "routes": found.routes,
        "default_used": found.default_used,
        "receivers": found.receivers,
        "suppressed_by": suppressed_by,
        "would_tell": would_tell,
        "was_told": was_told,
    })))
}

/// An alarm of these words. What is not given is empty, the severity major.
fn hypothetical(
    asked: &Asked,
    packager: Option<String>,
    region: Option<String>,
    labels: BTreeMap<String, String>,
) -> Result<Notice, Problem> {
    fn read<T: serde::de::DeserializeOwned>(
        errors: &mut Vec<ErrorItem>,
        field: &str,
        text: Option<&String>,
        example: &str,
    ) -> Option<T> {
        let value = serde_json::from_value(Value::String(text?.clone()));
        if value.is_err() {
            let message = format!("is no {field}");
            errors.push(ErrorItem::new(format!("/{field}"), "invalid-value", message).example(example));
        }
        value.ok()
    }
    let mut errors = Vec::new();
    let subject = Subject {
        protocol: read(&mut errors, "protocol", asked.protocol.as_ref(), "hls"),
        stream: read(&mut errors, "stream", asked.stream.as_ref(), "main"),
        host: asked.host.clone(),
        track: read(&mut errors, "track", asked.track.as_ref(), "video-1"),
        reason: asked.reason.clone(),
    };
    let probe = read(&mut errors, "probe", asked.probe.as_ref(), "hcm-1");
    let Some(channel) = asked.channel.clone() else {
        let message = "give the alarm, or at least the channel of one that might be";
        errors.push(ErrorItem::new("/channel", "missing", message).example("vtv3"));
        return Err(Problem::invalid(errors));
    };
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    Ok(Notice {
        severity: asked.severity.unwrap_or(Severity::Major),
        check: asked.check.clone().unwrap_or_default(),
        subject,
        probe,
        packager: asked.packager.clone().or(packager),
        region: asked.region.clone().or(region),
        labels: asked.labels.clone().unwrap_or(labels),
        ..blank(channel)
    })
}

/// A raise that says nothing.
pub fn blank(channel: ChannelId) -> Notice {
    Notice {
        number: IncidentNumber(0),
        revision: 1,
        change: ChangeKind::Raise,
        severity: least_alarm(Severity::Warning),
        previous_severity: None,
        channel_name: channel.to_string(),
        channel,
        fingerprint: String::new(),
        check: String::new(),
        title: String::new(),
        subject: Subject { protocol: None, stream: None, host: None, track: None, reason: None },
        message: String::new(),
        value: String::new(),
        limit: String::new(),
        raised_at: Time::UNIX_EPOCH,
        cleared_at: None,
        clear_reason: None,
        at: Time::UNIX_EPOCH,
        evidence: None,
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
        probe: None,
        event: false,
        operation: None,
        ack: None,
        suppressed: Vec::new(),
        reopens: None,
    }
}
