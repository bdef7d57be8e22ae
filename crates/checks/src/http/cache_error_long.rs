use ow_domain::Severity;

use crate::headers;
use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       An error answer that caches may keep longer than a target duration.
    /// Matters:       The error stays for viewers when the origin is well again.
    /// Usual causes:  Cache rules that do not look at the status.
    /// Stays quiet:   For 410 of segments that are gone for good, and when nothing is said.
    id: "http-cache-error-long", title: "Errors may be cached too long", severity: Minor, hold: "H2", clear: "C2",
    since: "0.1", spec: [bis("B")], input: Load, scope: Track, params: {
        plain_target_durations: f64 = 1.0, "target durations";
        blocking_target_durations: f64 = 4.0, "target durations";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let exchange = &load.capture.exchange;
    let (Some(response), Some(td)) = (load.response(), load.target_duration) else {
        out.unknown();
        return;
    };
    let gone = response.status == 410 && !load.is_manifest();
    if response.status < 400 || gone {
        // Only the next error tells whether errors are kept: what works says nothing, but ends the fault.
        out.pass();
        return;
    }
    let Some(lifetime) = headers::freshness(exchange) else {
        out.unknown();
        return;
    };
    let blocking = headers::is_blocking(exchange);
    let factor = if blocking { params.blocking_target_durations } else { params.plain_target_durations };
    let limit = ow_domain::Span::from_secs_f64(td.secs_f64() * factor);
    if lifetime <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (exact_seconds(lifetime), exact_seconds(limit));
    let message = format!(
        "caches may keep the {} of a {} for {value}; at most {limit} expected",
        response.status,
        load.object_name()
    );
    out.fail(Severity::Minor, value, limit, message);
}
