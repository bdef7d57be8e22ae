//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::etag::ETag;

pub const PROBLEM_JSON: &str = "application/problem+json";

/// One wrong part of a request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErrorItem {
    /// JSON pointer (RFC 6901) into the body; `?name` for a query parameter, `name:` for a header.
    #[schema(example = "/spec/streams/0/url")]
    pub pointer: String,
    /// Stable for programs.
    #[schema(example = "invalid-value")]
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// A value that would be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub example: Option<Value>,
}

impl ErrorItem {
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into(), example: None }
    }

    /// With a value that would be taken.
    #[must_use]
    pub fn example(mut self, example: impl Into<Value>) -> Self {
        self.example = Some(example.into());
        self
    }
}

/// A refusal or failure. What is done with `type` is done by `code`: both are stable.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:ottwatch:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Stable for programs.
    #[schema(value_type = String, example = "invalid-query")]
    code: &'static str,
    /// What is wrong this time, for people.
    detail: String,
    /// Path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
    /// Also in the header `X-Request-Id` and in our log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
    /// Every wrong part, not just the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<ErrorItem>,
    /// What is stored now, when the request was made for an older revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    current: Option<Value>,
    #[serde(skip)]
    headers: Vec<(HeaderName, String)>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:ottwatch:problem:{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: detail.into(),
            instance: None,
            request_id: None,
            errors: Vec::new(),
            current: None,
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, errors: Vec<ErrorItem>) -> Self {
        self.errors = errors;
        self
    }

    /// With one more header of the answer. Values that no header can carry are left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With what is stored now.
    #[must_use]
    pub fn current(mut self, current: Value) -> Self {
        self.current = Some(current);
        self
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The request itself makes no sense (400).
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request makes no sense", detail)
    }

    /// The body is readable but says something that cannot be (422), with every wrong part.
    pub fn invalid(errors: Vec<ErrorItem>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.pointer, one.message),
            many => format!("{} parts of the body are wrong; nothing was changed", many.len()),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "The body is not valid", detail).with(errors)
    }

    pub fn not_found(what: &str, name: &str) -> Self {
        let name: String = name.chars().take(80).collect();
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", format!("there is no {what} {name:?}"))
    }

    /// What is asked for does not fit what is there (409).
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Does not fit what is there", detail)
    }

    /// Who asks is not known (401).
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in or send a token", detail)
            .header(header::WWW_AUTHENTICATE, "Bearer realm=\"ottwatch\"")
    }

    /// Who asks is known and may not (403).
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, "Not allowed", detail)
    }

    /// The request was made for another revision than the stored one (412).
    pub fn stale(stored: ETag) -> Self {
        let detail = format!("it was changed in between: its ETag is {stored} now; read it, and change that");
        Self::new(StatusCode::PRECONDITION_FAILED, "stale", "Changed by somebody else", detail)
            .header(header::ETAG, stored.to_string())
    }

    /// Too often (429); again in so many seconds.
    pub fn too_many(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail)
            .header(header::RETRY_AFTER, retry_after_s.max(1).to_string())
    }

    /// A server behind us failed; the caller may try again.
    pub fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::warn!(error, "a request could not be answered");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Temporarily unavailable",
            "the database or the bus does not answer; try again",
        )
        .header(header::RETRY_AFTER, "2")
    }

    /// Our own fault (500).
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Our own fault", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name.clone(), value);
            }
        }
        // For `around`, which knows the request and writes the body anew with its path and id.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_with_their_status() {
        for (problem, status, name, value) in [
            (Problem::unauthorized("x"), 401, header::WWW_AUTHENTICATE, "Bearer realm=\"ottwatch\""),
            (Problem::stale(ETag(7)), 412, header::ETAG, "\"7\""),
            (Problem::too_many("x", 0), 429, header::RETRY_AFTER, "1"),
            (Problem::unavailable(&std::fmt::Error), 503, header::RETRY_AFTER, "2"),
        ] {
            let response = problem.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[name], value);
            assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        }
    }

    #[test]
    fn one_wrong_part_is_the_detail_and_many_are_counted() {
        let item = || ErrorItem::new("/spec", "invalid-value", "is no object").example(serde_json::json!({}));
        let one = serde_json::to_value(Problem::invalid(vec![item()])).unwrap();
        assert_eq!(one["detail"], "/spec: is no object");
        assert_eq!(one["errors"][0]["example"], serde_json::json!({}));
        let two = serde_json::to_value(Problem::invalid(vec![item(), item()])).unwrap();
        assert_eq!(two["detail"], "2 parts of the body are wrong; nothing was changed");
    }
}
