use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       Lookups of a host name that take long, several within twenty.
    /// Matters:       Every new viewer waits for it before anything else happens.
    /// Usual causes:  A resolver far away or overloaded, a name server of the zone that does not answer, long CNAME chains.
    /// Stays quiet:   For lookups that a cache answered, which say nothing, and for a resolver that starts cold.
    id: "http-dns-slow", title: "Host name lookups are slow", severity: Warning, hold: "H5/20", clear: "C20",
    since: "0.1", spec: [op()], input: Load, scope: Host, params: {
        dns_slow_s: f64 = 0.5, "seconds";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    // A failed lookup is http-dns-failure.
    let looked_up = load.response().and(load.capture.exchange.timings.dns_us).map(Span::from_micros);
    let Some(took) = looked_up else {
        out.unknown();
        return;
    };
    let limit = Span::from_secs_f64(params.dns_slow_s);
    if took <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (exact_seconds(took), exact_seconds(limit));
    let message = format!("looking up {} took {value}; at most {limit} expected", load.host());
    out.fail(Severity::Warning, value, limit, message);
}
