//! What checks of low-latency HLS are given.

use ow_domain::Span;
use ow_domain::capture::{BlockingReload, Capture, PartPromise};
use ow_domain::facts::SegmentFacts;
use ow_domain::policy::ChannelPolicy;
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
