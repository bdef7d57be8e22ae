use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A SegmentTemplate or SegmentList without timescale whose durations would be longer than an hour if read as seconds.
    /// Matters:       Players take ticks for seconds: they compute addresses of segments that never exist.
    /// Usual causes:  A manifest template edited by hand, a manipulator that copies only some attributes.
    /// Stays quiet:   For durations in seconds without a timescale, which is legal, for an inherited one, and for one copy.
    id: "dash-mpd-timescale-missing", title: "Segment durations without a timescale", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.9.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::Timescale, Severity::Major, out);
}
