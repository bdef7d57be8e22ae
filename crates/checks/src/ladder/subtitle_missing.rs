use ow_domain::Severity;

use crate::input::LadderLoad;
use crate::offer::name_text_wanted;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Subtitles or captions that the channel's contract asks for and the manifest does not offer.
    /// Matters:       Viewers who need them lose the programme; where they are mandatory, a regulator asks.
    /// Usual causes:  A subtitle source that was lost, a packager that drops tracks without cues.
    /// Stays quiet:   For other spellings of one language, and for a track without cues, which is still offered.
    id: "ladder-subtitle-missing", title: "Agreed subtitles missing", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed.filter(|a| !a.contract.subtitles.is_empty()) else {
        out.unknown();
        return;
    };
    let pairs = agreed.contract.subtitles.iter().zip(&agreed.matched.text);
    let missing: Vec<_> = pairs.filter(|(_, at)| at.is_none()).map(|(want, _)| want).collect();
    if missing.is_empty() {
        out.pass();
        return;
    }
    let severity = if missing.iter().any(|w| w.mandatory) { Severity::Major } else { Severity::Minor };
    let value = format!("text missing: {}", super::some(missing.iter().map(|w| name_text_wanted(w))));
    let limit = format!("all {} of the contract", agreed.contract.subtitles.len());
    let message = format!("{value}; {limit} expected");
    super::with_difference(out.fail(severity, value, limit, message), input);
}
