use ow_domain::Severity;

use crate::input::MpdStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A listed segment whose start or duration differs from the MPDs before.
    /// Matters:       Players that know the segment seek and switch to the wrong place, or fetch it twice.
    /// Usual causes:  Two packagers with cuts of their own behind one name, an encoder that corrects its durations later.
    /// Stays quiet:   When equal segments are only written otherwise (@r), and for differences below a millisecond.
    id: "dash-timeline-rewritten", title: "Listed segment changed between MPDs", severity: Major, hold: "H1",
    clear: "C1", since: "0.1", spec: [rfc("DASH-IF Live Timing Model", "segment references"), iso_dash("5.3.9.6")],
    input: MpdStep, scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() {
        return;
    }
    // A list that contradicts itself is told by dash-timeline-overlap.
    if input.step.tracks.iter().any(|t| t.seams.iter().any(|seam| seam.size.is_negative())) {
        out.unknown();
        return;
    }
    let mut changed = input.step.tracks.iter().filter_map(|t| Some((t, t.rewritten?)));
    let Some((track, rewrite)) = changed.next() else {
        out.pass();
        return;
    };
    let n = 1 + changed.count();
    let scale = track.timescale.max(1) as i64;
    let span = |ticks: u64| ow_domain::Span::from_secs(1).mul_ratio(i64::try_from(ticks).unwrap_or(i64::MAX), scale);
    let text = |s: &ow_timeline::dash::Listed| format!("{} at {}", exact_seconds(span(s.duration)), s.time);
    let (value, limit) = (text(&rewrite.after), text(&rewrite.before));
    let message = format!("a known segment of {} is {value} now; {limit} expected as before", track.track);
    out.fail(Severity::Major, value, limit, message)
        .fact("segments", rewrite.n)
        .fact("renditions", n)
        .fact("period", &*track.period)
        .fact("timescale", track.timescale)
        .previous_digest(input.previous_digest);
}
