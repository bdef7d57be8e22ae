use ow_domain::capture::TrackKind;
use ow_domain::{Severity, Span};

use crate::input::{Aligned, AlignedTrack, media_difference};
use crate::outcome::{Outcome, seconds};
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       Segments of a rendition that begin at other media times than those of the reference video.
    /// Matters:       Changes of rendition skip or repeat pictures; sound runs away from the picture segment by segment.
    /// Usual causes:  Encoders without common key frames, audio cut by its own count instead of the video's.
    /// Stays quiet:   For one access unit of sound and one frame, for other target durations, and for a few pairs in ten.
    id: "hls-align-segment-boundary", title: "Segment boundaries of renditions differ", severity: Minor, hold: "H3/10",
    clear: "C10", since: "0.1", spec: [bis("6.2.4"), has("8.6")], input: Aligned, scope: Track, params: {
        min_pairs: f64 = 3.0, "pairs of the last ten";
        audio_slack_s: f64 = 0.05, "seconds for the priming of audio encoders";
        major_s: f64 = 0.5, "seconds";
    },
}

fn run(input: &Aligned<'_>, params: &Params, out: &mut Outcome) {
    let Some(reference) = input.reference().filter(|r| r.is_video()) else { return };
    for track in input.tracks.iter().filter(|t| t.id != reference.id && t.kind != TrackKind::Text) {
        let differences = pairs(track, reference);
        let by_design =
            track.target_duration != reference.target_duration || median(track) * 10 < median(reference) * 9;
        if differences.len() < params.min_pairs as usize || by_design || track.is_stale {
            out.unknown().on_track(track.id);
            continue;
        }
        let frame = reference.unit().max(if track.is_video() { track.unit() } else { Span::ZERO });
        let frame = if frame == Span::ZERO { Span::from_millis(40) } else { frame };
        let slack = Span::from_secs_f64(params.audio_slack_s);
        let limit = if track.is_video() { frame } else { frame + track.unit() + slack };
        // A tick of rounding on each side.
        let far: Vec<Span> = differences.iter().copied().filter(|d| *d > limit + Span::from_micros(50)).collect();
        if far.len() < params.min_pairs as usize {
            out.pass().on_track(track.id);
            continue;
        }
        let worst = far.iter().max().copied().unwrap_or(Span::ZERO);
        let severity = if worst > Span::from_secs_f64(params.major_s) { Severity::Major } else { Severity::Minor };
        let (value, limit) = (seconds(worst), seconds(limit));
        let message = format!("segments begin up to {value} off those of {}; at most {limit} expected", reference.id);
        out.fail(severity, value, limit, message)
            .on_track(track.id)
            .fact("pairs", format!("{} of {}", far.len(), differences.len()));
    }
}

fn median(track: &AlignedTrack<'_>) -> i64 {
    let mut all: Vec<i64> = track.segments.iter().map(|s| s.duration.micros()).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

/// Distance of the last ten boundaries of the reference to the nearest of the track, in media time and one timeline.
fn pairs(track: &AlignedTrack<'_>, reference: &AlignedTrack<'_>) -> Vec<Span> {
    let known = |t: &AlignedTrack<'_>| -> Vec<(u64, i64)> {
        t.segments.iter().filter_map(|s| Some((s.dsn, s.media?.start))).collect()
    };
    let (mine, theirs) = (known(track), known(reference));
    let mut found = Vec::new();
    for (dsn, start) in theirs.iter().rev() {
        let others = mine.iter().filter(|(other, _)| other == dsn).map(|(_, at)| media_difference(*at, *start));
        let (mut nearest, mut before, mut after) = (None::<Span>, false, false);
        for difference in others {
            before |= difference <= Span::ZERO;
            after |= difference >= Span::ZERO;
            nearest = Some(nearest.map_or(difference.abs(), |n| n.min(difference.abs())));
        }
        // Only inside what is known of the track; beyond it the nearest is no pair.
        let half = reference.target_duration.mul_ratio(1, 2);
        if let Some(nearest) = nearest.filter(|n| *n <= half || before && after) {
            found.push(nearest);
        }
        if found.len() == 10 {
            break;
        }
    }
    found
}
