//! When to ask again, and for which segments (CHECKS 5.3). For the probe: it remembers what is new and when to ask
//! again, and judges nothing.
//!
//! [`ChannelPlan`] holds the renditions of one stream as bursts; [`HlsCadence`] is one rendition. The loop is
//! `next_wakeup` -> `take_due` -> fetch -> `on_playlist` / `on_unchanged` / `on_failure`.

mod channel;
mod expiry;
mod known;
mod reload;
mod rendition;
#[cfg(test)]
mod tests;

pub use channel::{Burst, ChannelPlan};
pub use reload::reaches;
pub use rendition::HlsCadence;
pub(crate) use rendition::error_delay;

use ow_domain::capture::Removed;
use ow_domain::{Span, Time};
use ow_hls::{ByteRange, MediaPlaylist};
use serde::{Deserialize, Serialize};

/// Parameters of the cadence; the defaults are those of CHECKS 5.3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CadenceSettings {
    /// Newest segments planned at first sight of a timeline, besides the oldest one.
    pub initial_segments: u32,
    /// Bound on new segments planned by one poll; older ones are counted in [`PollPlan::n_not_planned`].
    pub max_new_per_poll: u32,
    /// The oldest listed segment is asked for again this often.
    pub oldest_probe: Span,
    /// Multivariant playlist reload.
    pub mvp_poll: Span,
    /// Reload after ENDLIST.
    pub ended_poll: Span,
    /// Renditions due within this are polled together.
    pub burst_span: Span,
    /// First polls of channels are spread over this by hash of the channel id. A change must be taken within 5 s.
    pub phase_spread: Span,
    /// Upper bound of the delay after errors.
    pub max_error_delay: Span,
    /// Upper bound of an obeyed `Retry-After`: a probe must not be sent away for a day.
    pub max_retry_after: Span,
    /// One rendition at a time is asked by blocking reload where the server offers it, each for so long.
    pub ll_rotation: Span,
    /// All of them are, all the time.
    pub ll_full: bool,
    /// Delay of the confirm poll after a reset candidate.
    pub confirm_delay: Span,
    /// Segment duration assumed before the first playlist.
    pub assumed_duration: Span,
}

impl Default for CadenceSettings {
    fn default() -> Self {
        Self {
            initial_segments: 1,
            max_new_per_poll: 16,
            oldest_probe: Span::from_secs(60),
            mvp_poll: Span::from_secs(60),
            ended_poll: Span::from_secs(60),
            burst_span: Span::from_millis(500),
            phase_spread: Span::from_secs(3),
            max_error_delay: Span::from_secs(30),
            max_retry_after: Span::from_secs(300),
            ll_rotation: Span::from_secs(30),
            ll_full: false,
            confirm_delay: Span::from_secs(1),
            assumed_duration: Span::from_secs(6),
        }
    }
}

/// A playlist that came.
#[derive(Debug, Clone, Copy)]
pub struct Polled<'a> {
    pub t_req: Time,
    pub t_end: Time,
    /// URL that answered.
    pub final_url: &'a str,
    pub playlist: &'a MediaPlaylist,
}

/// A poll without a usable playlist: no answer, error status, short or unreadable body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollFailure {
    pub t_req: Time,
    pub t_end: Time,
    /// Status 404 or 410: the multivariant playlist is asked for at once.
    pub gone: bool,
    /// `Retry-After` as a delay.
    pub retry_after: Option<Span>,
}

/// What to do after a poll.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PollPlan {
    pub outcome: PollOutcome,
    /// Segments to fetch now, in this order.
    pub segments: Vec<SegmentPlan>,
    /// Indices of segments whose EXT-X-MAP is seen for the first time.
    pub maps: Vec<u32>,
    /// Indices of segments whose keys are seen for the first time.
    pub keys: Vec<u32>,
    /// New segments left out by [`CadenceSettings::max_new_per_poll`].
    pub n_not_planned: u32,
    /// A segment that has just left the playlist and is to be looked at once more.
    pub removed: Option<RemovedSegment>,
}

/// A segment that is no longer listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedSegment {
    pub msn: u64,
    /// As written, and the URL against which it resolves.
    pub uri: Box<str>,
    pub base: Box<str>,
    pub byte_range: Option<ByteRange>,
    pub duration_us: i64,
    pub removed: Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PollOutcome {
    First,
    /// The newest segment is another one.
    Changed,
    #[default]
    Unchanged,
    /// Unknown segments under lower or overlapping numbers: asks again after [`CadenceSettings::confirm_delay`].
    ResetCandidate,
    /// ENDLIST.
    Ended,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPlan {
    /// Position in the playlist's `segments`.
    pub index: u32,
    pub msn: u64,
    pub reason: SegmentReason,
    /// 0 is the newest listed.
    pub from_edge: u32,
    /// First after the start, a discontinuity or a change of init section: taken even where segments are sampled.
    pub mandatory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentReason {
    /// Listed since the last poll.
    New,
    /// Among the newest at first sight of a timeline.
    FirstSight,
    /// The oldest listed, at first sight and again every [`CadenceSettings::oldest_probe`].
    OldestProbe,
}

/// Deterministic fraction of `span`: `share`/1000 of it at most, by hash.
pub(crate) fn jitter(span: Span, permille: i64, hash: u64) -> Span {
    // 1/1024 steps are fine enough, and exact in integers.
    span.mul_ratio(permille * (hash % 1024) as i64, 1000 * 1024)
}
