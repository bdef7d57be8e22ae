//! `/api/v1/dead-letters`: messages that nobody could handle; sent again or thrown away.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ow_bus::{BuriedLetter, BusError, StreamName};
use ow_domain::Time;
use ow_domain::access::Principal;
use ow_domain::incident::NotifyJob;
use ow_store::StoreError;
use ow_store::deliveries::DeliveryId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::permission::Caller;
use crate::http::{JsonBody, Page, PageParams, Problem, Query, schema};
use crate::routes::deliveries::{Resent, again, check_count};

const ORDER: &str = "-number";
/// Longest message that is shown; the rest is cut off.
const MAX_SHOWN_BYTES: usize = 1 << 20;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one)).routes(routes!(retry)).routes(routes!(discard))
}

/// A message that could not be handled. `message` and `headers` come with one letter only, not in lists.
#[derive(Serialize, ToSchema)]
struct DeadLetterItem {
    number: u64,
    /// Stream it was in.
    #[schema(example = "NOTIFY")]
    stream: String,
    subject: String,
    /// Which consumer gave up.
    consumer: String,
    /// Why.
    reason: String,
    #[schema(schema_with = schema::time)]
    at: Time,
    /// What it is about, if that is a channel.
    #[schema(required)]
    channel: Option<String>,
    /// It holds its message, so that it can be sent again.
    retryable: bool,
    /// The message as text; null when it is not shown: too large to be kept, or a job, which may hold credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    headers: Vec<LetterHeader>,
}

#[derive(Serialize, ToSchema)]
struct LetterHeader {
    name: String,
    value: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Numbers {
    /// Of dead letters.
    #[schema(min_items = 1, max_items = 100, example = json!([17]))]
    numbers: Vec<u64>,
}

#[derive(Serialize, ToSchema)]
struct LetterResults {
    results: Vec<LetterResult>,
}

#[derive(Serialize, ToSchema)]
struct LetterResult {
    number: u64,
    result: Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Done {
    /// Back in its stream; the letter is gone.
    Retried,
    Discarded,
    /// The receiver knows it, or something later: nothing is sent, the letter is gone.
    AlreadyDelivered,
    /// The letter does not hold its message: it was too large.
    NotRetryable,
    NotFound,
    /// The bus did not take it: try again.
    NotPublished,
}

/// Dead letters, newest first.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", operation_id = "listDeadLetters",
    description = "A page with a filter may be short, or empty, and still have a next one.",
    params(
        PageParams,
        ("stream" = Option<String>, Query, description = "Of this stream: `CAPTURES`, `VERDICTS`, `MEASURES`, `NOTIFY` or `JOBS`."),
        ("channel" = Option<String>, Query, description = "About this channel."),
    ),
    responses((status = 200, description = "One page.", body = Page<DeadLetterItem>)),
    extensions(("x-permission" = json!("read"))),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Page<DeadLetterItem>>, Problem> {
    let stream = query.text("stream");
    if stream.as_deref().is_some_and(|stream| !StreamName::ALL.iter().any(|name| name.as_str() == stream)) {
        query.error("stream", "invalid-value", "is not a stream such as NOTIFY".into());
    }
    let channel = query.text("channel");
    let (before, limit) = (query.cursor::<u64>(ORDER), query.limit());
    query.finish()?;
    let visible = Visible::of(&shared, &principal).await?;
    let wanted = |letter: &BuriedLetter| {
        stream.as_ref().is_none_or(|stream| letter.letter.stream == *stream)
            && channel.as_ref().is_none_or(|channel| channel_of(letter).as_ref() == Some(channel))
            && visible.shows(letter)
    };
    let page = shared.bus.dead_letters(before, limit as usize, wanted).await.map_err(away)?;
    let items = page.letters.iter().map(item).collect();
    Ok(Json(Page::new(items, page.next.map(|next| crate::http::page::encode(ORDER, &next)))))
}

/// One dead letter with its message.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/{number}", operation_id = "getDeadLetter",
    params(("number" = String, Path, description = "Its number.", example = "17")),
    responses((status = 200, description = "The letter.", body = DeadLetterItem)),
    extensions(("x-permission" = json!("read"))),
)]
async fn one(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<DeadLetterItem>, Problem> {
    query.finish()?;
    let unknown = || Problem::not_found("dead letter", &text);
    let number: u64 = text.parse().map_err(|_| unknown())?;
    let visible = Visible::of(&shared, &principal).await?;
    let letter = find(&shared, &visible, number).await?.ok_or_else(unknown)?;
    let mut body = item(&letter);
    // Headers of requests may hold credentials.
    if letter.letter.stream != StreamName::Jobs.as_str() {
        body.message = letter.body().map(shortened);
        let headers = letter.letter.headers;
        body.headers = headers.into_iter().map(|(name, value)| LetterHeader { name, value }).collect();
    }
    Ok(Json(body))
}

/// Puts messages back where they were. A notice is sent at its latest revision, as by `/deliveries:resend`.
#[utoipa::path(
    post, path = "/api/v1/dead-letters:retry", operation_id = "retryDeadLetters",
    request_body = Numbers,
    responses((status = 200, description = "One result per number, in order.", body = LetterResults)),
    extensions(("x-permission" = json!("deliveries.resend"))),
)]
async fn retry(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    query: Query,
    JsonBody(body): JsonBody<Numbers>,
) -> Result<Json<LetterResults>, Problem> {
    query.finish()?;
    each(&shared, &principal, body, Action::Retry).await
}

