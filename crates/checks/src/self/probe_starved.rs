use ow_domain::{Severity, Span};

use crate::input::ProbeLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       A probe that does not keep its own plan: polls that start late, timers that fire late.
    /// Matters:       What it would call stale or slow may be its own lateness; such findings are unknown while major.
    /// Usual causes:  Too many channels on too few cores, a noisy neighbour, a machine that swaps.
    /// Stays quiet:   For a few late polls within a minute.
    id: "self-probe-starved", title: "Probe does not keep up", severity: Minor, hold: "H2", clear: "C2",
    since: "0.1", spec: [op()], input: ProbeLoad, scope: Probe, params: {
        late_minor: f64 = 0.05, "share of polls";
        late_major: f64 = 0.2, "share of polls";
        late_min_polls: f64 = 3.0, "late polls below which the share says nothing";
        loop_lag_s: f64 = 0.2, "seconds";
    },
}

fn run(load: &ProbeLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(schedule) = load.facts.schedule else {
        out.unknown();
        return;
    };
    let late = f64::from(schedule.late);
    let share = if late < params.late_min_polls { 0.0 } else { late / f64::from(schedule.polls.max(schedule.late)) };
    let lag = Span::from_micros(schedule.loop_lag_p99_us);
    let severity = if share > params.late_major {
        Severity::Major
    } else if share > params.late_minor {
        Severity::Minor
    } else if lag.secs_f64() > params.loop_lag_s {
        let (value, limit) = (exact_seconds(lag), exact_seconds(Span::from_secs_f64(params.loop_lag_s)));
        let message = format!("timers of the probe fire up to {value} late; at most {limit} expected");
        out.fail(Severity::Minor, value, limit, message).fact("polls in 60 s", schedule.polls);
        return;
    } else if share > params.late_minor * 0.9 || lag.secs_f64() > params.loop_lag_s * 0.9 {
        out.between();
        return;
    } else {
        out.pass();
        return;
    };
    let value = format!("{:.0} %", share * 100.0);
    let limit = format!("{:.0} %", params.late_minor * 100.0);
    let message = format!("{value} of the probe's polls of a minute started late; at most {limit} expected");
    out.fail(severity, value, limit, message)
        .fact("late polls", format!("{} of {}", schedule.late, schedule.polls))
        .fact("lag of the event loop", exact_seconds(lag));
}
