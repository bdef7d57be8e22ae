use ow_domain::Severity;

use super::{h222, tr290, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;

crate::check! {
    /// Detects:       Clock references that step backward, or far beyond the decode times, inside a segment.
    /// Matters:       Receivers that run by them stop, flush or drop pictures.
    /// Usual causes:  Two inputs joined without discontinuity_indicator, a muxer clock that was reset.
    /// Stays quiet:   Where discontinuity_indicator is set, at the wrap, and from one segment to the next.
    id: "ts-pcr-jump", title: "Clock references jump", severity: Minor, hold: "H2/10", clear: "C10", since: "0.2",
    spec: [tr290("2.3b"), h222("2.4.3.5")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(pcr) = load.ts().filter(|ts| ts.sync_losses == 0).and_then(|ts| ts.pcr) else {
        out.unknown();
        return;
    };
    let Some(worst) = pcr.worst_jump.filter(|_| pcr.n_jumps > 0) else {
        out.pass();
        return;
    };
    let (value, limit) = (format!("{:.0} ms", worst as f64 / 27_000.0), "a steady clock");
    let message = format!("PCR of a segment jumps by {value} without discontinuity_indicator; {limit} expected");
    with_number(load, out.fail(Severity::Minor, value, limit, message).fact("jumps", pcr.n_jumps));
}
