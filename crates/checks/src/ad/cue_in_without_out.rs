use ow_domain::Severity;

use crate::input::{AdEvent, PlaylistStep};
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       The end of a break that never began.
    /// Matters:       The begin was lost: the break could not be sold.
    /// Usual causes:  A cue dropped between encoder and packager, a return sent twice.
    /// Stays quiet:   Until a break was seen to end, since the watching may have begun inside one, and after missed segments.
    id: "ad-cue-in-without-out", title: "Break ends that never began", severity: Minor, hold: "EV", clear: "C1",
    since: "0.1", spec: [op()], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    for event in &input.ads.events {
        let AdEvent::In { line, msn, unexpected, .. } = event else { continue };
        if !unexpected {
            out.pass();
            continue;
        }
        let (value, limit) = ("no break open", "one");
        let message = format!("a break ends at segment {msn} with {value}; {limit} expected");
        out.fail(Severity::Minor, value, limit, message).line(*line);
    }
}
