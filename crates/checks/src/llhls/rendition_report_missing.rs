use ow_domain::Severity;

use crate::input::EdgesLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A low-latency playlist without a report of another rendition.
    /// Matters:       A player that changes the rung does not know which part to wait for, and loses a round trip or more.
    /// Usual causes:  A packager that knows only its own rung, reports with paths that lead elsewhere.
    /// Stays quiet:   For lists of I-frames, without blocking reload, and where playlists come from behind a redirect.
    id: "llhls-rendition-report-missing", title: "Rendition report is missing", severity: Minor, hold: "H3",
    clear: "C2", since: "0.1", spec: [bis("B.1")], input: EdgesLoad, scope: Track, params: {},
}

fn run(load: &EdgesLoad<'_>, _: &Params, out: &mut Outcome) {
    let can_block = load.playlist.server_control.as_ref().is_some_and(|control| control.can_block_reload);
    let Some(reported) = load.reported.filter(|_| can_block) else {
        out.unknown();
        return;
    };
    let mut missing = reported.iter().filter(|(_, is_there)| !is_there).map(|(track, _)| track);
    let Some(first) = missing.next() else {
        out.pass();
        return;
    };
    let n = reported.len() - 1 - missing.count();
    let message = format!(
        "{n} of {} other renditions are reported, {} is not; a report of each expected",
        reported.len(),
        first.as_str()
    );
    out.fail(Severity::Minor, n.to_string(), reported.len().to_string(), message).fact("not reported", first.as_str());
}
