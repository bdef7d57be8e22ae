use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A dynamic MPD without publishTime.
    /// Matters:       Nobody can tell a newer MPD from an older copy; patches and validity events do not work.
    /// Usual causes:  A packager of an old profile, a proxy that rewrites the MPD.
    /// Stays quiet:   For static MPDs, and for one copy.
    id: "dash-mpd-publishtime-missing", title: "Live MPD without publishTime", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.1.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::PublishTime, Severity::Minor, out);
}
