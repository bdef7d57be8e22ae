//! What people do to alarms: one by number, or many by number or filter.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use futures_util::{StreamExt, TryStreamExt, stream};
use ow_alerting::{Order, Refused};
use ow_domain::access::Principal;
use ow_domain::incident::IncidentNumber;
use ow_domain::{ChannelId, Time};
use ow_store::alarms::{IncidentFilter, IncidentRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::filter::{AlarmFilter, number};
use super::{Alarm, alarm, find};
use crate::Shared;
use crate::http::{Caller, ErrorItem, JsonBody, Problem};
use crate::operate::{Done, operate};

/// Most alarms of one order.
const MAX_ALARMS: usize = 500;
/// Channels worked on side by side.
const N_SIDE_BY_SIDE: usize = 4;

/// `note` and `until` of an order. Which of them it takes and needs, the operation says.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Words {
    /// Why; at most 2000 characters.
    #[schema(max_length = 2000)]
    note: Option<String>,
    /// When it ends by itself.
    #[schema(schema_with = crate::http::schema::optional_time)]
    until: Option<Time>,
}

/// An order for many: either `ids`, or `filter` with `expect_count`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ForMany {
    /// `INC-1042` or `1042`; at most 500.
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    filter: Option<AlarmFilter>,
    /// How many alarms the filter is thought to match: with another number nothing is done.
    #[serde(default)]
    expect_count: Option<u64>,
    /// Why; at most 2000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: Option<String>,
    /// When it ends by itself.
    #[serde(default)]
    #[schema(schema_with = crate::http::schema::optional_time)]
    until: Option<Time>,
}

/// What became of an order for many.
#[derive(Debug, Serialize, ToSchema)]
struct ManyDone {
    n_changed: usize,
    n_unchanged: usize,
    n_failed: usize,
    /// One for each alarm.
    items: Vec<OneDone>,
}

#[derive(Debug, Serialize, ToSchema)]
struct OneDone {
    #[schema(example = "INC-1042")]
    id: String,
    result: OneResult,
    /// Why it failed, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    code: Option<&'static str>,
    /// Why it failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OneResult {
    Changed,
    /// It was so already.
    Unchanged,
    Failed,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Ack,
    Unack,
    Note,
    Shelve,
    Unshelve,
    Resolve,
}

impl Kind {
    fn order(self, words: Words) -> Result<Order, Problem> {
        let Words { note, until } = words;
        if until.is_some() && !matches!(self, Self::Ack | Self::Shelve) {
            return Err(Problem::invalid(vec![ErrorItem::new("/until", "unknown-field", "this order has no end")]));
        }
        let needed = note.clone().unwrap_or_default();
        Ok(match self {
            Self::Ack => Order::Ack { note, until },
            Self::Unack => Order::Unack { note },
            Self::Note => Order::Note { note: needed },
            Self::Shelve => {
                let Some(until) = until else {
                    let item = ErrorItem::new("/until", "missing", "the end of the shelf is needed, within 8 hours");
                    return Err(Problem::invalid(vec![item.example("2026-11-22T17:00:00Z")]));
                };
                Order::Shelve { note: needed, until }
            }
            Self::Unshelve => Order::Unshelve { note },
            Self::Resolve => Order::Resolve { note: needed },
        })
    }
}

fn code(refused: &Refused) -> (&'static str, &'static str) {
    match refused {
        Refused::NoteMissing => ("/note", "missing"),
        Refused::NoteTooLong | Refused::NoteCharacters => ("/note", "invalid-value"),
        Refused::Past { .. } => ("/until", "past"),
        Refused::TooLong { .. } => ("/until", "too-far"),
        Refused::OnlyRecorded => ("", "only-recorded"),
    }
}

async fn for_one(
    shared: &Shared,
    principal: &Principal,
    text: &str,
    kind: Kind,
    words: Words,
) -> Result<Json<Value>, Problem> {
    let order = kind.order(words)?;
    let row = find(shared, principal, text).await?;
    let failed = |error: ow_store::StoreError| Problem::unavailable(&error);
    let numbers = [row.number];
    let done = operate(&shared.store, &row.notice.channel, &numbers, &order, &principal.actor).await.map_err(failed)?;
    match done.get(&row.number) {
        Some(Done::Changed | Done::Unchanged) => {}
        Some(Done::Refused(refused @ Refused::OnlyRecorded)) => {
            return Err(Problem::conflict("only-recorded", refused.to_string()));
        }
        Some(Done::Refused(refused)) => {
            let (pointer, code) = code(refused);
            return Err(Problem::invalid(vec![ErrorItem::new(pointer, code, refused.to_string())]));
        }
        Some(Done::NotOpen) => {
            return Err(Problem::conflict("not-open", format!("{} is over: it takes no orders", row.number)));
        }
        Some(Done::Busy) | None => return Err(busy()),
    }
    let row = shared.store.incident(row.number).await.map_err(failed)?;
    row.map(|row| Json(alarm(&row))).ok_or_else(|| Problem::not_found("alarm", text))
}

