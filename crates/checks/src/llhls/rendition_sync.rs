use ow_domain::{Severity, Span};

use crate::input::EdgesLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A rendition whose newest part ends more than a part before that of another one seen in the same burst.
    /// Matters:       A player that changes the rung, or needs sound to its picture, waits at the live edge.
    /// Usual causes:  An encoder or packager of one rung that is behind, one rung served through a slower path.
    /// Stays quiet:   Without date-times, for looks that are further apart than half a part, and for rounding.
    id: "llhls-rendition-sync", title: "Renditions end at different parts", severity: Minor, hold: "H3", clear: "C3",
    since: "0.1", spec: [bis("6.2.4"), bis("B.1")], input: EdgesLoad, scope: Track, params: {
        tol_s: f64 = 0.05, "seconds over one part target";
    },
}

fn run(load: &EdgesLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some((track, behind)) = &load.behind else {
        out.unknown();
        return;
    };
    if *behind <= load.part_target + Span::from_secs_f64(params.tol_s) {
        out.pass();
        return;
    }
    let (value, limit) = (exact_seconds(*behind), exact_seconds(load.part_target));
    let message = format!("the newest part ends {value} before that of {}; at most {limit} expected", track.as_str());
    out.fail(Severity::Minor, value, limit, message).fact("rendition ahead", track.as_str());
}
