use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       Answers that begin late: 95th percentile over twenty requests of one kind.
    /// Matters:       A player that waits for the first byte loses the time that it needs for the rest.
    /// Usual causes:  Storage that is slow, an overloaded packager, a cache that fetches from far away.
    /// Stays quiet:   For blocking reloads, which wait by design; answers that a cache had to fetch first are judged apart.
    id: "http-ttfb-slow", title: "Answers begin late", severity: Minor, hold: "H2", clear: "C2",
    since: "0.1", spec: [op()], input: Load, scope: Host, params: {
        ttfb_manifest_s: f64 = 1.0, "seconds";
        ttfb_segment_s: f64 = 0.5, "seconds";
        ttfb_segment_share: f64 = 0.25, "share of the segment's duration";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let Some((series, p95)) = load.windows.ttfb_p95 else {
        out.unknown();
        return;
    };
    let limit = if series.starts_with("manifest") {
        Span::from_secs_f64(params.ttfb_manifest_s)
    } else {
        let duration = load.capture.promised.as_ref().and_then(|p| p.duration_us).map_or(0.0, |d| d as f64 / 1e6);
        Span::from_secs_f64(params.ttfb_segment_s.max(params.ttfb_segment_share * duration))
    };
    if p95 <= limit {
        if p95 > limit.mul_ratio(9, 10) {
            out.between().reason(series)
        } else {
            out.pass().reason(series)
        };
        return;
    }
    let (value, limit) = (exact_seconds(p95), exact_seconds(limit));
    let message = format!(
        "one in twenty {}s of {} begins after {value} or more; at most {limit} expected",
        load.object_name(),
        load.host()
    );
    out.fail(Severity::Minor, value, limit, message).reason(series);
}
