use ow_domain::{Severity, Span};

use crate::input::PartsLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       CAN-SKIP-UNTIL below six target durations, or CAN-SKIP-DATERANGES without it.
    /// Matters:       A player that was away for a moment cannot merge delta updates and must load everything again.
    /// Usual causes:  A value in parts or segments in place of seconds.
    /// Stays quiet:   Where delta updates are not offered.
    id: "llhls-can-skip-until", title: "CAN-SKIP-UNTIL is too short", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.3.8")], input: PartsLoad, scope: Track, params: {
        least_tds: f64 = 6.0, "target durations";
    },
}

/// Of decimal fractions.
const ROUNDING: Span = Span::from_millis(1);

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(control) = load.playlist.server_control.as_ref() else {
        out.pass();
        return;
    };
    let least = super::times(super::target_duration(load.playlist), params.least_tds);
    match control.can_skip_until_us.map(Span::from_micros) {
        Some(until) if until + ROUNDING < least => {
            let (value, limit) = (exact_seconds(until), exact_seconds(least));
            let message = format!("CAN-SKIP-UNTIL is {value}; at least {limit} expected");
            out.fail(Severity::Minor, value, limit, message).reason("short").line(control.line);
        }
        None if control.can_skip_dateranges => {
            let message = "CAN-SKIP-DATERANGES stands there with no CAN-SKIP-UNTIL; CAN-SKIP-UNTIL expected";
            let at = out.fail(Severity::Minor, "no CAN-SKIP-UNTIL", "CAN-SKIP-UNTIL", message);
            at.reason("dateranges").line(control.line);
        }
        _ => {
            out.pass();
        }
    }
}
