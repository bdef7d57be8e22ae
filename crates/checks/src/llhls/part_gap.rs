use ow_domain::Severity;

use crate::input::PartsLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Several of the last fifty parts are marked as gaps.
    /// Matters:       Each is a moment that low-latency viewers do not see.
    /// Usual causes:  A contribution that loses packets, an encoder that does not keep up, a packager that restarts.
    /// Stays quiet:   For one or two: a lost part that is marked is told as it should be.
    id: "llhls-part-gap", title: "Many parts are gaps", severity: Minor, hold: "H1", clear: "C20", since: "0.1",
    spec: [bis("4.4.4.9")], input: PartsLoad, scope: Track, params: {
        max_gaps: f64 = 2.0, "parts of the last fifty";
    },
}

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(share) = load.gaps else {
        out.unknown();
        return;
    };
    if share.n as f64 <= params.max_gaps {
        out.pass();
        return;
    }
    let (value, limit) = (format!("{} of {}", share.n, share.of), format!("{:.0}", params.max_gaps));
    let message = format!("{value} parts are marked GAP=YES; at most {limit} expected");
    out.fail(Severity::Minor, value, limit, message);
}
