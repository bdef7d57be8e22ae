use ow_domain::{Severity, Span};

use crate::input::{Aligned, media_difference};
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A rendition whose newest segment ends much earlier (or later) than those of the others.
    /// Matters:       A player that changes to it jumps back or runs out of media.
    /// Usual causes:  One encoder output or upload that lags, a rendition served by another host, a stuck cache.
    /// Stays quiet:   For one segment of difference, when another rendition is behind each time, and for one that stands still.
    id: "hls-align-live-edge-skew", title: "Renditions at different live edges", severity: Minor, hold: "H3", clear: "C2",
    since: "0.1", spec: [bis("6.2.4")], input: Aligned, scope: Track, params: {
        edge_skew_segments: f64 = 1.0, "target durations";
        slack_s: f64 = 0.5, "seconds";
        major_target_durations: f64 = 3.0, "target durations";
    },
}

fn run(input: &Aligned<'_>, params: &Params, out: &mut Outcome) {
    let live: Vec<_> = input.tracks.iter().filter(|t| !t.is_stale).collect();
    for track in input.tracks.iter().filter(|t| t.is_stale) {
        // hls-align-rendition-frozen tells.
        out.unknown().on_track(track.id);
    }
    let n = live.len();
    let pdt: Option<Vec<_>> = live.iter().map(|t| t.pdt_edge()).collect();
    let media: Option<Vec<_>> = live.iter().map(|t| t.media_edge()).collect();
    if n < 2 || pdt.is_none() && media.is_none() {
        out.unknown();
        return;
    }
    // Behind the foremost by each basis; a real lag shows in every one that is there.
    let mut behind: Vec<Option<Span>> = vec![None; n];
    let mut take = |by: Vec<Span>| {
        let foremost = by.iter().max().copied().unwrap_or(Span::ZERO);
        for (known, edge) in behind.iter_mut().zip(by) {
            let lag = foremost - edge;
            *known = Some(known.map_or(lag, |k: Span| k.min(lag)));
        }
    };
    if let Some(pdt) = &pdt {
        take(pdt.iter().map(|edge| *edge - pdt[0]).collect());
    }
    if let Some(media) = &media {
        take(media.iter().map(|edge| media_difference(*edge, media[0])).collect());
    }
    let d = input.target_duration();
    let one_host = live.iter().all(|t| t.host == live[0].host);
    let factor = if one_host { params.edge_skew_segments } else { params.edge_skew_segments + 1.0 };
    let limit = d.mul_ratio((factor * 1000.0) as i64, 1000) + Span::from_secs_f64(params.slack_s);
    let lag = |at: usize| behind.get(at).copied().flatten().unwrap_or(Span::ZERO);
    let n_behind = (0..n).filter(|at| lag(*at) > limit).count();
    // When most are behind, the few at the front are the odd ones.
    let ahead = n_behind * 2 > n;
    let worst = (0..n).map(lag).max().unwrap_or(Span::ZERO);
    for (at, track) in live.iter().enumerate() {
        let is_odd = if ahead { lag(at) <= limit } else { lag(at) > limit };
        if !is_odd {
            out.pass().on_track(track.id);
            continue;
        }
        let skew = if ahead { worst } else { lag(at) };
        let major = skew > d.mul_ratio((params.major_target_durations * 1000.0) as i64, 1000);
        let severity = if major { Severity::Major } else { Severity::Minor };
        let (value, limit) = (seconds(skew), seconds(limit));
        let word = if ahead { "ahead of" } else { "behind" };
        let message =
            format!("live edge is {value} {word} the other renditions in one burst; at most {limit} expected");
        let mut fail = out.fail(severity, value, limit, message).on_track(track.id);
        for (other, track) in live.iter().enumerate() {
            fail = fail.fact("behind the foremost", format!("{}: {}", track.id, seconds(lag(other))));
        }
    }
}
