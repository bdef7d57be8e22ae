use ow_domain::{Severity, Span};

use crate::input::PlaylistStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       A freshness header of the packager that stands still, or that moves while the playlist does not.
    /// Matters:       It tells a frozen packager from a frozen cache.
    /// Usual causes:  A packager whose input stopped; a cache or origin shield that holds an old body.
    /// Stays quiet:   Unless the template names such headers (they are vendor specific), and while an answer lacks them.
    id: "http-packager-header-stale", title: "Packager's freshness header stands still", severity: Minor, hold: "H2",
    clear: "C2", since: "0.1", spec: [op()], input: PlaylistStep, scope: Track, params: {
        still_target_durations: f64 = 1.5, "target durations";
    },
}

fn run(step: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let Some(header) = &step.origin_header else { return };
    let limit = Span::from_secs_f64(step.step.target_duration.secs_f64() * params.still_target_durations);
    if limit <= Span::ZERO || step.step.end_list.is_present() {
        out.unknown();
        return;
    }
    let name = header.name;
    let expected = exact_seconds(limit);
    if header.unchanged_for > limit {
        let value = exact_seconds(header.unchanged_for);
        let message = format!("{name} stands still for {value}; at most {expected} expected");
        out.fail(Severity::Minor, value, expected, message).reason("frozen");
        return;
    }
    out.pass().reason("frozen");
    if header.body_unchanged_for > limit {
        let value = exact_seconds(header.body_unchanged_for);
        let message = format!("{name} moves but the playlist stands still for {value}; at most {expected} expected");
        out.fail(Severity::Minor, value, expected, message).reason("ahead");
        return;
    }
    out.pass().reason("ahead");
}
