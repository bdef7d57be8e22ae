use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::report;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       An MPD that is no well-formed XML, has no Period, declares a document type, or writes a duration, date or number that cannot be read.
    /// Matters:       Players refuse the whole presentation.
    /// Usual causes:  A packager bug, a template edited by hand, a document cut or rewritten on the way.
    /// Stays quiet:   For unknown elements, attributes and namespaces, for a byte order mark, and for one bad copy.
    id: "dash-mpd-parse-error", title: "MPD is malformed", severity: Critical, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.2"), iso_dash("5.3"), rfc("XML 1.0", "2.1")], input: MpdLoad, scope: Stream,
    params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    let mut breaches = load.issues.iter().filter(|issue| issue.kind.family() == IssueFamily::Parse);
    if let Some(first) = breaches.next() {
        let n = 1 + breaches.count();
        report(first, Severity::Critical, out).fact("kind", first.kind).fact("breaches", n);
    } else if load.mpd.is_none() && load.issues.is_empty() {
        let (value, expected) = ("an MPD patch", "an MPD");
        out.fail(Severity::Critical, value, expected, format!("the address answers with {value}; {expected} expected"));
    } else if load.mpd.is_none() {
        // Larger than we read.
        out.unknown();
    } else {
        out.pass();
    }
}
