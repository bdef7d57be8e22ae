use ow_domain::Severity;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::rfc;

crate::check! {
    /// Detects:       A host that sends Access-Control-Allow-Origin with some answers of a kind and not with others.
    /// Matters:       Web players fail at random.
    /// Usual causes:  A cache that stored an answer to a request without Origin and lacks Vary: Origin; nodes set up differently.
    /// Stays quiet:   Unless the template says web clients, and when all answers of a kind agree.
    id: "http-cors-inconsistent", title: "Web players are allowed now and then", severity: Minor, hold: "H3/20",
    clear: "C20", since: "0.1", spec: [rfc("WHATWG Fetch", "3.2.5")], input: Load, scope: Host, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let kind = load.capture.object.as_str();
    let Some((with, n)) = load.windows.cors else {
        out.unknown().reason(kind);
        return;
    };
    if with == 0 || with == n {
        out.pass().reason(kind);
        return;
    }
    let value = format!("{with} of {n}");
    let message = format!("{value} answers of {} allow web clients; all or none expected", load.host());
    let at = out.fail(Severity::Minor, value, "all or none", message).reason(kind);
    if let Some(age) = load.capture.exchange.header("age") {
        at.fact("Age of this one", age);
    }
}
