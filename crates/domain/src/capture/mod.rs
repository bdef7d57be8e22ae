//! What a probe saw of one request: the one fact that all judgement rests on.
//!
//! A [`Capture`] is made for every request, also for one that failed; a fault of the watched stream is content of a
//! capture, never an error of ours.

mod exchange;
mod promised;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::SegmentFacts;
use crate::{ChannelId, ProbeId, StreamId, Time, TrackId};

pub use exchange::{
    BodyEnd, Exchange, FailedAddress, Failure, FailureKind, Outcome, Phase, Redirect, Response, Timings, TlsFacts,
    printable_url,
};
pub use promised::{BlockingReload, DashPromise, EarlyTries, PartPromise, Promised, Removed};

/// One request of a probe for one object of one stream, finished or failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capture {
    /// Unique, time ordered (UUID version 7); also the message id on the bus.
    pub id: String,
    pub channel: ChannelId,
    pub stream: StreamId,
    pub protocol: Protocol,
    pub probe: ProbeId,
    /// Revision of the fetch job that asked for it.
    pub job_revision: u64,
    /// Counts all captures of this channel by one fetcher run, from 1; a step larger than 1 is a lost capture.
    pub seq: u64,
    pub object: ObjectKind,
    /// Rendition the object belongs to; absent for the multivariant playlist and the MPD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Track>,
    /// What the manifest promised of a segment or init section; absent for manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<Promised>,
    pub exchange: Exchange,
    /// Half-width of the error of the probe's UTC, microseconds; at least 50,000 unless measured better.
    pub clock_uncertainty_us: i64,
    /// Body of a manifest, as text. Absent for segments, failures and 304.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<ManifestBody>,
    /// Parsed facts of a segment or init section, as far as bytes arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<SegmentFacts>,
    /// True for the second try of the same object after a failure (made on a new connection).
    #[serde(default)]
    pub retry: bool,
    /// True when this is one of the probe's own extra looks (oldest segment, expiry), not the regular path.
    #[serde(default)]
    pub extra: bool,
    /// How many requests of this channel started later than planned since the last capture (probe busy), and how many
    /// were dropped by budget. Non-zero makes absence checks unknown.
    #[serde(default)]
    pub late_polls: u32,
    /// The place a media playlist was asked to wait for (blocking reload); absent for a plain request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocking: Option<BlockingReload>,
    /// What the time sources of the MPD before this one said (ISO/IEC 23009-1 5.8.4.11); with the first MPD after each look at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub time_checks: Vec<TimeCheck>,
    /// What the probe measured of itself last; with the first capture of a channel after each measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_facts: Option<Box<crate::probe::ProbeFacts>>,
}

/// One look at a time source of an MPD (`UTCTiming`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimeCheck {
    /// Without query.
    pub url: String,
    pub t_req: Time,
    pub t_end: Time,
    /// The time it told, from and to: a `Date` has whole seconds. Absent when it told none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<(Time, Time)>,
    /// `Age` of the answer: a cache told the time of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_us: Option<i64>,
    /// Status of the answer, or the kind of failure: `404`, `timed-out`.
    pub outcome: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Hls,
    Dash,
}

impl Protocol {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hls => "hls",
            Self::Dash => "dash",
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// HLS multivariant playlist.
    Mvp,
    /// HLS media playlist.
    MediaPlaylist,
    /// DASH media presentation description.
    Mpd,
    /// Initialization section or segment.
    Init,
    Segment,
    /// Part of an HLS segment at the live edge.
    Part,
    Key,
    /// Nothing of a channel: a probe reports about itself.
    Probe,
}

impl ObjectKind {
    /// The last token of a capture's subject.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mvp => "mvp",
            Self::MediaPlaylist => "media-playlist",
            Self::Mpd => "mpd",
            Self::Init => "init",
            Self::Segment => "segment",
            Self::Part => "part",
            Self::Key => "key",
            Self::Probe => "probe",
        }
    }
    pub const fn is_manifest(self) -> bool {
        matches!(self, Self::Mvp | Self::MediaPlaylist | Self::Mpd)
    }
}

/// A rendition as the manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Track {
    pub id: TrackId,
    pub kind: TrackKind,
    /// Declared peak bit/s (HLS BANDWIDTH), if the rendition is a variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_bandwidth: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codecs: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Declared frames per 1000 s (HLS FRAME-RATE, DASH `@frameRate`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate_milli: Option<u32>,
    /// HLS VIDEO-RANGE: `SDR`, `PQ`, `HLG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_range: Option<String>,
    /// HLS CHANNELS as written; in DASH the count that AudioChannelConfiguration stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrackKind {
    /// Video only, or a variant whose audio is elsewhere.
    Video,
    /// Video and audio in one segment.
    Muxed,
    Audio,
    Text,
    /// Trick-play (I-frame) rendition.
    Trick,
}

/// Text of a manifest as served, after content decoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestBody {
    /// UTF-8 text; bytes that are not UTF-8 are replaced and `lossy` is set.
    pub text: String,
    #[serde(default)]
    pub lossy: bool,
}

/// Time that passed in a partition, published once a second, so that absence can be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tick {
    pub partition: crate::Partition,
    /// Whole second.
    pub at: Time,
}
