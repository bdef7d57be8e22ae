use ow_domain::Severity;
use ow_timeline::RegressedReason;

use super::rendition;
use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Playlists with lower numbers and unknown segments that come and go, or replace each other again and again.
    /// Matters:       Players lose their place, play content twice or stop.
    /// Usual causes:  Two packagers behind one address, a restart that was rolled back, state lost on one node.
    /// Stays quiet:   For old copies from caches, and for a restart that lasts, which is hls-timeline-reset.
    id: "hls-media-sequence-regressed", title: "Media sequence went back", severity: Major,
    hold: "major EV -> critical H1", clear: "C2", since: "0.1", spec: [bis("4.4.3.2"), bis("6.2.2")],
    input: PlaylistStep, scope: Stream, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(regressed) = &step.regressed else {
        if step.is_accepted() {
            out.pass();
        }
        return;
    };
    let (severity, reason, what) = match regressed.reason {
        RegressedReason::Transient => (Severity::Major, "transient", "came and went"),
        RegressedReason::Standing => (Severity::Critical, "standing", "replaced another unknown one"),
    };
    let value = format!("numbers {} to {}", regressed.first_msn, regressed.last_msn);
    let limit = format!("numbers after {}", regressed.accepted_last_msn);
    let message = format!("{}: a playlist with {value} {what}; {limit} expected", rendition(input));
    out.fail(severity, value, limit, message)
        .reason(reason)
        .fact("first seen", regressed.first_seen_end)
        .fact("alternations", step.alternations)
        .previous_digest(input.previous_digest);
}
