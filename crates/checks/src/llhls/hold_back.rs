use ow_domain::{Severity, Span};

use crate::input::PartsLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       HOLD-BACK below three target durations.
    /// Matters:       Players without low latency keep that distance to the live edge: they stall.
    /// Usual causes:  A value that was meant for parts.
    /// Stays quiet:   Where the attribute is absent: three target durations are the default.
    id: "llhls-hold-back", title: "HOLD-BACK is too short", severity: Minor, hold: "H2", clear: "C1", since: "0.1",
    spec: [bis("4.4.3.8")], input: PartsLoad, scope: Track, params: {
        least_tds: f64 = 3.0, "target durations";
    },
}

/// Of decimal fractions.
const ROUNDING: Span = Span::from_millis(1);

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let control = load.playlist.server_control.as_ref();
    let hold_back = control.and_then(|c| c.hold_back_us).map(Span::from_micros);
    let least = super::times(super::target_duration(load.playlist), params.least_tds);
    let Some(hold_back) = hold_back.filter(|hold_back| *hold_back + ROUNDING < least) else {
        out.pass();
        return;
    };
    let (value, limit) = (exact_seconds(hold_back), exact_seconds(least));
    let message = format!("HOLD-BACK is {value}; at least {limit} expected");
    out.fail(Severity::Minor, value, limit, message).line(control.map_or(0, |c| c.line));
}
