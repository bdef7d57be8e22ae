use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::facts::SegmentFacts;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{bmff, cmaf};

crate::check! {
    /// Detects:       Fragments whose track, sample entry, timescale or handler their initialization section does not have.
    /// Matters:       Players drop such fragments, or play them at the wrong speed.
    /// Usual causes:  An initialization section kept over a restart of the packager, or one of another rendition.
    /// Stays quiet:   Where the initialization section was not read, and for one odd segment duration.
    id: "mp4-init-mismatch", title: "Segment does not fit its initialization section", severity: Critical, hold: "H1",
    clear: "C2", since: "0.1", spec: [bmff("8.8.7"), cmaf("7.5.16")], input: MediaLoad, scope: Track, params: {
        ratio_max: f64 = 2.0, "measured by declared duration";
        ratio_min: f64 = 0.5, "measured by declared duration";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some(((facts, mp4), init)) = view::segment(load).zip(load.init) else {
        out.unknown();
        return;
    };
    let tracks = view::tracks(init);
    if mp4.init_digest.is_none() || tracks.is_empty() || mp4.runs.is_empty() {
        out.unknown();
        return;
    }
    if let Some(run) = mp4.runs.iter().find(|run| view::track_of(init, run).is_none()) {
        // Some players take the only track for the only track.
        let alone = mp4.runs.len() == 1 && tracks.len() == 1;
        let (severity, reason) =
            if alone { (Severity::Major, "track-id-only") } else { (Severity::Critical, "track-id") };
        let ids: Vec<String> = tracks.iter().map(|t| t.id.to_string()).collect();
        let (value, limit) = (format!("track_ID {}", run.track_id), format!("track_ID {}", ids.join(" or ")));
        let message = format!("a fragment is of {value}; {limit} as in the initialization section expected");
        out.fail(severity, value, limit, message).reason(reason);
        return;
    }
    for run in &mp4.runs {
        let n = view::track_of(init, run).map_or(0, |t| t.sample_entries.len());
        if n > 0 && run.sample_description_index as usize > n {
            let value = format!("sample entry {}", run.sample_description_index);
            let limit = format!("at most {n}");
            let message = format!("a fragment uses {value}; {limit} in the initialization section expected");
            out.fail(Severity::Critical, value, limit, message).reason("sample-entry");
            return;
        }
    }
    if let Some((handlers, expected)) = wrong_handler(load, facts, init) {
        let message = format!("the track of a fragment is {handlers}; {expected} as declared expected");
        out.fail(Severity::Critical, handlers, expected, message).reason("handler");
        return;
    }
    let Some(ratio) = ratio(load) else {
        out.pass();
        return;
    };
    let odd = |ratio: f64| ratio > params.ratio_max || ratio < params.ratio_min;
    if !odd(ratio) {
        out.pass();
        return;
    }
    // One segment that is too short or too long is the business of seg-duration-mismatch.
    let was_odd = load.before.and_then(ratio_before).map(odd);
    let same_init = load.init_before.is_some_and(|before| before.facts == init.facts);
    match (was_odd, same_init) {
        (Some(true), _) | (Some(false), false) => {}
        _ => {
            out.unknown();
            return;
        }
    }
    let Some((measured, declared)) = load.measured_duration().zip(load.declared_duration()) else { return };
    let (value, limit) = (exact_seconds(measured.duration), exact_seconds(declared));
    let message = format!("segments hold {value} by the timescale of the initialization section; {limit} expected");
    out.fail(Severity::Critical, value, limit, message).reason("timescale");
}

/// Measured by declared duration.
fn ratio(load: &MediaLoad<'_>) -> Option<f64> {
    let (measured, declared) = (load.measured_duration()?, load.declared_duration()?);
    Some(measured.duration.secs_f64() / declared.secs_f64())
}

fn ratio_before(before: &crate::input::PastSegment) -> Option<f64> {
    let main = before.facts.main()?;
    let declared = before.declared.filter(|d| *d > ow_domain::Span::ZERO)?;
    Some(main.seconds(main.duration?)? / declared.secs_f64())
}

/// Handlers of the runs, where none is of the kind that the rendition declares.
fn wrong_handler(
    load: &MediaLoad<'_>,
    facts: &SegmentFacts,
    init: &crate::input::PastInit,
) -> Option<(String, &'static str)> {
    let expected: &[&str] = match load.track?.kind {
        TrackKind::Video | TrackKind::Trick => &["vide"],
        TrackKind::Audio => &["soun"],
        TrackKind::Text => &["subt", "text", "sbtl", "clcp"],
        TrackKind::Muxed => return None,
    };
    let runs = facts.mp4.as_ref().map(|mp4| &mp4.runs)?;
    let handlers: Vec<&str> =
        runs.iter().filter_map(|run| view::track_of(init, run)).map(|t| t.handler.as_str()).collect();
    let fits = handlers.is_empty() || handlers.iter().any(|h| expected.contains(h));
    (!fits).then(|| (handlers.join(", "), expected[0]))
}
