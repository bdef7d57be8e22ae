use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::facts::EsKind;
use ow_domain::{Severity, Span};

use super::{ticks_between, with_number};
use crate::input::MediaLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       WebVTT segments whose X-TIMESTAMP-MAP is broken or puts cues far from the pictures.
    /// Matters:       Subtitles come minutes early or late, or never.
    /// Usual causes:  A map that was not unwrapped at 2^33, negative values, clocks of subtitles and pictures apart.
    /// Stays quiet:   For segments without a cue, cues that span segments, and while no picture segment was read.
    id: "ts-vtt-timestamp-map", title: "Subtitle times do not fit the pictures", severity: Minor, hold: "H3/10",
    clear: "C10", since: "0.2", spec: [bis("3.1.4")], input: MediaLoad, scope: Track, params: {
        major_s: f64 = 2.0, "seconds outside of the pictures";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let is_segment = load.capture.object == ObjectKind::Segment && load.is_whole() && !load.is_hidden();
    let Some(vtt) = load.facts.filter(|_| is_segment).and_then(|f| f.vtt.as_ref()) else { return };
    let in_range = vtt.mpegts.is_some_and(|t| (0..1 << 33).contains(&t)) && vtt.local_ms.is_some();
    if vtt.has_map && !in_range {
        let value = match (vtt.mpegts, vtt.local_ms) {
            (Some(mpegts), Some(_)) => format!("MPEGTS:{mpegts}"),
            (None, _) => "no number as MPEGTS".to_owned(),
            (_, None) => "no time as LOCAL".to_owned(),
        };
        let limit = "LOCAL and MPEGTS below 2^33";
        let message = format!("X-TIMESTAMP-MAP of a segment has {value}; {limit} expected");
        with_number(load, out.fail(Severity::Minor, value, limit, message).reason("map"));
        return;
    }
    let (Some(first), Some(last)) = (vtt.first_cue_ms, vtt.last_cue_end_ms) else {
        out.unknown();
        return;
    };
    let Some((start, length)) = pictures(load) else {
        out.unknown();
        return;
    };
    // Without a map LOCAL 0 is MPEGTS 0.
    let (mpegts, local) = (vtt.mpegts.unwrap_or(0), vtt.local_ms.unwrap_or(0));
    let from = ticks_between(start, (mpegts + (first - local) * 90).rem_euclid(1 << 33));
    let to = from + (last - first).max(0) * 90;
    let slack = load.target_duration.or(load.declared_duration()).unwrap_or(Span::from_secs(6)).micros() * 9 / 100;
    let outside = (from - (length + slack)).max(-slack - to).max(0);
    if outside == 0 {
        out.pass();
        return;
    }
    let outside = Span::from_secs(1).mul_ratio(outside, 90_000);
    let major = outside > Span::from_secs_f64(params.major_s);
    let severity = if major { Severity::Major } else { Severity::Minor };
    let (value, limit) = (exact_seconds(outside), "none of it");
    let message =
        format!("cues of a segment are {value} outside of the pictures, by X-TIMESTAMP-MAP; {limit} expected");
    let at = out.fail(severity, value, limit, message).reason("offset").fact("MPEGTS", mpegts).fact("LOCAL, ms", local);
    with_number(load, at);
}

/// Start and length in 90 kHz of what was read last of a video rendition, around the number of this segment.
fn pictures(load: &MediaLoad<'_>) -> Option<(i64, i64)> {
    let number = load.number()?;
    let video = load.tracks.values().filter(|t| matches!(t.track.kind, TrackKind::Video | TrackKind::Muxed));
    video
        .filter_map(|t| {
            let near = t.media.past().filter(|s| s.number.abs_diff(number) <= 4);
            let spans = near.filter_map(|s| {
                let main = s.facts.main().filter(|m| m.kind == EsKind::Video && m.timescale > 0)?;
                let scaled = |t: i64| i64::try_from(i128::from(t) * 90_000 / i128::from(main.timescale)).ok();
                Some((scaled(main.first_pts?)?.rem_euclid(1 << 33), scaled(main.duration?)?))
            });
            spans.reduce(|(start, length), (other, more)| {
                let at = ticks_between(start, other);
                let end = length.max(at + more);
                if at < 0 { (other, end - at) } else { (start, end) }
            })
        })
        .next()
}
