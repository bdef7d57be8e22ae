//! What one more observation means. Plain data: checks read it, nothing here judges.

use ow_domain::{Span, Time};
use ow_hls::ByteRange;
use serde::{Deserialize, Serialize};

/// Segment changes kept per step; [`Step::n_changes`] counts all.
pub const MAX_CHANGES: usize = 32;

/// The result of [`crate::HlsTracker::step`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub classification: Classification,
    /// Grows by one with every new timeline that was accepted; the first is 1. 0 before the first playlist.
    pub epoch: u32,
    pub t_req: Time,
    pub t_end: Time,
    pub clock_uncertainty: Span,
    /// End of the last successful response before this one.
    pub previous_t_end: Option<Time>,
    /// Since the end of the first successful response of this tracker.
    pub since_start: Span,
    /// Since the end of the response that began the epoch (for start-up grace).
    pub since_epoch_start: Span,
    /// A lower or unknown timeline that did not last, or a further unknown one.
    pub regressed: Option<Regressed>,
    /// Segments first seen in this step, oldest first. In [`Classification::First`] and after a new epoch the whole
    /// window.
    pub new_segments: Vec<NewSegment>,
    /// Segments that left the window by this step, oldest first.
    pub removed_segments: Vec<RemovedSegment>,
    /// Listed segments that differ from when they were first seen; at most [`MAX_CHANGES`].
    pub changes: Vec<SegmentChange>,
    pub n_changes: u32,
    pub dsn: DsnVerdict,
    /// The largest move of a segment's PROGRAM-DATE-TIME between polls, if any is above 50 ms.
    pub pdt_moved: Option<PdtMoved>,
    /// Own PDT of new segments against the one before plus its EXTINF. In a first look the whole window.
    pub pdt_steps: Vec<PdtStep>,
    /// TARGETDURATION in seconds differs from the last accepted playlist of the epoch.
    pub target_duration_changed: Option<Changed<u64>>,
    /// VERSION differs; absent counts as 1.
    pub version_changed: Option<Changed<u32>>,
    pub end_list: EndList,
    pub freshness: Freshness,
    /// TARGETDURATION of the accepted state.
    pub target_duration: Span,
    /// W of the accepted state: sum of durations listed.
    pub window: Span,
    pub n_listed: u32,
    /// Newest segment of the accepted state.
    pub newest: Option<Newest>,
    /// Oldest number listed in the accepted state.
    pub first_msn: Option<u64>,
    /// Old timeline and candidate (or shift and no shift) alternated this often since the start: two origins.
    pub alternations: u32,
    /// The probe should ask again in about 1 s: a reset candidate waits for its confirm poll.
    pub wants_confirm_poll: bool,
    /// The probe should ask without `_HLS_skip`: a delta update cannot be judged.
    pub wants_full_playlist: bool,
}

/// How the observation relates to what was accepted before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Classification {
    /// First playlist of this tracker: accepted.
    First,
    /// No playlist (error, timeout, parse failure): state untouched.
    Failed,
    /// The request began before the last one judged: evidence only, state untouched.
    OutOfOrder,
    /// A playlist without any segment: state untouched.
    Empty,
    /// A delta update (EXT-X-SKIP) that was not merged: state untouched, see [`Step::wants_full_playlist`].
    Delta,
    /// The same body again, or 304.
    Unchanged,
    /// An older state of this timeline (CHECKS `hls-stale-copy-served`): state untouched.
    StaleCopy(StaleCopy),
    /// New segments at the tail, the rest as known. `n_new` counts numbers above the last newest.
    Advance {
        n_new: u64,
        /// The list starts earlier than before: the window grew, or an edge had trimmed it.
        head_came_back: bool,
    },
    /// Another body with the same newest segment.
    NoNewSegment { head_came_back: bool },
    /// The newest segments are gone though the head moved on (CHECKS `hls-tail-removed`): state untouched.
    TailRemoved { n_removed: u64, last_msn: u64 },
    /// Known segments under other numbers (CHECKS `hls-sequence-shift`).
    SequenceShift {
        /// Number now minus number in history.
        k: i64,
        /// Segments that show it.
        n_segments: u32,
        /// Second poll in a row with this k: accepted as a new epoch.
        accepted: bool,
    },
    /// No segment in common, higher numbers: accepted.
    ForwardJump(ForwardJump),
    /// Same numbers, durations, DSN and PDT, but every URI is another one: accepted.
    UriOnly {
        n_segments: u32,
        /// PDT was there to compare; without it equality rests on EXTINF and DSN alone.
        pdt_compared: bool,
    },
    /// An unknown timeline: old state kept, waits for confirmation.
    ResetCandidate { first_msn: u64, last_msn: u64, lower_msn: bool },
    /// The candidate was confirmed: new epoch (CHECKS `hls-timeline-reset`).
    TimelineReset(TimelineReset),
}

