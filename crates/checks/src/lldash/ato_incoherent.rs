use ow_domain::capture::ObjectKind;
use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       availabilityTimeOffset of a segment or more, or segments that are not there at the time that it promises.
    /// Matters:       Low-latency players ask at that time: they get 404, wait, and fall behind or stall.
    /// Usual causes:  An offset left from another segment duration, one in BaseURL and another in SegmentTemplate, no chunked output.
    /// Stays quiet:   Without an offset, with INF, where the probe's clock is known to half a second only, and for what comes within a chunk.
    id: "lldash-ato-incoherent", title: "availabilityTimeOffset promises too much", severity: Major, hold: "H3/10",
    clear: "C10", since: "0.2", spec: [iso_dash("5.3.9.5.1"), rfc("DASH-IF IOP 5 part 4", "availability time offset")],
    input: Load, scope: Track, params: {
        chunk_guard_s: f64 = 0.5, "seconds beyond the duration of a chunk";
        max_uncertainty_s: f64 = 0.5, "seconds";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let capture = load.capture;
    let Some(promised) = capture.promised.as_ref().filter(|_| capture.object == ObjectKind::Segment && !capture.extra)
    else {
        return;
    };
    let Some(dash) = promised.dash.as_ref() else { return };
    let Some(ato) = dash.ato_us.map(Span::from_micros).filter(|ato| *ato > Span::ZERO) else { return };
    let (Some(from), Some(duration)) = (dash.promised_from(promised.listed_at), promised.duration_us) else {
        out.unknown();
        return;
    };
    let duration = Span::from_micros(duration);
    if ato >= duration && duration > Span::ZERO {
        let (value, limit) = (exact_seconds(ato), exact_seconds(duration));
        let message =
            format!("availabilityTimeOffset is {value} in sum; less than the segment duration of {limit} expected");
        out.fail(Severity::Major, value, limit, message).reason("longer-than-segment");
        return;
    }
    out.pass().reason("longer-than-segment");
    let uncertainty = Span::from_micros(capture.clock_uncertainty_us);
    // What is missing of the segment when it may be asked for is one chunk.
    let chunk = duration - ato;
    let limit = chunk + Span::from_secs_f64(params.chunk_guard_s) + uncertainty;
    let came = capture.exchange.is_complete_success();
    if !came || uncertainty > Span::from_secs_f64(params.max_uncertainty_s) || capture.late_polls > 0 {
        out.unknown().reason("not-there");
        return;
    }
    // The last try that failed tells how late it was at least; of one that worked, when its first byte came.
    let waited = match dash.last_early {
        Some(last) => last - from,
        None => Span::from_micros(capture.exchange.timings.ttfb_us.unwrap_or(0)),
    };
    if waited <= limit {
        out.pass().reason("not-there");
        return;
    }
    let what = if dash.last_early.is_some() { "still answered an error" } else { "began" };
    let (value, limit) = (seconds(waited), seconds(limit));
    let message = format!(
        "a segment {what} {value} after the time that availabilityTimeOffset promises; its first chunk within {limit} expected"
    );
    let at = out
        .fail(Severity::Major, value, limit, message)
        .reason("not-there")
        .fact("promised from", from)
        .fact("availabilityTimeOffset", exact_seconds(ato))
        .fact("segment duration", exact_seconds(duration))
        .fact("tries", dash.n_early.saturating_add(1));
    if let Some(number) = promised.number {
        at.fact("segment number", number);
    }
}
