use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::media::video_of;
use crate::outcome::Outcome;
use crate::registry::{bis, has};
use crate::ts::with_number;

crate::check! {
    /// Detects:       Pictures whose transfer curve is another than VIDEO-RANGE declares.
    /// Matters:       Colours are washed out or far too dark on every screen.
    /// Usual causes:  An SDR encode behind an HDR entry, a curve dropped by a transcoder.
    /// Stays quiet:   Where the bytes or the playlist are silent, and for HDR metadata, which is optional.
    id: "media-hdr-signalling", title: "HDR curve differs from declared", severity: Major, hold: "H2", clear: "C3",
    since: "0.2", spec: [bis("4.4.6.2"), has("1.18")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some((track, video)) = video_of(load) else { return };
    let found = video.video.as_ref().and_then(|v| v.range());
    let (Some(found), Some(declared)) = (found, track.video_range.as_deref()) else {
        out.unknown();
        return;
    };
    if found == declared {
        out.pass();
        return;
    }
    let transfer = video.video.as_ref().and_then(|v| v.transfer).unwrap_or_default();
    let message = format!("pictures of a segment are {found}; {declared} as VIDEO-RANGE declares expected");
    let at = out.fail(Severity::Major, found, declared, message).reason("curve");
    with_number(load, at.fact("transfer_characteristics", transfer));
}
