use ow_domain::Severity;

use crate::input::PartsLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Hints that name another resource than the next part turns out to be.
    /// Matters:       Players load what they cannot use, and load the part again when it is listed.
    /// Usual causes:  A packager that counts the parts of a segment wrongly at its end, hints made for another rendition.
    /// Stays quiet:   For one in five, as where a break ends early and the hint is taken back, and for parts that are gaps.
    id: "llhls-preload-hint-mismatch", title: "Parts are not what was hinted", severity: Minor, hold: "H1",
    clear: "C20", since: "0.1", spec: [bis("4.4.5.3"), bis("6.2.6")], input: PartsLoad, scope: Track, params: {
        share_percent: f64 = 20.0, "percent of the last fifty parts";
        full: f64 = 50.0, "parts on which the share is taken, also while fewer are known";
    },
}

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(share) = load.hints else {
        out.unknown();
        return;
    };
    let limit = params.share_percent * params.full / 100.0;
    if share.n as f64 <= limit {
        out.pass();
        return;
    }
    let value = format!("{} of {}", share.n, share.of);
    let limit = format!("{limit:.0}");
    let message = format!("{value} parts were not what was hinted; at most {limit} expected");
    out.fail(Severity::Minor, value, limit, message);
}
