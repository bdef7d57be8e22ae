use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::{bis, rfc};

crate::check! {
    /// Detects:       A byte range that the playlist names and the server does not honour: a 200 in full, or another range.
    /// Matters:       Players take the whole file for one segment: wrong content, and many times the traffic.
    /// Usual causes:  A server or cache without range support, a CDN rule that drops the header.
    /// Stays quiet:   For whole objects, and for 416 at the live edge of a file that still grows.
    id: "http-range-unsupported", title: "Byte ranges are not honoured", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [rfc("RFC 9110", "14.2"), bis("4.4.4.2")], input: Load, scope: Track, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    if !matches!(load.capture.object, ObjectKind::Segment | ObjectKind::Init) {
        return;
    }
    let Some((first, last)) = load.capture.promised.as_ref().and_then(|p| p.byte_range) else { return };
    let Some(response) = load.response().filter(|r| matches!(r.status, 200 | 206)) else {
        out.unknown();
        return;
    };
    let limit = format!("bytes {first}-{last}");
    let found = match (response.status, load.capture.exchange.header("content-range")) {
        // A file that is exactly the range may come whole.
        (200, _) if first == 0 && response.content_length == last.checked_add(1) => None,
        (200, _) => Some("the whole file".to_owned()),
        (_, Some(range)) if is_within(range, first, last) => None,
        (_, Some(range)) => Some(range.chars().take(60).collect()),
        (_, None) => Some("a part without Content-Range".to_owned()),
    };
    let Some(value) = found else {
        out.pass();
        return;
    };
    let message = format!("a request for a range got {value}; {limit} expected");
    out.fail(Severity::Major, value, limit, message);
}

/// `bytes a-b/n` begins where asked and ends there or earlier (the probe may ask for the head only).
fn is_within(range: &str, first: u64, last: u64) -> bool {
    let Some((from, rest)) = range.trim().strip_prefix("bytes ").and_then(|r| r.trim().split_once('-')) else {
        return false;
    };
    let to = rest.split('/').next().unwrap_or_default();
    from.trim().parse() == Ok(first) && to.trim().parse::<u64>().is_ok_and(|to| to <= last)
}
