use ow_domain::{Severity, Time};

use crate::input::MpdStep;
use crate::outcome::Outcome;
use crate::registry::rfc;

crate::check! {
    /// Detects:       An MPD that begins anew: availabilityStartTime, Periods and timeline are all others than before.
    /// Matters:       Players lose their place: most of them have to be started again.
    /// Usual causes:  A packager that was restarted without its state, a failover to one that counts by itself.
    /// Stays quiet:   Until the new MPD was seen twice, and where Periods and timeline go on (dash-ast-changed).
    id: "dash-epoch-reset", title: "Presentation began anew", severity: Major, hold: "EV", clear: "C1", since: "0.2",
    spec: [rfc("DASH-IF Live Timing Model", "MPD updates")], input: MpdStep, scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    let Some((before, after)) = input.step.ast_changed.filter(|_| input.step.reset) else { return };
    let text = |time: Option<Time>| time.map_or_else(|| "absent".to_owned(), |time| time.to_string());
    let (value, limit) = (format!("one that began at {}", text(after)), format!("that of {}", text(before)));
    let period = input.presentation.periods.last().map_or("", |p| &*p.key);
    let message = format!("the presentation is {value}; {limit} expected to go on");
    out.fail(Severity::Major, value, limit, message)
        .fact("epoch", input.step.epoch)
        .fact("newest Period", period)
        .previous_digest(input.previous_digest);
}
