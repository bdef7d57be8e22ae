use ow_domain::{Severity, Span};

use crate::input::Presentations;
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       The newest moment of HLS and that of DASH are far apart on the wall clock.
    /// Matters:       Viewers of one protocol see goals much later than the others; one packaging path is falling behind.
    /// Usual causes:  A queue before one packager, an upload that lags, a wrong availability start or clock.
    /// Stays quiet:   For the saw-tooth of refreshes, when date-times are no wall clock, and when one side stands still.
    id: "xp-live-edge-skew", title: "HLS and DASH at different live edges", severity: Minor, hold: "H60s", clear: "C60s",
    since: "0.1", spec: [op()], input: Presentations, scope: Stream, params: {
        skew_durations: f64 = 2.0, "segment durations";
        skew_min_s: f64 = 12.0, "seconds";
        major_factor: f64 = 5.0, "times";
    },
}

fn run(input: &Presentations<'_>, params: &Params, out: &mut Outcome) {
    let (Some(hls), Some(dash)) = (input.hls.latency, input.dash.latency) else {
        out.unknown();
        return;
    };
    let d = input.hls.duration.max(input.dash.duration);
    let by_duration = d.mul_ratio((params.skew_durations * 1000.0) as i64, 1000);
    let uncertainty = Span::from_micros(input.capture.clock_uncertainty_us);
    let limit = by_duration.max(Span::from_secs_f64(params.skew_min_s)) + uncertainty;
    let skew = (hls - dash).abs();
    if skew <= limit {
        let clear = limit.mul_ratio(9, 10);
        if skew <= clear {
            out.pass()
        } else {
            out.between()
        };
        return;
    }
    let major = skew > limit.mul_ratio((params.major_factor * 1000.0) as i64, 1000);
    let severity = if major { Severity::Major } else { Severity::Minor };
    let (behind, ahead) = if hls > dash { ("HLS", "DASH") } else { ("DASH", "HLS") };
    let (value, limit) = (seconds(skew), seconds(limit));
    let message = format!("live edge of {behind} is {value} behind that of {ahead}; at most {limit} expected");
    out.fail(severity, value, limit, message)
        .fact("HLS behind the clock", seconds(hls))
        .fact("DASH behind the clock", seconds(dash))
        .fact("DASH stream", input.dash.name);
}
