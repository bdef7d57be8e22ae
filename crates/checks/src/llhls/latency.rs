use ow_domain::{Severity, Span};

use super::times;
use crate::input::EdgesLoad;
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       The newest part is older by its date-time than what PART-HOLD-BACK and a second more allow.
    /// Matters:       The channel is sold as low-latency, and is not: the delay arises before the player can do anything.
    /// Usual causes:  An encoder with a long buffer, a packager that is behind, a CDN that holds playlists.
    /// Stays quiet:   Where date-times are no wall clock, where nothing new came, and where all latency is told as too high.
    id: "llhls-latency", title: "Low-latency stream is late", severity: Minor, hold: "H5", clear: "C5", since: "0.1",
    spec: [op()], input: EdgesLoad, scope: Track, params: {
        slack_s: f64 = 1.0, "seconds over PART-HOLD-BACK";
        max_s: f64 = 0.0, "seconds in place of that; 0 for none";
        told_otherwise_tds: f64 = 6.0, "target durations from which hls-live-latency-pdt tells";
    },
}

fn run(load: &EdgesLoad<'_>, params: &Params, out: &mut Outcome) {
    let hold_back = load.playlist.server_control.as_ref().and_then(|c| c.part_hold_back_us).map(Span::from_micros);
    let limit = match (params.max_s > 0.0, hold_back) {
        (true, _) => Some(Span::from_secs_f64(params.max_s)),
        (false, hold_back) => hold_back.map(|hold_back| hold_back + Span::from_secs_f64(params.slack_s)),
    };
    let uncertainty = Span::from_micros(load.capture.clock_uncertainty_us);
    let (Some(latency), Some(limit)) = (load.latency, limit) else {
        out.unknown();
        return;
    };
    let other = load.policy.checks.latency_max_s.map(Span::from_secs_f64);
    let other = other.unwrap_or_else(|| times(super::target_duration(load.playlist), params.told_otherwise_tds));
    if latency > other.max(limit) {
        out.unknown();
    } else if latency - uncertainty > limit {
        let (value, limit) = (seconds(latency), seconds(limit));
        let message = format!("the newest part ended {value} ago by its date-time; at most {limit} expected");
        out.fail(Severity::Minor, value, limit, message);
    } else if latency.mul_ratio(10, 9) > limit {
        out.between();
    } else {
        out.pass();
    }
}
