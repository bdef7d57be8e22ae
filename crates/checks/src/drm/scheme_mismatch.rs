use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, Protocol};

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::{bis, cenc};

crate::check! {
    /// Detects:       A protection scheme in the initialization section that METHOD does not allow.
    /// Matters:       Players set up the wrong cipher: nothing plays, or only on devices that ignore METHOD.
    /// Usual causes:  One packaging for HLS and DASH with cenc where Apple devices need cbcs.
    /// Stays quiet:   For clear tracks, other METHODs, and DASH.
    id: "drm-scheme-mismatch", title: "Protection scheme does not fit METHOD", severity: Critical, hold: "H1", clear: "C1",
    since: "0.1", spec: [bis("4.4.4.4"), cenc("4.2")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment || load.capture.protocol != Protocol::Hls {
        return;
    }
    let method = load.capture.promised.as_ref().and_then(|p| p.key_method.as_deref());
    let expected = match method {
        Some("SAMPLE-AES") => "cbcs",
        Some("SAMPLE-AES-CTR") => "cenc",
        _ => return,
    };
    let schemes = view::segment(load).zip(load.init).map(|((_, mp4), init)| {
        let tracks = mp4.runs.iter().filter_map(|run| view::track_of(init, run));
        tracks.filter_map(|t| t.protection.as_ref()?.scheme.clone()).collect::<Vec<_>>()
    });
    let Some(schemes) = schemes.filter(|s| !s.is_empty()) else {
        out.unknown();
        return;
    };
    let Some(wrong) = schemes.iter().find(|s| *s != expected) else {
        out.pass();
        return;
    };
    let limit = format!("{expected} for {}", method.unwrap_or_default());
    let message = format!("the initialization section has scheme {wrong}; {limit} expected");
    out.fail(Severity::Critical, wrong.clone(), limit, message);
}
