use ow_domain::Severity;

use crate::input::ProbeLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A probe whose own downloads fill its link.
    /// Matters:       Slow downloads then say nothing of the origin; they are unknown meanwhile.
    /// Usual causes:  More channels or renditions than the link carries, initial fetches of many channels at once.
    /// Stays quiet:   For short peaks, and without a configured capacity.
    id: "self-egress-saturated", title: "Link of the probe is full", severity: Minor, hold: "H30s", clear: "C30s",
    since: "0.1", spec: [op()], input: ProbeLoad, scope: Probe, params: {
        link_share: f64 = 0.8, "share of the configured link";
    },
}

fn run(load: &ProbeLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(ingress) = load.facts.ingress.filter(|i| i.link_bits_per_second > 0) else {
        out.unknown();
        return;
    };
    let share = ingress.bits_per_second as f64 / ingress.link_bits_per_second as f64;
    if share <= params.link_share {
        if share > params.link_share * 0.9 {
            out.between()
        } else {
            out.pass()
        };
        return;
    }
    let mbps = |bits: f64| format!("{:.0} Mbit/s", bits / 1e6);
    let value = mbps(ingress.bits_per_second as f64);
    let limit = mbps(ingress.link_bits_per_second as f64 * params.link_share);
    let message = format!("the probe downloads {value}; at most {limit} of its link expected");
    out.fail(Severity::Minor, value, limit, message).fact("share of the link", format!("{:.0} %", share * 100.0));
}
