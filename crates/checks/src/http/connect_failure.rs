use ow_domain::capture::{FailureKind, Phase};

use super::host_severity;
use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       No connection to a host on any of its addresses, or one that is closed before an answer.
    /// Matters:       Everything the host serves is gone for new viewers.
    /// Usual causes:  A packager or load balancer that is down or restarting, a firewall rule, a full accept queue.
    /// Stays quiet:   For one failed try, for a kept-alive connection that the server closed, and while one address of several works.
    id: "http-connect-failure", title: "No connection to host", severity: Critical, hold: "H2", clear: "C2",
    since: "0.1", spec: [op()], input: Load, scope: Host, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let exchange = &load.capture.exchange;
    let failed = match load.failure() {
        Some((Phase::Connect, kind)) => Some(kind),
        // A kept connection may be closed by the server at any time; a new one that is closed unanswered is a fault.
        Some((Phase::Request, kind @ (FailureKind::Reset | FailureKind::Closed | FailureKind::BadResponse)))
            if !exchange.timings.reused =>
        {
            Some(kind)
        }
        Some((Phase::Tls | Phase::Body, _)) => {
            out.pass();
            return;
        }
        Some(_) => None,
        None if load.connection_works() => {
            out.pass();
            return;
        }
        None => None,
    };
    let Some(kind) = failed else {
        out.unknown();
        return;
    };
    if load.host_failure_counted || super::is_ours(kind) {
        out.unknown();
        return;
    }
    let found = match kind {
        FailureKind::Refused => "connection refused",
        FailureKind::Unreachable => "host unreachable",
        FailureKind::TimedOut => "no connection in time",
        FailureKind::Reset => "connection reset",
        FailureKind::Closed => "connection closed unanswered",
        FailureKind::BadResponse => "an answer that is not HTTP",
        _ => "connection failed",
    };
    let message = format!("{} ({found}); an open connection expected", exchange.origin);
    let mut at = out.fail(host_severity(load), found, "an open connection", message).fact("origin", &exchange.origin);
    for failed in &exchange.failed_addresses {
        at = at.fact("address", format!("{}: {}", failed.addr, failed.failure.as_str()));
    }
}
