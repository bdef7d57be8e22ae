use super::codecs_invalid::is_video;
use ow_domain::Severity;
use ow_hls::MediaType;

use super::{Breach, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       Variants without RESOLUTION, or some without FRAME-RATE while others have it; with Apple's rules also AVERAGE-BANDWIDTH, CHANNELS and LANGUAGE.
    /// Matters:       Players choose by these; without them they pick too much or too little.
    /// Usual causes:  A packager that does not write what its encoder knows.
    /// Stays quiet:   For audio-only variants, which have no picture, and for Apple's own rules where the template does not want them.
    id: "hls-mvp-authoring-attr-missing", title: "Attributes that players choose by are missing", severity: Warning, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.2"), has("9.3")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let apple = doc.policy.checks.apple_rules;
    let any_rate = doc.playlist.variants.iter().any(|v| v.frame_rate_milli.is_some());
    let mut breaches = Vec::new();
    for variant in &doc.playlist.variants {
        let mut say =
            |value: &str, limit: &str| breaches.push(Breach::new(variant.line, Severity::Warning, value, limit));
        let is_video = variant.resolution.is_some() || variant.codecs.iter().any(|c| is_video(c));
        if is_video && variant.resolution.is_none() {
            say("a video variant has no RESOLUTION", "a RESOLUTION");
        }
        if is_video && any_rate && variant.frame_rate_milli.is_none() {
            say("a video variant has no FRAME-RATE while others have one", "a FRAME-RATE");
        }
        if apple && variant.average_bandwidth.is_none() {
            say("a variant has no AVERAGE-BANDWIDTH", "an AVERAGE-BANDWIDTH");
        }
    }
    for media in doc.playlist.media.iter().filter(|_| apple) {
        let mut say =
            |value: &str, limit: &str| breaches.push(Breach::new(media.line, Severity::Warning, value, limit));
        if media.media_type == MediaType::Audio && media.channels.is_none() {
            say("an audio rendition has no CHANNELS", "CHANNELS");
        }
        if matches!(media.media_type, MediaType::Audio | MediaType::Subtitles) && media.language.is_none() {
            say("a rendition has no LANGUAGE", "a LANGUAGE");
        }
    }
    tell(doc, out, breaches);
}
