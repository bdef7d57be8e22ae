use ow_domain::probe::ClockSource;
use ow_domain::{Severity, Span};

use crate::input::ProbeLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       The clock of a probe that is off against NTP, or against the Date headers of at least five hosts.
    /// Matters:       Latency, availability times and certificate dates are judged with this clock.
    /// Usual causes:  A time daemon that stopped, a virtual machine that was suspended, a leap smear on one side.
    /// Stays quiet:   For one odd measurement, and while nothing could be compared.
    id: "self-clock-offset", title: "Clock of the probe is off", severity: Warning,
    hold: "H3", clear: "C3", since: "0.1", spec: [op()], input: ProbeLoad, scope: Probe, params: {
        clock_warning_s: f64 = 0.2, "seconds";
        clock_major_s: f64 = 1.0, "seconds";
        clock_critical_s: f64 = 5.0, "seconds";
    },
}

fn run(load: &ProbeLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(clock) = load.facts.clock else {
        out.unknown();
        return;
    };
    let offset = Span::from_micros(clock.offset_us.saturating_abs());
    let dispersion = Span::from_micros(clock.dispersion_us.max(0));
    // NTP promises that the error is at most the sum; a Date is coarse, and only what lies beyond it is an error.
    let (error, source) = match clock.source {
        ClockSource::Ntp => (offset + dispersion, "NTP"),
        ClockSource::HttpDate => ((offset - dispersion).max(Span::ZERO), "Date headers"),
    };
    let limit = Span::from_secs_f64(params.clock_warning_s);
    let severity = match error.secs_f64() {
        e if e > params.clock_critical_s => Severity::Critical,
        e if e > params.clock_major_s => Severity::Major,
        e if e > params.clock_warning_s => Severity::Warning,
        e if e > params.clock_warning_s * 0.9 => {
            out.between();
            return;
        }
        _ => {
            out.pass();
            return;
        }
    };
    let (value, limit) = (exact_seconds(error), exact_seconds(limit));
    let direction = if clock.offset_us >= 0 { "slow" } else { "fast" };
    let message = format!("the probe's clock is up to {value} {direction} against {source}; at most {limit} expected");
    out.fail(severity, value, limit, message)
        .fact("offset", exact_seconds(Span::from_micros(clock.offset_us)))
        .fact("dispersion", exact_seconds(dispersion));
}
