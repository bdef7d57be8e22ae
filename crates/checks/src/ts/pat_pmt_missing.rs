use ow_domain::Severity;
use ow_domain::facts::Container;

use super::with_number;
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Segments without PAT and PMT, or with them after the first media packets.
    /// Matters:       Players that start or switch there cannot tell the streams and drop what came before the tables.
    /// Usual causes:  A segmenter that cuts a stream without repeating the tables, tables sent by a timer alone.
    /// Stays quiet:   For null packets and service information in front, and when EXT-X-MAP carries the tables.
    id: "ts-pat-pmt-missing", title: "PAT or PMT missing in segment", severity: Major, hold: "H2/10", clear: "C10",
    since: "0.1", spec: [bis("3.1.1")], input: MediaLoad, scope: Track, params: {
        psi_first_packets: f64 = 2.0, "packets, null and service information left out";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let readable = load.ts().filter(|ts| ts.sync_losses == 0 && ts.n_packets > 0 && !ts.is_all_null());
    let Some(ts) = readable else {
        out.unknown();
        return;
    };
    let psi = &ts.psi;
    let in_map = load.init.and_then(|i| i.facts.ts.as_ref()).is_some_and(|t| t.psi.n_pmt > 0)
        && load.init.is_some_and(|i| i.facts.container == Container::MpegTs);
    let limit = "PAT and PMT in the first packets";
    let fail = |out: &mut Outcome, severity, value: String, reason| {
        let message = format!("a segment has {value}; {limit} expected");
        with_number(load, out.fail(severity, value, limit, message).reason(reason));
    };
    if in_map || (psi.n_pmt == 0 && ts.pat_pmt_first) {
        out.pass();
    } else if psi.n_pmt == 0 && ts.crc_errors > 0 {
        // The table is there and broken: another check says so.
        out.unknown();
    } else if psi.n_pmt == 0 {
        let value = if psi.n_pat == 0 { "no PAT and no PMT" } else { "a PAT and no PMT" };
        fail(out, Severity::Major, value.to_owned(), "missing");
    } else if psi.pes_before_pmt {
        fail(out, Severity::Major, "media before its PMT".to_owned(), "after-media");
    } else {
        match psi.packets_to_pmt {
            Some(n) if f64::from(n) > params.psi_first_packets => {
                fail(out, Severity::Warning, format!("its PMT at packet {n}"), "late");
            }
            _ => {
                out.pass();
            }
        }
    }
}
