use ow_domain::Severity;

use super::scte35;
use crate::input::{AdEvent, MediaLoad, MpdStep, PlaylistStep};
use crate::judge::memory::section_of_message;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A SCTE-35 section in a playlist, MPD or event message that cannot be read: its text, length, CRC-32, command or descriptors.
    /// Matters:       Ad decision servers drop it: the break is not sold, or runs into programme.
    /// Usual causes:  A section cut or re-encoded on its way through encoder and packager, a CRC not made anew.
    /// Stays quiet:   For encrypted sections, private commands and descriptors of others.
    id: "ad-scte35-invalid", title: "SCTE-35 section is invalid", severity: Minor, hold: "H2/10", clear: "C5",
    since: "0.1", spec: [scte35("9.6"), bis("4.4.5.1")], input: PlaylistStep, scope: Track, params: {},
    also: { MpdStep => of_mpd, MediaLoad => of_messages },
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    for event in &input.ads.events {
        let AdEvent::Payload { line, fault } = event else { continue };
        tell(*fault, Some(*line), out);
    }
}

fn of_mpd(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    input.sections.iter().for_each(|(line, fault)| tell(*fault, Some(*line), out));
}

/// Repeats of a message are wanted: its section is judged with each.
fn of_messages(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let mp4 = load.facts.filter(|_| load.is_sound()).and_then(|f| f.mp4.as_ref());
    for section in mp4.iter().flat_map(|mp4| &mp4.events).filter_map(section_of_message) {
        tell(section.err().map(|fault| fault.as_str()), None, out);
    }
}

fn tell(fault: Option<&'static str>, line: Option<u32>, out: &mut Outcome) {
    let Some(value) = fault else {
        out.pass();
        return;
    };
    let limit = "a readable section";
    let at = out.fail(Severity::Minor, value, limit, format!("a SCTE-35 section has {value}; {limit} expected"));
    if let Some(line) = line {
        at.line(line);
    }
}
