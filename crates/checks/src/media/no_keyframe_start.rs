use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::EsKind;

use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       Segments whose first picture cannot be decoded without earlier ones.
    /// Matters:       Players that start or switch there show broken pictures or nothing until the next key frame.
    /// Usual causes:  Segments cut away from key frames, open GOPs, an encoder and a packager that disagree on length.
    /// Stays quiet:   For audio, for encrypted bytes, and for one such segment in ten.
    id: "media-no-keyframe-start", title: "Segment does not start with a key frame", severity: Major, hold: "H2/10",
    clear: "C10", since: "0.1", spec: [bis("4.4.2.1"), has("1.10")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let promised = load.capture.promised.as_ref();
    let hidden = promised.is_some_and(|p| p.key_method.as_deref() == Some("AES-128"));
    let video = load.facts.and_then(|f| f.elementary.iter().find(|e| e.kind == EsKind::Video));
    // Pictures before the tables are lost to the reader: what it sees first is not what comes first.
    let hidden = hidden || !load.is_sound();
    // The first segment after a discontinuity is judged by a check of its own.
    let hidden = hidden || promised.is_some_and(|p| p.discontinuity);
    let Some(starts) = video.filter(|v| !hidden && v.n_access_units > 0).and_then(|v| v.starts_with_keyframe) else {
        out.unknown();
        return;
    };
    if starts {
        out.pass();
        return;
    }
    let claimed = promised.is_some_and(|p| p.independent);
    let (severity, limit) =
        if claimed { (Severity::Major, "a key frame as claimed") } else { (Severity::Warning, "a key frame") };
    let value = "a dependent picture";
    let at = out.fail(severity, value, limit, format!("a segment starts with {value}; {limit} expected"));
    if let Some(number) = promised.and_then(|p| p.number) {
        at.fact("segment number", number);
    }
}
