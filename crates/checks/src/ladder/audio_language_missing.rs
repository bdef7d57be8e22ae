use ow_domain::Severity;
use ow_domain::ladder::AudioRole;

use crate::input::LadderLoad;
use crate::offer::name_audio_wanted;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A language of sound that the channel's contract asks for and the manifest does not offer.
    /// Matters:       Viewers hear another language, or nothing.
    /// Usual causes:  An audio PID that was lost at the encoder input, a language tag that was changed or dropped.
    /// Stays quiet:   For other spellings of one language (fra, fre, fr), and for sound inside the video segments.
    id: "ladder-audio-language-missing", title: "Agreed audio language missing", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed.filter(|a| !a.contract.audio.is_empty()) else {
        out.unknown();
        return;
    };
    if input.offer.audio.iter().any(|t| t.muxed) {
        // The manifest cannot tell.
        out.unknown();
        return;
    }
    let wanted: Vec<_> = agreed.contract.audio.iter().zip(&agreed.matched.audio).collect();
    // Audio description has a check of its own.
    let mut missing = wanted.iter().filter(|(w, at)| at.is_none() && w.role != AudioRole::Description).peekable();
    if missing.peek().is_none() {
        out.pass();
        return;
    }
    let missing: Vec<_> = missing.map(|(w, _)| *w).collect();
    let n_main = wanted.iter().filter(|(w, _)| w.role == AudioRole::Main).count();
    let default = missing.iter().any(|w| w.default) || missing.len() == wanted.len() && n_main > 0;
    let severity = if default { Severity::Critical } else { Severity::Major };
    let value = format!("audio missing: {}", super::some(missing.iter().map(|w| name_audio_wanted(w))));
    let limit = format!("all {} of the contract", wanted.len());
    let message = format!("{value}; {limit} expected");
    super::with_difference(out.fail(severity, value, limit, message), input);
}
