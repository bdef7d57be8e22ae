use ow_domain::Severity;

use super::rendition;
use crate::input::PlaylistStep;
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       The playlist continues as another timeline: unknown segments, numbers that start again, seen twice.
    /// Matters:       Players at the live edge stall or stop; without a DISCONTINUITY decoders fail too.
    /// Usual causes:  A packager restart without its state, a failover to a standby with its own counters.
    /// Stays quiet:   Until a second look confirms it; what follows from the restart is not reported again.
    id: "hls-timeline-reset", title: "Timeline started again", severity: Major, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("6.2.2")], input: PlaylistStep, scope: Stream, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(reset) = input.step.timeline_reset() else { return };
    let critical = reset.lower_msn && !reset.seam_marked;
    let severity = if critical { Severity::Critical } else { Severity::Major };
    let value = format!("numbers {} to {}", reset.new_first_msn, reset.new_last_msn);
    let limit = format!("numbers after {}", reset.old_last_msn);
    let seam = if reset.seam_marked { "with" } else { "without" };
    let message = format!("{} started again {seam} a DISCONTINUITY: {value}; {limit} expected", rendition(input));
    let mut at = out
        .fail(severity, value, limit, message)
        .fact("first seen", reset.first_seen_end)
        .fact("polls that showed it", reset.n_polls)
        .fact("discontinuity sequence continues", reset.dsn_continues)
        .previous_digest(input.previous_digest);
    if let Some(step) = reset.pdt_step {
        at = at.fact("PROGRAM-DATE-TIME step", seconds(step));
    }
    if let Some(continues) = reset.pdt_continues {
        at.fact("PROGRAM-DATE-TIME continues", continues);
    }
}
