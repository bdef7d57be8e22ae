use ow_dash::{IssueFamily, Mode, tracks};
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A dynamic MPD without UTCTiming.
    /// Matters:       Players with a wrong clock ask for segments that do not exist yet, or play far behind.
    /// Usual causes:  A packager without a configured time source, a manipulator that drops unknown elements.
    /// Stays quiet:   For static MPDs, and for one copy. Milder where the segments are listed: then the list is the clock.
    id: "dash-mpd-utctiming-missing", title: "Live MPD without a time source", severity: Warning, hold: "H2",
    clear: "C1", since: "0.1", spec: [iso_dash("5.8.5.7"), rfc("DASH-IF Live Timing Model", "clock synchronization")],
    input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    let missing = load.issues.iter().any(|issue| issue.kind.family() == IssueFamily::UtcTiming);
    let computed = missing
        && load.mpd.is_some_and(|mpd| {
            tracks(mpd, load.capture.exchange.base_url()).iter().any(|track| track.mode == Mode::Duration)
        });
    let severity = if computed { Severity::Minor } else { Severity::Warning };
    by_issues(load, IssueFamily::UtcTiming, severity, out);
}
