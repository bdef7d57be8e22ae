use ow_domain::capture::ObjectKind;
use ow_domain::{Severity, Span};

use super::times;
use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       Segments that answer 404 for more than a second after the time from which they are promised.
    /// Matters:       Players that trust the promise get errors at the live edge, and stall or give up.
    /// Usual causes:  A slow packager or storage, a wrong clock, availabilityTimeOffset that promises too much.
    /// Stays quiet:   Where the probe's clock is known to half a second only, and for segments that never come: those are http-status-segment.
    id: "dash-segment-late", title: "Segments come later than promised", severity: Minor, hold: "H3/10", clear: "C10",
    since: "0.1", spec: [iso_dash("5.3.9.5.3"), rfc("DASH-IF Live Timing Model", "segment availability times")],
    input: Load, scope: Track, params: {
        minor_min_s: f64 = 1.0, "seconds";
        minor_durations: f64 = 0.25, "segment durations";
        major_durations: f64 = 1.0, "segment durations";
        max_uncertainty_s: f64 = 0.5, "seconds";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let capture = load.capture;
    let Some(promised) = capture.promised.as_ref().filter(|_| capture.object == ObjectKind::Segment) else { return };
    let Some(dash) = promised.dash.as_ref().filter(|_| !capture.extra) else { return };
    let (Some(from), Some(duration)) = (dash.promised_from(promised.listed_at), promised.duration_us) else { return };
    let uncertainty = Span::from_micros(capture.clock_uncertainty_us);
    let came = capture.exchange.is_complete_success();
    if !came || uncertainty > Span::from_secs_f64(params.max_uncertainty_s) {
        out.unknown();
        return;
    }
    let Some(last) = dash.last_early else {
        out.pass();
        return;
    };
    // As late as availabilityTimeOffset promised it early: that is the offset, lldash-ato-incoherent.
    let offset = dash.ato_us.map(Span::from_micros).filter(|ato| *ato > Span::ZERO);
    if offset.is_some_and(|ato| last - from <= ato) {
        out.unknown();
        return;
    }
    // The last try that failed: the segment came after it, so this is the least that it was late.
    let late = last - from;
    let duration = Span::from_micros(duration);
    let minor = times(duration, params.minor_durations).max(Span::from_secs_f64(params.minor_min_s)) + uncertainty;
    let major = times(duration, params.major_durations).max(minor) + uncertainty;
    if late <= minor {
        match late <= times(minor, 0.9) {
            true => out.pass(),
            false => out.between(),
        };
        return;
    }
    let severity = if late > major { Severity::Major } else { Severity::Minor };
    let (value, limit) = (seconds(late), seconds(minor));
    let message = format!("a segment came at least {value} after its availability start; at most {limit} expected");
    out.fail(severity, value, limit, message)
        .fact("available from", from)
        .fact("last try that failed", last)
        .fact("first try that worked", capture.exchange.t_req)
        .fact("tries", dash.n_early + 1)
        .fact("segment duration", exact_seconds(duration))
        .fact("segment number", promised.number.unwrap_or_default());
}
