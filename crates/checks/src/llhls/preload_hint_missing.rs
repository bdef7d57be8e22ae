use ow_domain::Severity;

use crate::input::PartsLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A live playlist with parts that does not hint the next one.
    /// Matters:       Players cannot ask for a part ahead: each one costs them a round trip more of latency.
    /// Usual causes:  A packager that leaves hints out, or takes them back and forgets to give a new one.
    /// Stays quiet:   At the end of the stream, where no parts are listed, and for a playlist or two around a break.
    id: "llhls-preload-hint-missing", title: "No preload hint for the next part", severity: Minor, hold: "H3",
    clear: "C2", since: "0.1", spec: [bis("6.2.6"), bis("B.1")], input: PartsLoad, scope: Track, params: {},
}

fn run(load: &PartsLoad<'_>, _: &Params, out: &mut Outcome) {
    let newest = load.playlist.parts().last();
    let Some((number, _)) = newest.filter(|_| load.playlist.end_list.is_none()) else {
        out.unknown();
        return;
    };
    if load.playlist.preload_hints.iter().any(|hint| &*hint.hint_type == "PART") {
        out.pass();
        return;
    }
    let message =
        format!("parts up to segment {number} are listed with no hint; EXT-X-PRELOAD-HINT of type PART expected");
    out.fail(Severity::Minor, "no hint", "EXT-X-PRELOAD-HINT of type PART", message);
}
