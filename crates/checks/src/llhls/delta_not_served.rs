use ow_domain::Severity;

use crate::input::{DeltaAnswer, DeltaLoad};
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       CAN-SKIP-UNTIL is offered, and who asks for a delta update gets the whole playlist.
    /// Matters:       Long playlists are transferred several times a second.
    /// Usual causes:  A CDN that drops or ignores the query string.
    /// Stays quiet:   Where nothing is old enough to be skipped.
    id: "llhls-delta-not-served", title: "Delta updates are not served", severity: Warning, hold: "H3", clear: "C1",
    since: "0.1", spec: [bis("6.2.5.1")], input: DeltaLoad, scope: Track, params: {},
}

fn run(load: &DeltaLoad<'_>, _: &Params, out: &mut Outcome) {
    match load.answer {
        DeltaAnswer::Whole { window, skip_until } => {
            let (value, limit) = (seconds(window), seconds(skip_until));
            let message = format!(
                "a request for a delta update gave the whole playlist of {value}; EXT-X-SKIP for all but {limit} expected"
            );
            out.fail(Severity::Warning, "the whole playlist", "EXT-X-SKIP", message);
        }
        DeltaAnswer::Served => {
            out.pass();
        }
        _ => {
            out.unknown();
        }
    }
}
