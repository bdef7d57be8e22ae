//! The HTTP exchange behind a capture: times, connection, answer or failure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Span, Time};

/// The HTTP exchange, as the wire did it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// Absolute URL asked for, before redirects. May carry tokens: print it with [`Exchange::url_without_query`].
    pub url: String,
    /// URL that answered after redirects, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_url: Option<String>,
    /// `scheme://host:port` that was asked.
    pub origin: String,
    pub method: String,
    /// When the request was started (before DNS).
    pub t_req: Time,
    /// When the last byte arrived, or the failure was known.
    pub t_end: Time,
    #[serde(default)]
    pub timings: Timings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFacts>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
    /// Addresses tried and how each failed, when more than the winning one was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_addresses: Vec<FailedAddress>,
    pub outcome: Outcome,
}

impl Exchange {
    /// The URL as it may be shown and logged: user, password, query and fragment removed.
    pub fn url_without_query(&self) -> String {
        printable_url(&self.url)
    }
    /// URL against which relative references resolve.
    pub fn base_url(&self) -> &str {
        self.final_url.as_deref().unwrap_or(&self.url)
    }
    /// Time from request start to last byte.
    pub fn took(&self) -> Span {
        self.t_end - self.t_req
    }
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Response(response) => Some(response.status),
            Outcome::Failed(_) => None,
        }
    }
    /// A 200 or 206 whose body is complete.
    pub fn is_complete_success(&self) -> bool {
        matches!(&self.outcome, Outcome::Response(r) if matches!(r.status, 200 | 206) && r.body_end == BodyEnd::Complete)
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        match &self.outcome {
            Outcome::Response(r) => {
                r.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
            }
            Outcome::Failed(_) => None,
        }
    }
}

/// `url` without user info, query and fragment: fit for logs and messages to people.
pub fn printable_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    match url.find("://") {
        Some(scheme) => {
            let rest = &url[scheme + 3..];
            let host_end = rest.find('/').unwrap_or(rest.len());
            match rest[..host_end].rfind('@') {
                Some(at) => format!("{}://{}", &url[..scheme], &rest[at + 1..]),
                None => url.to_owned(),
            }
        }
        None => url.to_owned(),
    }
}

/// Time per phase, microseconds. A phase that did not happen (reused connection, failure before) is absent, not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<i64>,
    /// Request fully sent to first byte of the response head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfb_us: Option<i64>,
    /// First byte of the head to last byte of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_us: Option<i64>,
    /// The request went over a connection used before.
    #[serde(default)]
    pub reused: bool,
    /// Longest pause between two reads of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_stall_us: Option<i64>,
    /// Lowest rate over two seconds of a body that took longer, bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest_bits_per_second: Option<u64>,
}

/// The certificate and session of a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsFacts {
    pub version: String,
    pub cipher: String,
    /// Earliest `notAfter` over the presented chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
    /// `notBefore` of the leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// SHA-256 of the leaf, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_sha256: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redirect {
    pub status: u16,
    pub location: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedAddress {
    pub addr: String,
    pub failure: FailureKind,
}

/// How the exchange ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A status line arrived; the body may still have ended early.
    Response(Response),
    /// No status line.
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    pub status: u16,
    /// Response headers with lower-case names, at most 64 of at most 1 KiB; credentials (`set-cookie`) left out.
    pub headers: Vec<(String, String)>,
    /// Bytes of body received, after removal of transfer coding, before content coding.
    pub body_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    pub body_end: BodyEnd,
    /// SHA-256 of the body as received (after content decoding), hex; absent when nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// First bytes of a body that is not what was asked for, printable ASCII only, at most 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sniff: Option<String>,
}

/// How the body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodyEnd {
    Complete,
    /// Fewer bytes than Content-Length, or chunked coding without its last chunk.
    Short,
    /// Connection reset while the body was arriving.
    Reset,
    /// The total or stall time limit passed.
    TimedOut,
    /// Our own size limit was reached; the rest was not read.
    TooLarge,
    /// Not read on purpose (error status, depth `manifest`).
    NotRead,
    /// The content coding could not be undone.
    BadEncoding,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    pub phase: Phase,
    pub kind: FailureKind,
    /// One line for people, without the query of any URL.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Refused by our own rules before anything was sent.
    Policy,
    Dns,
    Connect,
    Tls,
    /// Sending the request and waiting for the first byte of the answer.
    Request,
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Name does not exist.
    NameNotFound,
    /// Resolver failed or answered nothing.
    ResolverFailed,
    Refused,
    Unreachable,
    Reset,
    TimedOut,
    /// Connection closed without an answer.
    Closed,
    /// The answer is not HTTP.
    BadResponse,
    TooManyRedirects,
    RedirectLoop,
    BadRedirect,
    TlsNameMismatch,
    TlsExpired,
    TlsNotYetValid,
    TlsUntrusted,
    TlsAlert,
    TlsVersion,
    TlsOther,
    /// The address is one the probe may not ask (metadata service, link-local, or not allowed by policy).
    AddressForbidden,
    /// The URL cannot be used at all.
    BadUrl,
    /// The request was not made because the budget of the origin was used up.
    OverBudget,
    Other,
}

impl FailureKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameNotFound => "name-not-found",
            Self::ResolverFailed => "resolver-failed",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::TimedOut => "timed-out",
            Self::Closed => "closed",
            Self::BadResponse => "bad-response",
            Self::TooManyRedirects => "too-many-redirects",
            Self::RedirectLoop => "redirect-loop",
            Self::BadRedirect => "bad-redirect",
            Self::TlsNameMismatch => "tls-name-mismatch",
            Self::TlsExpired => "tls-expired",
            Self::TlsNotYetValid => "tls-not-yet-valid",
            Self::TlsUntrusted => "tls-untrusted",
            Self::TlsAlert => "tls-alert",
            Self::TlsVersion => "tls-version",
            Self::TlsOther => "tls-other",
            Self::AddressForbidden => "address-forbidden",
            Self::BadUrl => "bad-url",
            Self::OverBudget => "over-budget",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::printable_url;

    #[test]
    fn printable_urls_carry_no_secret() {
        for (url, expected) in [
            ("https://u:p@host:8443/a/b.m3u8?token=1#x", "https://host:8443/a/b.m3u8"),
            ("http://host/a", "http://host/a"),
            ("http://host?x@y", "http://host"),
            ("http://host/a@b", "http://host/a@b"),
            ("not a url?secret", "not a url"),
        ] {
            assert_eq!(printable_url(url), expected);
        }
    }
}