/// Evidence of an old copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StaleCopy {
    pub by: StaleCopyBy,
    /// Newest number in the copy.
    pub last_msn: u64,
    /// Newest number known.
    pub accepted_last_msn: u64,
    /// How long the newest segment has not been shown: this `t_req` minus the end of the last response with it.
    pub hidden: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StaleCopyBy {
    /// Byte for byte an earlier body.
    Digest,
    /// Another body (tokens, comments) of an earlier window.
    Window,
}

/// Numbers and time of a jump to numbers that do not join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForwardJump {
    /// Newest number before, oldest number now.
    pub from_msn: u64,
    pub to_msn: u64,
    /// Numbers that were never listed in any response of ours.
    pub missed: u64,
    /// Media time from the last newest segment to the newest now: listed plus missed x median.
    pub advanced: Span,
    /// Wall time since the last newest segment was first seen.
    pub available: Span,
    /// Time between the last successful response and this request was longer than the window: the probe may have
    /// missed what happened, the jump proves nothing.
    pub probe_gap_exceeded_window: bool,
}

/// A new epoch. What continues decides the severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineReset {
    pub old_first_msn: u64,
    pub old_last_msn: u64,
    /// First sight of the new timeline.
    pub new_first_msn: u64,
    pub new_last_msn: u64,
    pub first_seen_end: Time,
    /// The newest number was lower than the newest of the old timeline.
    pub lower_msn: bool,
    /// DISCONTINUITY on the first new segment, or a DSN above the old one.
    pub seam_marked: bool,
    /// DSN did not fall.
    pub dsn_continues: bool,
    /// First new PDT minus PDT at the end of the old newest segment; `None` without PDT on both sides.
    pub pdt_step: Option<Span>,
    /// `pdt_step` lies between -1 TD and the time that passed plus 2 TD.
    pub pdt_continues: Option<bool>,
    /// Successful responses that showed it, the confirming one included.
    pub n_polls: u32,
}

/// A timeline that came and went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regressed {
    pub reason: RegressedReason,
    /// The unknown timeline that was seen.
    pub first_msn: u64,
    pub last_msn: u64,
    pub accepted_last_msn: u64,
    pub first_seen_end: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegressedReason {
    /// The old timeline is back.
    Transient,
    /// A third timeline showed up instead.
    Standing,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewSegment {
    pub msn: u64,
    /// Position in the playlist's `segments`.
    pub index: u32,
    pub uri: Box<str>,
    pub duration: Span,
    pub dsn: u64,
    pub discontinuity: bool,
    pub gap: bool,
    pub pdt: Option<Time>,
    /// Numbers right before it were never seen: continuity across this seam is unknown.
    pub after_unseen: bool,
    /// It was listed below or in the first window, so its publication time is unknown.
    pub seen_late: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemovedSegment {
    pub msn: u64,
    pub uri: Box<str>,
    pub duration: Span,
    pub first_seen_end: Time,
    /// Longest W that contained it.
    pub longest_window: Span,
}

/// A listed segment that differs from its first sight. Repeats while it does; [`Self::is_new`] marks the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentChange {
    pub msn: u64,
    pub field: ChangedField,
    /// The value was another one in the last accepted playlist.
    pub is_new: bool,
    pub first_seen_end: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "field")]
pub enum ChangedField {
    /// Path or byte range by the segment key; the text is as written.
    Uri {
        before: Box<str>,
        after: Box<str>,
    },
    /// By more than 1 ms.
    Extinf {
        before: Span,
        after: Span,
    },
    ByteRange {
        before: Option<ByteRange>,
        after: Option<ByteRange>,
    },
    Map {
        before: Box<str>,
        after: Box<str>,
    },
    Key {
        before: Box<str>,
        after: Box<str>,
    },
    Discontinuity {
        before: bool,
        after: bool,
    },
    Gap {
        before: bool,
        after: bool,
    },
}

impl ChangedField {
    /// Stable text for reasons.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Uri { .. } => "uri",
            Self::Extinf { .. } => "extinf",
            Self::ByteRange { .. } => "byte-range",
            Self::Map { .. } => "map",
            Self::Key { .. } => "key",
            Self::Discontinuity { .. } => "discontinuity",
            Self::Gap { .. } => "gap",
        }
    }
}

