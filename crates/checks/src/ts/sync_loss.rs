use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::Container;

use super::{h222, tr290, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;

crate::check! {
    /// Detects:       Transport stream segments in which packets do not follow each other every 188 bytes.
    /// Matters:       Nothing after the place where sync is lost can be read; players skip or stop.
    /// Usual causes:  Lost or doubled bytes in an upload, a wrong key or IV, a packager that writes another packet size.
    /// Stays quiet:   For a single damaged sync byte, and for segments that are encrypted as a whole.
    id: "ts-sync-loss", title: "Transport stream sync lost", severity: Critical, hold: "H1", clear: "C3", since: "0.1",
    spec: [tr290("1.1, 1.2"), h222("2.4.3.2")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let limit = "a sync byte every 188 bytes";
    if let Some(ts) = load.ts() {
        if ts.sync_losses > 0 {
            let n = ts.sync_losses;
            let value = if n == 1 { "sync lost once".to_owned() } else { format!("sync lost {n} times") };
            let message = format!("a segment has {value} in {} packets; {limit} expected", ts.n_packets);
            let first = load.facts.and_then(|f| f.issues.iter().find(|i| i.kind == "ts-sync-loss"));
            let at = out.fail(Severity::Critical, value, limit, message);
            let at = match first {
                Some(issue) => at.fact("first byte offset", issue.offset),
                None => at,
            };
            with_number(load, at);
        } else if ts.leading_bytes > 0 {
            let value = format!("{} bytes before the first packet", ts.leading_bytes);
            let message = format!("a segment has {value}; {limit} from the first on expected");
            with_number(load, out.fail(Severity::Warning, value, limit, message).reason("leading-bytes"));
        } else {
            out.pass();
        }
        return;
    }
    // Neighbours were transport streams and this one is noise: sync never came.
    let was_ts = load.before.is_some_and(|b| b.facts.container == Container::MpegTs);
    let is_noise = load.facts.is_some_and(|f| f.container == Container::Unknown);
    if was_ts && is_noise && load.is_whole() && !load.is_hidden() && load.response.body_bytes > 0 {
        let value = "no sync byte";
        let message = format!("a segment has {value} where the one before was a transport stream; {limit} expected");
        with_number(load, out.fail(Severity::Critical, value, limit, message));
    } else {
        out.unknown();
    }
}
