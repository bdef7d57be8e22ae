use ow_domain::capture::TimeCheck;
use ow_domain::{Severity, Span, Time};
use ow_timeline::dash::TimeSource;

use super::times;
use crate::input::{Load, MpdStep};
use crate::outcome::{Outcome, seconds};
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       A time source of the MPD that tells another time than UTC.
    /// Matters:       Players follow it: they ask for segments that do not exist yet, or play that much behind.
    /// Usual causes:  A time server without NTP, a cache in front of it, a direct time written when the MPD was made.
    /// Stays quiet:   Within what the request took, the second that a Date is cut to, and the uncertainty of the probe.
    id: "dash-utctiming-skew", title: "Time source of the MPD is off", severity: Minor, hold: "H3", clear: "C3", since: "0.2",
    spec: [rfc("DASH-IF Live Timing Model", "clock synchronization"), op()], input: Load, scope: Stream, params: {
        minor_s: f64 = 0.5, "seconds";
        major_durations: f64 = 0.5, "segment durations";
    },
    also: { MpdStep => direct },
}

/// How far a source is ahead of the probe at least; negative where it is behind.
fn skew((from, to): (Time, Time), (t_req, t_end): (Time, Time), age: Span, uncertainty: Span) -> Span {
    // A cache told the time of up to `age` ago, in whole seconds.
    let age = if age > Span::ZERO { age + Span::from_secs(1) } else { Span::ZERO };
    let (least, most) = (from - t_end - uncertainty, to + age - t_req + uncertainty);
    if least > Span::ZERO {
        least
    } else if most.is_negative() {
        most
    } else {
        Span::ZERO
    }
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let uncertainty = Span::from_micros(load.capture.clock_uncertainty_us);
    let of = |check: &TimeCheck| {
        let age = Span::from_micros(check.age_us.unwrap_or(0));
        Some(skew(check.said?, (check.t_req, check.t_end), age, uncertainty))
    };
    let told = load.capture.time_checks.iter().filter_map(|check| Some((of(check)?, check.url.as_str())));
    let Some((skew, url)) = told.max_by_key(|(skew, _)| skew.abs()) else { return };
    judge(skew, url, load.target_duration, params, out);
}

/// A time that stands in the MPD itself.
fn direct(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    let exchange = &input.capture.exchange;
    let direct = input.presentation.time_sources.iter().find_map(|source| match source {
        TimeSource::Direct(time) => Some(*time),
        TimeSource::HttpHead(_) | TimeSource::HttpText(_) => None,
    });
    // A document that a cache or the probe kept has the time of then.
    let is_fresh = input.step.is_accepted() && exchange.status() == Some(200);
    let Some(time) = direct.filter(|_| is_fresh) else { return };
    let age = exchange.header("age").and_then(|age| age.trim().parse().ok()).map_or(Span::ZERO, Span::from_secs);
    let uncertainty = Span::from_micros(input.capture.clock_uncertainty_us);
    let skew = skew((time, time), (exchange.t_req, exchange.t_end), age, uncertainty);
    let nominal = input.step.tracks.iter().filter_map(|t| t.nominal).min();
    judge(skew, "UTCTiming of the MPD", nominal, params, out);
}

fn judge(skew: Span, source: &str, duration: Option<Span>, params: &Params, out: &mut Outcome) {
    let minor = Span::from_secs_f64(params.minor_s);
    if skew.abs() <= minor {
        match skew.abs() <= times(minor, 0.9) {
            true => out.pass(),
            false => out.between(),
        };
        return;
    }
    let major = times(duration.unwrap_or(Span::from_secs(6)), params.major_durations).max(minor);
    let severity = if skew.abs() > major { Severity::Major } else { Severity::Minor };
    let way = if skew.is_negative() { "behind" } else { "ahead" };
    let (value, limit) = (format!("{} {way}", seconds(skew.abs())), seconds(minor));
    let message = format!("a time source of the MPD is at least {value} of UTC; at most {limit} expected");
    out.fail(severity, value, limit, message).fact("time source", source);
}
