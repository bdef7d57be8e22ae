use ow_domain::Severity;

use crate::input::LadderLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A set of renditions that changes again and again within ten minutes.
    /// Matters:       Players start with whatever they happen to get; some lose the rendition that they play.
    /// Usual causes:  Two origins with different profiles behind one name, an encoder that restarts in a loop.
    /// Stays quiet:   For a few changes (a planned one and its return), and when only bitrates change.
    id: "ladder-rendition-flapping", title: "Set of renditions flaps", severity: Major, hold: "H1", clear: "C600s",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {
        ladder_changes_max: f64 = 3.0, "changes in 600 s";
    },
}

fn run(input: &LadderLoad<'_>, params: &Params, out: &mut Outcome) {
    if f64::from(input.n_changes) <= params.ladder_changes_max {
        out.pass();
        return;
    }
    let value = format!("{} changes in 600 s", input.n_changes);
    let limit = format!("at most {}", params.ladder_changes_max);
    let message = format!("the set of renditions made {value}; {limit} expected");
    out.fail(Severity::Major, value, limit, message);
}
