use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::media::video_of;
use crate::outcome::Outcome;
use crate::registry::has;
use crate::ts::{ticks_between, with_number};

crate::check! {
    /// Detects:       Key frames farther apart than two seconds.
    /// Matters:       Players start and switch late, and trick play is coarse.
    /// Usual causes:  An encoder with its default distance, key frames tied to segments of six seconds.
    /// Stays quiet:   For key frames that are closer, for encrypted pictures, and across segments that were not read.
    id: "seg-gop-length", title: "Key frames too far apart", severity: Warning, hold: "H3/10", clear: "C10", since: "0.2",
    spec: [has("1.13")], input: MediaLoad, scope: Track, params: {
        gop_max_s: f64 = 2.1, "seconds";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some((_, video)) = video_of(load) else { return };
    let Some(keys) = video.keyframes.filter(|_| !video.encrypted) else {
        out.unknown();
        return;
    };
    // From the last key frame of the segment before to the first of this one.
    let over = load.before.and_then(|b| {
        let past = b.facts.main()?;
        let last = past.first_dts?.checked_add(past.keyframes?.last)?;
        let first = video.first_dts?.checked_add(keys.first)?;
        let ticks = if load.ts().is_some() { ticks_between(last, first) } else { first - last };
        (past.timescale == video.timescale).then_some(ticks)
    });
    let tagged = load.capture.promised.as_ref().is_none_or(|p| p.discontinuity);
    let over = over.filter(|o| !tagged && *o > 0);
    let Some(distance) = keys.max_distance.max(over).and_then(|d| video.seconds(d)) else {
        out.unknown();
        return;
    };
    if distance <= params.gop_max_s {
        if distance > params.gop_max_s * 0.98 {
            out.between()
        } else {
            out.pass()
        };
        return;
    }
    let (value, limit) = (format!("{distance:.2} s"), format!("{} s", params.gop_max_s));
    let message = format!("key frames of a segment are {value} apart; at most {limit} expected");
    with_number(load, out.fail(Severity::Warning, value, limit, message));
}
