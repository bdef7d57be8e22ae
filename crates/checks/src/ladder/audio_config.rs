use ow_domain::Severity;

use crate::input::LadderLoad;
use crate::offer::name_audio;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Sound of an agreed language in another codec, with other channels or another sample rate.
    /// Matters:       5.1 became stereo, or devices without a decoder stay silent.
    /// Usual causes:  A downmix after a lost PID, a changed encoder profile.
    /// Stays quiet:   For what the manifest does not declare; 16/JOC is the agreed 5.1 with objects.
    id: "ladder-audio-config", title: "Audio differs from the contract", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed.filter(|a| !a.contract.audio.is_empty()) else {
        out.unknown();
        return;
    };
    let (mut found, mut wanted) = (Vec::new(), Vec::new());
    for (want, at) in agreed.contract.audio.iter().zip(&agreed.matched.audio) {
        let Some(track) = at.and_then(|at| input.offer.audio.get(at)) else { continue };
        let codec = want.codec.zip(track.codec).filter(|(a, b)| a != b);
        // Channels of object audio are counted with or without its objects.
        let same_count = |(a, b): &(u32, u32)| a == b || track.joc && (*a >= 6 && *b >= 6);
        let count = want.channels.zip(track.channels).filter(|pair| !same_count(pair));
        let rate = want.sample_rate.zip(track.sample_rate).filter(|(a, b)| a != b);
        if codec.is_none() && count.is_none() && rate.is_none() {
            continue;
        }
        let mut parts = Vec::new();
        parts.extend(codec.map(|(a, _)| a.to_string()));
        parts.extend(count.map(|(a, _)| format!("{a} channels")));
        parts.extend(rate.map(|(a, _)| format!("{a} Hz")));
        let hz = rate.map(|(_, b)| format!(" {b} Hz")).unwrap_or_default();
        found.push(format!("{}{hz}", name_audio(track)));
        wanted.push(parts.join(" "));
    }
    if found.is_empty() {
        out.pass();
        return;
    }
    let (value, limit) = (super::some(found.into_iter()), super::some(wanted.into_iter()));
    let message = format!("audio offered as {value}; {limit} expected");
    super::with_difference(out.fail(Severity::Minor, value, limit, message), input);
}
