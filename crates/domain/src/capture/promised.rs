//! What a manifest said of an object, and how the probe went about asking for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// What the manifest said of a segment when it was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Promised {
    /// Media sequence number (HLS) or segment number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Declared duration, microseconds (`EXTINF` or `S@d`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<i64>,
    /// Byte range `[first, last]` asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_range: Option<(u64, u64)>,
    /// The segment follows an `EXT-X-DISCONTINUITY` (or starts a Period).
    #[serde(default)]
    pub discontinuity: bool,
    /// When the response that first listed it ended.
    pub listed_at: Time,
    /// The playlist claims `EXT-X-INDEPENDENT-SEGMENTS` (or SAP 1..2).
    #[serde(default)]
    pub independent: bool,
    /// Position in the window when planned: 0 is the newest.
    #[serde(default)]
    pub from_edge: u32,
    /// `METHOD` of the key in force when not NONE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_method: Option<String>,
    /// Key ids that the manifest declares for it, 32 hex digits each in the order of the text; empty where it names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<String>,
    /// An `EXT-X-MAP` applies to the segment (HLS); absent where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_map: Option<bool>,
    /// Tries of an HLS segment that was not there when it was listed; absent where the first one got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<EarlyTries>,
    /// Place and availability of a DASH segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dash: Option<DashPromise>,
    /// Place of a part in its segment, whose number is `number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartPromise>,
    /// The segment has left its playlist: the probe looks whether it is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removed>,
}

/// How long a segment that left its playlist was listed (RFC 8216 6.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removed {
    /// End of the first answer that listed it.
    pub first_listed_at: Time,
    /// Start of the last request that was answered with it: it left later.
    pub last_listed_at: Time,
    /// Duration of the longest playlist that listed it, microseconds.
    pub window_us: i64,
}

/// What a playlist said of a part (draft-pantos-hls-rfc8216bis 4.4.4.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PartPromise {
    /// Place in the segment, from 0.
    pub index: u32,
    /// Sum of the durations of the parts before it in the segment, microseconds.
    pub offset_us: i64,
    /// `INDEPENDENT=YES`.
    #[serde(default)]
    pub independent: bool,
    /// Asked for by its hint, before it was listed: duration and independence are not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hinted: bool,
}

/// `_HLS_msn`, `_HLS_part` and `_HLS_skip` of a request (draft-pantos-hls-rfc8216bis 6.2.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockingReload {
    pub msn: u64,
    /// Absent: the whole segment was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// A delta update was asked for (6.2.5.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
}

impl Promised {
    /// Nothing but the time of listing: to be filled in with what the manifest says.
    pub const fn listed(listed_at: Time) -> Self {
        Self {
            number: None,
            duration_us: None,
            byte_range: None,
            discontinuity: false,
            listed_at,
            independent: false,
            from_edge: 0,
            key_method: None,
            key_ids: Vec::new(),
            has_map: None,
            early: None,
            dash: None,
            part: None,
            removed: None,
        }
    }

    /// Tries before this one that answered that the object is not there yet.
    pub fn n_early(&self) -> u32 {
        self.early.as_ref().map_or(0, |e| e.n).max(self.dash.as_ref().map_or(0, |d| d.n_early))
    }
}

/// How the probe asked for an HLS segment that was listed and not there (RFC 8216 6.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EarlyTries {
    /// Tries before this one.
    pub n: u32,
    /// When the last of these was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Time>,
    /// Status and address of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<String>,
    /// The last of these came from a cache that had kept the error (`Age`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_cache: bool,
    /// This one failed as well, and the probe asks again; the last try of all is a second try on a new connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

/// What an MPD said of a segment, and how the probe asked for it at its availability time (ISO/IEC 23009-1 5.3.9.5.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DashPromise {
    /// `Period@id`, or the place of the Period from 0 as `#n` where it has none.
    pub period: String,
    /// `Representation@id`.
    pub representation: String,
    /// Start on the media timeline (`$Time$`), ticks.
    pub time: u64,
    /// Declared duration, ticks.
    pub duration: u64,
    /// Ticks per second.
    pub timescale: u64,
    /// `@presentationTimeOffset`, ticks.
    #[serde(default)]
    pub pto: u64,
    /// `Period@start` on the MPD timeline, microseconds.
    #[serde(default)]
    pub period_start_us: i64,
    /// Listed by a SegmentTimeline or SegmentList; otherwise computed from `@duration`.
    #[serde(default)]
    pub explicit: bool,
    /// Segment availability start time on the probe's clock, corrected by UTCTiming. Absent in a static MPD and with an
    /// infinite `@availabilityTimeOffset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Time>,
    /// `@availabilityTimeOffset` that [`Self::available_at`] is ahead by, the sum of all levels; microseconds, absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ato_us: Option<i64>,
    /// Tries before this one that answered that it is too early (404, 410, 425).
    #[serde(default)]
    pub n_early: u32,
    /// When the last of these was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_early: Option<Time>,
    /// After this one the probe does not wait for the segment any longer.
    #[serde(default)]
    pub gives_up: bool,
    /// `@timeShiftBufferDepth` in force, microseconds; absent without one, and in a static MPD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_shift_us: Option<i64>,
    /// It ends where its Period ends, and another Period follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last_in_period: bool,
}

impl DashPromise {
    /// From when on the segment was promised: availability start, and not before it was listed.
    pub fn promised_from(&self, listed_at: Time) -> Option<Time> {
        let at = self.available_at?;
        Some(if self.explicit { at.max(listed_at) } else { at })
    }
}
