use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A minimumUpdatePeriod above zero and below one second.
    /// Matters:       Every player asks for the MPD several times a second: load on origin and caches for nothing.
    /// Usual causes:  A value in milliseconds written as seconds, a low-latency profile without need.
    /// Stays quiet:   For 0, which means when needed, and for one copy.
    id: "dash-mpd-mup-tiny", title: "MPD asks for more than one reload a second", severity: Warning, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.1.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::UpdatePeriodTiny, Severity::Warning, out);
}
