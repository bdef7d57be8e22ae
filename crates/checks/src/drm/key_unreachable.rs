use ow_domain::capture::{BodyEnd, Capture, ObjectKind, Outcome as ExchangeOutcome, Response};
use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A key of EXT-X-KEY that answers with an error, slowly, or with the wrong number of bytes.
    /// Matters:       Without the key nothing of the stream can be played, although every segment is fine.
    /// Usual causes:  A key server in trouble, a key that was not published before its segments, an error page with status 200.
    /// Stays quiet:   For skd:, data: and DRM systems, which are not asked, and when no connection or answer came at all.
    id: "drm-key-unreachable", title: "Key cannot be fetched", severity: Critical, hold: "H2", clear: "C1", since: "0.1",
    spec: [bis("4.4.4.4"), bis("5")], input: Load, scope: Stream, params: {
        limit_s: f64 = 3.0, "seconds";
        key_auth: f64 = 0.0, "1 where the probe has no right to keys: 401 and 403 are fine";
    },
}

/// Bytes of a key by METHOD.
fn length_of(capture: &Capture) -> u64 {
    let method = capture.promised.as_ref().and_then(|p| p.key_method.as_deref());
    if matches!(method, Some("AES-256" | "AES-256-GCM")) { 32 } else { 16 }
}

/// The length that counts is that of the decoded body, which is not told of a coded one.
fn is_coded(capture: &Capture) -> bool {
    capture.exchange.header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
}

fn has_length(capture: &Capture, response: &Response) -> bool {
    is_coded(capture) || response.body_bytes == length_of(capture)
}

/// The answer is a key.
pub(crate) fn key_works(capture: &Capture) -> bool {
    match &capture.exchange.outcome {
        ExchangeOutcome::Response(r) => r.status == 200 && r.body_end == BodyEnd::Complete && has_length(capture, r),
        ExchangeOutcome::Failed(_) => false,
    }
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let capture = load.capture;
    if capture.object != ObjectKind::Key {
        return;
    }
    // No answer at all is the business of http-dns-failure and its siblings, a late one of http-timeout.
    let Some(response) = load.response().filter(|r| r.body_end != BodyEnd::TimedOut && r.status != 429) else {
        out.unknown();
        return;
    };
    // A key that once worked: players may still hold it.
    let severity = if capture.extra { Severity::Major } else { Severity::Critical };
    let took = capture.exchange.took();
    let status = response.status;
    let (reason, value, limit, what) = if params.key_auth > 0.0 && matches!(status, 401 | 403) {
        ("", String::new(), String::new(), "")
    } else if status != 200 {
        ("status", format!("status {status}"), "200".to_owned(), "answers with")
    } else if !has_length(capture, response) {
        let limit = format!("{} bytes", length_of(capture));
        ("length", format!("{} bytes", response.body_bytes), limit, "has")
    } else if took > Span::from_secs_f64(params.limit_s) {
        let limit = format!("at most {}", seconds(Span::from_secs_f64(params.limit_s)));
        ("slow", seconds(took), limit, "came after")
    } else {
        ("", String::new(), String::new(), "")
    };
    if reason.is_empty() {
        if load.other_key_fails {
            out.unknown();
        } else {
            out.pass();
        }
        return;
    }
    let message = format!("a key {what} {value}; {limit} expected");
    let at = out.fail(severity, value, limit, message).reason(reason);
    if let Some(method) = capture.promised.as_ref().and_then(|p| p.key_method.as_deref()) {
        at.fact("METHOD", method);
    }
}
