use ow_domain::Severity;

use crate::input::ProbeLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A fetcher whose resident memory comes near its limit.
    /// Matters:       At the limit the kernel ends it, and its channels are unwatched until others take over.
    /// Usual causes:  Too many channels for the limit, very large segments or playlists, a leak.
    /// Stays quiet:   For short peaks, and where the process has no limit.
    id: "self-memory-pressure", title: "Fetcher runs out of memory", severity: Minor, hold: "H30s", clear: "C60s",
    since: "0.1", spec: [op()], input: ProbeLoad, scope: Probe, params: {
        memory_minor: f64 = 0.85, "share of the limit";
        memory_major: f64 = 0.95, "share of the limit";
    },
}

fn run(load: &ProbeLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(memory) = load.facts.memory.filter(|m| m.limit_bytes > 0) else {
        out.unknown();
        return;
    };
    let share = memory.resident_bytes as f64 / memory.limit_bytes as f64;
    let severity = match share {
        s if s > params.memory_major => Severity::Major,
        s if s > params.memory_minor => Severity::Minor,
        s if s > params.memory_minor * 0.9 => {
            out.between();
            return;
        }
        _ => {
            out.pass();
            return;
        }
    };
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / 1_048_576.0);
    let value = mib(memory.resident_bytes as f64);
    let limit = mib(memory.limit_bytes as f64 * params.memory_minor);
    let message = format!("the fetcher uses {value} of memory; at most {limit} expected");
    out.fail(severity, value, limit, message).fact("limit", mib(memory.limit_bytes as f64));
}
