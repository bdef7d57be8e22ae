use ow_domain::capture::ObjectKind;
use ow_domain::{Severity, Span};

use crate::headers;
use crate::input::LiveManifest;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{bis, rfc};

crate::check! {
    /// Detects:       A live media playlist that caches may keep longer than half a target duration, an MPD longer than its update period.
    /// Matters:       Viewers behind caches get old playlists: latency, stalls, segments that are gone.
    /// Usual causes:  A default of the web server or CDN, a rule that takes playlists for segments.
    /// Stays quiet:   For blocking reloads, whose URLs are unique, for ended playlists, and when nothing is said.
    id: "http-cache-control-manifest", title: "Playlists may be cached too long", severity: Warning, hold: "H3",
    clear: "C3", since: "0.1", spec: [bis("B"), rfc("RFC 9111", "4.2.1")], input: LiveManifest, scope: Track, params: {
        fresh_max_target_durations: f64 = 0.5, "target durations";
        fresh_max_update_periods: f64 = 1.0, "minimumUpdatePeriod; segment durations where that is 0";
        fresh_major_target_durations: f64 = 3.0, "target durations or update periods";
    },
}

fn run(load: &LiveManifest<'_>, params: &Params, out: &mut Outcome) {
    let exchange = &load.capture.exchange;
    let (false, Some(rhythm), Some(lifetime)) =
        (headers::is_blocking(exchange), load.rhythm, headers::freshness(exchange))
    else {
        out.unknown();
        return;
    };
    let of = |factor: f64| Span::from_secs_f64(rhythm.secs_f64() * factor);
    let (share, what, basis) = match load.capture.object {
        ObjectKind::Mpd => (params.fresh_max_update_periods, "MPD", "update period"),
        _ => (params.fresh_max_target_durations, "playlist", "target duration"),
    };
    let limit = of(share);
    let severity = match lifetime {
        l if l > of(params.fresh_major_target_durations) => Severity::Major,
        l if l > limit.mul_ratio(3, 2) => Severity::Minor,
        l if l > limit => Severity::Warning,
        _ => {
            out.pass();
            return;
        }
    };
    let (value, limit) = (exact_seconds(lifetime), exact_seconds(limit));
    let message = format!("caches may keep the live {what} for {value}; at most {limit} expected");
    out.fail(severity, value, limit, message).fact(basis, exact_seconds(rhythm));
}
