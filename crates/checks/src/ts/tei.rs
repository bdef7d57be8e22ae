use ow_domain::Severity;

use super::{h222, tr290, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;

crate::check! {
    /// Detects:       Packets with the transport error indicator set.
    /// Matters:       A demodulator or gateway upstream says that these packets are damaged.
    /// Usual causes:  A weak satellite or radio contribution, a gateway that passes damage on.
    /// Stays quiet:   Without such packets, and where sync was lost.
    id: "ts-tei", title: "Transport errors flagged", severity: Major, hold: "H1", clear: "C10", since: "0.2",
    spec: [tr290("2.1"), h222("2.4.3.3")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(ts) = load.ts().filter(|ts| ts.sync_losses == 0) else {
        out.unknown();
        return;
    };
    let n = ts.transport_errors;
    if n == 0 {
        out.pass();
        return;
    }
    let (value, limit) = (
        if n == 1 {
            "1 packet with transport_error_indicator".to_owned()
        } else {
            format!("{n} packets with transport_error_indicator")
        },
        "none",
    );
    let message = format!("a segment has {value}; {limit} expected");
    with_number(load, out.fail(Severity::Major, value, limit, message));
}
