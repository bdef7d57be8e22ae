use super::codecs_invalid::is_video;
use ow_domain::Severity;

use super::{Breach, cut, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       Video variants without VIDEO-RANGE, or with an unknown one, in a playlist that offers HDR.
    /// Matters:       Players mix SDR and HDR while they play: the display switches modes or colours are wrong.
    /// Usual causes:  An HDR ladder that was added beside an old SDR one.
    /// Stays quiet:   Without any HDR variant, where absence means SDR, and for audio-only variants.
    id: "hls-mvp-video-range-inconsistent", title: "VIDEO-RANGE is not on all variants", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.2"), has("9.16")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let variants = &doc.playlist.variants;
    let has_hdr = variants.iter().any(|v| matches!(v.video_range.as_deref(), Some("PQ" | "HLG")));
    let mut breaches = Vec::new();
    for variant in variants.iter().filter(|_| has_hdr) {
        let is_video = variant.resolution.is_some() || variant.codecs.iter().any(|c| is_video(c));
        let value = match variant.video_range.as_deref() {
            None if is_video => "a video variant beside HDR has no VIDEO-RANGE".to_owned(),
            Some(range) if !matches!(range, "SDR" | "PQ" | "HLG") => format!("VIDEO-RANGE is {:?}", cut(range)),
            _ => continue,
        };
        breaches.push(Breach::new(variant.line, Severity::Minor, value, "SDR, HLG or PQ"));
    }
    tell(doc, out, breaches);
}
