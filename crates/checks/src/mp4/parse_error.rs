use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, Protocol};
use ow_domain::facts::{Container, SegmentFacts};

use crate::input::MediaLoad;
use crate::input::mp4::{STRUCTURE, tracks};
use crate::outcome::Outcome;
use crate::registry::{bis, bmff, cmaf};

crate::check! {
    /// Detects:       Segments and initialization sections whose boxes do not nest, or lack what a fragment needs.
    /// Matters:       Players cannot append such a segment: playback stops or skips it.
    /// Usual causes:  A write that was cut, a packager that died in the middle of a fragment, bytes mixed of two files.
    /// Stays quiet:   For unknown boxes, bodies that are empty, text or encrypted, and DASH segments with a moov of their own.
    id: "mp4-parse-error", title: "Segment has broken boxes", severity: Major, hold: "H2/10", clear: "C10", since: "0.1",
    spec: [bmff("8.8"), bis("3.1.2"), cmaf("7.3.2.3")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let is_segment = load.capture.object == ObjectKind::Segment;
    let Some(facts) = load.facts.filter(|_| load.is_whole() && !load.is_hidden()) else {
        out.unknown();
        return;
    };
    let expects_boxes = is_segment && load.init.is_some_and(|init| !tracks(init).is_empty());
    let (severity, what) = match facts.container {
        Container::IsoBmff => match damage(load, facts, is_segment) {
            Some(found) => found,
            None => {
                out.pass();
                return;
            }
        },
        Container::Unknown if expects_boxes => (Severity::Critical, "bytes that begin with no box".to_owned()),
        _ => {
            out.unknown();
            return;
        }
    };
    let (object, limit) =
        if is_segment { ("segment", "whole moof and mdat") } else { ("initialization section", "ftyp and whole moov") };
    let message = format!("{object} has {what}; {limit} expected");
    let mut at = out.fail(severity, what, limit, message);
    if let Some(number) = load.number() {
        at = at.fact("segment number", number);
    }
    if let Some(issue) = facts.issues.iter().find(|i| STRUCTURE.contains(&i.kind.as_str())) {
        at.fact("byte", issue.offset).fact("reading", &issue.detail);
    }
}

/// The first damage, in words.
fn damage(load: &MediaLoad<'_>, facts: &SegmentFacts, is_segment: bool) -> Option<(Severity, String)> {
    let mp4 = facts.mp4.as_ref()?;
    let nothing =
        if is_segment { facts.elementary.iter().all(|e| e.n_access_units == 0) } else { facts.elementary.is_empty() };
    let severity = if nothing { Severity::Critical } else { Severity::Major };
    let issue = facts.issues.iter().find(|i| STRUCTURE.contains(&i.kind.as_str()));
    if let Some(issue) = issue {
        let what = match issue.kind.as_str() {
            "mp4-box-size" => "a box smaller than its header",
            "mp4-box-overruns" => "a box that ends after the body",
            "mp4-child-overruns" => "a box that does not fit into its parent",
            "mp4-moov-unreadable" => "a moov without a track",
            "mp4-trak-unreadable" => "a trak without id or timescale",
            "mp4-mfhd-missing" => "a moof without mfhd",
            "mp4-traf-missing" => "a moof without traf",
            "mp4-tfhd-missing" => "a traf without tfhd",
            "mp4-trun-missing" => "a traf without trun",
            "mp4-trun-short" => "a trun that ends before its samples",
            _ => "a moof without mdat",
        };
        return Some((severity, what.to_owned()));
    }
    let has = |name: &str| mp4.boxes.iter().any(|b| b == name);
    // What was too large to be read is not known to be wrong.
    let all_read = !facts.issues.iter().any(|i| i.kind == "mp4-box-too-large");
    match is_segment {
        true if has("moov") && load.capture.protocol == Protocol::Hls => {
            Some((Severity::Major, "a moov of its own".to_owned()))
        }
        true if !has("moof") && !has("moov") => Some((Severity::Critical, "no moof".to_owned())),
        false if !has("moov") && all_read => Some((Severity::Critical, "no moov".to_owned())),
        _ => None,
    }
}
