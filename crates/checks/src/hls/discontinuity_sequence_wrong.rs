use ow_domain::Severity;
use ow_timeline::DsnVerdict;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A segment whose discontinuity sequence number differs from when it was first listed.
    /// Matters:       Players align renditions by this number: audio and video drift apart or playback stops.
    /// Usual causes:  EXT-X-DISCONTINUITY-SEQUENCE raised too early or never when a tag leaves the window.
    /// Stays quiet:   While the tag is still on the first segment, and across numbers the probe did not see.
    id: "hls-discontinuity-sequence-wrong", title: "Discontinuity sequence wrong", severity: Major, hold: "H2",
    clear: "C1", since: "0.1", spec: [bis("4.4.3.3"), bis("6.2.2")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() {
        return;
    }
    // Never sent at all: hls-discontinuity-sequence-missing.
    if input.playlist.is_some_and(|p| p.discontinuity_sequence.is_none()) {
        out.unknown();
        return;
    }
    match &input.step.dsn {
        DsnVerdict::Unknown => {
            out.unknown();
        }
        DsnVerdict::Consistent => {
            out.pass();
        }
        DsnVerdict::Wrong { msn, expected, found, at_least, n_segments } => {
            let limit = if *at_least { format!("at least {expected}") } else { expected.to_string() };
            let value = found.to_string();
            let message = format!("segment {msn} has discontinuity sequence {value}; {limit} expected");
            let line = input.playlist.and_then(|p| p.discontinuity_sequence).map_or(0, |at| at.line);
            out.fail(Severity::Major, value, limit, message)
                .line(line)
                .fact("segments", n_segments)
                .previous_digest(input.previous_digest);
        }
    }
}
