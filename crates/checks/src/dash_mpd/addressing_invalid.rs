use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       Not exactly one of SegmentBase, SegmentList and SegmentTemplate in force, a template that cannot be expanded, or both or none of duration and SegmentTimeline.
    /// Matters:       Players cannot build the addresses of segments, or each builds others.
    /// Usual causes:  A manifest template edited by hand, a manipulator that adds a second description.
    /// Stays quiet:   For what is inherited from an outer level, for $$, for $SubNumber$, for a single resource without any of them in a static MPD, and for one copy.
    id: "dash-mpd-addressing-invalid", title: "Segments cannot be addressed", severity: Critical, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.9.1"), iso_dash("5.3.9.2"), iso_dash("5.3.9.4.4")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::Addressing, Severity::Critical, out);
}
