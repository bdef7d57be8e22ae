use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, seconds};
use crate::registry::rfc;

crate::check! {
    /// Detects:       A time source of the MPD that fails, tells no time, or takes too long.
    /// Matters:       Players without a good clock of their own ask for segments too early or play far behind.
    /// Usual causes:  A time server that was switched off, a wrong path or scheme in UTCTiming, a firewall.
    /// Stays quiet:   For one look, and while nothing can be reached from the probe.
    id: "dash-utctiming-unreachable", title: "Time source of the MPD does not answer", severity: Minor, hold: "H3",
    clear: "C2", since: "0.2", spec: [rfc("DASH-IF Live Timing Model", "clock synchronization")], input: Load,
    scope: Stream, params: {
        utctiming_timeout_s: f64 = 2.0, "seconds";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let checks = &load.capture.time_checks;
    let limit = Span::from_secs_f64(params.utctiming_timeout_s);
    let mut failed = checks.iter().filter(|c| c.said.is_none() || c.t_end - c.t_req > limit);
    let Some(first) = failed.next() else {
        if !checks.is_empty() {
            out.pass();
        }
        return;
    };
    let n = 1 + failed.count();
    let severity = if n == checks.len() { Severity::Major } else { Severity::Minor };
    let took = first.t_end - first.t_req;
    let value = match (&first.said, first.outcome.as_str()) {
        (Some(_), _) => seconds(took),
        (None, "200") => "200 without a time".to_owned(),
        (None, outcome) => outcome.to_owned(),
    };
    let limit = format!("a time within {}", seconds(limit));
    let message = format!("{n} of {} time sources failed, the first with {value}; {limit} expected", checks.len());
    out.fail(severity, value, limit, message).fact("time source", &first.url).fact("took", seconds(took));
}
