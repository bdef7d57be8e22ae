use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A dynamic MPD that lists its segments, has no end and carries no minimumUpdatePeriod.
    /// Matters:       Players never ask for the next MPD: they stop when the listed segments are played.
    /// Usual causes:  A packager configured for recordings, an MPD written once and served as live.
    /// Stays quiet:   For a fixed end, for events inside the segments that announce a new MPD, and for segments that follow from the clock.
    id: "dash-mpd-mup-missing", title: "Live MPD that is never refreshed", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.1.2"), iso_dash("5.4")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::UpdatePeriod, Severity::Major, out);
}
