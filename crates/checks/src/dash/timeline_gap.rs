use ow_domain::{Severity, Span};
use ow_timeline::dash::DashTrackStep;

use super::{is_new_version, times};
use crate::input::MpdStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A hole between two segments of a SegmentTimeline.
    /// Matters:       There is no media for that time: players stall, jump over it, or stop.
    /// Usual causes:  An encoder that lost its input, a packager that dropped a segment, a restart inside of a Period.
    /// Stays quiet:   Up to one sample or a millisecond; holes of two frames are a warning only.
    id: "dash-timeline-gap", title: "Hole in the timeline", severity: Major,
    hold: "H2", clear: "C2", since: "0.1",
    spec: [rfc("DASH-IF Live Timing Model", "segment references"), iso_dash("5.3.9.6")], input: MpdStep,
    scope: Stream, params: {
        warning_frames: f64 = 2.0, "frames";
        minor_durations: f64 = 0.5, "segment durations";
    },
}

fn run(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    if !is_new_version(input) {
        return;
    }
    let holes = input.step.tracks.iter().flat_map(|t| t.seams.iter().map(move |seam| (t, seam)));
    let worst = holes.filter(|(_, seam)| seam.size > Span::ZERO).max_by_key(|(_, seam)| seam.size);
    let Some((track, seam)) = worst else {
        out.pass();
        return;
    };
    let nominal = track.nominal.unwrap_or(seam.size);
    let severity = if seam.size <= times(frame(input, track), params.warning_frames) {
        Severity::Warning
    } else if seam.size <= times(nominal, params.minor_durations) {
        Severity::Minor
    } else {
        Severity::Major
    };
    let n = input.step.tracks.iter().filter(|t| t.seams.iter().any(|s| s.size > Span::ZERO)).count();
    let value = format!("{} after", exact_seconds(seam.size));
    let limit = format!("{}", seam.end);
    let message = format!(
        "a segment of {} starts at {}, {value} the one before it ends; {limit} expected",
        track.track, seam.start
    );
    out.fail(severity, value, limit, message)
        .fact("renditions", n)
        .fact("period", &*track.period)
        .fact("timescale", track.timescale)
        .fact("segment duration", exact_seconds(nominal));
}

/// One frame of the rendition, 40 ms where its rate is not declared.
fn frame(input: &MpdStep<'_>, track: &DashTrackStep) -> Span {
    let declared = input.presentation.tracks().find(|(_, t)| t.track.id == track.track);
    let rate = declared.and_then(|(_, t)| t.track.frame_rate_milli).filter(|rate| *rate > 0);
    rate.map_or(Span::from_millis(40), |rate| Span::from_secs(1_000).mul_ratio(1, i64::from(rate)))
}
