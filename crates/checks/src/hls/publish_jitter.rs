use ow_domain::{Severity, Span};

use crate::input::PlaylistStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       A spread of publication times against the media they bring that is more than polling explains.
    /// Matters:       Viewers near the live edge stall though no single segment is late enough to be stale.
    /// Usual causes:  An overloaded packager or upload, a cache with uneven lifetimes.
    /// Stays quiet:   Below a quarter of the target duration, and where the distance of the polls alone explains it.
    id: "hls-publish-jitter", title: "Segments come unevenly", severity: Warning, hold: "H2", clear: "C2",
    since: "0.1", spec: [op()], input: PlaylistStep, scope: Track, params: {share: f64 = 0.25, "share of the target duration"; segments: f64 = 50.0, "segments looked at";},
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    if !step.is_accepted() || input.capture.late_polls > 0 {
        out.unknown();
        return;
    }
    let span = step.target_duration.mul_ratio((params.segments * 1000.0) as i64, 1000);
    let Some(rhythm) = input.history.rhythm(span).filter(|r| f64::from(r.n_segments) >= params.segments * 0.8) else {
        out.unknown();
        return;
    };
    // A poll tells when a segment came up to its distance from the poll before: what lies within an interval of that
    // length cannot spread by more than half of it.
    let of_polling = rhythm.resolution.mul_ratio(1, 2);
    let limit = Span::from_secs_f64(step.target_duration.secs_f64() * params.share).max(of_polling);
    if rhythm.deviation <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (exact_seconds(rhythm.deviation), exact_seconds(limit));
    let message = format!(
        "publication of {} segments spreads by {value} (standard deviation); at most {limit} expected",
        rhythm.n_segments
    );
    out.fail(Severity::Warning, value, limit, message);
}
