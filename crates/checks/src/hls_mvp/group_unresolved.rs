use ow_domain::Severity;
use ow_hls::IssueFamily;

use crate::input::MvpLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A variant that names an AUDIO, VIDEO, SUBTITLES or CLOSED-CAPTIONS group which no EXT-X-MEDIA declares.
    /// Matters:       Players drop the variant or play it without sound.
    /// Usual causes:  An audio rendition that was removed, a group renamed in one place only.
    /// Stays quiet:   For groups that nobody uses and for CLOSED-CAPTIONS=NONE.
    id: "hls-mvp-group-unresolved", title: "Variant names an undeclared group", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.2")], input: MvpLoad, scope: Stream, params: {},
}

fn run(load: &MvpLoad<'_>, _: &Params, out: &mut Outcome) {
    let mut unresolved = load.issues.iter().filter(|issue| issue.kind.family() == IssueFamily::Group);
    let Some(first) = unresolved.next() else {
        out.pass();
        return;
    };
    let n = 1 + unresolved.count();
    let value = first.detail.to_string();
    let message = format!("line {}: a variant names {value}; a declared group expected", first.line);
    out.fail(Severity::Major, value, "a declared group", message).line(first.line).fact("references", n);
}
