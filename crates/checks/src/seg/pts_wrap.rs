use ow_domain::{Severity, Span};

use crate::input::MediaLoad;
use crate::outcome::{Outcome, seconds};
use crate::ts::{h222, ticks_between, with_number};

crate::check! {
    /// Detects:       Timestamps of 33 bits that start again at zero, or will within ten minutes.
    /// Matters:       It is legal, and players and tools break at it: here is when.
    /// Usual causes:  26 and a half hours of a transport stream that runs from zero.
    /// Stays quiet:   For streams that are not near their wrap; it is information, never more.
    id: "seg-pts-wrap", title: "Timestamps wrap", severity: Info, hold: "EV", clear: "C1", since: "0.2",
    spec: [h222("2.4.3.7")], input: MediaLoad, scope: Stream, params: {
        due_s: f64 = 600.0, "seconds before the wrap";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let facts = load.facts.filter(|_| load.ts().is_some() && load.is_sound());
    let Some(first) = facts.and_then(|f| f.main()?.first_dts) else { return };
    let left = Span::from_secs(1).mul_ratio((1 << 33) - first, 90_000);
    let before = load.before.and_then(|b| b.facts.main()?.first_dts);
    let limit = "a wrap every 26.5 h, which is legal";
    if before.is_some_and(|b| b > first && ticks_between(b, first) > 0) {
        let value = "passed 2^33";
        let message = format!("timestamps of a segment {value} and began again at zero; {limit}");
        with_number(load, out.fail(Severity::Info, value, limit, message).reason("passed"));
    } else if left <= Span::from_secs_f64(params.due_s) {
        let value = seconds(left);
        let message = format!("timestamps reach 2^33 in {value} and begin again at zero; {limit}");
        with_number(load, out.fail(Severity::Info, value, limit, message).reason("due"));
    } else {
        out.pass();
    }
}
