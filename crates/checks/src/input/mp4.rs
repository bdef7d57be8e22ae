//! What the checks of this family share: a segment or init section as one that can be judged.

use ow_domain::capture::ObjectKind;
use ow_domain::facts::{Container, ElementaryFacts, EsKind, Mp4Facts, Mp4Run, Mp4Track, SegmentFacts};
use ow_domain::{Severity, Span};

use super::{MediaLoad, PastInit};
use crate::outcome::Outcome;

/// Issues after which the boxes themselves cannot be trusted.
pub(crate) const STRUCTURE: [&str; 11] = [
    "mp4-box-size",
    "mp4-box-overruns",
    "mp4-child-overruns",
    "mp4-moov-unreadable",
    "mp4-trak-unreadable",
    "mp4-mfhd-missing",
    "mp4-traf-missing",
    "mp4-tfhd-missing",
    "mp4-trun-missing",
    "mp4-trun-short",
    "mp4-mdat-missing",
];

/// The structure is damaged: what was read behind the damage may be wrong.
pub(crate) fn is_broken(facts: &SegmentFacts) -> bool {
    facts.issues.iter().any(|i| STRUCTURE.contains(&i.kind.as_str()))
}

/// Facts of a body of ISO BMFF that can be read, whole or not.
fn readable<'a>(load: &MediaLoad<'a>) -> Option<(&'a SegmentFacts, &'a Mp4Facts)> {
    let facts = load.facts.filter(|f| f.container == Container::IsoBmff && load.is_whole() && !load.is_hidden())?;
    (!is_broken(facts)).then_some((facts, facts.mp4.as_ref()?))
}

/// A whole media segment with fragments and sound structure.
pub(crate) fn segment<'a>(load: &MediaLoad<'a>) -> Option<(&'a SegmentFacts, &'a Mp4Facts)> {
    readable(load).filter(|(_, mp4)| load.capture.object == ObjectKind::Segment && mp4.n_fragments > 0)
}

/// A whole init section with sound structure.
pub(crate) fn init<'a>(load: &MediaLoad<'a>) -> Option<(&'a SegmentFacts, &'a Mp4Facts)> {
    readable(load).filter(|(_, mp4)| load.capture.object == ObjectKind::Init && !mp4.tracks.is_empty())
}

/// Each run with what is known of its samples.
pub(crate) fn runs(facts: &SegmentFacts) -> impl Iterator<Item = (&Mp4Run, &ElementaryFacts)> {
    let runs = facts.mp4.iter().flat_map(|mp4| &mp4.runs);
    runs.filter_map(|run| Some((run, facts.elementary.iter().find(|e| e.id == run.track_id)?)))
}

/// Pictures or sound, whose time must go on without a gap, in a known timescale.
pub(crate) fn is_timed(elementary: &ElementaryFacts) -> bool {
    matches!(elementary.kind, EsKind::Video | EsKind::Audio)
        && elementary.timescale > 0
        && elementary.n_access_units > 0
}

/// The tracks of an init section.
pub(crate) fn tracks(init: &PastInit) -> &[Mp4Track] {
    init.facts.mp4.as_ref().map_or(&[], |mp4| &mp4.tracks)
}

/// The `trak` of a run.
pub(crate) fn track_of<'a>(init: &'a PastInit, run: &Mp4Run) -> Option<&'a Mp4Track> {
    tracks(init).iter().find(|t| t.id == run.track_id)
}

/// Type of the sample entry that a run uses.
pub(crate) fn entry_of<'a>(track: &'a Mp4Track, run: &Mp4Run) -> Option<&'a str> {
    let at = run.sample_description_index.max(1) as usize - 1;
    track.sample_entries.get(at).map(String::as_str)
}

/// Ticks of a timescale as time; rounded down to microseconds.
pub(crate) fn span(ticks: i64, timescale: u32) -> Span {
    Span::from_secs(1).mul_ratio(ticks, i64::from(timescale.max(1)))
}

/// Judges a segment by what the reader said: an issue of one of `kinds` (kind, value and limit in words) is a failure.
pub(crate) fn issue(
    load: &MediaLoad<'_>,
    kinds: &[(&str, &'static str, &'static str)],
    severity: Severity,
    out: &mut Outcome,
) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some((facts, _)) = segment(load) else {
        out.unknown();
        return;
    };
    let found = kinds.iter().find_map(|kind| Some((kind, facts.issues.iter().find(|i| i.kind == kind.0)?)));
    let Some(((_, value, limit), issue)) = found else {
        out.pass();
        return;
    };
    let message = format!("a segment has {value}; {limit} expected");
    let at = out.fail(severity, *value, *limit, message).fact("byte", issue.offset).fact("reading", &issue.detail);
    if let Some(number) = load.number() {
        at.fact("segment number", number);
    }
}
