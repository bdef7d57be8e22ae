use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::EsKind;

use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::{bis, has};
use crate::ts::with_number;

crate::check! {
    /// Detects:       A segment after a discontinuity that does not begin with a key frame and its parameter sets.
    /// Matters:       Players set up new decoders there and show nothing until the next key frame.
    /// Usual causes:  An ad or programme cut away from its key frame, a splice in the middle of a GOP.
    /// Stays quiet:   For sound, for encrypted pictures, and for segments elsewhere, which another check judges.
    id: "seg-first-after-discontinuity", title: "Discontinuity without key frame", severity: Major, hold: "EV", clear: "C1",
    since: "0.2", spec: [bis("4.4.4.3"), has("4.3")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let after = load.capture.promised.as_ref().is_some_and(|p| p.discontinuity);
    if load.capture.object != ObjectKind::Segment || !after {
        return;
    }
    let facts = load.facts.filter(|_| load.is_whole() && load.is_sound());
    let video = facts.and_then(|f| f.elementary.iter().find(|e| e.kind == EsKind::Video));
    let Some((video, key)) = video.filter(|v| !v.encrypted).and_then(|v| Some((v, v.starts_with_keyframe?))) else {
        out.unknown();
        return;
    };
    let value = match (key, video.parameter_sets_first) {
        (false, _) => "a dependent picture",
        (true, Some(false)) => "a picture before its parameter sets",
        (true, _) => {
            out.pass();
            return;
        }
    };
    let limit = "a key frame with its parameter sets";
    let message = format!("the segment after a discontinuity starts with {value}; {limit} expected");
    with_number(load, out.fail(Severity::Major, value, limit, message));
}
