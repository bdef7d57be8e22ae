use ow_domain::Severity;

use crate::input::ProbeLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A probe that reaches none of its independent control targets (name and TCP connection).
    /// Matters:       It is cut off: what it says of channels is about its own network. One alarm stands for all of them.
    /// Usual causes:  A cable, a switch, a firewall or a resolver on the side of the probe.
    /// Stays quiet:   While one target answers, and with fewer than three targets, which could fail together.
    id: "self-network-control-failed", title: "Probe is cut off", severity: Major, hold: "H2", clear: "C2",
    since: "0.1", spec: [op()], input: ProbeLoad, scope: Probe, params: {
        control_min_targets: f64 = 3.0, "targets";
    },
}

fn run(load: &ProbeLoad<'_>, params: &Params, out: &mut Outcome) {
    let control = load.facts.control.filter(|c| f64::from(c.targets) >= params.control_min_targets.max(1.0));
    let Some(control) = control else {
        out.unknown();
        return;
    };
    if control.failed < control.targets {
        out.pass();
        return;
    }
    let value = format!("0 of {}", control.targets);
    let message = format!("the probe reaches {value} control targets; at least one expected");
    out.fail(Severity::Major, value, "at least one", message).fact("last round", control.at);
}