/// Throws dead letters away.
#[utoipa::path(
    post, path = "/api/v1/dead-letters:discard", operation_id = "discardDeadLetters",
    request_body = Numbers,
    responses((status = 200, description = "One result per number, in order.", body = LetterResults)),
    extensions(("x-permission" = json!("deliveries.resend"))),
)]
async fn discard(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    query: Query,
    JsonBody(body): JsonBody<Numbers>,
) -> Result<Json<LetterResults>, Problem> {
    query.finish()?;
    each(&shared, &principal, body, Action::Discard).await
}

#[derive(Clone, Copy)]
enum Action {
    Retry,
    Discard,
}

async fn each(
    shared: &Shared,
    principal: &Principal,
    body: Numbers,
    action: Action,
) -> Result<Json<LetterResults>, Problem> {
    check_count(body.numbers.len(), "/numbers")?;
    let visible = Visible::of(shared, principal).await?;
    let by = principal.changed_by("api");
    let mut results = Vec::new();
    for number in body.numbers {
        let Some(letter) = find(shared, &visible, number).await? else {
            results.push(LetterResult { number, result: Done::NotFound });
            continue;
        };
        // The trail first: what is gone from the bus is told nowhere else.
        let word = match action {
            Action::Retry => "retry",
            Action::Discard => "discard",
        };
        let about =
            json!({"stream": letter.letter.stream, "subject": letter.letter.subject, "reason": letter.letter.reason});
        let written = shared.store.write_audit(&by, (word, "DeadLetter", &number.to_string()), Some(about)).await;
        written.map_err(failed)?;
        let result = match action {
            Action::Retry => put_back(shared, principal, &letter).await?,
            Action::Discard if shared.bus.discard_letter(number).await.map_err(away)? => Done::Discarded,
            Action::Discard => Done::NotFound,
        };
        results.push(LetterResult { number, result });
    }
    Ok(Json(LetterResults { results }))
}

async fn put_back(shared: &Shared, principal: &Principal, letter: &BuriedLetter) -> Result<Done, Problem> {
    if let Some(job) = notice_of(letter) {
        let id = DeliveryId { number: job.notice.number, revision: job.notice.revision, receiver: job.receiver };
        let (result, _) = again(shared, &id, principal.label_scope.as_ref(), &principal.changed_by("api")).await?;
        let done = match result {
            Resent::Queued => Done::Retried,
            Resent::AlreadyDelivered => Done::AlreadyDelivered,
            Resent::NotPublished => return Ok(Done::NotPublished),
            // The log does not know it (any more): as it was.
            Resent::NotFound => return put_back_as_it_was(shared, letter).await,
        };
        shared.bus.discard_letter(letter.number).await.map_err(away)?;
        return Ok(done);
    }
    put_back_as_it_was(shared, letter).await
}

async fn put_back_as_it_was(shared: &Shared, letter: &BuriedLetter) -> Result<Done, Problem> {
    match shared.bus.retry_letter(letter).await {
        Ok(Some(_)) => Ok(Done::Retried),
        Ok(None) => Ok(Done::NotRetryable),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a dead letter was not put back");
            Ok(Done::NotPublished)
        }
    }
}

/// Which letters exist for who asks.
enum Visible {
    All,
    Channels(BTreeSet<String>),
}

impl Visible {
    async fn of(shared: &Shared, principal: &Principal) -> Result<Self, Problem> {
        match &principal.label_scope {
            None => Ok(Self::All),
            Some(scope) => shared.store.channels_in_scope(scope).await.map(Self::Channels).map_err(failed),
        }
    }

    /// Within a scope: those about a channel of it.
    fn shows(&self, letter: &BuriedLetter) -> bool {
        match self {
            Self::All => true,
            Self::Channels(channels) => channel_of(letter).is_some_and(|channel| channels.contains(&channel)),
        }
    }
}

async fn find(shared: &Shared, visible: &Visible, number: u64) -> Result<Option<BuriedLetter>, Problem> {
    let letter = shared.bus.dead_letter(number).await.map_err(away)?;
    Ok(letter.filter(|letter| visible.shows(letter)))
}

fn notice_of(letter: &BuriedLetter) -> Option<NotifyJob> {
    (letter.letter.stream == StreamName::Notify.as_str()).then(|| letter.decode::<NotifyJob>().ok())?
}

/// By the subject, or the notice in it.
fn channel_of(letter: &BuriedLetter) -> Option<String> {
    let parts: Vec<&str> = letter.letter.subject.split('.').collect();
    match parts[..] {
        ["capture" | "verdict", _, channel, ..] | ["measure", channel, _] | ["job", "fetch", _, channel] => {
            Some(channel.to_owned())
        }
        ["job", "notify", ..] => Some(notice_of(letter)?.notice.channel.to_string()),
        _ => None,
    }
}

fn item(letter: &BuriedLetter) -> DeadLetterItem {
    let inside = &letter.letter;
    DeadLetterItem {
        number: letter.number,
        stream: inside.stream.clone(),
        subject: inside.subject.clone(),
        consumer: inside.consumer.clone(),
        reason: inside.reason.clone(),
        at: inside.at,
        channel: channel_of(letter),
        retryable: !inside.payload_base64.is_empty(),
        message: None,
        headers: Vec::new(),
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_SHOWN_BYTES {
        let cut = (0..=MAX_SHOWN_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn failed(error: StoreError) -> Problem {
    Problem::unavailable(&error)
}

fn away(error: BusError) -> Problem {
    Problem::unavailable(&error)
}
