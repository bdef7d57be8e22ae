use ow_domain::{Severity, Span};

use crate::input::PartsLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A playlist with parts whose PART-HOLD-BACK is missing, below twice PART-TARGET, or below three times.
    /// Matters:       Players keep that distance to the live edge: too little of it is a stall with each late part.
    /// Usual causes:  A low-latency setting that is too tight, a packager that leaves the attribute out.
    /// Stays quiet:   From three part targets on, with a millisecond for rounding.
    id: "llhls-part-hold-back", title: "PART-HOLD-BACK is missing or too short", severity: Major, hold: "H2",
    clear: "C1", since: "0.1", spec: [bis("4.4.3.8")], input: PartsLoad, scope: Track, params: {
        major_parts: f64 = 2.0, "part targets";
        warning_parts: f64 = 3.0, "part targets";
    },
}

const ROUNDING: Span = Span::from_millis(1);

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(inf) = load.playlist.part_inf.filter(|inf| inf.part_target_us > 0) else { return };
    let target = Span::from_micros(inf.part_target_us);
    let control = load.playlist.server_control.as_ref();
    let Some(hold_back) = control.and_then(|c| c.part_hold_back_us).map(Span::from_micros) else {
        let message = "EXT-X-PART-INF stands there with no PART-HOLD-BACK; PART-HOLD-BACK expected";
        out.fail(Severity::Major, "no PART-HOLD-BACK", "PART-HOLD-BACK", message).reason("missing").line(inf.line);
        return;
    };
    let (least, wanted) = (super::times(target, params.major_parts), super::times(target, params.warning_parts));
    if hold_back + ROUNDING >= wanted {
        out.pass();
        return;
    }
    let (severity, limit) = if hold_back + ROUNDING < least {
        (Severity::Major, exact_seconds(least))
    } else if load.policy.checks.apple_rules {
        (Severity::Minor, exact_seconds(wanted))
    } else {
        (Severity::Warning, exact_seconds(wanted))
    };
    let value = exact_seconds(hold_back);
    let message =
        format!("PART-HOLD-BACK is {value}; at least {limit} expected for parts of {}", exact_seconds(target));
    out.fail(severity, value, limit, message).reason("short").line(control.map_or(0, |c| c.line));
}
