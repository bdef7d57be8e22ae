use ow_domain::Severity;
use ow_timeline::EndList;

use super::rendition;
use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A playlist that said it had ended and goes on.
    /// Matters:       Players that saw the end have stopped; only those that start again come back.
    /// Usual causes:  An encoder that closed its output and was started again, two writers of one playlist.
    /// Stays quiet:   For an old copy from before the end.
    id: "hls-endlist-removed", title: "Ended playlist goes on", severity: Major, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("6.2.1"), bis("4.4.3.4")], input: PlaylistStep, scope: Stream, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    if input.step.end_list != EndList::Removed {
        return;
    }
    let value = "no EXT-X-ENDLIST any more";
    let message = format!("{} has {value}; EXT-X-ENDLIST as before expected", rendition(input));
    out.fail(Severity::Major, value, "EXT-X-ENDLIST as before", message).previous_digest(input.previous_digest);
}
