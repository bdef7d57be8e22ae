use ow_domain::Severity;

use super::rendition;
use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       EXT-X-TARGETDURATION that differs from the poll before, in the same timeline.
    /// Matters:       Players compute buffers and reload times from it once; segments get lost or stalls begin.
    /// Usual causes:  A packager that computes it from what is in the window, a changed profile without restart.
    /// Stays quiet:   When a new timeline began (a restart), which is reported as such.
    id: "hls-targetduration-changed", title: "Target duration changed", severity: Major, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("6.2.1")], input: PlaylistStep, scope: Stream, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(changed) = input.step.target_duration_changed.filter(|_| !input.step.is_new_epoch()) else { return };
    let (value, limit) = (format!("{} s", changed.after), format!("{} s", changed.before));
    let message = format!("the target duration of {} is {value} now; {limit} as before expected", rendition(input));
    let line = input.playlist.and_then(|p| p.target_duration).map_or(0, |at| at.line);
    out.fail(Severity::Major, value, limit, message).line(line).previous_digest(input.previous_digest);
}
