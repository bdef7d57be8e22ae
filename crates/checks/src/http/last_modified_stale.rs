use ow_domain::{Severity, Span, Time};
use ow_timeline::Freshness;

use crate::headers;
use crate::input::PlaylistStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::has;

crate::check! {
    /// Detects:       A Last-Modified far behind Date on a live playlist that did change meanwhile.
    /// Matters:       Caches and players that ask conditionally may keep an old playlist.
    /// Usual causes:  A header set once at upload, a proxy that keeps the first one.
    /// Stays quiet:   Without the headers, and when the playlist really stands still, which is hls-playlist-stale.
    id: "http-last-modified-stale", title: "Last-Modified stands still", severity: Warning, hold: "H3", clear: "C3",
    since: "0.1", spec: [has("Last-Modified and Date")], input: PlaylistStep, scope: Track, params: {
        behind_target_durations: f64 = 3.0, "target durations";
    },
}

fn run(step: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let exchange = &step.capture.exchange;
    let modified = exchange.header("last-modified").and_then(Time::parse_http_date);
    let (Some(date), Some(modified)) = (headers::date(exchange), modified) else {
        out.unknown();
        return;
    };
    let limit = Span::from_secs_f64(step.step.target_duration.secs_f64() * params.behind_target_durations);
    let changed = match step.step.freshness {
        Freshness::Grew => true,
        Freshness::Same { age, .. } => age < limit,
        Freshness::NotEvaluated => false,
    };
    if !changed || limit <= Span::ZERO || step.step.end_list.is_present() {
        out.unknown();
        return;
    }
    let behind = date - modified;
    if behind <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (exact_seconds(behind), exact_seconds(limit));
    let message = format!("Last-Modified is {value} before Date on a playlist that changed; at most {limit} expected");
    out.fail(Severity::Warning, value, limit, message);
}
