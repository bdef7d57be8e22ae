use ow_domain::Severity;

use super::scte35;
use crate::input::{AdEvent, PlaylistStep};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A SCTE-35 section in a playlist that cannot be read: its text, length, CRC-32, command or descriptors.
    /// Matters:       Ad decision servers drop it: the break is not sold, or runs into programme.
    /// Usual causes:  A section cut or re-encoded on its way through encoder and packager, a CRC not made anew.
    /// Stays quiet:   For encrypted sections, private commands and descriptors of others.
    id: "ad-scte35-invalid", title: "SCTE-35 section is invalid", severity: Minor, hold: "H2/10", clear: "C5",
    since: "0.1", spec: [scte35("9.6"), bis("4.4.5.1")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    for event in &input.ads.events {
        let AdEvent::Payload { line, fault } = event else { continue };
        match fault {
            None => out.pass(),
            Some(value) => {
                let limit = "a readable section";
                out.fail(Severity::Minor, *value, limit, format!("a SCTE-35 section has {value}; {limit} expected"))
                    .line(*line)
            }
        };
    }
}
