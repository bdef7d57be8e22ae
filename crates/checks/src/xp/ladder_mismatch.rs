use std::collections::BTreeSet;

use ow_domain::Severity;

use super::compare;
use crate::input::Presentations;
use crate::offer::Ladder;
use crate::outcome::Outcome;
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       Video renditions that one protocol offers and the other does not.
    /// Matters:       Devices of one protocol get a worse picture of the same channel.
    /// Usual causes:  One packager lost an input or has an older profile.
    /// Stays quiet:   For bitrates (HLS counts sound in), and with a ladder contract, against which each is compared.
    id: "xp-ladder-mismatch", title: "HLS and DASH offer other renditions", severity: Minor, hold: "H3", clear: "C2",
    since: "0.1", spec: [rfc("CTA-5005-A", ""), op()], input: Presentations, scope: Stream, params: {},
}

fn run(input: &Presentations<'_>, _: &Params, out: &mut Outcome) {
    let agreed = input.policy.ladder.as_ref().is_some_and(|l| !l.video.is_empty());
    let (Some(hls), Some(dash)) = (input.hls.offer, input.dash.offer) else { return };
    if !input.is_entry || agreed || hls.video.is_empty() || dash.video.is_empty() {
        return;
    }
    // A side that does not tell codecs or rates is compared without them.
    let all = |get: fn(&crate::offer::VideoTrack) -> bool| hls.video.iter().chain(&dash.video).all(get);
    let (codecs, rates) = (all(|v| v.codec.is_some()), all(|v| v.frame_rate_milli.is_some()));
    let names = |ladder: &Ladder| -> BTreeSet<String> {
        let sized = ladder.video.iter().filter_map(|v| Some((v, v.width?, v.height?)));
        sized
            .map(|(v, width, height)| {
                let codec = v.codec.filter(|_| codecs).map(|c| format!(" {c}")).unwrap_or_default();
                let rate = v.frame_rate().filter(|_| rates).map(|r| format!(" {} fps", r.round())).unwrap_or_default();
                format!("{width}x{height}{codec}{rate}")
            })
            .collect()
    };
    let (hls, dash) = (names(hls), names(dash));
    if hls.is_empty() || dash.is_empty() {
        return;
    }
    compare(out, Severity::Minor, "renditions", &hls, &dash);
}
