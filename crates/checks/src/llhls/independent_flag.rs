use ow_domain::Severity;
use ow_domain::facts::EsKind;

use crate::input::PartLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Parts with INDEPENDENT=YES that contain no key frame, and parts with one that lack the mark.
    /// Matters:       Players start at such parts and show nothing, or start later than they could.
    /// Usual causes:  A packager that marks the first part of each segment without looking, frames that are no IDR.
    /// Stays quiet:   For sound and text, for bytes that are encrypted, and for parts whose key frame is not the first frame.
    id: "llhls-independent-flag", title: "Independent mark of parts is wrong", severity: Major, hold: "H3/20",
    clear: "C20", since: "0.1", spec: [bis("4.4.4.9")], input: PartLoad, scope: Track, params: {},
}

fn run(load: &PartLoad<'_>, _: &Params, out: &mut Outcome) {
    let video = load.facts.elementary.iter().find(|e| e.kind == EsKind::Video && e.n_access_units > 0);
    let Some(video) = video.filter(|_| super::is_readable(load)) else {
        out.unknown();
        return;
    };
    let number = load.capture.promised.as_ref().and_then(|p| p.number).unwrap_or(0);
    let index = load.place.index;
    match (load.place.independent, video.n_keyframes > 0) {
        (true, false) => {
            let message = format!(
                "part {index} of segment {number} is marked INDEPENDENT and has no key frame in {} frames; a key frame expected",
                video.n_access_units
            );
            out.fail(Severity::Major, "no key frame", "a key frame", message).reason("false");
            out.pass().reason("missing");
        }
        (false, true) => {
            let message =
                format!("part {index} of segment {number} has a key frame and no mark; INDEPENDENT=YES expected");
            out.fail(Severity::Info, "no mark", "INDEPENDENT=YES", message).reason("missing");
            out.pass().reason("false");
        }
        _ => {
            out.pass();
        }
    }
}
