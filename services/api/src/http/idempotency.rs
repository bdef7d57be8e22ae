//! `Idempotency-Key`: a change that is asked for twice is done once (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! Answers are kept for a day, by who asked. The work goes on to its end when the client has gone away meanwhile: it will
//! ask again with the same key, and then wants to know.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ow_domain::access::{Permission, Principal};
use ow_domain::{Span, Time};
use ow_store::Store;
use ow_store::idempotency::{Begun, StoredAnswer};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::http::permission::Operation;
use crate::http::problem::{ErrorItem, Problem};

pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Answers are kept so long.
const KEPT: Span = Span::from_micros(24 * 3600 * 1_000_000);
const SWEEP: Duration = Duration::from_secs(600);
/// Larger answers are given, but not kept.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Headers that belong to the answer and not to its way.
const KEPT_HEADERS: [HeaderName; 4] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::ALLOW];

/// Whether an operation takes a key: what changes something and answers with nothing secret, since the answer is kept.
pub fn applies(method: &str, permission: Permission) -> bool {
    let is_open = matches!(
        permission,
        Permission::AlarmsOperate
            | Permission::SilencesWrite
            | Permission::ReceiversTest
            | Permission::DeliveriesResend
            | Permission::ConfigWrite
            | Permission::SystemManage
    );
    method.eq_ignore_ascii_case("post") && is_open
}

/// Behind the guard.
pub async fn once(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY).cloned() else { return next.run(request).await };
    let extensions = request.extensions();
    let takes = extensions.get::<Arc<Operation>>().is_some_and(|operation| operation.takes_key);
    let actor = extensions.get::<Principal>().map(|principal| principal.actor.clone());
    let Some(actor) = actor.filter(|_| takes && request.method() == Method::POST) else {
        return next.run(request).await;
    };
    match run(shared, &key, actor, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn run(
    shared: Arc<Shared>,
    key: &HeaderValue,
    actor: String,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = read_key(key)?;
    let (parts, body) = request.into_parts();
    let too_large = |_| {
        let detail = "the body is larger than api.max_body allows; send it in parts";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body could not be read", detail)
    };
    let body = to_bytes(body, shared.max_body).await.map_err(too_large)?;
    let address = parts.uri.path_and_query().map(|uri| uri.as_str().to_owned()).unwrap_or_default();
    let digest = fingerprint(&parts.method, &address, &body);
    // Twice the longest time that a request may take.
    let patience = Span::from_std(shared.request_timeout * 2);
    let begun = shared.store.begin_once(&actor, &key, &digest, now(), patience).await;
    match begun.map_err(|error| Problem::unavailable(&error))? {
        Begun::New => {}
        Begun::Answered(answer) => return Ok(replay(answer)),
        Begun::Running => {
            let detail = "a request with this key is being worked on; ask again";
            return Err(Problem::conflict("idempotency-key-in-use", detail).header(header::RETRY_AFTER, "1"));
        }
        Begun::Other => {
            let detail = "this key was used for another request; take a new key for each";
            let item = ErrorItem::new("Idempotency-Key:", "reused", "was used for another request");
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "idempotency-key-reused", "Key used twice", detail).with(vec![item]));
        }
    }
    let request = Request::from_parts(parts, Body::from(body));
    let (store, limit) = (shared.store.clone(), shared.request_timeout);
    let work = shared.tasks.spawn(async move {
        let response = match tokio::time::timeout(limit, next.run(request)).await {
            Ok(response) => response,
            Err(late) => Problem::unavailable(&late).into_response(),
        };
        keep(&store, &actor, &key, response).await
    });
    work.await.map_err(|_| Problem::internal("the work on this request broke down"))
}

/// A text of visible characters, with or without the quotes of a structured field.
fn read_key(value: &HeaderValue) -> Result<String, Problem> {
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    let item = ErrorItem::new("Idempotency-Key:", "invalid-value", "is not 1 to 255 visible characters")
        .example("8e03978e-40d5-43e8-bc93-6894a57f9324");
    Err(Problem::bad_request("invalid-header", "the header Idempotency-Key is wrong").with(vec![item]))
}

/// Of all that makes a request what it is; each part with its length in front.
fn fingerprint(method: &Method, address: &str, body: &Bytes) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [method.as_str().as_bytes(), address.as_bytes(), body] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// Keeps what was answered, unless the same request may get another answer soon: then the key is free again.
async fn keep(store: &Store, actor: &str, key: &str, response: Response) -> Response {
    let status = response.status();
    let passes = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT);
    let (parts, body) = response.into_parts();
    let (bytes, answer) = match to_bytes(body, usize::MAX).await {
        Ok(bytes) if !passes && bytes.len() <= MAX_ANSWER_BYTES => {
            let header =
                |name: &HeaderName| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()));
            let headers = KEPT_HEADERS.iter().filter_map(header).collect();
            (bytes.clone(), Some(StoredAnswer { status: status.as_u16(), headers, body: bytes.to_vec() }))
        }
        Ok(bytes) => (bytes, None),
        Err(_) => return Problem::internal("the answer broke off").into_response(),
    };
    if let Err(error) = store.finish_once(actor, key, answer.as_ref()).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "an answer was not kept; who asks again with its key waits, then the work is done again");
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn replay(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Forgets answers of more than a day ago, until `stop`.
pub async fn sweep(store: Store, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        if let Err(error) = store.forget_answers(now() - KEPT).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "old answers were not deleted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_text() {
        for (value, key) in [
            ("8e03978e-40d5", Some("8e03978e-40d5")),
            ("\"8e03978e-40d5\"", Some("8e03978e-40d5")),
            ("", None),
            ("\"\"", None),
            ("a b", None),
            (&"x".repeat(256), None),
        ] {
            assert_eq!(read_key(&HeaderValue::from_str(value).unwrap()).ok().as_deref(), key, "{value}");
        }
    }

    #[test]
    fn another_body_or_address_is_another_request() {
        let of = |address: &str, body: &'static str| {
            fingerprint(&Method::POST, address, &Bytes::from_static(body.as_bytes()))
        };
        assert_eq!(of("/a", "b"), of("/a", "b"));
        for (address, body) in [("/a", "c"), ("/a?dry_run=true", "b"), ("/ab", "")] {
            assert_ne!(of("/a", "b"), of(address, body), "{address} {body}");
        }
    }

    #[test]
    fn what_answers_with_secrets_takes_no_key() {
        assert!(applies("post", Permission::ConfigWrite) && applies("POST", Permission::AlarmsOperate));
        assert!(!applies("put", Permission::ConfigWrite));
        for permission in [Permission::Public, Permission::Own, Permission::TokensManage, Permission::UsersManage] {
            assert!(!applies("post", permission), "{permission}");
        }
    }
}
