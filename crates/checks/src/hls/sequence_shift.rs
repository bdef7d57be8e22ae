use ow_domain::Severity;
use ow_timeline::Classification;

use super::rendition;
use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       The same segments under other numbers.
    /// Matters:       Players identify segments by number: they repeat or skip content, or stop.
    /// Usual causes:  Two packagers with different counters behind one balancer, a counter that was set by hand.
    /// Stays quiet:   When numbers and segments move together.
    id: "hls-sequence-shift", title: "Segments renumbered", severity: Critical, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("4.4.3.2"), bis("6.2.2")], input: PlaylistStep, scope: Stream, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Classification::SequenceShift { k, n_segments, accepted } = input.step.classification else { return };
    let value = format!("numbers shifted by {k:+}");
    let message = format!("{}: {n_segments} known segments have {value}; unchanged numbers expected", rendition(input));
    let line = input.playlist.and_then(|p| p.media_sequence).map_or(0, |at| at.line);
    out.fail(Severity::Critical, value, "unchanged numbers", message)
        .line(line)
        .fact("k", k)
        .fact("accepted as the new numbering", accepted)
        .fact("alternations", input.step.alternations)
        .previous_digest(input.previous_digest);
}
