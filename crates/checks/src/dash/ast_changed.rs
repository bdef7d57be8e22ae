use ow_domain::{Severity, Time};

use crate::input::MpdStep;
use crate::outcome::Outcome;
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       availabilityStartTime is another instant than in the MPDs before.
    /// Matters:       Every segment moves in time: players jump, stall, or ask for segments that do not exist.
    /// Usual causes:  A packager that restarted at the same URL, two origins with clocks of their own, a manual change.
    /// Stays quiet:   When only the text changed and the instant did not; after two polls the new one is the rule.
    id: "dash-ast-changed", title: "availabilityStartTime changed", severity: Critical, hold: "H1", clear: "C1",
    since: "0.1", spec: [rfc("DASH-IF Live Timing Model", "MPD updates"), iso_dash("5.4")], input: MpdStep,
    scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    let Some((before, after)) = input.step.ast_changed else {
        if input.step.is_accepted() {
            out.pass();
        }
        return;
    };
    let text = |time: Option<Time>| time.map_or_else(|| "absent".to_owned(), |time| time.to_string());
    let (value, limit) = (text(after), text(before));
    let message = format!("availabilityStartTime is {value}; {limit} expected as before");
    let line = input.mpd.availability_start_time.map_or(0, |at| at.at.line);
    let mut at = out.fail(Severity::Critical, value, limit, message).line(line).previous_digest(input.previous_digest);
    if let (Some(before), Some(after)) = (before, after) {
        at = at.fact("moved by", after - before);
    }
    at.fact("epoch", input.step.epoch);
}
