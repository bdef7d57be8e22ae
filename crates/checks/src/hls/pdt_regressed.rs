use ow_domain::{Severity, Span};

use crate::input::PlaylistStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A segment whose date-time lies before that of the segment in front of it.
    /// Matters:       Players cannot map time to segments: seeking, sync and breaks fail.
    /// Usual causes:  A packager clock that was set back, content of an archive spliced in without a mark.
    /// Stays quiet:   Up to one second, and across a DISCONTINUITY, which is judged as a jump.
    id: "hls-pdt-regressed", title: "Program date-time runs back", severity: Major, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("4.4.4.6"), bis("6.2.1")], input: PlaylistStep, scope: Track, params: {back_s: f64 = 1.0, "seconds";},
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(playlist) = input.playlist.filter(|_| step.is_accepted()) else { return };
    let limit = Span::from_secs_f64(params.back_s);
    for pdt in step.pdt_steps.iter().filter(|s| s.same_dsn) {
        let Some(back) = runs_back(pdt, playlist, limit) else {
            out.pass();
            continue;
        };
        let (value, limit) = (exact_seconds(back), exact_seconds(limit));
        let message = format!("the date-time of segment {} runs back by {value}; at most {limit} expected", pdt.msn);
        out.fail(Severity::Major, value, limit, message).fact("segment number", pdt.msn);
    }
}

/// How far the date-time lies before that of the segment in front, where that is more than `limit`.
pub(super) fn runs_back(pdt: &ow_timeline::PdtStep, playlist: &ow_hls::MediaPlaylist, limit: Span) -> Option<Span> {
    let before = playlist.segments.iter().rev().find(|s| s.msn < pdt.msn)?;
    let distance = Span::from_micros(before.duration_us) + pdt.step;
    (distance < -limit).then_some(-distance)
}
