use ow_domain::capture::{BodyEnd, FailureKind, ObjectKind, Phase, Response};
use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       Requests without a first byte in time, or whose body does not end in time without a pause.
    /// Matters:       Players stall; a player that waits for a playlist has no newer content.
    /// Usual causes:  An overloaded origin, storage that hangs, a load balancer without a healthy member.
    /// Stays quiet:   For one slow answer in five, and for children of an entry that fails itself.
    id: "http-timeout", title: "Request times out", severity: Major, hold: "H2/5", clear: "C3",
    since: "0.1", spec: [op()], input: Load, scope: Track, params: {},
}

/// A pause this long is a stall.
const STALL: Span = Span::from_secs(1);

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let kind = match load.capture.object {
        ObjectKind::Mvp | ObjectKind::MediaPlaylist | ObjectKind::Mpd => "manifest",
        ObjectKind::Init | ObjectKind::Segment | ObjectKind::Part => "segment",
        ObjectKind::Key => "key",
        ObjectKind::Probe => return,
    };
    let exchange = &load.capture.exchange;
    let what = match (load.failure(), load.body_end()) {
        (Some((Phase::Request, FailureKind::TimedOut)), _) => "the first byte",
        (Some((Phase::Body, FailureKind::TimedOut)), _) | (None, Some(BodyEnd::TimedOut)) => "the last byte",
        (None, Some(_)) => {
            out.pass().reason(kind);
            return;
        }
        _ => {
            out.unknown().reason(kind);
            return;
        }
    };
    // A body that began and then stopped is told by http-body-stall.
    let stalled = exchange.timings.longest_stall_us.is_some_and(|us| us > STALL.micros());
    let begun = |r: &Response| r.body_bytes > 0 && r.content_length.is_some() && matches!(r.status, 200 | 206);
    let stopped = load.response().is_some_and(|r| r.body_end == BodyEnd::TimedOut && begun(r)) && stalled;
    if stopped && load.capture.late_polls == 0 {
        out.unknown().reason(kind);
        return;
    }
    if load.entry_failed {
        out.unknown().reason(kind);
        return;
    }
    let took = seconds(exchange.took());
    let message = format!("{} not complete after {took}; {what} expected by then", load.object_name());
    let severity = Severity::Major;
    let mut at = out.fail(severity, took, what, message).reason(kind);
    if let Some(ttfb) = exchange.timings.ttfb_us {
        at = at.fact("first byte after", seconds(Span::from_micros(ttfb)));
    }
    if let Some(response) = load.response() {
        at.fact("bytes received", response.body_bytes);
    }
}
