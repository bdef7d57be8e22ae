//! `POST /api/v1/receivers/{name}:test`: a message through the real notifier.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use ow_alerting::explain::least_alarm;
use ow_domain::incident::{ChangeKind, DeliveryOutcome, IncidentNumber, Notice, NotifyJob, TEST_CHECK};
use ow_domain::{ChannelId, ReceiverId, Severity, Span};
use ow_store::deliveries::DeliveryRow;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::explain::blank;
use crate::Shared;
use crate::http::{Caller, Problem};
use crate::operate::now;

/// How long the answer waits for the notifier.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(test))
}

/// What became of a test message.
#[derive(Debug, Serialize, ToSchema)]
struct TestResult {
    receiver: String,
    /// `snmp`, `email`, `slack` or `webhook`.
    kind: String,
    /// The number in the message; it belongs to no incident.
    #[schema(example = "INC-1042")]
    id: String,
    result: Outcome,
    /// The receipt, or why it failed; one line, no secret.
    detail: String,
    /// From the order to the answer.
    took_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Delivered,
    Failed,
    /// The notifier has not answered within 10 seconds; the delivery log has the answer later.
    Pending,
}

/// Sends a message that says that it is a test, and its clear, which closes it at the receiver.
#[utoipa::path(
    post, path = "/api/v1/receivers/{name}/!test", operation_id = "testReceiver",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "What became of it.", body = TestResult)),
    extensions(("x-permission" = json!("receivers.test"))),
)]
async fn test(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
) -> Result<Json<TestResult>, Problem> {
    let unknown = || Problem::not_found("receiver", &name);
    let failed = |error: ow_store::StoreError| Problem::unavailable(&error);
    let receiver = ReceiverId::new(&name).map_err(|_| unknown())?;
    let objects = shared.store.load_config().await.map_err(failed)?.objects;
    let target = *ow_config::routes(&objects).0.receivers.get(&receiver).ok_or_else(unknown)?;
    let begun = Instant::now();
    let number = shared.store.spare_incident_number().await.map_err(failed)?;
    let channel = ChannelId::new("test").map_err(|error| Problem::internal(error.to_string()))?;
    let at = now();
    let raise = Notice {
        number,
        severity: least_alarm(target.min_severity),
        fingerprint: format!("{TEST_CHECK}|-|-|-|-|{receiver}"),
        check: TEST_CHECK.to_owned(),
        title: "Test of this receiver".to_owned(),
        message: format!("This is a test that {} asked for; nothing is wrong.", principal.actor),
        raised_at: at,
        at,
        ..blank(channel)
    };
    let job = |notice| NotifyJob {
        receiver: receiver.clone(),
        kind: target.kind,
        notice,
        deadline: Some(at + Span::from_secs(60)),
    };
    let bus_failed = |error: ow_bus::BusError| Problem::unavailable(&error);
    shared.bus.publish(&job(raise.clone())).await.map_err(bus_failed)?;
    let row = ended(&shared, number).await?;
    if row.as_ref().is_none_or(|row| row.delivery.outcome != DeliveryOutcome::Failed) {
        let over = now();
        let clear = Notice {
            revision: 2,
            change: ChangeKind::Clear,
            previous_severity: Some(raise.severity),
            severity: Severity::Cleared,
            cleared_at: Some(over),
            at: over,
            ..raise
        };
        shared.bus.publish(&job(clear)).await.map_err(bus_failed)?;
    }
    let (result, detail) = match row {
        Some(row) if row.delivery.outcome == DeliveryOutcome::Delivered => (Outcome::Delivered, row.delivery.detail),
        Some(row) => (Outcome::Failed, row.delivery.detail),
        None => (Outcome::Pending, "no notifier has answered yet".to_owned()),
    };
    tracing::info!(%receiver, by = principal.actor, ?result, "receiver tested");
    Ok(Json(TestResult {
        receiver: receiver.to_string(),
        kind: target.kind.to_string(),
        id: number.to_string(),
        result,
        detail,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}

/// The log row of the raise, when it has an end.
async fn ended(shared: &Shared, number: IncidentNumber) -> Result<Option<DeliveryRow>, Problem> {
    let end = Instant::now() + PATIENCE.min(shared.request_timeout / 2);
    loop {
        let rows = shared.store.deliveries_of(number).await.map_err(|error| Problem::unavailable(&error))?;
        let done = rows.into_iter().find(|row| {
            row.delivery.revision == 1 && !row.pending && row.delivery.outcome != DeliveryOutcome::Deferred
        });
        if done.is_some() || Instant::now() >= end {
            return Ok(done);
        }
        tokio::time::sleep(POLL).await;
    }
}
