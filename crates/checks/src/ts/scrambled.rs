use ow_domain::Severity;

use super::{h222, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Packets marked as scrambled while the playlist declares no encryption that marks them.
    /// Matters:       No player can descramble them: picture and sound are gone.
    /// Usual causes:  Conditional access of the contribution passed through, a scrambler switched on by mistake.
    /// Stays quiet:   For SAMPLE-AES, which does not set these bits, and for segments encrypted as a whole.
    id: "ts-scrambled", title: "Scrambled packets in clear stream", severity: Major, hold: "H1", clear: "C3", since: "0.2",
    spec: [h222("2.4.3.3"), bis("4.4.4.4")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(ts) = load.ts().filter(|ts| ts.sync_losses == 0) else {
        out.unknown();
        return;
    };
    let value = match (ts.scrambled_packets, ts.scrambled_pes) {
        (0, 0) => {
            out.pass();
            return;
        }
        (0, pes) => format!("{pes} scrambled PES packets"),
        (packets, _) => format!("{packets} of {} packets scrambled", ts.n_packets),
    };
    let method = load.capture.promised.as_ref().and_then(|p| p.key_method.as_deref()).unwrap_or("NONE");
    let limit = "clear packets";
    let message = format!("a segment has {value} under METHOD={method}; {limit} expected");
    with_number(load, out.fail(Severity::Major, value, limit, message));
}
