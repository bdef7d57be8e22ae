use ow_domain::capture::TrackKind;
use ow_domain::{Severity, Span};

use crate::input::{AdEvent, Placed, PlaylistStep};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{has, op};

crate::check! {
    /// Detects:       A break that is marked at another segment than the one its splice time falls on, or a splice inside a segment.
    /// Matters:       Inserted ads cover the last seconds of programme, or programme shows before it.
    /// Usual causes:  Markers written to the segment in work instead of the next, an encoder that set no key frame at the splice.
    /// Stays quiet:   For a cue tag on the first boundary after the splice (the point was snapped), and for early announcements.
    id: "ad-splice-not-on-boundary", title: "Splice is not on a segment boundary", severity: Minor, hold: "EV, H3/10", clear: "C10",
    since: "0.1", spec: [has("Ad insertion"), op()], input: PlaylistStep, scope: Track, params: {
        splice_tol_s: f64 = 0.04, "seconds, or one frame where that is longer";
        major_s: f64 = 0.5, "seconds";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let track = input.capture.track.as_ref();
    // Audio is cut at its own access units.
    if track.is_some_and(|t| !matches!(t.kind, TrackKind::Video | TrackKind::Muxed)) {
        return;
    }
    let frame_rate = track.and_then(|t| t.frame_rate_milli).filter(|rate| *rate > 0);
    let frame = frame_rate.map_or(Span::ZERO, |rate| Span::from_micros(1_000_000_000 / i64::from(rate)));
    // Dates have milliseconds.
    let limit = Span::from_secs_f64(params.splice_tol_s).max(frame) + Span::from_millis(1);
    for event in &input.ads.events {
        let (line, placed, what) = match event {
            AdEvent::Out { line, placed, .. } => (*line, *placed, "the cue for a break"),
            AdEvent::In { line, placed, .. } => (*line, *placed, "the cue for the end of a break"),
            AdEvent::Start { line, placed } => (*line, *placed, "the nearest segment start"),
            _ => continue,
        };
        let Placed::Off(off) = placed else {
            out.unknown();
            continue;
        };
        if off.abs() <= limit {
            out.pass();
            continue;
        }
        let major = off.abs() > Span::from_secs_f64(params.major_s);
        let severity = if major { Severity::Major } else { Severity::Minor };
        let (value, limit) = (exact_seconds(off.abs()), exact_seconds(limit));
        let side = if off > Span::ZERO { "before" } else { "after" };
        let message = format!("{what} stands {value} {side} the splice; at most {limit} expected");
        out.fail(severity, value, limit, message).line(line).fact("splice minus marker", exact_seconds(off));
    }
}
