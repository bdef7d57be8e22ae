//! HLS and DASH of one channel.

use ow_domain::capture::Capture;
use ow_domain::policy::ChannelPolicy;
use ow_domain::{Severity, Span, Time, TrackId};

pub use crate::judge::memory::MarkPair;
use crate::offer::{Ladder, Protection};

/// After every answer for a manifest of the HLS stream, when the channel has a DASH stream as well.
pub struct Presentations<'a> {
    pub capture: &'a Capture,
    pub policy: &'a ChannelPolicy,
    /// The answer is for the entry: what is offered may be another than before.
    pub is_entry: bool,
    pub hls: PresentationView<'a>,
    pub dash: PresentationView<'a>,
    /// Breaks that both have passed since the last answer.
    pub breaks: Vec<MarkPair>,
}

/// Where the segments of a rendition begin, as their bytes say.
pub struct Cuts<'a> {
    pub track: &'a TrackId,
    /// 90 kHz, the segments read last.
    pub starts: Vec<i64>,
    /// One frame.
    pub unit: Span,
    pub cmaf: bool,
}

/// A segment that was asked for under the same path as one of the other protocol.
pub struct SharedObject<'a> {
    pub capture: &'a Capture,
    /// Stream that got it before, and when.
    pub other: &'a str,
    pub at: Time,
    /// The bytes are the same, or at least the samples in them; `None` where that cannot be told.
    pub same: Option<bool>,
}

/// One of the two.
pub struct PresentationView<'a> {
    pub name: &'a str,
    /// Nominal segment duration.
    pub duration: Span,
    /// Least latency of the live edge lately; `None` when it is unknown or stands still.
    pub latency: Option<Span>,
    pub offer: Option<&'a Ladder>,
    pub protections: Vec<(String, Protection)>,
    /// The worst condition of this stream, those of this comparison left out.
    pub worst: Option<Severity>,
    /// The check behind it.
    pub worst_check: Option<String>,
    /// The video of the lowest bit rate whose segments were read.
    pub video: Option<Cuts<'a>>,
    /// The entry answered when it was last asked for.
    pub answers: bool,
}
