use super::codecs_invalid::{is_audio, is_video};
use ow_domain::Severity;
use ow_hls::MediaType;

use super::{Breach, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       A variant without CODECS, or whose CODECS leave out its video or the format of its audio group.
    /// Matters:       Players must load segments to learn whether they can play, and start slowly or fail late.
    /// Usual causes:  A packager that learns the codec after it wrote the playlist.
    /// Stays quiet:   For subtitle formats outside of fMP4.
    id: "hls-mvp-codecs-missing", title: "CODECS missing or incomplete", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.2"), has("9.4")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let severity = if doc.policy.checks.apple_rules { Severity::Major } else { Severity::Minor };
    let mut breaches = Vec::new();
    for variant in &doc.playlist.variants {
        let mut say = |value: &str, limit: &str| breaches.push(Breach::new(variant.line, severity, value, limit));
        if variant.codecs.is_empty() {
            say("a variant has no CODECS", "CODECS");
            continue;
        }
        if variant.resolution.is_some() && !variant.codecs.iter().any(|c| is_video(c)) {
            say("CODECS of a variant with a picture name no video", "a video codec");
        }
        let group = variant.audio.as_deref();
        let has_audio =
            doc.playlist.media.iter().any(|m| m.media_type == MediaType::Audio && group == Some(&*m.group_id));
        if has_audio && !variant.codecs.iter().any(|c| is_audio(c)) {
            say("CODECS of a variant with an audio group name no audio", "an audio codec");
        }
    }
    tell(doc, out, breaches);
}
