use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       Two Representations of one id in one Period, or an id with white space.
    /// Matters:       Players mix the two up: segments of one rendition are appended to another.
    /// Usual causes:  Two encoders with one configuration, a manifest merged from several packagers.
    /// Stays quiet:   For the same id in different Periods, which is wanted, and for one copy.
    id: "dash-mpd-rep-id-duplicate", title: "Representation ids repeat in a Period", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.5.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::RepresentationId, Severity::Major, out);
}
