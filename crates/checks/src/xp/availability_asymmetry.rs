use ow_domain::Severity;

use crate::input::Presentations;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       One protocol of the channel has a critical fault while the other is fine.
    /// Matters:       The source is good: the fault is in packaging or delivery of one protocol.
    /// Usual causes:  One packager or its storage is down, a path of one protocol is blocked.
    /// Stays quiet:   For half a minute, and when both have faults.
    id: "xp-availability-asymmetry", title: "One protocol only has a critical fault", severity: Info, hold: "H30s",
    clear: "C30s", since: "0.1", spec: [op()], input: Presentations, scope: Stream, params: {},
}

fn run(input: &Presentations<'_>, _: &Params, out: &mut Outcome) {
    let is_critical = |view: &crate::input::PresentationView<'_>| view.worst == Some(Severity::Critical);
    let is_fine = |view: &crate::input::PresentationView<'_>| {
        view.answers && view.worst.is_none_or(|worst| worst < Severity::Minor)
    };
    let (hls, dash) = (&input.hls, &input.dash);
    let (down, name, other) = if is_critical(hls) && is_fine(dash) {
        (hls, "HLS", "DASH")
    } else if is_critical(dash) && is_fine(hls) {
        (dash, "DASH", "HLS")
    } else {
        out.pass();
        return;
    };
    let check = down.worst_check.clone().unwrap_or_default();
    let value = format!("critical {check} on {name} alone");
    let limit = "both or none";
    let message = format!("{value} while {other} is fine, so the source is good; {limit} expected");
    out.fail(Severity::Info, value, limit, message);
}
