use ow_domain::capture::{FailureKind, Phase};

use super::host_severity;
use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       The name of a host cannot be resolved: no such name, an empty or failed answer, or none in time.
    /// Matters:       No player can start, and those that play lose the stream at their next connection.
    /// Usual causes:  An expired or mistyped record, a broken zone, a resolver that is down.
    /// Stays quiet:   For one bad answer, for a failed lookup of one address family, and while other requests get answers.
    id: "http-dns-failure", title: "Host name cannot be resolved", severity: Critical, hold: "H2", clear: "C2",
    since: "0.1", spec: [op()], input: Load, scope: Host, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    match load.failure() {
        Some((Phase::Dns, kind)) => {
            if load.host_failure_counted {
                out.unknown();
                return;
            }
            let host = load.host();
            let found = match kind {
                FailureKind::NameNotFound => "no such name",
                FailureKind::TimedOut => "no answer in time",
                _ => "a failed answer",
            };
            let message = format!("looking up {host} gave {found}; an address expected");
            out.fail(host_severity(load), found, "an address", message).fact("host", host);
        }
        // Whoever got as far as a connection had an address.
        Some((Phase::Connect | Phase::Tls | Phase::Request | Phase::Body, _))
            if !load.capture.exchange.timings.reused =>
        {
            out.pass();
        }
        None if load.connection_works() => {
            out.pass();
        }
        _ => {
            out.unknown();
        }
    }
}
