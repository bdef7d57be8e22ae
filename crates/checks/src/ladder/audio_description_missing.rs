use ow_domain::Severity;
use ow_domain::ladder::AudioRole;

use crate::input::LadderLoad;
use crate::offer::name_audio_wanted;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Audio description that the contract asks for and no rendition is marked as.
    /// Matters:       People who do not see the picture lose the programme; in many countries regulation counts the hours.
    /// Usual causes:  A lost audio PID, CHARACTERISTICS or Accessibility dropped by the packager.
    /// Stays quiet:   When a rendition of the language is marked as description in either way.
    id: "ladder-audio-description-missing", title: "Audio description missing", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let wanted = |a: &crate::input::Agreed<'_>| a.contract.audio.iter().any(|w| w.role == AudioRole::Description);
    let Some(agreed) = input.agreed.filter(wanted) else {
        out.unknown();
        return;
    };
    let pairs = agreed.contract.audio.iter().zip(&agreed.matched.audio);
    let missing: Vec<_> = pairs.filter(|(w, at)| w.role == AudioRole::Description && at.is_none()).collect();
    if missing.is_empty() {
        out.pass();
        return;
    }
    let value = format!("audio missing: {}", super::some(missing.iter().map(|(w, _)| name_audio_wanted(w))));
    let limit = "audio description as agreed";
    let message = format!("{value}; {limit} expected");
    super::with_difference(out.fail(Severity::Minor, value, limit, message), input);
}
