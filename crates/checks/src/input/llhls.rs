//! What checks of low-latency HLS are given.

use ow_domain::capture::{BlockingReload, Capture, PartPromise};
use ow_domain::facts::SegmentFacts;
use ow_domain::policy::ChannelPolicy;
use ow_domain::{Span, TrackId};
use ow_hls::{MediaPlaylist, Part};

pub use crate::judge::memory::PartSeen;

/// A blocking reload that ended.
pub struct ReloadLoad<'a> {
    pub capture: &'a Capture,
    pub asked: BlockingReload,
    pub answer: ReloadAnswer,
    /// From the request to its end.
    pub took: Span,
    pub target_duration: Option<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadAnswer {
    /// It holds what was asked for.
    Reached,
    /// It ends before: the newest segment, and parts after it.
    Older { newest: u64, n_parts: usize },
    /// An error status.
    Status(u16),
    /// None within the time limit, although the playlist went on meanwhile.
    None,
    /// Nothing can be said: the connection failed, or the numbers are those of another timeline.
    Unsure,
}

/// One playlist with PART-INF or parts.
pub struct PartsLoad<'a> {
    pub capture: &'a Capture,
    pub policy: &'a ChannelPolicy,
    pub playlist: &'a MediaPlaylist,
    /// Parts that are final since the playlist before, oldest first.
    pub settled: &'a [ListedPart<'a>],
    /// How long PART-INF has been there and no part; zero at first sight.
    pub without_parts: Option<Span>,
    /// Segments complete since the playlist before, with all of their parts.
    pub completed: &'a [WholeParts],
    /// Length of one picture or sound frame, where one was read.
    pub access_unit: Option<Span>,
    /// Parts that were not what was hinted, where the last part is new.
    pub hints: Option<Share>,
    /// Parts with GAP=YES, where one is new.
    pub gaps: Option<Share>,
}

/// So many of the last ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub n: usize,
    pub of: usize,
}

/// A complete segment whose parts are all listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeParts {
    pub number: u64,
    /// Sum of the durations of its parts.
    pub sum: Span,
    /// EXTINF.
    pub declared: Span,
    pub line: u32,
}

/// One playlist with parts beside those of the other renditions.
pub struct EdgesLoad<'a> {
    pub capture: &'a Capture,
    pub policy: &'a ChannelPolicy,
    pub playlist: &'a MediaPlaylist,
    pub part_target: Span,
    /// Age of the newest part by date-time when it was first seen, where date-times are wall clock.
    pub latency: Option<Span>,
    /// Other renditions of the multivariant playlist, and whether a report names them. `None`: cannot be told.
    pub reported: Option<&'a [(TrackId, bool)]>,
    /// Reports about renditions that were seen in the same burst.
    pub reports: &'a [ReportSeen],
    /// The rendition of the same burst whose newest part ends latest, and by how much this one is behind it. `None`: there is none.
    pub behind: Option<(TrackId, Span)>,
}

/// A report beside the rendition that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSeen {
    pub track: TrackId,
    pub line: u32,
    /// Segment and part as reported.
    pub told: (u64, Option<u32>),
    /// As listed there.
    pub listed: (u64, Option<u32>),
    /// How many parts (of a rendition without parts: segments) the report is ahead.
    pub ahead: i64,
}

/// What became of a hinted part that was asked for.
pub struct HintLoad<'a> {
    pub capture: &'a Capture,
    pub number: u64,
    pub index: u32,
    pub answer: HintAnswer,
    /// From the request to its end.
    pub took: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintAnswer {
    Came,
    /// Refused with this status, and listed later under the URI that was hinted.
    Refused(u16),
    /// Not answered within three target durations, and listed later under the URI that was hinted.
    Silent,
}

/// A delta update that was asked for.
pub struct DeltaLoad<'a> {
    pub capture: &'a Capture,
    pub answer: DeltaAnswer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeltaAnswer {
    /// The whole list came, of this length, although what is older than CAN-SKIP-UNTIL could have been skipped.
    Whole { window: Span, skip_until: Span },
    /// An update came that is yet to be compared.
    Served,
    /// Merged with the copy held it is the playlist that came right after.
    Same,
    /// It has this version, or more than one EXT-X-SKIP.
    Malformed { version: u64, n_skips: usize },
    /// Merged it is another playlist: first segment of it that differs, how many segments it has, and how many there are.
    Other { number: u64, n_merged: usize, n_listed: usize },
}

/// A part after which something is listed, so that its place in its segment is known.
#[derive(Debug, Clone, Copy)]
pub struct ListedPart<'a> {
    pub number: u64,
    pub index: u32,
    pub part: &'a Part,
    /// The last of its segment.
    pub is_last: bool,
    /// The part after it has GAP=YES.
    pub before_gap: bool,
}

/// How long it took from the newest part but one to the newest, or what has passed since the newest.
pub struct PartEdge<'a> {
    pub capture: &'a Capture,
    pub age: Span,
    pub part_target: Span,
    pub target_duration: Span,
}

/// A part that was read.
pub struct PartLoad<'a> {
    pub capture: &'a Capture,
    pub facts: &'a SegmentFacts,
    pub place: PartPromise,
    pub part_target: Option<Span>,
}

/// A listed part that was asked for and answered with a status.
pub struct PartGone<'a> {
    pub capture: &'a Capture,
    pub number: u64,
    pub index: u32,
    pub status: u16,
}

/// A whole segment beside those of its parts that were read.
pub struct PartBytes<'a> {
    pub capture: &'a Capture,
    pub number: u64,
    pub parent: &'a SegmentFacts,
    /// EXTINF.
    pub declared: Option<Span>,
    /// By place.
    pub parts: &'a [PartSeen],
}
