use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::ElementaryFacts;

use crate::input::{MediaLoad, is_sound};
use crate::outcome::Outcome;
use crate::registry::bis;
use crate::ts::{kind_name, sound_and_pictures, with_number};

crate::check! {
    /// Detects:       Picture size, profile, frame rate or sound format that changes without a discontinuity.
    /// Matters:       Players do not set their decoders up again: broken pictures, wrong speed, silence.
    /// Usual causes:  Another input, an encoder restarted with another preset, ads stitched in without tags.
    /// Stays quiet:   After a discontinuity tag, across segments that were not read, and where the bytes are silent.
    id: "media-parameter-change", title: "Media format changes without discontinuity", severity: Major, hold: "EV",
    clear: "C1", since: "0.2", spec: [bis("4.4.4.3")], input: MediaLoad, scope: Track, params: {},
}

/// What changed, as before and now.
fn change(before: &ElementaryFacts, now: &ElementaryFacts) -> Option<(&'static str, String, String)> {
    fn differ<T: PartialEq + Copy>(
        name: &'static str,
        before: Option<T>,
        now: Option<T>,
        show: impl Fn(T) -> String,
    ) -> Option<(&'static str, String, String)> {
        let (before, now) = (before?, now?);
        (before != now).then(|| (name, show(before), show(now)))
    }
    let size = |e: &ElementaryFacts| e.width.zip(e.height);
    let rate = |e: &ElementaryFacts| e.video.as_ref().and_then(|v| v.frame_rate);
    let profile = |e: &ElementaryFacts| e.video.as_ref().map(|v| v.profile);
    if before.codec != now.codec {
        return Some(("codec", before.codec.clone(), now.codec.clone()));
    }
    differ("size", size(before), size(now), |(w, h)| format!("{w}x{h}"))
        .or_else(|| differ("profile", profile(before), profile(now), |p| format!("profile {p}")))
        .or_else(|| {
            differ("frame-rate", rate(before), rate(now), |(n, d)| {
                format!("{:.2} frames/s", f64::from(n) / f64::from(d))
            })
        })
        .or_else(|| differ("sample-rate", before.sample_rate, now.sample_rate, |r| format!("{r} Hz")))
        .or_else(|| differ("channels", before.channels, now.channels, |n| format!("{n} channels")))
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let discontinuity = load.capture.promised.as_ref().is_none_or(|p| p.discontinuity);
    let now = load.facts.filter(|_| load.is_whole() && load.is_sound());
    let before = load.before.filter(|b| !discontinuity && is_sound(&b.facts));
    let (Some(now), Some(before)) = (now, before) else {
        out.unknown();
        return;
    };
    let mut known = false;
    for stream in sound_and_pictures(now).filter(|s| s.n_access_units > 0) {
        let same = |p: &&ElementaryFacts| p.id == stream.id && p.kind == stream.kind && p.n_access_units > 0;
        let Some(past) = sound_and_pictures(&before.facts).find(same) else { continue };
        known = true;
        if let Some((reason, limit, value)) = change(past, stream) {
            let kind = kind_name(stream.kind);
            let message = format!("{kind} changes to {value} without a discontinuity; {limit} as before expected");
            with_number(load, out.fail(Severity::Major, value, limit, message).reason(reason));
            return;
        }
    }
    if known {
        out.pass()
    } else {
        out.unknown()
    };
}
