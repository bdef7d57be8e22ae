use ow_domain::Severity;
use ow_domain::facts::TsFacts;

use super::with_number;
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A segment whose PMT lists other streams than the segment before, without a discontinuity tag.
    /// Matters:       Players keep the decoders of the old list: sound or picture stops.
    /// Usual causes:  Another input, an audio added or dropped upstream, an ad stitched in without a tag.
    /// Stays quiet:   For other descriptors or versions alone, across holes, and as information only where tagged.
    id: "ts-pmt-changed", title: "List of streams changed", severity: Minor, hold: "EV", clear: "C1", since: "0.2",
    spec: [bis("4.4.4.3")], input: MediaLoad, scope: Track, params: {},
}

fn list(streams: &[(u16, u8)]) -> String {
    let names: Vec<String> = streams.iter().map(|(pid, kind)| format!("{pid}:0x{kind:02x}")).collect();
    names.join(" ")
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let readable = |ts: &&TsFacts| ts.sync_losses == 0 && ts.psi.n_programs == 1 && !ts.psi.streams.is_empty();
    let Some(ts) = load.ts().filter(readable) else {
        out.unknown();
        return;
    };
    let limit = "the same streams";
    if ts.psi.changed {
        let value = "two lists of streams";
        let message = format!("a segment has {value} in its PMTs; {limit} all through expected");
        with_number(load, out.fail(Severity::Minor, value, limit, message).reason("inside"));
        return;
    }
    let Some(before) = load.before.and_then(|b| b.facts.ts.as_ref()).filter(readable) else {
        out.unknown();
        return;
    };
    if before.psi.streams == ts.psi.streams {
        out.pass();
        return;
    }
    let tagged = load.capture.promised.as_ref().is_some_and(|p| p.discontinuity);
    let (severity, reason) = if tagged { (Severity::Info, "tagged") } else { (Severity::Minor, "untagged") };
    let value = list(&ts.psi.streams);
    let message = format!("the PMT of a segment lists {value}; {limit} as before expected");
    let at = out.fail(severity, value, limit, message).reason(reason);
    with_number(load, at.fact("before", list(&before.psi.streams)));
}