/// Discontinuity arithmetic (CHECKS 5.1 step 9) against the DSN at first sight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DsnVerdict {
    /// Nothing to compare with: first look, state untouched, or a window that was jumped.
    Unknown,
    Consistent,
    Wrong {
        /// The oldest segment that shows it.
        msn: u64,
        expected: u64,
        found: u64,
        /// Only a lower bound was known (`found` fell below it).
        at_least: bool,
        n_segments: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PdtMoved {
    /// The segment that moved most.
    pub msn: u64,
    pub before: Time,
    pub after: Time,
    pub n_segments: u32,
    /// Segments that left the window since that segment was first seen: a packager that writes PDT only on the head
    /// drifts by EXTINF rounding per removed segment.
    pub n_removed_since: u64,
}

/// PDT(n) - (PDT(n-1) + EXTINF(n-1)); positive is a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PdtStep {
    pub msn: u64,
    pub step: Span,
    /// False when the segment starts a discontinuity.
    pub same_dsn: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<T> {
    pub before: T,
    pub after: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndList {
    Absent,
    /// First time in this epoch.
    Appeared,
    Present,
    /// Was there before, in the same epoch (CHECKS `hls-endlist-removed`).
    Removed,
}

impl EndList {
    pub const fn is_present(self) -> bool {
        matches!(self, Self::Appeared | Self::Present)
    }
}

/// Age of the newest content (CHECKS 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Freshness {
    /// Nothing learned: failure, old copy, candidate, or the stream has ended.
    NotEvaluated,
    /// Newer content in this response.
    Grew,
    /// The same newest unit again.
    Same {
        /// `t_req` minus the end of the response that first showed the unit: a lower bound of its true age.
        age: Span,
        /// `age` minus the `Age` header when that is above 0: how old it was at the origin.
        age_at_origin: Option<Span>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Newest {
    pub msn: u64,
    pub uri: Box<str>,
    pub duration: Span,
    pub first_seen_end: Time,
    /// PDT at its end, own or derived.
    pub pdt_end: Option<Time>,
}

impl Step {
    /// The observation became (or equals) the accepted state.
    pub const fn is_accepted(&self) -> bool {
        match &self.classification {
            Classification::First
            | Classification::Unchanged
            | Classification::Advance { .. }
            | Classification::NoNewSegment { .. }
            | Classification::ForwardJump(_)
            | Classification::UriOnly { .. }
            | Classification::TimelineReset(_) => true,
            Classification::SequenceShift { accepted, .. } => *accepted,
            Classification::Failed
            | Classification::OutOfOrder
            | Classification::Empty
            | Classification::Delta
            | Classification::StaleCopy(_)
            | Classification::TailRemoved { .. }
            | Classification::ResetCandidate { .. } => false,
        }
    }

    /// A playlist with segments came, whatever it showed.
    pub const fn has_playlist(&self) -> bool {
        !matches!(self.classification, Classification::Failed | Classification::OutOfOrder | Classification::Empty)
    }

    /// An epoch other than the first began with this step.
    pub const fn is_new_epoch(&self) -> bool {
        matches!(
            self.classification,
            Classification::TimelineReset(_) | Classification::SequenceShift { accepted: true, .. }
        )
    }

    /// Lower bound of the age of the newest content when this response shows nothing newer.
    pub const fn stale_age(&self) -> Option<Span> {
        match self.freshness {
            Freshness::Same { age, .. } => Some(age),
            Freshness::NotEvaluated | Freshness::Grew => None,
        }
    }

    pub const fn forward_jump(&self) -> Option<&ForwardJump> {
        match &self.classification {
            Classification::ForwardJump(jump) => Some(jump),
            _ => None,
        }
    }

    pub const fn stale_copy(&self) -> Option<&StaleCopy> {
        match &self.classification {
            Classification::StaleCopy(copy) => Some(copy),
            _ => None,
        }
    }

    pub const fn timeline_reset(&self) -> Option<&TimelineReset> {
        match &self.classification {
            Classification::TimelineReset(reset) => Some(reset),
            _ => None,
        }
    }

    /// Wall-clock latency of the newest listed content: end of this response minus its PDT end. Meaningful only where
    /// PDT is wall clock.
    pub fn pdt_latency(&self) -> Option<Span> {
        Some(self.t_end - self.newest.as_ref()?.pdt_end?)
    }
}

impl ForwardJump {
    /// More media than real time plus `slack` allows (CHECKS `hls-media-sequence-jump`, slack 2 x TD).
    pub fn is_excessive(&self, slack: Span) -> bool {
        self.advanced > self.available + slack
    }
}
