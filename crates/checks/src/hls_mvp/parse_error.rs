use ow_domain::Severity;

use crate::hls::grammar_breaches;
use crate::input::MvpLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A multivariant playlist that breaks the grammar: attribute lists, duplicates, a STREAM-INF without URI, no variant.
    /// Matters:       Players refuse it or drop variants; nobody can start.
    /// Usual causes:  A template edited by hand, a packager bug, a document cut by a cache.
    /// Stays quiet:   For unknown tags and attributes, CRLF, blank lines and spaces around attributes, and for one bad copy.
    id: "hls-mvp-parse-error", title: "Multivariant playlist is malformed", severity: Critical, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.1"), bis("4.2"), bis("4.4.6"), bis("6.2.4")], input: MvpLoad, scope: Stream, params: {},
}

fn run(load: &MvpLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some((first, n)) = grammar_breaches(load.issues) else {
        out.pass();
        return;
    };
    let value = format!("{} ({})", first.kind, first.detail);
    let message = format!("line {}: {value}; a well-formed multivariant playlist expected", first.line);
    out.fail(Severity::Critical, value, "a well-formed multivariant playlist", message)
        .line(first.line)
        .fact("breaches", n);
}
