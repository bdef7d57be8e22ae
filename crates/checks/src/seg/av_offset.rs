use ow_domain::Severity;
use ow_domain::facts::{EsKind, SegmentFacts};

use crate::input::{MediaLoad, is_sound};
use crate::outcome::Outcome;
use crate::registry::op;
use crate::ts::{ticks_between, with_number};

crate::check! {
    /// Detects:       Sound that begins far from the pictures of the same segment, other than in the segment before.
    /// Matters:       Lip sync is lost, or players stall at the border.
    /// Usual causes:  Audio and video cut or restarted apart, an ad whose tracks do not begin together.
    /// Stays quiet:   Below 0.2 s, for offsets that stay, at untagged jumps of timestamps, and for separate sound.
    id: "seg-av-offset", title: "Sound and pictures begin apart", severity: Minor, hold: "H3/10", clear: "C10",
    since: "0.2", spec: [op()], input: MediaLoad, scope: Track, params: {
        av_offset_s: f64 = 0.2, "seconds";
        change_s: f64 = 0.045, "seconds between two segments";
        major_s: f64 = 0.5, "seconds";
    },
}

/// First presentation of sound minus that of pictures, 90 kHz.
fn offset(facts: &SegmentFacts) -> Option<i64> {
    let first = |kind| facts.elementary.iter().find(|e| e.kind == kind && e.timescale == 90_000)?.first_pts;
    Some(ticks_between(first(EsKind::Video)?, first(EsKind::Audio)?))
}

/// A stream goes on where it ended.
fn goes_on(before: &SegmentFacts, now: &SegmentFacts, kind: EsKind) -> bool {
    let of = |facts: &SegmentFacts| facts.elementary.iter().find(|e| e.kind == kind).cloned();
    let (Some(before), Some(now)) = (of(before), of(now)) else { return false };
    let by = before.end_dts.zip(now.first_dts).map(|(end, first)| ticks_between(end, first).abs());
    by.is_some_and(|by| by <= 9_000.max(before.access_unit_duration.unwrap_or(0) * 2))
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let facts = load.facts.filter(|_| load.ts().is_some() && load.is_sound());
    let before = load.before.filter(|b| is_sound(&b.facts));
    let (Some(facts), Some(before)) = (facts, before) else { return };
    let (Some(now), Some(past)) = (offset(facts), offset(&before.facts)) else { return };
    let tagged = load.capture.promised.as_ref().is_some_and(|p| p.discontinuity);
    let steady = [EsKind::Video, EsKind::Audio].into_iter().all(|kind| goes_on(&before.facts, facts, kind));
    if !tagged && !steady {
        out.unknown();
        return;
    }
    let (now, change) = (now as f64 / 90_000.0, (now - past) as f64 / 90_000.0);
    if now.abs() <= params.av_offset_s || change.abs() <= params.change_s {
        out.pass();
        return;
    }
    let severity = if now.abs() > params.major_s { Severity::Major } else { Severity::Minor };
    let (value, limit) = (format!("{now:.3} s"), format!("{} s", params.av_offset_s));
    let message = format!("sound of a segment begins {value} after its pictures; within {limit} expected");
    with_number(load, out.fail(severity, value, limit, message).fact("changed by", format!("{change:.3} s")));
}
