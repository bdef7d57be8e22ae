//! What is remembered of one segment of one rendition and epoch.

use ow_domain::{Span, Time};
use ow_hls::ByteRange;
use serde::{Deserialize, Serialize};

use crate::SegmentKey;

/// A segment as it was first seen, and what it says now if that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub msn: u64,
    pub first: SegmentFacts,
    /// The latest facts when they differ from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Box<SegmentFacts>>,
    /// End of the response that first listed it.
    pub first_seen_end: Time,
    /// First number of the window in which it was first seen: tells how many segments left since.
    pub first_window_start: u64,
    /// End of the first response that no longer listed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
    /// It was in the first playlist of the epoch (or came in below the head), so it is older than we can tell.
    pub seen_late: bool,
}

/// The facts that must not change while a segment is listed (BIS 6.2.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentFacts {
    pub key: SegmentKey,
    /// As written in the playlist.
    pub uri: Box<str>,
    pub duration: Span,
    pub dsn: u64,
    pub discontinuity: bool,
    pub gap: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_range: Option<ByteRange>,
    /// Identity of the EXT-X-MAP in force; 0 without. Text by [`crate::HlsTracker::label`].
    pub map: u64,
    /// Identity of the keys in force; 0 when not encrypted. Text by [`crate::HlsTracker::label`].
    pub keys: u64,
    /// Own PROGRAM-DATE-TIME, or derived from the nearest earlier one plus EXTINF, never across a DISCONTINUITY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdt: Option<Time>,
    /// The tag stands on this segment.
    pub pdt_own: bool,
}

impl SegmentFacts {
    /// PDT at the end of the segment.
    pub fn pdt_end(&self) -> Option<Time> {
        self.pdt.map(|pdt| pdt + self.duration)
    }
}

impl Record {
    pub fn now(&self) -> &SegmentFacts {
        self.latest.as_deref().unwrap_or(&self.first)
    }
}
