use ow_domain::{Severity, Span};

use super::times;
use crate::input::PartEdge;
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A new part that comes late after the one before, or does not come at all.
    /// Matters:       Low-latency players hold three parts: they stall.
    /// Usual causes:  An encoder that stands still or stutters, a packager that is overloaded.
    /// Stays quiet:   Where the edge is polled and not waited for, and where the server does not hold answers back.
    id: "llhls-part-stale", title: "Parts come late", severity: Minor, hold: "H3", clear: "C3", since: "0.1",
    spec: [bis("6.2.2")], input: PartEdge, scope: Track, params: {
        minor_parts: f64 = 2.0, "part targets";
        slack_s: f64 = 0.2, "seconds";
        major_tds: f64 = 1.5, "target durations";
    },
}

fn run(edge: &PartEdge<'_>, params: &Params, out: &mut Outcome) {
    let minor = times(edge.part_target, params.minor_parts) + Span::from_secs_f64(params.slack_s);
    if edge.age <= minor {
        out.pass();
        return;
    }
    let major = edge.age > times(edge.target_duration, params.major_tds);
    let severity = if major { Severity::Major } else { Severity::Minor };
    let (value, limit) = (seconds(edge.age), seconds(edge.part_target));
    let message = format!("{value} since the newest part; the next one within {limit} expected");
    out.fail(severity, value, limit, message);
}
