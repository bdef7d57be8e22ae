use ow_domain::capture::ObjectKind;
use ow_domain::{Severity, Span};

use crate::headers;
use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::rfc;

crate::check! {
    /// Detects:       A cache that serves what is older than its lifetime, or a live playlist older than 1.5 target durations.
    /// Matters:       Viewers behind that cache see old playlists.
    /// Usual causes:  A cache that cannot reach its origin, tiers that add up, clocks that differ inside a CDN.
    /// Stays quiet:   When Age is absent, and milder where stale answers are allowed (stale-while-revalidate).
    id: "http-stale-age", title: "Cache serves old answers", severity: Minor, hold: "H2", clear: "C2",
    since: "0.1", spec: [rfc("RFC 9111", "4.2"), rfc("RFC 5861", "3")], input: Load, scope: Track, params: {
        age_slack_s: f64 = 2.0, "seconds";
        live_target_durations: f64 = 1.5, "target durations";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let exchange = &load.capture.exchange;
    let good = load.response().is_some_and(|r| matches!(r.status, 200 | 206 | 304));
    let Some(age) = headers::age(exchange).filter(|_| good) else {
        out.unknown();
        return;
    };
    let slack = Span::from_secs_f64(params.age_slack_s);
    let by_lifetime = headers::freshness(exchange).map(|lifetime| lifetime + slack);
    let is_live = load.capture.object == ObjectKind::MediaPlaylist;
    let live = load.target_duration.filter(|_| is_live);
    let by_edge = live.map(|td| Span::from_secs_f64(td.secs_f64() * params.live_target_durations));
    let Some(limit) = by_lifetime.into_iter().chain(by_edge).min() else {
        out.unknown();
        return;
    };
    if age <= limit {
        out.pass();
        return;
    }
    let severity = if headers::may_be_stale(exchange) { Severity::Warning } else { Severity::Minor };
    let (value, limit) = (exact_seconds(age), exact_seconds(limit));
    let message = format!("a {} was {value} in caches; at most {limit} expected", load.object_name());
    out.fail(severity, value, limit, message);
}
