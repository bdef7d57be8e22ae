use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::rfc;

crate::check! {
    /// Detects:       A host whose Date is off the probe's UTC, by the median of ten answers that no cache held.
    /// Matters:       Date-times in playlists, availability times and token lifetimes come from such clocks.
    /// Usual causes:  A packager without time synchronisation.
    /// Stays quiet:   For cached answers, within the probe's own uncertainty, and while the probe's clock is off.
    id: "http-server-clock-skew", title: "Clock of the server is off", severity: Warning, hold: "H3", clear: "C3",
    since: "0.1", spec: [rfc("RFC 9110", "6.6.1")], input: Load, scope: Host, params: {
        server_skew_s: f64 = 2.0, "seconds";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let Some(offset) = load.windows.date_offset else {
        out.unknown();
        return;
    };
    let limit = Span::from_secs_f64(params.server_skew_s) + Span::from_micros(load.capture.clock_uncertainty_us);
    let skew = offset.abs();
    if skew <= limit {
        if skew > limit.mul_ratio(9, 10) {
            out.between()
        } else {
            out.pass()
        };
        return;
    }
    let (value, limit) = (exact_seconds(skew), exact_seconds(limit));
    let direction = if offset.is_negative() { "behind" } else { "ahead of" };
    let message = format!("the clock of {} is {value} {direction} the probe's; at most {limit} expected", load.host());
    out.fail(Severity::Warning, value, limit, message);
}
