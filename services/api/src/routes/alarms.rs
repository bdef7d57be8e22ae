//! `GET /api/v1/alarms` and `/api/v1/alarms/{number}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ow_domain::incident::IncidentNumber;
use ow_domain::{ChannelId, Severity};
use ow_store::alarms::{IncidentFilter, IncidentRow, IncidentState};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::{Page, PageParams, Problem, Query, schema};

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one))
}

/// An alarm. `evidence` and `history` come with one alarm only, not in lists.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `alarm` gives")]
struct Alarm {
    #[schema(example = "INC-1042")]
    id: String,
    number: i64,
    state: AlarmState,
    #[schema(schema_with = schema::severity)]
    severity: String,
    revision: u32,
    channel: String,
    channel_name: String,
    check: String,
    title: String,
    #[schema(value_type = Object)]
    subject: Value,
    fingerprint: String,
    message: String,
    value: String,
    limit: String,
    #[schema(schema_with = schema::time)]
    raised_at: String,
    #[schema(schema_with = schema::time)]
    updated_at: String,
    #[schema(schema_with = schema::optional_time)]
    cleared_at: Option<String>,
    clear_reason: Option<String>,
    indeterminate: bool,
    event: bool,
    info: bool,
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: Value,
    packager: Option<String>,
    region: Option<String>,
    runbook: Option<String>,
    probe: Option<String>,
    receivers: Vec<ToldReceiver>,
    acked_by: Option<String>,
    #[schema(schema_with = schema::optional_time)]
    acked_at: Option<String>,
    #[schema(value_type = Option<Object>)]
    evidence: Option<Value>,
    #[schema(value_type = Option<Vec<Object>>)]
    history: Option<Value>,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes what `alarm` gives")]
enum AlarmState {
    Active,
    Cleared,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `alarm` gives")]
struct ToldReceiver {
    receiver: String,
    kind: String,
}

/// The order of the list, for its cursors.
const ORDER: &str = "-number";

/// Which alarms are asked for; active ones when nothing is said.
#[derive(Clone, Copy)]
enum Asked {
    Active,
    Cleared,
    All,
}

impl std::str::FromStr for Asked {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "active" => Ok(Self::Active),
            "cleared" => Ok(Self::Cleared),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

/// Alarms, newest first.
#[utoipa::path(
    get, path = "/api/v1/alarms", operation_id = "listAlarms",
    params(
        PageParams,
        ("state" = Option<String>, Query, description = "`active` (default), `cleared` or `all`."),
        ("severity" = Option<String>, Query, description = "Only these; several separated by commas.", example = "critical,major"),
        ("min_severity" = Option<String>, Query, description = "This severity and worse."),
        ("channel" = Option<String>, Query, description = "Of this channel."),
        ("check" = Option<String>, Query, description = "Of this check."),
        ("include_info" = Option<bool>, Query, description = "With records that nobody is told of."),
    ),
    responses((status = 200, description = "One page.", body = Page<Alarm>)),
    extensions(("x-permission" = json!("read"))),
)]
async fn list(State(shared): State<Arc<Shared>>, mut query: Query) -> Result<Json<Page<Value>>, Problem> {
    let state = query.value("state", "active, cleared or all").unwrap_or(Asked::Active);
    let filter = IncidentFilter {
        state: match state {
            Asked::Active => Some(IncidentState::Open),
            Asked::Cleared => Some(IncidentState::Cleared),
            Asked::All => None,
        },
        severities: query.list::<Severity>("severity", "a severity such as major"),
        min_severity: query.value("min_severity", "a severity such as major"),
        channels: query.list::<ChannelId>("channel", "a channel name such as vtv3"),
        checks: query.list("check", "the id of a check"),
        with_info: query.flag("include_info"),
        after: query.cursor(ORDER),
        limit: query.limit(),
        ..IncidentFilter::default()
    };
    query.finish()?;
    let page = shared.store.list_incidents(&filter).await.map_err(|error| Problem::unavailable(&error))?;
    let items = page.incidents.iter().map(alarm).collect();
    Ok(Json(Page::new(items, page.next.map(|place| crate::http::page::encode(ORDER, &place)))))
}

/// One alarm with evidence and history.
#[utoipa::path(
    get, path = "/api/v1/alarms/{number}", operation_id = "getAlarm",
    params(("number" = String, Path, description = "`1042` or `INC-1042`.")),
    responses((status = 200, description = "The alarm.", body = Alarm)),
    extensions(("x-permission" = json!("read"))),
)]
async fn one(
    State(shared): State<Arc<Shared>>,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    query.finish()?;
    let unknown = || Problem::not_found("alarm", &text);
    let number = text.strip_prefix("INC-").unwrap_or(&text).parse().map(IncidentNumber).map_err(|_| unknown())?;
    let failed = |error: ow_store::StoreError| Problem::unavailable(&error);
    let row = shared.store.incident(number).await.map_err(failed)?.ok_or_else(unknown)?;
    let mut body = alarm(&row);
    body["evidence"] = json!(row.notice.evidence);
    body["history"] = json!(shared.store.incident_history(number).await.map_err(failed)?);
    Ok(Json(body))
}

fn alarm(row: &IncidentRow) -> Value {
    let notice = &row.notice;
    json!({
        "id": row.number.to_string(),
        "number": row.number,
        "state": match row.state { IncidentState::Open => "active", IncidentState::Cleared => "cleared" },
        "severity": row.severity,
        "revision": row.revision,
        "channel": notice.channel,
        "channel_name": notice.channel_name,
        "check": notice.check,
        "title": notice.title,
        "subject": notice.subject,
        "fingerprint": notice.fingerprint,
        "message": notice.message,
        "value": notice.value,
        "limit": notice.limit,
        "raised_at": row.raised_at,
        "updated_at": row.updated_at,
        "cleared_at": row.cleared_at,
        "clear_reason": row.clear_reason,
        "indeterminate": row.indeterminate,
        "event": notice.event,
        "info": row.info,
        "labels": notice.labels,
        "packager": notice.packager,
        "region": notice.region,
        "runbook": notice.runbook,
        "probe": notice.probe,
        "receivers": row.receivers,
        "acked_by": row.acked_by,
        "acked_at": row.acked_at,
    })
}
