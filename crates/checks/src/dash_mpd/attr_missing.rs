use ow_dash::{IssueFamily, IssueKind};
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A Representation without mimeType, codecs, size, frame rate or sampling rate, an audio or text set without lang, one of several sets without Role.
    /// Matters:       Players guess: they try what the device cannot decode, or choose the wrong language.
    /// Usual causes:  A packager that does not analyse its input, a manifest template with gaps.
    /// Stays quiet:   For what is inherited, for images, for trick play, for a single set without Role, and for one copy. Info where only the language of the only set is missing.
    id: "dash-mpd-attr-missing", title: "Rendition is described incompletely", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.7.2"), iso_dash("5.3.3.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    let harmful = load
        .issues
        .iter()
        .any(|issue| issue.kind.family() == IssueFamily::Attribute && issue.kind != IssueKind::LanguageOfOnlySet);
    let severity = if harmful { Severity::Minor } else { Severity::Info };
    by_issues(load, IssueFamily::Attribute, severity, out);
}
