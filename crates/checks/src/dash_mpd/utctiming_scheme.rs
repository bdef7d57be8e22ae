use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A live MPD whose time sources are all of kinds that players in the field do not read.
    /// Matters:       They fall back to their own clock, as if there was no source at all.
    /// Usual causes:  NTP or SNTP schemes, which browsers cannot ask, a misspelt scheme.
    /// Stays quiet:   When one of http-head, http-xsdate, http-iso or direct is there, and without any (dash-mpd-utctiming-missing).
    id: "dash-mpd-utctiming-scheme", title: "No time source that players can use", severity: Info, hold: "H2", clear: "C1",
    since: "0.2", spec: [rfc("DASH-IF Live Timing Model", "clock synchronization"), iso_dash("5.8.5.7")], input: MpdLoad,
    scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    // A source without any scheme is told by dash-mpd-schema.
    let nameless = |mpd: &ow_dash::Mpd| mpd.utc_timings.iter().any(|t| t.scheme_id_uri.is_empty());
    if load.mpd.is_some_and(nameless) {
        out.unknown();
        return;
    }
    by_issues(load, IssueFamily::UtcTimingScheme, Severity::Info, out);
}
