use ow_domain::capture::ObjectKind;
use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       The oldest segment of the time shift buffer answers 404 or 410 while the MPD still promises it.
    /// Matters:       Viewers who paused or went back run into errors at the far end of the window.
    /// Usual causes:  Cleaning of the storage that is configured shorter than timeShiftBufferDepth, a cache that drops what is rarely asked.
    /// Stays quiet:   Outside the window; as an alarm also in the last segment duration after it, about which the texts differ.
    id: "dash-segment-expired-early", title: "Segments leave before their time", severity: Minor, hold: "H2", clear: "C2",
    since: "0.2", spec: [rfc("DASH-IF Live Timing Model", "time shift buffer"), iso_dash("5.3.9.5.3")], input: Load,
    scope: Track, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let capture = load.capture;
    let promised = capture.promised.as_ref().filter(|_| capture.object == ObjectKind::Segment && capture.extra);
    let Some((promised, dash)) = promised.and_then(|p| Some((p, p.dash.as_ref()?))) else { return };
    let (Some(from), Some(window), Some(duration)) = (dash.available_at, dash.time_shift_us, promised.duration_us)
    else {
        return;
    };
    let status = load.response().map(|r| r.status);
    if capture.exchange.is_complete_success() {
        out.pass();
        return;
    }
    // The first failure decides nothing: the probe asks once more on a new connection.
    if !matches!(status, Some(404 | 410)) || !capture.retry {
        out.unknown();
        return;
    }
    let end = from + Span::from_micros(dash.ato_us.unwrap_or(0));
    let age = capture.exchange.t_req - end;
    let (window, duration) = (Span::from_micros(window), Span::from_micros(duration));
    let uncertainty = Span::from_micros(capture.clock_uncertainty_us);
    let severity = if age + uncertainty < window {
        Severity::Minor
    } else if age <= window + duration + uncertainty {
        Severity::Info
    } else {
        out.unknown();
        return;
    };
    let value = status.unwrap_or_default().to_string();
    let limit = format!("an answer up to {}", seconds(window));
    let message = format!("a segment that ended {} ago answers {value}; {limit} expected", seconds(age));
    out.fail(severity, value, limit, message)
        .fact("time shift buffer", exact_seconds(window))
        .fact("segment duration", exact_seconds(duration))
        .fact("segment number", promised.number.unwrap_or_default());
}
