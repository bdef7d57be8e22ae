use ow_domain::{Severity, Span};

use super::is_new_version;
use crate::input::MpdStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A segment of a SegmentTimeline that starts before the one before it ends.
    /// Matters:       Players drop or repeat media at the seam, and buffers are miscounted.
    /// Usual causes:  Durations that were not corrected after a late key frame, a timeline put together from two sources.
    /// Stays quiet:   Up to one tick or a millisecond: rounding of sample rates.
    id: "dash-timeline-overlap", title: "Segments overlap in the timeline", severity: Major, hold: "H2", clear: "C2",
    since: "0.1", spec: [rfc("DASH-IF Live Timing Model", "segment references"), iso_dash("5.3.9.6")], input: MpdStep,
    scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    if !is_new_version(input) {
        return;
    }
    let overlaps = input.step.tracks.iter().flat_map(|t| t.seams.iter().map(move |seam| (t, seam)));
    let worst = overlaps.filter(|(_, seam)| seam.size < Span::ZERO).min_by_key(|(_, seam)| seam.size);
    let Some((track, seam)) = worst else {
        out.pass();
        return;
    };
    let value = format!("{} early", exact_seconds(-seam.size));
    let limit = format!("{}", seam.end);
    let message = format!("a segment of {} starts at {}, {value}; {limit} expected", track.track, seam.start);
    out.fail(Severity::Major, value, limit, message)
        .fact("period", &*track.period)
        .fact("timescale", track.timescale)
        .fact("segments listed", track.n_listed);
}
