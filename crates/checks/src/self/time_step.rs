use ow_domain::{Severity, Span};

use crate::input::ProbeLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       UTC of a probe that jumped against its monotonic clock.
    /// Matters:       Latency and dates before and after the jump do not compare; they are not judged for a minute.
    /// Usual causes:  A time daemon that stepped the clock, a virtual machine that was suspended or moved.
    /// Stays quiet:   While the clock is slewed, and for durations, which are monotonic.
    id: "self-time-step", title: "Clock of the probe was set", severity: Minor, hold: "EV", clear: "C1",
    since: "0.1", spec: [op()], input: ProbeLoad, scope: Probe, params: {
        time_step_s: f64 = 0.5, "seconds";
    },
}

fn run(load: &ProbeLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(step_us) = load.facts.time_step_us else {
        out.unknown();
        return;
    };
    let step = Span::from_micros(step_us.saturating_abs());
    let limit = Span::from_secs_f64(params.time_step_s);
    if step <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (exact_seconds(step), exact_seconds(limit));
    let direction = if step_us >= 0 { "forward" } else { "back" };
    let message = format!("the probe's UTC was set {direction} by {value}; at most {limit} between two looks expected");
    out.fail(Severity::Minor, value, limit, message);
}
