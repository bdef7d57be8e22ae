use ow_domain::Severity;
use ow_domain::capture::FailureKind;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Some addresses of a host that take no connection while others do.
    /// Matters:       Players without parallel attempts wait for a timeout, at random.
    /// Usual causes:  A node of a cluster that is down and still in DNS, one address family without a route.
    /// Stays quiet:   For a node that is drained for three connections, and when no address works, which is http-connect-failure.
    id: "http-address-partial", title: "Some addresses of a host are dead", severity: Minor, hold: "H3", clear: "C3",
    since: "0.1", spec: [op()], input: Load, scope: Host, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let exchange = &load.capture.exchange;
    if load.response().is_none() || exchange.timings.reused || exchange.timings.connect_us.is_none() {
        out.unknown();
        return;
    }
    let ours = |kind: FailureKind| kind == FailureKind::AddressForbidden;
    let dead: Vec<_> = exchange.failed_addresses.iter().filter(|a| !ours(a.failure)).collect();
    if dead.is_empty() {
        out.pass();
        return;
    }
    let value = format!("{} of {} addresses tried", dead.len(), dead.len() + 1);
    let message = format!("{value} of {} took no connection; all expected to", load.host());
    let mut at = out.fail(Severity::Minor, value, "all", message);
    for address in dead.iter().take(8) {
        at = at.fact("address", format!("{}: {}", address.addr, address.failure.as_str()));
    }
}
