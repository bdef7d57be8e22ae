//! `/api/v1/deliveries`: what receivers were told, and having it sent again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ow_domain::Time;
use ow_domain::config::ChangedBy;
use ow_domain::incident::{DeliveryOutcome, IncidentNumber, ReceiverKind};
use ow_store::StoreError;
use ow_store::deliveries::{DeliveryEntry, DeliveryFilter, DeliveryId, Resend};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::permission::Caller;
use crate::http::{ErrorItem, JsonBody, Page, PageParams, Problem, Query, schema};
use crate::routes::manifests::time;

const ORDER: &str = "-first_at";
/// Most of one call.
pub const MAX_ITEMS: usize = 100;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one)).routes(routes!(resend))
}

/// One revision of an incident at one receiver, however often it was tried.
#[derive(Serialize, ToSchema)]
struct DeliveryItem {
    #[schema(example = "1042-2-noc")]
    id: String,
    /// Number of the incident.
    #[schema(example = "INC-1042")]
    incident: String,
    revision: u32,
    receiver: String,
    #[schema(value_type = String, example = "slack")]
    kind: ReceiverKind,
    #[schema(value_type = String, example = "raise")]
    change: ow_domain::incident::ChangeKind,
    outcome: Outcome,
    attempts: u32,
    /// How often somebody had it sent again.
    resends: u32,
    /// Running number at the receiver; null: nothing has left yet.
    #[schema(required)]
    sequence: Option<u32>,
    /// Receipt or reason.
    detail: String,
    #[schema(schema_with = schema::time)]
    first_at: Time,
    /// Of the last attempt.
    #[schema(schema_with = schema::time)]
    at: Time,
    /// Null: the incident is forgotten.
    #[schema(required)]
    channel: Option<String>,
    #[schema(required)]
    title: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// Begun, its end not known: being sent just now, or interrupted.
    Pending,
    Delivered,
    /// Will be tried again.
    Deferred,
    /// Given up.
    Failed,
    /// Nothing to send: something later came there before.
    Superseded,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Pending, Self::Delivered, Self::Deferred, Self::Failed, Self::Superseded];

    fn stored(self) -> Option<DeliveryOutcome> {
        match self {
            Self::Pending => None,
            Self::Delivered => Some(DeliveryOutcome::Delivered),
            Self::Deferred => Some(DeliveryOutcome::Deferred),
            Self::Failed => Some(DeliveryOutcome::Failed),
            Self::Superseded => Some(DeliveryOutcome::Superseded),
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let words = ["pending", "delivered", "deferred", "failed", "superseded"];
        words.iter().zip(Self::ALL).find(|(word, _)| **word == text).map(|(_, outcome)| outcome).ok_or(())
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Ids {
    /// Of deliveries.
    #[schema(min_items = 1, max_items = 100, example = json!(["1042-2-noc"]))]
    ids: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct Results {
    results: Vec<ResendResult>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resent {
    /// It is on its way.
    Queued,
    /// It, or something later, came there before: nothing is sent.
    AlreadyDelivered,
    NotFound,
    /// It is ready, but the bus did not take it: try again.
    NotPublished,
}

#[derive(Serialize, ToSchema)]
struct ResendResult {
    id: String,
    result: Resent,
    /// Revision that is sent: the latest of the incident.
    #[schema(required)]
    revision: Option<u32>,
}

/// Deliveries, newest first.
#[utoipa::path(
    get, path = "/api/v1/deliveries", operation_id = "listDeliveries",
    params(
        PageParams,
        ("incident" = Option<String>, Query, description = "Of this incident.", example = "INC-1042"),
        ("receiver" = Option<String>, Query, description = "To this receiver."),
        ("kind" = Option<String>, Query, description = "`snmp`, `email`, `slack` or `webhook`."),
        ("outcome" = Option<String>, Query, description = "`pending`, `delivered`, `deferred`, `failed` or `superseded`."),
        ("channel" = Option<String>, Query, description = "Of alarms of this channel."),
        ("from" = Option<String>, Query, description = "Begun from then on.", format = DateTime),
        ("to" = Option<String>, Query, description = "Begun before.", format = DateTime),
        ("count" = Option<bool>, Query, description = "With the total over all pages."),
    ),
    responses((status = 200, description = "One page.", body = Page<DeliveryItem>)),
    extensions(("x-permission" = json!("read"))),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Page<DeliveryItem>>, Problem> {
    let incident = query.text("incident");
    let number = incident.as_deref().map(|text| text.strip_prefix("INC-").unwrap_or(text).parse().map(IncidentNumber));
    if matches!(number, Some(Err(_))) {
        query.error("incident", "invalid-value", "is not a number such as INC-1042".into());
    }
    let filter = DeliveryFilter {
        incident: number.and_then(Result::ok),
        receiver: query.text("receiver").and_then(|name| match ow_domain::ReceiverId::new(&name) {
            Ok(receiver) => Some(receiver),
            Err(error) => {
                query.error("receiver", "invalid-value", error.to_string());
                None
            }
        }),
        kind: query.value("kind", "snmp, email, slack or webhook"),
        outcome: query
            .value::<Outcome>("outcome", "pending, delivered, deferred, failed or superseded")
            .map(Outcome::stored),
        channel: query.text("channel"),
        since: time(&mut query, "from"),
        until: time(&mut query, "to"),
        scope: principal.label_scope.clone(),
        limit: query.limit(),
        after: query.cursor(ORDER),
    };
    let count = query.flag("count");
    query.finish()?;
    let entries = shared.store.list_deliveries(&filter).await.map_err(failed)?;
    let total = if count { Some(shared.store.count_deliveries(&filter).await.map_err(failed)?) } else { None };
    let page = Page::cut(entries, filter.limit, ORDER, DeliveryEntry::key);
    let items = page.items.iter().map(item).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor, total }))
}

/// One delivery.
#[utoipa::path(
    get, path = "/api/v1/deliveries/{id}", operation_id = "getDelivery",
    params(("id" = String, Path, description = "Incident, revision and receiver.", example = "1042-2-noc")),
    responses((status = 200, description = "The delivery.", body = DeliveryItem)),
    extensions(("x-permission" = json!("read"))),
)]
async fn one(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<DeliveryItem>, Problem> {
    query.finish()?;
    let unknown = || Problem::not_found("delivery", &text);
    let id: DeliveryId = text.parse().map_err(|_| unknown())?;
    let found = shared.store.delivery(&id, principal.label_scope.as_ref()).await.map_err(failed)?;
    Ok(Json(item(&found.ok_or_else(unknown)?)))
}

/// Has deliveries that were given up tried again, each with a result of its own. What is sent is the latest revision of
/// the incident; what came there is not sent twice.
#[utoipa::path(
    post, path = "/api/v1/deliveries:resend", operation_id = "resendDeliveries",
    request_body = Ids,
    responses((status = 200, description = "One result per id, in order.", body = Results)),
    extensions(("x-permission" = json!("deliveries.resend"))),
)]
async fn resend(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    query: Query,
    JsonBody(body): JsonBody<Ids>,
) -> Result<Json<Results>, Problem> {
    query.finish()?;
    check_count(body.ids.len(), "/ids")?;
    let ids: Vec<Result<DeliveryId, ErrorItem>> = body
        .ids
        .iter()
        .enumerate()
        .map(|(n, text)| {
            text.parse().map_err(|error: ow_store::deliveries::DeliveryIdError| {
                ErrorItem::new(format!("/ids/{n}"), "invalid-value", error.to_string()).example("1042-2-noc")
            })
        })
        .collect();
    let wrong: Vec<ErrorItem> = ids.iter().filter_map(|id| id.as_ref().err().cloned()).collect();
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong));
    }
    let by = principal.changed_by("api");
    let mut results = Vec::new();
    for id in ids.into_iter().flatten() {
        let (result, revision) = again(&shared, &id, principal.label_scope.as_ref(), &by).await?;
        results.push(ResendResult { id: id.to_string(), result, revision });
    }
    Ok(Json(Results { results }))
}