fn busy() -> Problem {
    let detail = "others are acting on the same channel all the time; try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Temporarily unavailable", detail)
        .header(axum::http::header::RETRY_AFTER, "1")
}

async fn for_many(
    shared: &Shared,
    principal: &Principal,
    kind: Kind,
    body: ForMany,
) -> Result<Json<ManyDone>, Problem> {
    let order = kind.order(Words { note: body.note.clone(), until: body.until })?;
    let (rows, unknown) = chosen(shared, principal, body).await?;
    let mut by_channel: BTreeMap<ChannelId, Vec<IncidentNumber>> = BTreeMap::new();
    for row in &rows {
        by_channel.entry(row.notice.channel.clone()).or_default().push(row.number);
    }
    let order = &order;
    let results: Vec<BTreeMap<IncidentNumber, Done>> =
        stream::iter(by_channel)
            .map(|(channel, numbers)| async move {
                operate(&shared.store, &channel, &numbers, order, &principal.actor).await
            })
            .buffer_unordered(N_SIDE_BY_SIDE)
            .try_collect()
            .await
            .map_err(|error: ow_store::StoreError| Problem::unavailable(&error))?;
    let done: BTreeMap<IncidentNumber, Done> = results.into_iter().flatten().collect();
    let items = rows.iter().map(|row| one_done(row.number, done.get(&row.number).unwrap_or(&Done::Busy)));
    let unknown = unknown.into_iter().map(|id| OneDone {
        message: Some(format!("there is no alarm {id:?}")),
        id,
        result: OneResult::Failed,
        code: Some("not-found"),
    });
    let items: Vec<OneDone> = items.chain(unknown).collect();
    let n_of = |result| items.iter().filter(|item| item.result == result).count();
    Ok(Json(ManyDone {
        n_changed: n_of(OneResult::Changed),
        n_unchanged: n_of(OneResult::Unchanged),
        n_failed: n_of(OneResult::Failed),
        items,
    }))
}

fn one_done(number: IncidentNumber, done: &Done) -> OneDone {
    let (result, code, message) = match done {
        Done::Changed => (OneResult::Changed, None, None),
        Done::Unchanged => (OneResult::Unchanged, None, None),
        Done::NotOpen => (OneResult::Failed, Some("not-open"), Some("it is over".to_owned())),
        Done::Refused(refused) => (OneResult::Failed, Some(code(refused).1), Some(refused.to_string())),
        Done::Busy => (OneResult::Failed, Some("busy"), Some("others act on the same channel; try again".to_owned())),
    };
    OneDone { id: number.to_string(), result, code, message }
}

/// The alarms, and ids of which there is none.
async fn chosen(
    shared: &Shared,
    principal: &Principal,
    body: ForMany,
) -> Result<(Vec<IncidentRow>, Vec<String>), Problem> {
    let invalid =
        |pointer: &str, code: &str, message: String| Problem::invalid(vec![ErrorItem::new(pointer, code, message)]);
    let limit = u32::try_from(MAX_ALARMS).unwrap_or(u32::MAX);
    let failed = |error: ow_store::StoreError| Problem::unavailable(&error);
    if let Some(filter) = body.filter {
        if !body.ids.is_empty() {
            return Err(invalid("/ids", "conflict", "give either ids or a filter".to_owned()));
        }
        let Some(expected) = body.expect_count else {
            let item = ErrorItem::new("/expect_count", "missing", "say how many alarms the filter matches").example(12);
            return Err(Problem::invalid(vec![item]));
        };
        let filter = filter.into_filter(principal, limit);
        let page = shared.store.list_incidents(&filter).await.map_err(failed)?;
        let count = match page.next {
            None => page.incidents.len() as u64,
            Some(_) => shared.store.count_incidents(&filter).await.map_err(failed)?,
        };
        if count != expected {
            let detail = format!("the filter matches {count} alarms, not {expected}; nothing was done");
            return Err(Problem::conflict("count-differs", detail).current(json!({"count": count})));
        }
        if page.next.is_some() {
            let message = format!("it matches {count} alarms; at most {MAX_ALARMS} take one order");
            return Err(invalid("/filter", "too-many", message));
        }
        return Ok((page.incidents, Vec::new()));
    }
    if body.ids.is_empty() || body.ids.len() > MAX_ALARMS {
        let message = format!("1 to {MAX_ALARMS} ids are needed, or a filter with expect_count");
        return Err(Problem::invalid(vec![
            ErrorItem::new("/ids", "invalid-value", message).example(json!(["INC-1042"])),
        ]));
    }
    let mut numbers = Vec::new();
    for (n, id) in body.ids.iter().enumerate() {
        let Some(number) = number(id) else {
            return Err(invalid(&format!("/ids/{n}"), "invalid-value", "is not an id such as INC-1042".to_owned()));
        };
        numbers.push(number);
    }
    let filter = IncidentFilter {
        numbers: numbers.clone(),
        scope: principal.label_scope.clone(),
        with_info: true,
        limit,
        ..IncidentFilter::default()
    };
    let rows = shared.store.list_incidents(&filter).await.map_err(failed)?.incidents;
    numbers.retain(|number| rows.iter().all(|row| row.number != *number));
    numbers.sort();
    numbers.dedup();
    Ok((rows, numbers.into_iter().map(|n| n.to_string()).collect()))
}

