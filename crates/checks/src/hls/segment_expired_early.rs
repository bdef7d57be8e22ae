use ow_domain::capture::ObjectKind;
use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::{bis, rfc};

crate::check! {
    /// Detects:       A segment that answers 404 or 410 right after it has left the playlist.
    /// Matters:       Players that were a little behind or paused are still on their way to it, and stall.
    /// Usual causes:  A packager or a cleaning job that deletes what it no longer lists, storage shorter than the window.
    /// Stays quiet:   Once the shorter of the two limits that the texts give has passed, and when the second try works.
    id: "hls-segment-expired-early", title: "Segments vanish with their listing", severity: Minor, hold: "H2", clear: "C2",
    since: "0.2", spec: [rfc("RFC 8216", "6.2.2"), bis("6.2.2")], input: Load, scope: Track, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let capture = load.capture;
    let promised = capture.promised.as_ref().filter(|_| capture.object == ObjectKind::Segment);
    let Some((promised, removed)) = promised.and_then(|p| Some((p, p.removed?))) else { return };
    if capture.exchange.is_complete_success() {
        out.pass();
        return;
    }
    let status = load.response().map(|r| r.status);
    // The first failure decides nothing: the probe asks once more on a new connection.
    if !matches!(status, Some(404 | 410)) || !capture.retry {
        out.unknown();
        return;
    }
    let kept = Span::from_micros(removed.window_us) + Span::from_micros(promised.duration_us.unwrap_or(0));
    // RFC 8216 counts from the removal, its successor from the first listing: both are violated, or nothing is said.
    let until = (removed.last_listed_at + kept).min(removed.first_listed_at + kept);
    let now = capture.exchange.t_req;
    if now + Span::from_micros(capture.clock_uncertainty_us) >= until {
        out.unknown();
        return;
    }
    let value = status.unwrap_or_default().to_string();
    let limit = format!("an answer for {}", seconds(kept));
    let message = format!(
        "a segment first listed {} ago has left the playlist and answers {value}; {limit} expected",
        seconds(now - removed.first_listed_at)
    );
    out.fail(Severity::Minor, value, limit, message)
        .fact("segment number", promised.number.unwrap_or_default())
        .fact("longest playlist", exact_seconds(Span::from_micros(removed.window_us)))
        .fact("last listed", removed.last_listed_at);
}
