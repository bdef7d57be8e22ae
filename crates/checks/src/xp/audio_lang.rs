use std::collections::BTreeSet;

use ow_domain::Severity;
use ow_domain::ladder::AudioRole;

use super::compare;
use crate::input::Presentations;
use crate::offer::{Ladder, normal_language};
use crate::outcome::Outcome;
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       Languages or kinds of sound that one protocol offers and the other does not.
    /// Matters:       Viewers of one protocol lose their language or the audio description.
    /// Usual causes:  One packager lost an audio input, a language tag written in one place only.
    /// Stays quiet:   For spellings of one language, sound without a language tag, sound inside HLS video segments, and with a contract of audio.
    id: "xp-audio-lang", title: "HLS and DASH offer other sound", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [rfc("CTA-5005-A", ""), op()], input: Presentations, scope: Stream, params: {},
}

fn run(input: &Presentations<'_>, _: &Params, out: &mut Outcome) {
    let agreed = input.policy.ladder.as_ref().is_some_and(|l| !l.audio.is_empty());
    let (Some(hls), Some(dash)) = (input.hls.offer, input.dash.offer) else { return };
    let told = |l: &Ladder| !l.audio.is_empty() && !l.audio.iter().any(|t| t.muxed);
    if !input.is_entry || agreed || !told(hls) || !told(dash) {
        return;
    }
    // Some packagers write the language into one of the two only: nobody knows whether it is the same.
    let unnamed = |l: &Ladder| {
        l.audio
            .iter()
            .any(|t| matches!(normal_language(t.language.as_deref().unwrap_or_default()).as_str(), "" | "und"))
    };
    if unnamed(hls) || unnamed(dash) {
        out.unknown();
        return;
    }
    let names = |ladder: &Ladder| -> BTreeSet<String> {
        let name = |t: &crate::offer::AudioTrack| {
            let language = normal_language(t.language.as_deref().unwrap_or_default());
            match t.role {
                AudioRole::Description => format!("{language} description"),
                _ => language,
            }
        };
        ladder.audio.iter().map(name).collect()
    };
    compare(out, Severity::Minor, "sound", &names(hls), &names(dash));
}
