use ow_domain::{Severity, Span};

use crate::input::PlaylistStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       The date-time of a segment that was listed before is another one now.
    /// Matters:       Players that placed the segment keep the old time; renditions and breaks fall apart.
    /// Usual causes:  A packager that computes date-times anew from its clock at every write.
    /// Stays quiet:   Up to 50 ms, and for a date-time on the head only, as much rounding as segments were removed.
    id: "hls-pdt-rewritten", title: "Program date-time of a listed segment moved", severity: Minor, hold: "H2", clear: "C2",
    since: "0.1", spec: [bis("6.2.1")], input: PlaylistStep, scope: Track, params: {moved_s: f64 = 0.05, "seconds, for each segment removed since as well";},
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(playlist) = input.playlist.filter(|_| step.is_accepted()) else { return };
    if playlist.segments.iter().all(|s| s.program_date_time.is_none()) {
        return;
    }
    let Some(moved) = &step.pdt_moved else {
        out.pass();
        return;
    };
    let rounding = i64::try_from(moved.n_removed_since).unwrap_or(i64::MAX).saturating_add(1).min(1_000_000);
    let limit = Span::from_secs_f64(params.moved_s).mul_ratio(rounding, 1);
    let by = (moved.after - moved.before).abs();
    if by <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (exact_seconds(by), exact_seconds(limit));
    let message = format!("the date-time of segment {} moved by {value}; at most {limit} expected", moved.msn);
    out.fail(Severity::Minor, value, limit, message)
        .fact("before", moved.before)
        .fact("after", moved.after)
        .fact("segments", moved.n_segments)
        .previous_digest(input.previous_digest);
}
