//! Strong ETags from row revisions, and the preconditions made of them (RFC 9110 §13).

use std::convert::Infallible;
use std::fmt;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::problem::Problem;

/// Revision of a row as an entity tag: `"7"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ETag(pub u64);

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl From<ETag> for HeaderValue {
    fn from(tag: ETag) -> Self {
        // Quotes and digits are always a header value.
        Self::from_str(&tag.to_string()).unwrap_or_else(|_| Self::from_static("\"0\""))
    }
}

/// `If-Match` of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    Absent,
    /// `*`: whatever is stored, if anything is.
    Any,
    /// One of these. Tags that are none of ours match nothing and are not kept.
    Revisions(Vec<u64>),
}

impl IfMatch {
    fn read(headers: &HeaderMap) -> Self {
        let mut revisions = Vec::new();
        let mut is_there = false;
        for value in headers.get_all(header::IF_MATCH) {
            is_there = true;
            for part in value.to_str().unwrap_or_default().split(',').take(32) {
                let part = part.trim();
                if part == "*" {
                    return Self::Any;
                }
                // A weak tag never matches strongly.
                let tag = part.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                revisions.extend(tag.and_then(|digits| digits.parse::<u64>().ok()));
            }
        }
        if is_there { Self::Revisions(revisions) } else { Self::Absent }
    }

    /// For PUT and DELETE, where a change without knowing what is changed is refused: 428.
    pub fn required(self) -> Result<Self, Problem> {
        if self != Self::Absent {
            return Ok(self);
        }
        let detail = "send the header 'If-Match' with the ETag that came with what you change, or '*' to change whatever is there";
        Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "if-match-required", "Which revision?", detail))
    }

    /// Whether a change of what is stored at `revision` is wanted; 412 otherwise.
    pub fn check(&self, revision: u64) -> Result<(), Problem> {
        if self.admits(revision) { Ok(()) } else { Err(Problem::stale(ETag(revision))) }
    }

    pub fn admits(&self, revision: u64) -> bool {
        match self {
            Self::Absent | Self::Any => true,
            Self::Revisions(revisions) => revisions.contains(&revision),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

/// A JSON answer with the ETag of its revision.
#[derive(Debug)]
pub struct Tagged<T> {
    pub revision: u64,
    pub body: T,
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, HeaderValue::from(ETag(self.revision)))], Json(self.body)).into_response()
    }
}

/// Whether who asks has this representation already: the answer may then be 304 without a body.
pub fn is_unmodified(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let (Some(wanted), Some(tag)) = (request.get(header::IF_NONE_MATCH), answer.get(header::ETAG)) else {
        return false;
    };
    let (Ok(wanted), Ok(tag)) = (wanted.to_str(), tag.to_str()) else { return false };
    wanted.trim() == "*" || wanted.split(',').any(|part| part.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn preconditions_hold_for_their_revision_only() {
        for (value, revision, admits) in [
            ("\"7\"", 7, true),
            ("\"7\"", 8, false),
            ("\"6\", \"7\"", 7, true),
            ("*", 7, true),
            ("W/\"7\"", 7, false),
            ("7", 7, false),
            ("\"x\"", 7, false),
            ("", 7, false),
        ] {
            let asked = IfMatch::read(&headers(header::IF_MATCH, value));
            assert_eq!(asked.clone().required().unwrap().admits(revision), admits, "{value}");
            assert_eq!(asked.check(revision).is_ok(), admits, "{value}");
        }
        let absent = IfMatch::read(&HeaderMap::new());
        assert!(absent.admits(7), "optional where it is not required");
        assert_eq!(absent.required().unwrap_err().status(), 428);
        assert_eq!(IfMatch::Revisions(vec![6]).check(7).unwrap_err().status(), 412);
    }

    #[test]
    fn what_one_has_is_not_sent_again() {
        for (asked, same) in [("\"7\"", true), ("W/\"7\"", true), ("\"1\", \"7\"", true), ("*", true), ("\"8\"", false)]
        {
            let answer = headers(header::ETAG, "\"7\"");
            assert_eq!(is_unmodified(&headers(header::IF_NONE_MATCH, asked), &answer), same, "{asked}");
        }
        assert!(!is_unmodified(&HeaderMap::new(), &headers(header::ETAG, "\"7\"")));
    }
}
