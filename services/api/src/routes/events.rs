//! `GET /api/v1/events`: what happens, as server-sent events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use ow_domain::Severity;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::events::hub::{Subscription, frame};
use crate::events::{Hub, Item, Refused, View};
use crate::http::{Caller, Problem, Query};

const HEARTBEAT: Duration = Duration::from_secs(10);
/// After this the client comes again, with `Last-Event-ID`: a token that was taken away is of no use for longer.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Streams of one who is known, and of all who are not.
const MAX_OF_ONE: usize = 32;
const MAX_ANONYMOUS: usize = 500;
/// Streams of all together.
const MAX_OF_ALL: usize = 2000;
/// Bytes written at once.
const MAX_CHUNK: usize = 64 << 10;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(events))
}

/// What happens, as it happens.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "streamEvents",
    description = "Server-sent events: `alarm` (as in the list of alarms), `channel` (its state), `config` (the kind of \
        configuration that was changed). Each is the state of one object, told at most four times a second. First comes \
        `ready`: what is read after it misses nothing. After `reset` read the lists again. Reconnect with `Last-Event-ID` \
        to get what was missed. A comment comes every 10 seconds. Also `label.<name>=<value>`, a label of the channel.",
    params(
        ("kinds" = Option<String>, Query, description = "`alarm`, `channel`, `config`; several separated by commas; default all."),
        ("channel" = Option<String>, Query, description = "Of these channels."),
        ("severity" = Option<String>, Query, description = "Only these, and what leaves them."),
        ("min_severity" = Option<String>, Query, description = "This severity and worse, and what leaves them."),
        ("last_event_id" = Option<String>, Query, description = "As the header `Last-Event-ID`."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen."),
    ),
    responses((status = 200, description = "Events, without an end.", body = String, content_type = "text/event-stream")),
    extensions(("x-permission" = json!("read")), ("x-query-prefixes" = json!(["label."]))),
)]
async fn events(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let view = View {
        kinds: query.list("kinds", "alarm, channel or config"),
        channels: query.list("channel", "the name of a channel"),
        severities: query.list::<Severity>("severity", "a severity such as major"),
        min_severity: query.value("min_severity", "a severity such as major"),
        labels: query.with_prefix("label.").into_iter().collect(),
        scope: principal.label_scope.clone(),
    };
    let last_id = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let last_id = last_id.or_else(|| query.text("last_event_id"));
    query.finish()?;
    let most = if principal.is_known() { MAX_OF_ONE } else { MAX_ANONYMOUS };
    let subscription = shared.events.subscribe(&principal.actor, most, MAX_OF_ALL, last_id.as_deref()).map_err(
        |refused| match refused {
            Refused::OfOne(n) => Problem::too_many(format!("{} has {n} streams open already", principal.actor), 10),
            Refused::OfAll(n) => Problem::too_many(format!("{n} streams are open already"), 10),
        },
    )?;
    let body = Body::from_stream(stream::unfold(
        Client::new(shared.events.clone(), view, subscription, shared.stop.clone()),
        |mut client| async move { Some((Ok::<_, std::convert::Infallible>(client.next().await?), client)) },
    ));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// One stream.
struct Client {
    hub: Hub,
    view: View,
    subscription: Subscription,
    /// Frames to be written before anything else.
    first: VecDeque<Bytes>,
    beat: Interval,
    end: Instant,
    stop: CancellationToken,
}

impl Client {
    fn new(hub: Hub, view: View, mut subscription: Subscription, stop: CancellationToken) -> Self {
        let missed = std::mem::take(&mut subscription.missed);
        // `retry`: come again after that long, in ms. Where it stands now comes last, as all before it is then told.
        let mut first = VecDeque::from([Bytes::from_static(b"retry: 2000\n\n")]);
        let is_reset = |item: &Item| matches!(item, Item::Reset);
        if missed.iter().any(is_reset) {
            first.push_back(frame(&subscription.id, "reset", &json!({})));
        } else {
            first.extend(missed.iter().filter_map(|item| match item {
                Item::Event(event) if view.shows(&event.about) => Some(event.frame.clone()),
                _ => None,
            }));
        }
        first.push_back(frame(&subscription.id, "ready", &json!({})));
        let mut beat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { hub, view, subscription, first, beat, end: Instant::now() + LONGEST, stop }
    }

    /// `None`: the end. Polled only when the connection takes more, so a slow client just falls behind.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.first.is_empty() {
            let mut chunk = Vec::new();
            while chunk.len() < MAX_CHUNK
                && let Some(frame) = self.first.pop_front()
            {
                chunk.extend_from_slice(&frame);
            }
            return Some(chunk.into());
        }
        loop {
            let item = tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.end) => return None,
                _ = self.beat.tick() => return Some(Bytes::from_static(b": still here\n\n")),
                item = self.subscription.receiver.recv() => item,
            };
            match item {
                Ok(Item::Event(event)) if self.view.shows(&event.about) => return Some(event.frame.clone()),
                Ok(Item::Event(_)) => {}
                Ok(Item::Reset) => return Some(frame(&self.hub.place(), "reset", &json!({}))),
                Err(RecvError::Lagged(_)) => {
                    // What is queued is part of what will be read again.
                    self.subscription.receiver = self.subscription.receiver.resubscribe();
                    return Some(frame(&self.hub.place(), "reset", &json!({})));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
