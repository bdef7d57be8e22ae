use ow_domain::{Severity, Span};

use super::scte35;
use crate::input::{AdEvent, PlaylistStep};
use crate::outcome::{Outcome, exact_seconds};

crate::check! {
    /// Detects:       A break that was longer or shorter than announced, in media time.
    /// Matters:       Ads are cut, or a slate fills what is left.
    /// Usual causes:  A late return by automation, no cut at the splice, a break ended early on purpose (told as information).
    /// Stays quiet:   Within half a second, and for breaks of which the begin was not seen.
    id: "ad-break-duration-mismatch", title: "Break is not as long as announced", severity: Minor, hold: "EV, H3/10", clear: "C10",
    since: "0.1", spec: [scte35("9.8.2")], input: PlaylistStep, scope: Track, params: {
        break_tol_s: f64 = 0.5, "seconds";
        major_s: f64 = 5.0, "seconds over";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    for event in &input.ads.events {
        let AdEvent::In { line, msn, length, .. } = event else { continue };
        let Some((lasted, planned)) = length else {
            out.unknown();
            continue;
        };
        let over = *lasted - *planned;
        if over.abs() <= Span::from_secs_f64(params.break_tol_s) {
            out.pass();
            continue;
        }
        let severity = if over.is_negative() {
            Severity::Info
        } else if over > Span::from_secs_f64(params.major_s) {
            Severity::Major
        } else {
            Severity::Minor
        };
        let (value, limit) = (exact_seconds(*lasted), exact_seconds(*planned));
        let message = format!("the break that ended at segment {msn} lasted {value}; {limit} as announced expected");
        out.fail(severity, value, limit, message).line(*line).fact("difference", exact_seconds(over));
    }
}
