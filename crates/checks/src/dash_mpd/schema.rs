use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A required attribute that is missing (profiles, minBufferTime, Representation id and bandwidth, schemeIdUri), or a value outside of its type.
    /// Matters:       Strict players and manipulators refuse the MPD or leave parts of it out.
    /// Usual causes:  A manifest template with gaps, a manipulator that drops attributes.
    /// Stays quiet:   For unknown elements and attributes, for the order of elements, and for one copy.
    id: "dash-mpd-schema", title: "MPD breaks the schema", severity: Warning, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.1"), iso_dash("5.3.5")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::Schema, Severity::Warning, out);
}
