use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A dynamic MPD with a Period without id or derivable start, with two Periods of one id, or with an AdaptationSet without id although it is updated.
    /// Matters:       Players cannot match the parts of one MPD with those of the next and lose their place.
    /// Usual causes:  A packager of an old profile, an ad inserter that forgets ids.
    /// Stays quiet:   For static MPDs, for the start of a last Period that is only announced, and for one copy.
    id: "dash-mpd-id-missing", title: "Period or AdaptationSet cannot be told again", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.2.2"), iso_dash("5.3.3.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::Id, Severity::Minor, out);
}
