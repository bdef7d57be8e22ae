//! Alarms and incidents: lists, one with its history, and what people do to them ([`actions`]).
//!
//! Today each alarm, from raise to clear, is an incident of its own: both resources show the same rows, `/alarms` by
//! default those that burn, `/incidents` all.

mod actions;
mod filter;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ow_domain::access::Principal;
use ow_domain::operation::{Ack, Operation, Suppression};
use ow_store::alarms::{AlarmEvent, IncidentRow, Shown};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::{Caller, Page, PageParams, Problem, Query, page, schema};

pub use filter::number;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(events))
        .routes(routes!(list_incidents))
        .routes(routes!(one_incident))
        .routes(routes!(incident_events))
        .merge(actions::routes())
}

/// An alarm. `evidence` and `history` come with one alarm only, not in lists.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `alarm` gives")]
pub struct Alarm {
    #[schema(example = "INC-1042")]
    id: String,
    number: i64,
    /// The three axes as one word: `open`, `acked` (somebody has it in hand), `suppressed` (nobody is told for now),
    /// `cleared`.
    state: AlarmState,
    #[schema(schema_with = schema::severity)]
    severity: String,
    /// Counts the changes from 1.
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
    /// `forced`: by hand.
    clear_reason: Option<String>,
    /// Not confirmed: nothing is heard of it just now.
    indeterminate: bool,
    event: bool,
    info: bool,
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: Value,
    packager: Option<String>,
    region: Option<String>,
    runbook: Option<String>,
    probe: Option<String>,
    /// Who was told of it.
    receivers: Vec<ToldReceiver>,
    acked_by: Option<String>,
    #[schema(schema_with = schema::optional_time)]
    acked_at: Option<String>,
    /// Who has it in hand, why, and until when.
    #[schema(schema_with = optional_domain::<Ack>)]
    ack: Option<Value>,
    /// Why nobody is told for now: shelved, silence, maintenance.
    #[schema(schema_with = schema::list_of::<Suppression>)]
    suppressed_by: Vec<Value>,
    /// What was done to it last, when that made this revision.
    #[schema(schema_with = optional_domain::<Operation>)]
    operation: Option<Value>,
    /// The incident of the same alarm that was closed by hand before this one began.
    reopens: Option<i64>,
    #[schema(value_type = Option<Object>)]
    evidence: Option<Value>,
    #[schema(required = false)]
    history: Vec<Event>,
}

fn optional_domain<T: schemars::JsonSchema>() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
    OneOfBuilder::new().item(schema::domain::<T>()).item(ObjectBuilder::new().schema_type(Type::Null)).into()
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes what `alarm` gives")]
enum AlarmState {
    Open,
    Acked,
    Suppressed,
    Cleared,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `alarm` gives")]
struct ToldReceiver {
    receiver: String,
    kind: String,
}

/// One line of the history of an alarm.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlarmEvent)]
struct Event {
    seq: i64,
    revision: u32,
    /// `raise`, `update`, `clear`, `ack`, `unack`, `note`, `shelve`, `unshelve`, `resolve`, `suppress`, `unsuppress`.
    change: String,
    #[schema(schema_with = optional_severity)]
    old_severity: Option<ow_domain::Severity>,
    #[schema(schema_with = schema::severity)]
    new_severity: ow_domain::Severity,
    /// The note that came with it, or the reason.
    cause: Option<String>,
    /// Who did it: a person, a token, or a service of ours.
    actor: String,
    /// Of an acknowledgement or a shelf: its end.
    #[schema(schema_with = schema::optional_time)]
    until: Option<ow_domain::Time>,
    /// When it happened, by the facts.
    #[schema(schema_with = schema::time)]
    at: ow_domain::Time,
    /// When it was recorded.
    #[schema(schema_with = schema::time)]
    recorded_at: ow_domain::Time,
}

fn optional_severity() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
    OneOfBuilder::new().item(schema::severity()).item(ObjectBuilder::new().schema_type(Type::Null)).into()
}

impl From<AlarmEvent> for Event {
    fn from(e: AlarmEvent) -> Self {
        Self {
            seq: e.seq,
            revision: e.revision,
            change: e.change,
            old_severity: e.old_severity,
            new_severity: e.new_severity,
            cause: e.cause,
            actor: e.actor,
            until: e.until,
            at: e.at,
            recorded_at: e.recorded_at,
        }
    }
}

/// The filters of both lists.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters; Query reads them")]
struct FilterParams {
    /// `open`, `acked`, `suppressed`, `cleared`, or `active` (all but cleared) and `all`; several separated by commas.
    #[param(example = "open,acked")]
    state: Option<String>,
    /// Only these; several separated by commas.
    #[param(example = "critical,major")]
    severity: Option<String>,
    /// This severity and worse.
    min_severity: Option<String>,
    /// Of these channels.
    channel: Option<String>,
    /// Of these checks.
    check: Option<String>,
    /// Behind these packagers.
    packager: Option<String>,
    /// In these regions.
    region: Option<String>,
    /// Open at some time from then on.
    #[param(format = "date-time")]
    from: Option<String>,
    /// Raised before then.
    #[param(format = "date-time")]
    to: Option<String>,
    /// Part of channel, check, title or message.
    q: Option<String>,
    /// With records that nobody is told of.
    include_info: Option<bool>,
    /// `-number` (newest first, default), `number`, `-severity` or `-updated_at`.
    sort: Option<String>,
    /// With `total`.
    count: Option<bool>,
}

