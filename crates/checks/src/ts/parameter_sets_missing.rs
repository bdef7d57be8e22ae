use ow_domain::Severity;
use ow_domain::facts::EsKind;

use super::with_number;
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       Segments whose first picture comes before its parameter sets.
    /// Matters:       A player that starts or switches there cannot decode until they come.
    /// Usual causes:  A segmenter that cuts between parameter sets and picture, an encoder that sends them once.
    /// Stays quiet:   For segments that do not begin with a key frame, and for encrypted pictures.
    id: "ts-parameter-sets-missing", title: "Parameter sets missing at segment start", severity: Major, hold: "H2/10",
    clear: "C10", since: "0.2", spec: [bis("6.2.4"), op()], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let facts = load.facts.filter(|_| load.ts().is_some() && load.is_sound());
    let video = facts.and_then(|f| f.elementary.iter().find(|e| e.kind == EsKind::Video));
    let video = video.filter(|v| !v.encrypted && v.starts_with_keyframe == Some(true));
    match video.and_then(|v| v.parameter_sets_first) {
        None => {
            out.unknown();
        }
        Some(true) => {
            out.pass();
        }
        Some(false) => {
            let (value, limit) = ("a picture before its parameter sets", "parameter sets first");
            let message = format!("a segment starts with {value}; {limit} expected");
            with_number(load, out.fail(Severity::Major, value, limit, message));
        }
    }
}
