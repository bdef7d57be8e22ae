//! HLS renditions against each other (CHECKS 3.4).

mod audio_coverage;
mod daterange_set;
mod discontinuity;
mod live_edge_skew;
mod media_timestamp;
mod pdt_mapping;
mod pdt_presence;
mod playlist_type;
mod rendition_frozen;
mod segment_boundary;
mod server_control;
mod targetduration;

use ow_domain::{Span, TrackId};

use crate::input::{Aligned, AlignedTrack, media_difference};
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &rendition_frozen::CHECK,
    &playlist_type::CHECK,
    &targetduration::CHECK,
    &pdt_presence::CHECK,
    &live_edge_skew::CHECK,
    &discontinuity::CHECK,
    &media_timestamp::CHECK,
    &pdt_mapping::CHECK,
    &segment_boundary::CHECK,
    &audio_coverage::CHECK,
    &daterange_set::CHECK,
    &server_control::CHECK,
];

/// Names listed in one message.
const MAX_NAMES: usize = 5;

fn names<'a>(tracks: impl Iterator<Item = &'a TrackId>) -> String {
    let all: Vec<String> = tracks.map(ToString::to_string).collect();
    let shown = all.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > MAX_NAMES { format!("{shown} and {} more", all.len() - MAX_NAMES) } else { shown }
}

/// The renditions that say something else than most: value of most, then each other value with those that have it.
/// `None` when all agree. Of two equal camps the one with the reference is right.
fn odd_ones<'t, 'a, T: PartialEq + Clone>(
    input: &'t Aligned<'a>,
    tracks: impl Iterator<Item = &'t AlignedTrack<'a>>,
    value: impl Fn(&AlignedTrack<'a>) -> T,
) -> Option<(T, Vec<&'t AlignedTrack<'a>>)> {
    let all: Vec<(T, &AlignedTrack<'a>)> = tracks.map(|t| (value(t), t)).collect();
    let count = |wanted: &T| all.iter().filter(|(v, _)| v == wanted).count();
    let reference = input.reference().map(|r| r.id);
    let most = all.iter().max_by_key(|(v, _)| {
        let has_reference = all.iter().any(|(other, t)| other == v && Some(t.id) == reference);
        (count(v), has_reference)
    })?;
    let usual = most.0.clone();
    let odd: Vec<_> = all.iter().filter(|(v, _)| *v != usual).map(|(_, t)| *t).collect();
    (!odd.is_empty()).then_some((usual, odd))
}

/// How date-time and media time of a rendition stand to those of the reference.
enum Mapping {
    /// Not enough is known, or other timelines.
    Unknown,
    /// Within both tolerances; the value is what it is.
    Equal,
    /// Media time agrees, date-time is off by so much.
    DateTime(Span),
    /// Date-time agrees, media time is off by so much.
    Media(Span),
}

/// CHECKS 5.5 step 3: which of the two bases is off is told by the edges, which one burst saw within a segment.
fn mapping(track: &AlignedTrack<'_>, reference: &AlignedTrack<'_>, tolerance: Span) -> Mapping {
    let (Some(mine), Some(theirs)) = (track.pdt_offset(), reference.pdt_offset()) else { return Mapping::Unknown };
    let (dsn, other_dsn) = (mine.0, theirs.0);
    let spread = (mine.1 - theirs.1) - media_difference(mine.2, theirs.2);
    if dsn != other_dsn || track.is_stale || reference.is_stale {
        return Mapping::Unknown;
    }
    if spread.abs() <= tolerance {
        return Mapping::Equal;
    }
    let edges = |t: &AlignedTrack<'_>| Some((t.pdt_edge()?, t.media_edge()?));
    let (Some(edge), Some(other)) = (edges(track), edges(reference)) else { return Mapping::Unknown };
    let d = track.target_duration.max(reference.target_duration);
    // Off the nearest number of whole segments, at most one.
    let off =
        |difference: Span| [-d, Span::ZERO, d].into_iter().map(|k| (difference - k).abs()).min().unwrap_or(Span::ZERO);
    let (by_date, by_media) = (off(edge.0 - other.0), off(media_difference(edge.1, other.1)));
    if by_media <= by_date { Mapping::DateTime(spread) } else { Mapping::Media(Span::ZERO - spread) }
}
