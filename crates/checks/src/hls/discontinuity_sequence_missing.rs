use ow_domain::Severity;
use ow_timeline::DsnVerdict;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       A discontinuity left the window and the playlist has no EXT-X-DISCONTINUITY-SEQUENCE.
    /// Matters:       Players align renditions by this number: some stop with an error at once.
    /// Usual causes:  A packager that never counts what it removes.
    /// Stays quiet:   While no discontinuity has left the window, and for VOD and EVENT playlists, which remove nothing.
    id: "hls-discontinuity-sequence-missing", title: "Discontinuity sequence is never sent", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("6.2.2"), has("8.10")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = input.playlist.filter(|_| input.step.is_accepted()) else { return };
    if playlist.discontinuity_sequence.is_some() {
        out.pass();
        return;
    }
    match &input.step.dsn {
        DsnVerdict::Unknown => {
            out.unknown();
        }
        DsnVerdict::Consistent => {
            out.pass();
        }
        DsnVerdict::Wrong { expected, found, .. } => {
            let left = expected.saturating_sub(*found).max(1);
            let (value, limit) = ("no EXT-X-DISCONTINUITY-SEQUENCE", format!("one of {left} or more"));
            let message = format!("discontinuities left the window and there is {value}; {limit} expected");
            out.fail(Severity::Major, value, limit, message).previous_digest(input.previous_digest);
        }
    }
}
