use ow_domain::capture::TrackKind;
use ow_domain::{Severity, Span};

use crate::input::Aligned;
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       Video at the edge or at the tail of the window for which a rendition of sound has no segments.
    /// Matters:       Players stall at the live edge, or when viewers go back to the oldest moment.
    /// Usual causes:  A shorter window for audio, audio that is uploaded later.
    /// Stays quiet:   For less than one target duration; a larger lag at the edge is hls-align-live-edge-skew.
    id: "hls-align-audio-coverage", title: "Audio does not cover the video", severity: Minor, hold: "H3", clear: "C3",
    since: "0.1", spec: [bis("6.2.4")], input: Aligned, scope: Track, params: {
        allowed_target_durations: f64 = 1.0, "target durations";
        major_target_durations: f64 = 2.0, "target durations";
        skew_slack_s: f64 = 0.5, "seconds above which the edge is told as skew";
    },
}

fn run(input: &Aligned<'_>, params: &Params, out: &mut Outcome) {
    let videos = || input.tracks.iter().filter(|t| t.is_video() && !t.is_stale);
    let (Some(edge), Some(tail)) =
        (videos().filter_map(|t| t.pdt_edge()).min(), videos().filter_map(|t| t.window_start).max())
    else {
        out.unknown();
        return;
    };
    let d = input.target_duration();
    let times = |factor: f64| d.mul_ratio((factor * 1000.0) as i64, 1000);
    let (allowed, major) = (times(params.allowed_target_durations), times(params.major_target_durations));
    for track in input.tracks.iter().filter(|t| t.kind == TrackKind::Audio) {
        let (Some(mine), Some(start)) = (track.pdt_edge(), track.window_start) else {
            out.unknown().on_track(track.id);
            continue;
        };
        let at_edge = edge - mine;
        let is_skew = at_edge.abs() > allowed + Span::from_secs_f64(params.skew_slack_s) || track.is_stale;
        let places = [("edge", at_edge, is_skew), ("tail", start - tail, is_skew)];
        for (reason, uncovered, told_elsewhere) in places {
            if told_elsewhere {
                out.unknown().on_track(track.id).reason(reason);
            } else if uncovered <= allowed {
                out.pass().on_track(track.id).reason(reason);
            } else {
                let severity = if uncovered > major { Severity::Major } else { Severity::Minor };
                let (value, limit) = (seconds(uncovered), seconds(allowed));
                let message = format!(
                    "{value} of video at the {reason} of the window without this sound; at most {limit} expected"
                );
                out.fail(severity, value, limit, message).on_track(track.id).reason(reason);
            }
        }
    }
}
