use ow_domain::Severity;

use super::{h222, tr290, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Packets that are missing or out of order inside a segment, by the continuity counters of each PID.
    /// Matters:       Every lost packet is a broken picture or a click until the next key frame.
    /// Usual causes:  Loss on the contribution link, an overloaded encoder, a segmenter that joins two inputs.
    /// Stays quiet:   For one exact repetition, signalled discontinuities, and at borders of segments, where counters restart.
    id: "ts-cc-error", title: "Transport stream packets lost", severity: Minor,
    hold: "minor H3/10 -> major H1 -> major@minor H5/10", clear: "C10", since: "0.1",
    spec: [tr290("1.4"), h222("2.4.3.3"), op()], input: MediaLoad, scope: Track, params: {
        major_n: f64 = 10.0, "errors in one segment that make it major";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(ts) = load.ts().filter(|ts| ts.sync_losses == 0) else {
        out.unknown();
        return;
    };
    if ts.cc_errors == 0 {
        out.pass();
        return;
    }
    let major = f64::from(ts.cc_errors) >= params.major_n;
    let severity = if major { Severity::Major } else { Severity::Minor };
    let plural = if ts.cc_errors == 1 { "error" } else { "errors" };
    let (value, limit) = (format!("{} continuity counter {plural}", ts.cc_errors), "none");
    let message = format!("a segment has {value} in {} packets; {limit} expected", ts.n_packets);
    let mut at = out.fail(severity, value, limit, message);
    for pid in ts.pids.iter().filter(|p| p.cc_errors > 0).take(4) {
        at = at.fact(&format!("PID {}", pid.pid), format!("{} errors", pid.cc_errors));
    }
    with_number(load, at);
}
