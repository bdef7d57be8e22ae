use ow_domain::Severity;

use crate::hls::grammar_breaches;
use crate::input::MvpLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A multivariant playlist that offers something else than before: variants or renditions added, removed, altered.
    /// Matters:       Players that play keep the old list; a missing variant lowers quality for all who start.
    /// Usual causes:  A packager restart with another profile, an encoder output that was lost, a planned change.
    /// Stays quiet:   When only order, host, query (tokens) or measured bit rates differ, and while the document is malformed.
    id: "hls-mvp-changed", title: "Multivariant playlist changed", severity: Warning, hold: "EV", clear: "C1",
    since: "0.1", spec: [op()], input: MvpLoad, scope: Stream, params: {},
}

fn run(load: &MvpLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(before) = load.before else { return };
    if grammar_breaches(load.issues).is_some() {
        out.unknown();
        return;
    }
    let difference = before.difference(load.now);
    if difference.is_empty() {
        out.pass();
        return;
    }
    let (added, removed, altered) = (difference.added.len(), difference.removed.len(), difference.altered.len());
    let severity = if removed > 0 { Severity::Minor } else { Severity::Warning };
    let value = format!("{added} added, {removed} removed, {altered} altered");
    let message = format!("the multivariant playlist changed: {value}; the same offer as before expected");
    let mut at = out.fail(severity, value, "the same offer as before", message);
    for name in difference.removed.iter().take(8) {
        at = at.fact("removed", name);
    }
    for name in difference.added.iter().take(8) {
        at = at.fact("added", name);
    }
    for (name, before, now) in difference.altered.iter().take(8) {
        at = at.fact("altered", format!("{name}: {before} -> {now}"));
    }
}
