use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::{Severity, Span};

use crate::input::{Measured, MediaLoad};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::has;

crate::check! {
    /// Detects:       Declared durations that run away from media time, segment by segment, between two seams.
    /// Matters:       Players that seek by duration land off the mark; gaps and overlaps grow until playback stalls.
    /// Usual causes:  Durations written as nominal ones, an encoder clock that drifts against the packager's.
    /// Stays quiet:   For what rounding to milliseconds adds up to, and behind a jump, which is told where it happens.
    id: "seg-duration-cumulative", title: "Durations run away from media time", severity: Minor, hold: "H1", clear: "C30",
    since: "0.1", spec: [has("Media segments")], input: MediaLoad, scope: Track, params: {
        min_segments: f64 = 50.0, "segments";
        info_frames: f64 = 1.0, "frames";
        minor_s: f64 = 0.5, "seconds";
        rounding_ms: f64 = 0.5, "milliseconds for each segment";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let is_timed = !load.track.is_some_and(|t| matches!(t.kind, TrackKind::Text | TrackKind::Trick));
    if load.capture.object != ObjectKind::Segment || !is_timed {
        return;
    }
    let (Some(clock), Some(Measured { access_unit, .. })) = (load.clock, load.measured_duration()) else {
        out.unknown();
        return;
    };
    let (change, n) = clock.cumulative();
    if (n as f64) < params.min_segments {
        out.unknown();
        return;
    }
    // Audio beside video is cut at the access unit before or after: one more at either end.
    let is_audio = load.track.is_some_and(|t| t.kind == TrackKind::Audio);
    let frames = params.info_frames + if is_audio { 2.0 } else { 0.0 };
    let rounding = Span::from_secs_f64(params.rounding_ms * n as f64 / 1_000.0);
    let frame = access_unit.max(Span::from_millis(1)).mul_ratio((frames * 1_000.0) as i64, 1_000);
    let off = change.abs();
    let limits = [
        (load.target_duration.unwrap_or(Span::from_secs(6)), Severity::Major),
        (Span::from_secs_f64(params.minor_s), Severity::Minor),
        (frame, Severity::Info),
    ];
    let Some((limit, severity)) = limits.into_iter().find(|(limit, _)| off > *limit + rounding) else {
        out.pass();
        return;
    };
    let (value, limit) = (exact_seconds(off), exact_seconds(limit + rounding));
    let message =
        format!("media time ran {value} away from declared durations over {n} segments; at most {limit} expected");
    out.fail(severity, value, limit, message).fact("media time less durations", exact_seconds(change));
}
