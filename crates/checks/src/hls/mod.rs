//! HLS media playlists: one document, and rules across polls (CHECKS 3.3, 3.4).

pub(crate) mod align_rendition_frozen;
pub(crate) mod discontinuity_sequence_wrong;
pub(crate) mod endlist_removed;
pub(crate) mod endlist_unexpected;
pub(crate) mod extinf_exceeds_target;
pub(crate) mod gap_segment;
pub(crate) mod live_latency_pdt;
pub(crate) mod media_sequence_jump;
pub(crate) mod media_sequence_regressed;
pub(crate) mod pdt_jump;
pub(crate) mod playlist_parse_error;
pub(crate) mod playlist_stale;
pub(crate) mod playlist_too_short;
pub(crate) mod segment_rewritten;
pub(crate) mod sequence_shift;
pub(crate) mod stale_copy_served;
pub(crate) mod tail_removed;
pub(crate) mod targetduration_changed;
pub(crate) mod timeline_reset;

use ow_domain::Span;
use ow_hls::{Issue, IssueFamily, IssueKind};

use crate::input::{PlaylistStep, Renditions, TrackAge};

/// The first breach of the grammar and how many there are. Space around attributes is forgiven: players do.
pub(crate) fn grammar_breaches(issues: &[Issue]) -> Option<(&Issue, usize)> {
    let mut breaches =
        issues.iter().filter(|i| i.kind.family() == IssueFamily::Syntax && i.kind != IssueKind::AttributeSpace);
    let first = breaches.next()?;
    Some((first, 1 + breaches.count()))
}

/// Name of the rendition for messages of checks whose subject is the stream.
fn rendition(step: &PlaylistStep<'_>) -> String {
    step.capture.track.as_ref().map_or_else(|| "the playlist".to_owned(), |track| track.id.to_string())
}

/// Target durations as a span.
fn target_durations(target_duration: Span, factor: f64) -> Span {
    target_duration.mul_ratio((factor * 1000.0).round() as i64, 1000)
}

/// Factor of the target duration after which a playlist counts as stale (BIS 6.2.2).
const STALE_FACTOR: f64 = 1.5;
/// CHECKS 5.4.
const STALE_SLACK_S: f64 = 0.1;

fn is_stale(age: &TrackAge) -> bool {
    age.age >= target_durations(age.target_duration, STALE_FACTOR) + Span::from_secs_f64(STALE_SLACK_S)
}

/// How the renditions of a stream stand to each other, seen from the one just judged.
enum Picture {
    /// It shows something new.
    Grew,
    /// Not stale, nothing new.
    Quiet,
    /// It is stale, and so is every other that answers.
    AllStale,
    /// It is stale while others went on.
    Frozen,
    /// It is stale; the others have not been asked late enough to tell.
    TooEarly,
}

fn picture(renditions: &Renditions<'_>) -> Picture {
    let Some(mine) = renditions.tracks.get(renditions.track) else { return Picture::Quiet };
    if mine.age == Span::ZERO {
        return Picture::Grew;
    }
    if !is_stale(mine) {
        return Picture::Quiet;
    }
    let mut others = renditions.tracks.iter().filter(|(id, _)| *id != renditions.track).map(|(_, age)| age);
    if others.clone().all(is_stale) {
        return Picture::AllStale;
    }
    // One segment of difference proves no progress: a cache that was asked a moment earlier, or a packager that died
    // between two renditions (docs/adr/0007). The other must have shown the one after as well.
    let went_on = |other: &TrackAge| {
        let longer = mine.target_duration.max(other.target_duration);
        !is_stale(other) && other.first_seen_end - mine.first_seen_end >= target_durations(longer, STALE_FACTOR)
    };
    if others.any(went_on) { Picture::Frozen } else { Picture::TooEarly }
}
