//! HLS media playlists: one document, and rules across polls (CHECKS 3.3, 3.4).

mod byterange_invalid;
mod custom_tag_rule;
mod daterange_id_reuse;
mod daterange_invalid;
mod daterange_mutated;
mod discontinuity_rate;
mod discontinuity_sequence_missing;
mod discontinuity_sequence_wrong;
mod dvr_window_changed;
mod endlist_removed;
mod endlist_unexpected;
mod extinf_exceeds_target;
mod extinf_invalid;
mod gap_segment;
mod live_latency_pdt;
mod map_changed_no_discontinuity;
mod map_missing;
mod media_sequence_jump;
mod media_sequence_regressed;
mod pdt_after_discontinuity_missing;
mod pdt_format;
mod pdt_jump;
mod pdt_missing;
mod pdt_regressed;
mod pdt_rewritten;
mod playlist_parse_error;
mod playlist_stale;
mod playlist_too_short;
mod playlist_type_on_live;
mod publish_burst;
mod publish_jitter;
mod publish_too_fast;
mod segment_duplicate_uri;
mod segment_expired_early;
mod segment_listed_early;
mod segment_rewritten;
mod sequence_shift;
mod stale_copy_served;
mod tail_removed;
mod targetduration_changed;
mod timeline_reset;

use ow_domain::Span;
use ow_hls::{Issue, IssueFamily, IssueKind};

use crate::input::{PlaylistStep, Renditions, TrackAge};
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &playlist_parse_error::CHECK,
    &extinf_exceeds_target::CHECK,
    &targetduration_changed::CHECK,
    &media_sequence_regressed::CHECK,
    &stale_copy_served::CHECK,
    &timeline_reset::CHECK,
    &media_sequence_jump::CHECK,
    &segment_rewritten::CHECK,
    &sequence_shift::CHECK,
    &tail_removed::CHECK,
    &playlist_too_short::CHECK,
    &playlist_stale::CHECK,
    &endlist_unexpected::CHECK,
    &endlist_removed::CHECK,
    &discontinuity_sequence_wrong::CHECK,
    &gap_segment::CHECK,
    &pdt_jump::CHECK,
    &live_latency_pdt::CHECK,
    &extinf_invalid::CHECK,
    &playlist_type_on_live::CHECK,
    &discontinuity_sequence_missing::CHECK,
    &discontinuity_rate::CHECK,
    &dvr_window_changed::CHECK,
    &pdt_missing::CHECK,
    &pdt_format::CHECK,
    &pdt_regressed::CHECK,
    &pdt_rewritten::CHECK,
    &pdt_after_discontinuity_missing::CHECK,
    &byterange_invalid::CHECK,
    &segment_duplicate_uri::CHECK,
    &segment_listed_early::CHECK,
    &segment_expired_early::CHECK,
    &map_missing::CHECK,
    &map_changed_no_discontinuity::CHECK,
    &daterange_invalid::CHECK,
    &daterange_mutated::CHECK,
    &daterange_id_reuse::CHECK,
    &publish_burst::CHECK,
    &publish_jitter::CHECK,
    &publish_too_fast::CHECK,
    &custom_tag_rule::CHECK,
];

/// The first breach of the grammar and how many there are. Space around attributes is forgiven: players do.
pub(crate) fn grammar_breaches(issues: &[Issue]) -> Option<(&Issue, usize)> {
    let mut breaches =
        issues.iter().filter(|i| i.kind.family() == IssueFamily::Syntax && i.kind != IssueKind::AttributeSpace);
    let first = breaches.next()?;
    Some((first, 1 + breaches.count()))
}

/// Name of the rendition for messages of checks whose subject is the stream.
pub(crate) fn rendition(step: &PlaylistStep<'_>) -> String {
    step.capture.track.as_ref().map_or_else(|| "the playlist".to_owned(), |track| track.id.to_string())
}

/// Target durations as a span.
pub(crate) fn target_durations(target_duration: Span, factor: f64) -> Span {
    target_duration.mul_ratio((factor * 1000.0).round() as i64, 1000)
}

/// Factor of the target duration after which a playlist counts as stale (BIS 6.2.2).
pub(crate) const STALE_FACTOR: f64 = 1.5;
/// CHECKS 5.4.
pub(crate) const STALE_SLACK_S: f64 = 0.1;

pub(crate) fn is_stale(age: &TrackAge) -> bool {
    age.age >= target_durations(age.target_duration, STALE_FACTOR) + Span::from_secs_f64(STALE_SLACK_S)
}

/// How the renditions of a stream stand to each other, seen from the one just judged.
pub(crate) enum Picture {
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

pub(crate) fn picture(renditions: &Renditions<'_>) -> Picture {
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
