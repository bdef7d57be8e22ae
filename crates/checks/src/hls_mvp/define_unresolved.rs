use ow_domain::Severity;
use ow_hls::IssueFamily;

use super::{Breach, cut, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A variable that is used before it is defined, defined twice, or taken from a parameter that the URL does not have.
    /// Matters:       Players must refuse the playlist, or ask for URLs with the name of the variable in them.
    /// Usual causes:  A session token that the link lacks, tags in the wrong order.
    /// Stays quiet:   For playlists without variables.
    id: "hls-mvp-define-unresolved", title: "Variable is not defined", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.3"), bis("4.4.2.3")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let wrong = doc.issues.iter().filter(|issue| issue.kind.family() == IssueFamily::Define);
    let breaches = wrong.map(|issue| {
        let value = format!("{} ({})", issue.kind, cut(&issue.detail));
        Breach::new(issue.line, Severity::Major, value, "a variable defined once, before its use")
    });
    tell(doc, out, breaches.collect());
}
