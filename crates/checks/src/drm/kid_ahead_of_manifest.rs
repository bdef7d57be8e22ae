use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use super::kids_in_use;
use crate::input::{MediaLoad, mp4 as view};
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Segments with a key that the manifest which lists them does not declare yet, and the next one does.
    /// Matters:       Players at the live edge have no licence for the segment and stall until they have read the next manifest.
    /// Usual causes:  A manifest written after its segments at a key rotation, a manifest that a cache keeps.
    /// Stays quiet:   For one rotation in ten segments; a key that is never declared is drm-kid-mismatch.
    id: "drm-kid-ahead-of-manifest", title: "Key is used before the manifest declares it", severity: Minor, hold: "H2/10",
    clear: "C10", since: "0.2", spec: [op()], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some(promised) = load.capture.promised.as_ref().filter(|p| !p.key_ids.is_empty()) else { return };
    // The manifest that lists this segment decides over the one before it.
    let before = load.before.zip(load.init_before).filter(|(past, _)| !past.key_ids.is_empty());
    let Some((past, init)) = before.filter(|_| view::segment(load).is_some()) else {
        out.unknown();
        return;
    };
    let used = kids_in_use(&past.facts, init);
    if used.is_empty() {
        out.unknown();
        return;
    }
    let ahead: Vec<&String> = used.iter().filter(|kid| !past.key_ids.contains(kid)).collect();
    let Some(kid) = ahead.first() else {
        out.pass();
        return;
    };
    if !ahead.iter().all(|kid| promised.key_ids.contains(kid)) {
        out.unknown();
        return;
    }
    let limit = past.key_ids.first().cloned().unwrap_or_default();
    let message =
        format!("a segment was encrypted with key {kid} before the manifest declared it; {limit} as declared expected");
    out.fail(Severity::Minor, (*kid).clone(), limit, message).fact("segment number", past.number);
}