/// Two operations of each kind: on one alarm and on many.
macro_rules! orders {
    ($($kind:ident $one:ident $one_path:literal $one_id:literal $many:ident $many_path:literal $many_id:literal $about:literal;)*) => {
        pub fn routes() -> OpenApiRouter<Arc<Shared>> {
            OpenApiRouter::default()$(.routes(routes!($one)).routes(routes!($many)))*
        }
        $(
            #[utoipa::path(
                post, path = $one_path, operation_id = $one_id, summary = $about,
                params(("number" = String, Path, description = "`1042` or `INC-1042`.")),
                request_body = Words,
                responses(
                    (status = 200, description = "The alarm as it is now.", body = Alarm),
                    (status = 409, description = "It is over, or a mere record."),
                ),
                extensions(("x-permission" = json!("alarms.operate"))),
            )]
            async fn $one(
                State(shared): State<Arc<Shared>>,
                Caller(principal): Caller,
                Path(text): Path<String>,
                JsonBody(words): JsonBody<Words>,
            ) -> Result<Json<Value>, Problem> {
                for_one(&shared, &principal, &text, Kind::$kind, words).await
            }

            #[utoipa::path(
                post, path = $many_path, operation_id = $many_id, summary = concat!($about, " Many at once."),
                request_body = ForMany,
                responses(
                    (status = 200, description = "What became of each.", body = ManyDone),
                    (status = 409, description = "The filter matches another number of alarms; nothing was done."),
                ),
                extensions(("x-permission" = json!("alarms.operate"))),
            )]
            async fn $many(
                State(shared): State<Arc<Shared>>,
                Caller(principal): Caller,
                JsonBody(body): JsonBody<ForMany>,
            ) -> Result<Json<ManyDone>, Problem> {
                for_many(&shared, &principal, Kind::$kind, body).await
            }
        )*
    };
}

orders! {
    Ack ack_one "/api/v1/alarms/{number}/!ack" "ackAlarm" ack_many "/api/v1/alarms:ack" "ackAlarms"
        "Takes it in hand. It ends when the alarm clears or gets worse, and at `until` (within 7 days).";
    Unack unack_one "/api/v1/alarms/{number}/!unack" "unackAlarm" unack_many "/api/v1/alarms:unack" "unackAlarms"
        "Gives it back.";
    Note note_one "/api/v1/alarms/{number}/!note" "noteAlarm" note_many "/api/v1/alarms:note" "noteAlarms"
        "Adds a note, which is needed.";
    Shelve shelve_one "/api/v1/alarms/{number}/!shelve" "shelveAlarm" shelve_many "/api/v1/alarms:shelve" "shelveAlarms"
        "Puts it aside until `until` (within 8 hours): nobody is told of it but of its end. Needs a note.";
    Unshelve unshelve_one "/api/v1/alarms/{number}/!unshelve" "unshelveAlarm" unshelve_many "/api/v1/alarms:unshelve" "unshelveAlarms"
        "Takes it from the shelf: who should know is told within seconds.";
    Resolve resolve_one "/api/v1/alarms/{number}/!resolve" "resolveAlarm" resolve_many "/api/v1/alarms:resolve" "resolveAlarms"
        "Closes it whatever the checks say. When a check fails again it begins anew, marked as reopened. Needs a note.";
}
