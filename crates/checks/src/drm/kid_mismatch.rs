use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use super::kids_in_use;
use crate::input::{MediaLoad, mp4 as view};
use crate::outcome::{At, Outcome};
use crate::registry::{cenc, rfc};

crate::check! {
    /// Detects:       Segments encrypted with a key that the manifest does not declare, or that their own pssh does not list.
    /// Matters:       Players ask for the licence of the declared key: nothing can be decrypted.
    /// Usual causes:  Key ids written as GUIDs with swapped bytes, a manifest of an older key, one EXT-X-MAP kept for all keys.
    /// Stays quiet:   Where no key id is declared, and for the first segment of another key, which may come before its manifest.
    id: "drm-kid-mismatch", title: "Key id is not the declared one", severity: Critical, hold: "H1", clear: "C1", since: "0.2",
    spec: [rfc("DASH-IF IOP security", "default_KID"), cenc("8.2")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some(promised) = load.capture.promised.as_ref().filter(|p| !p.key_ids.is_empty()) else { return };
    let (Some((facts, mp4)), Some(init)) = (view::segment(load), load.init) else {
        out.unknown();
        return;
    };
    let used = kids_in_use(facts, init);
    if used.is_empty() {
        out.unknown();
        return;
    }
    let declared = |kid: &str| promised.key_ids.iter().any(|id| id == kid);
    if let Some(kid) = used.iter().find(|kid| !declared(kid)) {
        let before = load.before.zip(load.init_before).map(|(past, init)| kids_in_use(&past.facts, init));
        if before.is_some_and(|before| !before.is_empty() && !before.contains(kid)) {
            out.unknown();
            return;
        }
        let reason = match promised.key_ids.contains(&as_guid(kid)) {
            true => "guid-byte-order",
            false => "other-key",
        };
        let limit = promised.key_ids.first().cloned().unwrap_or_default();
        let message = format!("a segment is encrypted with key {kid}; {limit} as the manifest declares expected");
        let at = out.fail(Severity::Critical, kid.clone(), limit, message).reason(reason);
        with_facts(load, at, promised.key_ids.len());
        return;
    }
    // A pssh of version 1 lists the keys that it is for.
    let known = init.facts.mp4.iter().flat_map(|mp4| &mp4.pssh).chain(&mp4.pssh);
    let lists: Vec<_> = known.filter(|pssh| pssh.version > 0 && !pssh.kids.is_empty()).collect();
    let listed = |system: &str, kid: &str| {
        lists.iter().filter(|p| p.system == system).any(|p| p.kids.iter().any(|id| id.eq_ignore_ascii_case(kid)))
    };
    let missing = lists.iter().find_map(|p| Some((p, used.iter().find(|kid| !listed(&p.system, kid))?)));
    let Some((pssh, kid)) = missing else {
        out.pass();
        return;
    };
    let value = pssh.kids.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
    let message = format!("a pssh box lists {value}; {kid} as the segments are encrypted with expected");
    let at = out.fail(Severity::Critical, value, kid.clone(), message).reason("pssh").fact("system", &pssh.system);
    with_facts(load, at, promised.key_ids.len());
}

fn with_facts(load: &MediaLoad<'_>, at: At<'_>, n_declared: usize) {
    let at = at.fact("key ids declared", n_declared);
    if let Some(number) = load.number() {
        at.fact("segment number", number);
    }
}

/// The same key id with the first three fields of a GUID written from the other end.
fn as_guid(kid: &str) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    ORDER.iter().filter_map(|at| kid.get(at * 2..at * 2 + 2)).collect()
}
