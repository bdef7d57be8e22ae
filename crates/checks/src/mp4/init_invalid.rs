use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::{bis, cmaf};

crate::check! {
    /// Detects:       Initialization sections that are not one: no ftyp first, tracks without trex, samples of their own.
    /// Matters:       Some players refuse them, others play nothing but the first moment.
    /// Usual causes:  A whole file published as initialization section, a muxer without fragmentation set up.
    /// Stays quiet:   For further boxes such as udta, meta and pssh, and for those too broken to be read.
    id: "mp4-init-invalid", title: "Initialization section is not valid", severity: Major, hold: "H1", clear: "C1",
    since: "0.1", spec: [bis("3.1.2"), cmaf("7.3.1")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Init {
        return;
    }
    let Some((_, mp4)) = view::init(load) else {
        out.unknown();
        return;
    };
    let at = |name: &str| mp4.boxes.iter().position(|b| b == name);
    let is_cmaf = mp4.brands.iter().any(|b| b == "cmfc" || b == "cmf2");
    let (value, limit) = if at("ftyp").is_none_or(|ftyp| at("moov").is_some_and(|moov| moov < ftyp)) {
        ("no ftyp before moov", "ftyp first")
    } else if mp4.tracks.iter().any(|t| !t.has_trex) {
        ("a track without trex", "trex for each track")
    } else if mp4.tracks.iter().any(|t| t.has_samples) {
        ("samples in moov", "none")
    } else if is_cmaf && mp4.tracks.len() > 1 {
        ("several tracks under a CMAF brand", "one")
    } else {
        out.pass();
        return;
    };
    out.fail(Severity::Major, value, limit, format!("the initialization section has {value}; {limit} expected"));
}
