use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       New connections to a host that take long: 95th percentile over fifty of them.
    /// Matters:       Start-up and every reconnect of players wait for it.
    /// Usual causes:  Lost SYN packets (steps of one or three seconds), a full accept queue, a detour in routing.
    /// Stays quiet:   For reused connections and single slow ones; a far origin wants a limit of its own.
    id: "http-connect-slow", title: "Connections are slow", severity: Warning, hold: "H2", clear: "C2",
    since: "0.1", spec: [op()], input: Load, scope: Host, params: {
        connect_slow_s: f64 = 0.3, "seconds";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let Some(p95) = load.windows.connect_p95 else {
        out.unknown();
        return;
    };
    let limit = Span::from_secs_f64(params.connect_slow_s);
    if p95 <= limit {
        if p95 > limit.mul_ratio(9, 10) {
            out.between()
        } else {
            out.pass()
        };
        return;
    }
    let (value, limit) = (exact_seconds(p95), exact_seconds(limit));
    let message =
        format!("one in twenty connections to {} takes {value} or more; at most {limit} expected", load.host());
    out.fail(Severity::Warning, value, limit, message).fact("connections", 50);
}