/// Alarms: those that burn, when `state` is not given.
#[utoipa::path(
    get, path = "/api/v1/alarms", operation_id = "listAlarms",
    description = "Also `label.<name>=<value>`, a label of the channel.",
    params(PageParams, FilterParams),
    responses((status = 200, description = "One page.", body = Page<Alarm>)),
    extensions(("x-permission" = json!("read")), ("x-query-prefixes" = json!(["label."]))),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    query: Query,
) -> Result<Json<Page<Value>>, Problem> {
    listed(&shared, &principal, query, &Shown::ACTIVE).await
}

/// Incidents of any state.
#[utoipa::path(
    get, path = "/api/v1/incidents", operation_id = "listIncidents",
    description = "Also `label.<name>=<value>`, a label of the channel.",
    params(PageParams, FilterParams),
    responses((status = 200, description = "One page.", body = Page<Alarm>)),
    extensions(("x-permission" = json!("read")), ("x-query-prefixes" = json!(["label."]))),
)]
async fn list_incidents(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    query: Query,
) -> Result<Json<Page<Value>>, Problem> {
    listed(&shared, &principal, query, &[]).await
}

async fn listed(
    shared: &Shared,
    principal: &Principal,
    mut query: Query,
    default: &[Shown],
) -> Result<Json<Page<Value>>, Problem> {
    let (filter, order) = filter::read(&mut query, principal, default);
    let count = query.flag("count");
    query.finish()?;
    let failed = |error: ow_store::StoreError| Problem::unavailable(&error);
    let rows = shared.store.list_incidents(&filter).await.map_err(failed)?;
    let items = rows.incidents.iter().map(alarm).collect();
    let mut page = Page::new(items, rows.next.map(|place| page::encode(order, &place)));
    if count {
        page.total = Some(shared.store.count_incidents(&filter).await.map_err(failed)?);
    }
    Ok(Json(page))
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
    Caller(principal): Caller,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    query.finish()?;
    detail(&shared, &principal, &text).await.map(Json)
}

/// One incident with evidence and history.
#[utoipa::path(
    get, path = "/api/v1/incidents/{number}", operation_id = "getIncident",
    params(("number" = String, Path, description = "`1042` or `INC-1042`.")),
    responses((status = 200, description = "The incident.", body = Alarm)),
    extensions(("x-permission" = json!("read"))),
)]
async fn one_incident(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    query.finish()?;
    detail(&shared, &principal, &text).await.map(Json)
}

async fn detail(shared: &Shared, principal: &Principal, text: &str) -> Result<Value, Problem> {
    let row = find(shared, principal, text).await?;
    let mut body = alarm(&row);
    body["evidence"] = json!(row.notice.evidence);
    body["history"] = json!(history(shared, &row).await?);
    Ok(body)
}

async fn history(shared: &Shared, row: &IncidentRow) -> Result<Vec<Event>, Problem> {
    let events = shared.store.incident_history(row.number).await.map_err(|error| Problem::unavailable(&error))?;
    Ok(events.into_iter().map(Event::from).collect())
}

/// Everything that happened to an alarm, oldest first.
#[utoipa::path(
    get, path = "/api/v1/alarms/{number}/events", operation_id = "listAlarmEvents",
    params(("number" = String, Path, description = "`1042` or `INC-1042`."), PageParams),
    responses((status = 200, description = "One page.", body = Page<Event>)),
    extensions(("x-permission" = json!("read"))),
)]
async fn events(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<Page<Event>>, Problem> {
    events_of(&shared, &principal, &text, query).await
}

/// Everything that happened to an incident, oldest first.
#[utoipa::path(
    get, path = "/api/v1/incidents/{number}/events", operation_id = "listIncidentEvents",
    params(("number" = String, Path, description = "`1042` or `INC-1042`."), PageParams),
    responses((status = 200, description = "One page.", body = Page<Event>)),
    extensions(("x-permission" = json!("read"))),
)]
async fn incident_events(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<Page<Event>>, Problem> {
    events_of(&shared, &principal, &text, query).await
}

async fn events_of(
    shared: &Shared,
    principal: &Principal,
    text: &str,
    mut query: Query,
) -> Result<Json<Page<Event>>, Problem> {
    const ORDER: &str = "seq";
    let (after, limit) = (query.cursor::<i64>(ORDER), query.limit());
    query.finish()?;
    let row = find(shared, principal, text).await?;
    let mut events = history(shared, &row).await?;
    events.retain(|event| after.is_none_or(|after| event.seq > after));
    Ok(Json(Page::cut(events, limit, ORDER, |event| event.seq)))
}

/// The incident, if there is one and it is to be seen.
pub async fn find(shared: &Shared, principal: &Principal, text: &str) -> Result<IncidentRow, Problem> {
    let unknown = || Problem::not_found("alarm", text);
    let number = number(text).ok_or_else(unknown)?;
    let row = shared.store.incident(number).await.map_err(|error| Problem::unavailable(&error))?;
    row.filter(|row| principal.sees(&row.notice.labels)).ok_or_else(unknown)
}

/// An alarm as lists, orders and events show it.
pub fn alarm(row: &IncidentRow) -> Value {
    let notice = &row.notice;
    json!({
        "id": row.number.to_string(),
        "number": row.number,
        "state": row.shown(),
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
        "ack": notice.ack,
        "suppressed_by": notice.suppressed,
        "operation": notice.operation,
        "reopens": notice.reopens,
    })
}
