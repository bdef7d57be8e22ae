use ow_domain::Severity;

use super::{rendition, target_durations};
use crate::input::PlaylistStep;
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       Media sequence numbers that run ahead of what real time allows.
    /// Matters:       Players at the live edge lose their place, skip content or stall.
    /// Usual causes:  A packager restarted with a wrong counter; two packagers behind one URL.
    /// Stays quiet:   When the probe itself missed polls: then the numbers may well have run on.
    id: "hls-media-sequence-jump", title: "Media sequence jumped ahead", severity: Major, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("6.2.2")], input: PlaylistStep, scope: Stream, params: {
        slack_target_durations: f64 = 2.0, "target durations";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let Some(jump) = input.step.forward_jump() else { return };
    let slack = target_durations(input.step.target_duration, params.slack_target_durations);
    if jump.probe_gap_exceeded_window || input.capture.late_polls > 0 {
        out.unknown();
        return;
    }
    if !jump.is_excessive(slack) {
        out.pass();
        return;
    }
    let (value, limit) = (seconds(jump.advanced), seconds(jump.available + slack));
    let name = rendition(input);
    let message = format!(
        "{name} went from segment {} to {}, {value} of media; at most {limit} expected for the time that passed",
        jump.from_msn, jump.to_msn
    );
    let line = input.playlist.and_then(|p| p.media_sequence).map_or(0, |at| at.line);
    out.fail(Severity::Major, value, limit, message)
        .line(line)
        .fact("numbers never listed", jump.missed)
        .fact("wall time", seconds(jump.available))
        .previous_digest(input.previous_digest);
}
