use ow_domain::Severity;

use super::{h222, sound_and_pictures, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::has;

crate::check! {
    /// Detects:       Streams whose bytes are of another codec than the stream type in the PMT says.
    /// Matters:       Players open the wrong decoder: no picture or no sound.
    /// Usual causes:  A muxer configured by hand, an input that changed its codec behind a fixed PMT.
    /// Stays quiet:   For SAMPLE-AES and scrambled streams, for private data, and for bytes that tell no codec.
    id: "ts-stream-type-mismatch", title: "Stream type differs from the bytes", severity: Major, hold: "H2", clear: "C3",
    since: "0.2", spec: [h222("2.4.4.9"), has("1.1")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(facts) = load.facts.filter(|_| load.ts().is_some() && load.is_sound()) else {
        out.unknown();
        return;
    };
    let mut seen = false;
    for stream in sound_and_pictures(facts).filter(|s| !s.encrypted && s.n_access_units > 0) {
        seen = true;
        let Some(found) = &stream.found_codec else { continue };
        let types = load.ts().map(|ts| ts.psi.streams.as_slice()).unwrap_or_default();
        let announced = types.iter().find(|(pid, _)| u32::from(*pid) == stream.id);
        let limit = announced.map_or_else(|| stream.codec.clone(), |(_, kind)| format!("stream type 0x{kind:02x}"));
        let message = format!("PID {} of a segment carries {found}; {limit} as its PMT says expected", stream.id);
        with_number(load, out.fail(Severity::Major, found, limit, message));
        return;
    }
    if seen {
        out.pass()
    } else {
        out.unknown()
    };
}
