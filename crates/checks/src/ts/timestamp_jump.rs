use ow_domain::facts::ElementaryFacts;
use ow_domain::{Severity, Span};

use super::{kind_name, sound_and_pictures, ticks_between, with_number};
use crate::input::{MediaLoad, is_sound};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       Decode times of a segment that do not go on where the segment before ended, without a discontinuity tag.
    /// Matters:       Players show a hole, drop what overlaps, or lose picture against sound.
    /// Usual causes:  An encoder restart or input switch that the packager does not tag, lost input, ads without tags.
    /// Stays quiet:   At the 33-bit wrap, after a discontinuity tag or a segment not read, and within two frames or 0.1 s.
    id: "ts-timestamp-jump", title: "Timestamps jump between segments", severity: Major, hold: "EV, H3/10",
    clear: "C10", since: "0.1", spec: [bis("4.4.4.3"), bis("3.1.1")], input: MediaLoad, scope: Track, params: {
        ts_gap_tol_s: f64 = 0.1, "seconds";
        tol_frames: f64 = 2.0, "access units of the stream";
        major_s: f64 = 1.0, "seconds";
    },
}

/// How far a stream begins after where it should, and its tolerance.
struct Jump<'a> {
    stream: &'a ElementaryFacts,
    by: Span,
    tolerance: Span,
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let discontinuity = load.capture.promised.as_ref().is_none_or(|p| p.discontinuity);
    let (Some(_), Some(now)) = (load.ts(), load.facts.filter(|f| is_sound(f))) else {
        out.unknown();
        return;
    };
    let Some(before) = load.before.filter(|b| !discontinuity && b.facts.ts.is_some() && is_sound(&b.facts)) else {
        out.unknown();
        return;
    };
    let jumps = sound_and_pictures(now).filter_map(|stream| {
        let past = sound_and_pictures(&before.facts).find(|p| p.id == stream.id && p.kind == stream.kind)?;
        let by = Span::from_secs(1).mul_ratio(ticks_between(past.end_dts?, stream.first_dts?), 90_000);
        let unit = past.access_unit_duration.or(stream.access_unit_duration).unwrap_or(0);
        let frames = Span::from_secs_f64(unit as f64 / 90_000.0 * params.tol_frames);
        Some(Jump { stream, by, tolerance: frames.max(Span::from_secs_f64(params.ts_gap_tol_s)) })
    });
    let Some(worst) = jumps.max_by_key(|j| j.by.abs() - j.tolerance) else {
        out.unknown();
        return;
    };
    let Jump { stream, by, tolerance } = worst;
    if by.abs() <= tolerance {
        out.pass();
        return;
    }
    let major = by.abs() >= Span::from_secs_f64(params.major_s);
    let severity = if major { Severity::Major } else { Severity::Minor };
    let direction = if by.is_negative() { "before" } else { "after" };
    let (value, limit) = (exact_seconds(by.abs()), exact_seconds(tolerance));
    let message = format!(
        "{} of a segment begins {value} {direction} the end of the segment before, without a discontinuity; at most \
         {limit} expected",
        kind_name(stream.kind)
    );
    let at = out.fail(severity, value, limit, message).fact("PID", stream.id);
    let at = match stream.first_dts {
        Some(first) => at.fact("first DTS", first),
        None => at,
    };
    with_number(load, at);
}
