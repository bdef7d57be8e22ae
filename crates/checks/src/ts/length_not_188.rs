use ow_domain::Severity;

use super::{h222, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Transport stream segments whose length is no multiple of 188 bytes.
    /// Matters:       The last packet is lost, and players that join segments lose sync at the border.
    /// Usual causes:  A truncated upload, padding left over from encryption, bytes appended by a proxy.
    /// Stays quiet:   For bodies that did not arrive whole, and where sync was lost before.
    id: "ts-length-not-188", title: "Segment is not whole packets", severity: Minor, hold: "H2/10", clear: "C10", since: "0.2",
    spec: [h222("2.4.3.2"), op()], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(ts) = load.ts().filter(|ts| ts.sync_losses == 0) else {
        out.unknown();
        return;
    };
    let n = ts.trailing_bytes;
    if n == 0 {
        out.pass();
        return;
    }
    let (value, limit) = (
        if n == 1 { "1 byte after its last packet".to_owned() } else { format!("{n} bytes after its last packet") },
        "whole packets of 188 bytes",
    );
    let message = format!("a segment has {value}; {limit} expected");
    with_number(load, out.fail(Severity::Minor, value, limit, message));
}
