use ow_domain::Severity;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A share of failed requests to a host over five minutes.
    /// Matters:       Errors too rare for the other checks still hit every viewer some time.
    /// Usual causes:  One bad node behind a load balancer, storage that loses single files, an origin near its limit.
    /// Stays quiet:   Below fifty requests; a failure that lasts counts once, since the check of its kind tells it; second tries heal.
    id: "http-error-rate", title: "Requests fail now and then", severity: Warning, hold: "H1", clear: "C300s",
    since: "0.1", spec: [op()], input: Load, scope: Host, params: {
        rate_warning: f64 = 0.01, "share of requests";
        rate_minor: f64 = 0.05, "share of requests";
        rate_major: f64 = 0.2, "share of requests";
        min_requests: f64 = 50.0, "requests";
        min_failed: f64 = 2.0, "failed requests, since a single one is told by its own check";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let Some((failed, n)) = load.windows.errors.filter(|(_, n)| f64::from(*n) >= params.min_requests) else {
        out.unknown();
        return;
    };
    let share = f64::from(failed) / f64::from(n.max(1));
    let severity = match share {
        _ if f64::from(failed) < params.min_failed => {
            out.pass();
            return;
        }
        s if s > params.rate_major => Severity::Major,
        s if s > params.rate_minor => Severity::Minor,
        s if s > params.rate_warning => Severity::Warning,
        s if s > params.rate_warning * 0.9 => {
            out.between();
            return;
        }
        _ => {
            out.pass();
            return;
        }
    };
    let (value, limit) = (format!("{:.1} %", share * 100.0), format!("{:.1} %", params.rate_warning * 100.0));
    let message =
        format!("{value} of the requests to {} failed in five minutes; at most {limit} expected", load.host());
    out.fail(severity, value, limit, message).fact("failed", format!("{failed} of {n}"));
}
