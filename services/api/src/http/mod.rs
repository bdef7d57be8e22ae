//! What all routes share: the document, the guard in front, errors, pages, preconditions, limits.
//!
//! A route is a handler with `#[utoipa::path]`, which names its path, parameters, answers and `x-permission`; the rest
//! follows from that description. [`assemble`] puts it together.

pub mod actions;
pub mod body;
pub mod document;
pub mod etag;
pub mod fields;
pub mod headers;
pub mod idempotency;
pub mod merge_patch;
pub mod page;
pub mod permission;
pub mod problem;
pub mod query;
pub mod rate;
pub mod schema;
pub mod server;
pub mod tls;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use uuid::Uuid;

pub use body::{JsonBody, TextBody};
pub use etag::{ETag, IfMatch, Tagged};
pub use page::{Page, PageParams};
pub use permission::Caller;
pub use problem::{ErrorItem, Problem};
pub use query::Query;

use crate::Shared;

/// Longest path and query together.
const MAX_URI_BYTES: usize = 8 << 10;
/// Longest names and values of all headers together.
const MAX_HEADER_BYTES: usize = 16 << 10;
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Routes with all that surrounds them.
pub fn assemble(routes: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    let routes = routes
        .layer(middleware::from_fn_with_state(shared.clone(), idempotency::once))
        .layer(middleware::from_fn_with_state(shared.clone(), permission::guard))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(shared.max_body))
        .layer(middleware::from_fn_with_state(shared.clone(), around))
        .with_state(shared);
    actions::translated(routes)
}

async fn not_found(request: Request) -> Problem {
    Problem::not_found("resource", request.uri().path())
}

/// Around every request: it has an id, ends in time, is counted and logged, and its answer is not kept by anybody.
async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let (method, path) = (request.method().clone(), actions::outer(request.uri().path()));
    let asked: HeaderMap = request.headers().clone();
    let span = tracing::info_span!("request", id, %method, path);
    let answer = async {
        if let Some(problem) = too_long(&request) {
            return problem.into_response();
        }
        match tokio::time::timeout(shared.request_timeout, next.run(request)).await {
            Ok(response) => response,
            Err(late) => Problem::unavailable(&late).into_response(),
        }
    };
    let mut response = as_problem(answer.instrument(span.clone()).await);
    let status = response.status();
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), "answered");
        } else {
            tracing::debug!(status = status.as_u16(), "answered");
        }
    });
    shared.metrics.answered(status.as_u16());
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.instance = Some(path.chars().take(200).collect());
        problem.request_id = Some(id.clone());
        *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if is_read && status == StatusCode::OK && etag::is_unmodified(&asked, response.headers()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    headers::secure(headers, shared.is_tls || shared.access.secure);
    headers::cross_origin(&shared.cors_origins, &method, &asked, headers);
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

/// What an extractor of axum refused as plain text, as a problem.
fn as_problem(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || !kind.starts_with(b"text/plain") {
        return response;
    }
    let title = status.canonical_reason().unwrap_or("Refused");
    Problem::new(status, "refused", title, "the path, a parameter or the body has not the form that is wanted")
        .into_response()
}

/// Address and headers within their limits.
fn too_long(request: &Request) -> Option<Problem> {
    if request.uri().path_and_query().is_some_and(|uri| uri.as_str().len() > MAX_URI_BYTES) {
        let detail = format!("path and query together are longer than {MAX_URI_BYTES} bytes");
        return Some(Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", "Address too long", detail));
    }
    let n_bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    (n_bytes > MAX_HEADER_BYTES).then(|| {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let detail = format!("the headers together are longer than {MAX_HEADER_BYTES} bytes");
        Problem::new(status, "headers-too-large", "Headers too large", detail)
    })
}

/// The id that a proxy in front gave, if it is a short word; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_word = |id: &str| {
        (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    given.filter(|id| is_word(id)).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_requests_are_short_words() {
        for (given, kept) in [("abcd-1234", true), ("short", false), ("a b c d e f", false), (&"x".repeat(65), false)] {
            let headers = HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_str(given).unwrap())]);
            assert_eq!(request_id(&headers) == given, kept, "{given}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
