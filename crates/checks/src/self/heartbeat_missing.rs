use ow_domain::{Severity, Span};

use crate::input::ProbeSilence;
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       A fetcher that no longer reports, or a probe from which nobody ever did.
    /// Matters:       Its channels are watched by others at best, by nobody at worst.
    /// Usual causes:  A process that was killed or hangs, a machine that is down, a path to the bus that is cut.
    /// Stays quiet:   For a fetcher that said goodbye, and five minutes after others took its channels over.
    id: "self-heartbeat-missing", title: "Fetcher does not report", severity: Major, hold: "H1", clear: "C1",
    since: "0.1", spec: [op()], input: ProbeSilence, scope: Probe, params: {
        heartbeat_s: f64 = 10.0, "seconds";
        heartbeats_missed: f64 = 3.0, "heartbeats";
        reassign_s: f64 = 30.0, "seconds";
    },
}

fn run(input: &ProbeSilence<'_>, params: &Params, out: &mut Outcome) {
    let limit = Span::from_secs_f64(params.heartbeat_s * params.heartbeats_missed);
    if input.silent < limit {
        out.pass();
        return;
    }
    let unwatched = input.held.is_none_or(|held| held > 0) && !input.taken_over;
    let critical = unwatched && input.silent >= limit + Span::from_secs_f64(params.reassign_s);
    let severity = if critical { Severity::Critical } else { Severity::Major };
    let (value, limit) = (seconds(input.silent), seconds(limit));
    let message = match input.held {
        Some(_) if unwatched => {
            format!("the fetcher is silent for {value} and nobody has its channels; a report within {limit} expected")
        }
        Some(_) => format!("the fetcher is silent for {value}; a report within {limit} expected"),
        None => format!("no fetcher of the probe reports for {value}; a report within {limit} expected"),
    };
    let at = out.fail(severity, value, limit, message);
    if let Some(held) = input.held {
        at.fact("channels held", held).fact("taken over", if input.taken_over { "yes" } else { "no" });
    }
}
