use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A timeShiftBufferDepth below three segment durations.
    /// Matters:       Players that keep a distance from the live edge fall out of the window and stall.
    /// Usual causes:  A window configured in segments of another length, a packager that just restarted.
    /// Stays quiet:   Without the attribute: then everything since the start stays available, and for one copy.
    id: "dash-mpd-tsbd-invalid", title: "Time shift buffer shorter than three segments", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.1.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::TimeShiftBuffer, Severity::Minor, out);
}
