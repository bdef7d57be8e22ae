use ow_domain::Severity;

use super::{h222, tr290, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;

crate::check! {
    /// Detects:       Sections of PAT, PMT, CAT or SCTE-35 whose CRC-32 does not match.
    /// Matters:       Receivers drop the table: streams are not found, or a splice is missed.
    /// Usual causes:  Damage on the contribution link, a tool that edits tables without a new CRC.
    /// Stays quiet:   For sections without a CRC, and where sync was lost.
    id: "ts-crc-error", title: "CRC of a table is wrong", severity: Major, hold: "H1", clear: "C10", since: "0.2",
    spec: [tr290("2.2"), h222("2.4.4")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(ts) = load.ts().filter(|ts| ts.sync_losses == 0) else {
        out.unknown();
        return;
    };
    let n = ts.crc_errors;
    if n == 0 {
        out.pass();
        return;
    }
    let (value, limit) = (
        if n == 1 { "1 section with a wrong CRC-32".to_owned() } else { format!("{n} sections with a wrong CRC-32") },
        "none",
    );
    let message = format!("a segment has {value}; {limit} expected");
    with_number(load, out.fail(Severity::Major, value, limit, message));
}
