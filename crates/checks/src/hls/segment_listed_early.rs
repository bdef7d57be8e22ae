use ow_domain::capture::{ObjectKind, Protocol};
use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       The newest segment answers with an error right after it was listed, and comes a moment later.
    /// Matters:       Some players stop polling or skip the segment when what is listed is not there.
    /// Usual causes:  A playlist written before its segment, replicas with unequal clocks or storage that copies late.
    /// Stays quiet:   For half a second, which players wait; for segments that never come, which are http-status-segment.
    id: "hls-segment-listed-early", title: "Segments are listed before they are there", severity: Minor,
    hold: "minor H3/20 -> major H3/20", clear: "C20", since: "0.2", spec: [bis("6.2.1")], input: Load, scope: Track, params: {
        limit_s: f64 = 0.5, "seconds";
        major_durations: f64 = 1.0, "segment durations";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let capture = load.capture;
    let is_listed = capture.object == ObjectKind::Segment && capture.protocol == Protocol::Hls;
    let Some(promised) = capture.promised.as_ref().filter(|p| is_listed && p.from_edge == 0 && !capture.extra) else {
        return;
    };
    let (true, Some(duration)) = (capture.exchange.is_complete_success(), promised.duration_us.map(Span::from_micros))
    else {
        out.unknown();
        return;
    };
    let Some((early, last)) = promised.early.as_ref().and_then(|e| Some((e, e.last?))) else {
        // What failed and worked when asked again is no news of the listing.
        if capture.retry {
            out.unknown()
        } else {
            out.pass()
        };
        return;
    };
    let late = last - promised.listed_at;
    let limit = Span::from_secs_f64(params.limit_s);
    if late <= limit {
        out.pass();
        return;
    }
    let major = Span::from_secs_f64(duration.secs_f64() * params.major_durations).max(limit);
    let severity = if late > major { Severity::Major } else { Severity::Minor };
    let (value, limit) = (seconds(late), exact_seconds(limit));
    let status = early.status.map_or_else(|| "an error".to_owned(), |status| status.to_string());
    let message =
        format!("a segment still answered {status} {value} after it was listed; an answer within {limit} expected");
    let mut at = out
        .fail(severity, value, limit, message)
        .fact("last try that failed", last)
        .fact("first try that worked", capture.exchange.t_req)
        .fact("tries", early.n.saturating_add(1))
        .fact("segment duration", exact_seconds(duration));
    if early.from_cache {
        at = at.fact("cause", "a cache kept the error");
    }
    if let (Some(failed), Some(worked)) = (&early.remote_addr, &capture.exchange.remote_addr) {
        at = at.fact("server that failed", failed).fact("server that worked", worked);
    }
    if let Some(number) = promised.number {
        at.fact("segment number", number);
    }
}
