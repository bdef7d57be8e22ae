use ow_domain::Severity;

use crate::input::LadderLoad;
use crate::offer::{name_audio, name_text, name_video};
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A rendition, sound or text that is offered and that the channel's contract does not know.
    /// Matters:       A test output that viewers can choose, a language without rights, a bill for traffic nobody ordered.
    /// Usual causes:  A change that was approved and not written down, a packager with the profile of another channel.
    /// Stays quiet:   For trick-play, for copies of a rendition (another group of sound or host), and where it is agreed.
    id: "ladder-rendition-unexpected", title: "Rendition beyond the contract", severity: Warning, hold: "H2", clear: "C1",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed else {
        out.unknown();
        return;
    };
    let (contract, matched, offer) = (agreed.contract, agreed.matched, input.offer);
    let mut names = Vec::new();
    // A kind of which the contract says nothing is free.
    if !contract.video.is_empty() {
        names.extend(matched.extra_video.iter().filter_map(|n| offer.video.get(*n)).map(name_video));
    }
    if !contract.audio.is_empty() {
        let extra = matched.extra_audio.iter().filter_map(|n| offer.audio.get(*n)).filter(|t| !t.muxed);
        names.extend(extra.map(|t| format!("audio {}", name_audio(t))));
    }
    if !contract.subtitles.is_empty() {
        names.extend(matched.extra_text.iter().filter_map(|n| offer.text.get(*n)).map(name_text));
    }
    if names.is_empty() || contract.tolerance.extra_renditions {
        out.pass();
        return;
    }
    let value = format!("{} beyond the contract: {}", super::renditions(names.len()), super::some(names.into_iter()));
    let limit = "none beyond it";
    let message = format!("{value}; {limit} expected");
    super::with_difference(out.fail(Severity::Warning, value, limit, message), input);
}