/// Has one delivery tried again; with the revision that is sent.
pub async fn again(
    shared: &Shared,
    id: &DeliveryId,
    scope: Option<&ow_domain::access::LabelScope>,
    by: &ChangedBy,
) -> Result<(Resent, Option<u32>), Problem> {
    Ok(match shared.store.reopen_delivery(id, scope, by).await.map_err(failed)? {
        Resend::Unknown => (Resent::NotFound, None),
        Resend::Delivered => (Resent::AlreadyDelivered, None),
        // Ready and not published is no end: who tries again makes it ready once more.
        Resend::Ready { job, nth } => match shared.bus.publish_again(&*job, nth).await {
            Ok(_) => (Resent::Queued, Some(job.notice.revision)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a delivery was not sent again");
                (Resent::NotPublished, Some(job.notice.revision))
            }
        },
    })
}

/// Actions on many take 1 to 100.
pub fn check_count(n_items: usize, pointer: &str) -> Result<(), Problem> {
    if (1..=MAX_ITEMS).contains(&n_items) {
        return Ok(());
    }
    let message = format!("has {n_items} items; 1 to {MAX_ITEMS} are taken");
    Err(Problem::invalid(vec![ErrorItem::new(pointer, "wrong-count", message)]))
}

fn item(entry: &DeliveryEntry) -> DeliveryItem {
    let delivery = &entry.row.delivery;
    let outcome = if entry.row.pending { None } else { Some(delivery.outcome) };
    DeliveryItem {
        id: entry.id().to_string(),
        incident: delivery.number.to_string(),
        revision: delivery.revision,
        receiver: delivery.receiver.to_string(),
        kind: delivery.kind,
        change: delivery.change,
        outcome: Outcome::ALL.into_iter().find(|o| o.stored() == outcome).unwrap_or(Outcome::Pending),
        attempts: delivery.attempts,
        resends: entry.resends,
        sequence: entry.sequence,
        detail: delivery.detail.clone(),
        first_at: entry.row.first_at,
        at: delivery.at,
        channel: entry.channel.clone(),
        title: entry.title.clone(),
    }
}

fn failed(error: StoreError) -> Problem {
    Problem::unavailable(&error)
}
