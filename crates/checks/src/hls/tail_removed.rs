use ow_domain::Severity;
use ow_timeline::Classification;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       The newest segments are gone from the list while its head moved on.
    /// Matters:       Players that loaded them lose their place at the live edge.
    /// Usual causes:  A packager that withdraws segments it could not finish, two writers of one playlist.
    /// Stays quiet:   For old copies of the playlist, which are reported as such.
    id: "hls-tail-removed", title: "Newest segments withdrawn", severity: Major, hold: "H1", clear: "C1",
    since: "0.1", spec: [bis("6.2.1")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Classification::TailRemoved { n_removed, last_msn } = input.step.classification else {
        if input.step.is_accepted() {
            out.pass();
        }
        return;
    };
    let limit = format!("segment {}", last_msn.saturating_add(n_removed));
    let value = format!("segment {last_msn}");
    let message = format!("the list ends at {value} now; {limit} or later expected as newest");
    out.fail(Severity::Major, value, limit, message)
        .fact("segments withdrawn", n_removed)
        .previous_digest(input.previous_digest);
}
