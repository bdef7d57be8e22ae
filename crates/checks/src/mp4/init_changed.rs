use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::{ElementaryFacts, Mp4Track};

use crate::input::MediaLoad;
use crate::input::{PastInit, mp4 as view};
use crate::outcome::Outcome;
use crate::registry::{bis, cmaf};

crate::check! {
    /// Detects:       Another initialization section from one segment to the next without a discontinuity.
    /// Matters:       Players that keep the old decoder configuration or key show garbage or stop.
    /// Usual causes:  An encoder restart, a changed profile or key that the packager passed on without a seam.
    /// Stays quiet:   At a discontinuity or Period, where both say the same, and where either was not read.
    id: "mp4-init-changed", title: "Initialization section changed without a seam", severity: Critical, hold: "EV",
    clear: "C1", since: "0.1", spec: [bis("4.4.4.5"), cmaf("7.3.1")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(promised) = load.capture.promised.as_ref().filter(|_| load.capture.object == ObjectKind::Segment) else {
        return;
    };
    let (Some(now), Some(before)) = (load.init, load.init_before) else {
        out.unknown();
        return;
    };
    if promised.discontinuity || view::segment(load).is_none() {
        out.unknown();
        return;
    }
    // A new key with a new EXT-X-MAP is how keys rotate.
    let key_declared = promised.key_method.is_some();
    let Some((severity, what, old, new)) = difference(before, now, key_declared) else {
        out.pass();
        return;
    };
    let value = format!("{what} {new}");
    let limit = format!("{what} {old}");
    let message = format!("the initialization section has {value} without a discontinuity; {limit} as before expected");
    out.fail(severity, value, limit, message).previous_digest(before.digest.as_deref());
}

type Difference = (Severity, &'static str, String, String);

/// The first difference that matters, the worst kind first.
fn difference(before: &PastInit, now: &PastInit, key_declared: bool) -> Option<Difference> {
    let of = |init: &'_ PastInit| -> Vec<(Mp4Track, Option<ElementaryFacts>)> {
        let elementary = &init.facts.elementary;
        let with = |t: &Mp4Track| (t.clone(), elementary.iter().find(|e| e.id == t.id).cloned());
        view::tracks(init).iter().map(with).collect()
    };
    let (old, new) = (of(before), of(now));
    if old.is_empty() || new.is_empty() {
        return None;
    }
    let told = |n: usize| format!("{n}");
    if old.len() != new.len() {
        return Some((Severity::Critical, "number of tracks", told(old.len()), told(new.len())));
    }
    let mut minor = None;
    for ((a, ea), (b, eb)) in old.iter().zip(&new) {
        let entries = |t: &Mp4Track| t.sample_entries.join(",");
        let codec = |e: &Option<ElementaryFacts>| e.as_ref().and_then(|e| e.codec_string.clone()).unwrap_or_default();
        let kid = |t: &Mp4Track| t.protection.as_ref().and_then(|p| p.kid.clone()).unwrap_or("none".to_owned());
        let size = |e: &Option<ElementaryFacts>| {
            let side = |n: Option<u32>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
            e.as_ref().map(|e| format!("{}x{}", side(e.width), side(e.height))).unwrap_or_default()
        };
        let digest = |t: &Mp4Track| t.config_digest.clone().unwrap_or_default();
        let timescale = |t: &Mp4Track| t.timescale.to_string();
        let critical = [
            ("timescale", timescale(a), timescale(b)),
            ("sample entry", entries(a), entries(b)),
            ("codec", codec(ea), codec(eb)),
            ("KID", kid(a), kid(b)),
        ];
        for (what, old, new) in critical {
            if old != new && !(what == "KID" && key_declared) {
                return Some((Severity::Critical, what, old, new));
            }
        }
        for (what, old, new) in [("picture size", size(ea), size(eb)), ("decoder configuration", digest(a), digest(b))]
        {
            if old != new && minor.is_none() {
                minor = Some((Severity::Minor, what, old, new));
            }
        }
    }
    minor
}
