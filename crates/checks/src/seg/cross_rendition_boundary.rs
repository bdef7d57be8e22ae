use ow_domain::Severity;
use ow_domain::capture::TrackKind;
use ow_domain::facts::{EsKind, SegmentFacts};

use crate::input::{MediaLoad, is_sound};
use crate::media::video_of;
use crate::outcome::Outcome;
use crate::registry::{has, op};
use crate::ts::{ticks_between, with_number};

crate::check! {
    /// Detects:       Video renditions of one stream whose segments begin at different media times.
    /// Matters:       A switch between them repeats or drops pictures, or stalls.
    /// Usual causes:  Encoders that cut by themselves instead of at common key frames, one of them restarted.
    /// Stays quiet:   Within a frame, for other containers and target durations, and where segments are numbered apart.
    id: "seg-cross-rendition-boundary", title: "Renditions are cut at different times", severity: Minor, hold: "H3/10",
    clear: "C10", since: "0.2", spec: [has("1.33"), op()], input: MediaLoad, scope: Stream, params: {
        tol_frames: f64 = 1.0, "frames of the rendition";
        major_s: f64 = 0.5, "seconds";
    },
}

/// Start and length in 90 kHz, and the length of a frame.
fn times(facts: &SegmentFacts) -> Option<(i64, i64, i64)> {
    let video = facts.main().filter(|m| m.kind == EsKind::Video && m.timescale > 0)?;
    let scaled = |t: i64| i64::try_from(i128::from(t) * 90_000 / i128::from(video.timescale)).ok();
    Some((scaled(video.first_pts?)?, scaled(video.duration?)?, scaled(video.access_unit_duration?)?))
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let facts = load.facts.filter(|_| load.is_whole() && load.is_sound());
    let Some((track, _)) = video_of(load) else { return };
    let (Some(facts), Some(number)) = (facts, load.number()) else {
        out.unknown();
        return;
    };
    let Some((start, length, frame)) = times(facts).filter(|(_, length, _)| *length > 0) else {
        out.unknown();
        return;
    };
    let mut worst: Option<(i64, String)> = None;
    let mut seen = false;
    for (id, other) in load.tracks.iter().filter(|(id, _)| **id != track.id) {
        let comparable = matches!(other.track.kind, TrackKind::Video | TrackKind::Muxed)
            && other.target_duration == load.target_duration;
        let near = other.media.past().filter(|p| comparable && p.number.abs_diff(number) <= 2);
        let near = near.filter(|p| p.facts.container == facts.container && is_sound(&p.facts));
        // Numbers may be apart: the nearest border counts, either end of a segment.
        let borders = near.filter_map(|p| times(&p.facts)).flat_map(|(at, length, _)| [at, at + length]);
        let Some(off) = borders.map(|border| ticks_between(start, border)).min_by_key(|off| off.abs()) else {
            continue;
        };
        // A whole segment away: what lies between was not read.
        if off.abs() > length * 3 / 4 {
            continue;
        }
        seen = true;
        if worst.as_ref().is_none_or(|(w, _)| off.abs() > w.abs()) {
            worst = Some((off, id.to_string()));
        }
    }
    let Some((off, other)) = worst.filter(|_| seen) else {
        out.unknown();
        return;
    };
    let tolerance = (frame as f64 * params.tol_frames).max(90.0);
    if off.abs() as f64 <= tolerance {
        out.pass();
        return;
    }
    let off = off.abs() as f64 / 90_000.0;
    let severity = if off > params.major_s { Severity::Major } else { Severity::Minor };
    let (value, limit) = (format!("{off:.3} s"), format!("{:.3} s", tolerance / 90_000.0));
    let message = format!("segments of {} and {other} begin {value} apart; within {limit} expected", track.id);
    with_number(load, out.fail(severity, value, limit, message).shared(true));
}
