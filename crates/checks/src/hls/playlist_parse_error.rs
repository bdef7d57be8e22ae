use ow_domain::Severity;

use super::grammar_breaches;
use crate::input::PlaylistLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A media playlist that breaks the grammar: encoding, tags, attribute lists, no target duration, a segment without EXTINF.
    /// Matters:       Players refuse the playlist or skip what they cannot read.
    /// Usual causes:  A packager bug, a template edited by hand, a document cut or rewritten on the way.
    /// Stays quiet:   For unknown tags, comments, a missing last newline, spaces around attributes, and for one bad copy.
    id: "hls-playlist-parse-error", title: "Media playlist is malformed", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.1"), bis("4.2"), bis("4.4.3.1"), bis("4.4.4.1")], input: PlaylistLoad, scope: Track,
    params: {},
}

fn run(load: &PlaylistLoad<'_>, _: &Params, out: &mut Outcome) {
    let severity = if load.is_only_of_kind { Severity::Critical } else { Severity::Major };
    let expected = "a well-formed media playlist";
    if load.playlist.is_none() {
        let value = "a multivariant playlist";
        out.fail(severity, value, expected, format!("the address answers with {value}; {expected} expected"));
        return;
    }
    let Some((first, n)) = grammar_breaches(load.issues) else {
        out.pass();
        return;
    };
    let value =
        if first.detail.is_empty() { first.kind.to_string() } else { format!("{} ({})", first.kind, first.detail) };
    let message = format!("line {}: {value}; {expected} expected", first.line);
    out.fail(severity, value, expected, message).line(first.line).fact("breaches", n);
}
