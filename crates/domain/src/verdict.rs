//! The whole truth about one channel: everything that is wrong now, complete, with a position.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::Protocol;
use crate::{ChannelId, ProbeId, Severity, StreamId, Time, TrackId};

/// Place in the capture stream. Ordered: a later place has seen more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// When the capture stream was created, Unix milliseconds: a stream that is made anew starts a later epoch.
    pub epoch: i64,
    /// Stream sequence of the last message judged.
    pub seq: u64,
}

/// The complete list of what is wrong with a channel now. Published on every change and at least once a minute;
/// consumers compare it with the last one they acted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    pub channel: ChannelId,
    /// Name for people.
    pub name: String,
    pub position: Position,
    /// Time of the last fact judged.
    pub as_of: Time,
    pub policy_revision: u64,
    /// The channel is no longer watched: conditions are empty and everything open is closed with this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
    /// Worst severity of the conditions; `cleared` when all is well, `indeterminate` when nothing could be judged.
    pub severity: Severity,
    /// Sorted by fingerprint.
    pub conditions: Vec<Condition>,
    /// Labels, packager and region of the policy, for routing and topology.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packager: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// State of each stream, for dashboards.
    #[serde(default)]
    pub streams: Vec<StreamState>,
}

/// One thing that is wrong and has passed its hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// `check|protocol|stream|scope|track|reason`, see [`Subject::fingerprint`]; unique inside a channel.
    pub fingerprint: String,
    pub check: String,
    /// Short title of the check for people: `HLS playlist stale`. Empty from validators that did not tell it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    pub severity: Severity,
    pub subject: Subject,
    /// First failing evaluation.
    pub first_failed_at: Time,
    /// When the hold was met.
    pub raised_at: Time,
    pub last_failed_at: Time,
    /// Failing evaluations since `first_failed_at`.
    pub count: u64,
    /// The value measured last, with its unit, as text: `24.3 s`, `404`.
    pub value: String,
    /// The limit it broke, as text.
    pub limit: String,
    /// One sentence for people, at most 255 bytes; names measured and expected.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Nothing was heard for so long that we cannot tell whether it is still so.
    #[serde(default)]
    pub indeterminate: bool,
    /// An event that cannot continue (a reset): closes by itself.
    #[serde(default)]
    pub event: bool,
}

/// What a finding is about. Never holds a URL, a number or a time: those are evidence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// Host for transport checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// Closed set per check that tells kinds of one fault apart, e.g. `4xx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Subject {
    /// Identity of an alarm inside its channel.
    pub fn fingerprint(&self, check: &str) -> String {
        let part = |p: Option<&str>| p.unwrap_or("-").to_owned();
        [
            check.to_owned(),
            part(self.protocol.map(Protocol::as_str)),
            part(self.stream.as_ref().map(StreamId::as_str)),
            part(self.host.as_deref()),
            part(self.track.as_ref().map(TrackId::as_str)),
            part(self.reason.as_deref()),
        ]
        .join("|")
    }
}

impl std::fmt::Display for Subject {
    /// `hls main video-1080p (4xx)`, for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<&str> = [
            self.protocol.map(Protocol::as_str),
            self.stream.as_ref().map(StreamId::as_str),
            self.host.as_deref(),
            self.track.as_ref().map(TrackId::as_str),
        ]
        .into_iter()
        .flatten()
        .collect();
        f.write_str(&parts.join(" "))?;
        match &self.reason {
            Some(reason) if parts.is_empty() => f.write_str(reason),
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// What proves a finding. URLs here carry no query.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub capture: String,
    pub probe: Option<ProbeId>,
    pub url: String,
    pub t_req: Time,
    pub t_end: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Digest of the earlier document, for checks across polls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<String>,
    /// Line of the playlist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Named values with units, in the order they matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<(String, String)>,
    #[serde(default)]
    pub clock_uncertainty_us: i64,
}

/// How one stream does, for dashboards and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamState {
    pub stream: StreamId,
    pub protocol: Protocol,
    /// Something of it was fetched successfully within the last three polls.
    pub up: bool,
    pub n_tracks: u32,
    /// Highest declared picture height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_capture_at: Option<Time>,
    /// Age of the newest content, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_content_age_s: Option<f64>,
}

/// Numbers of one stream over a few seconds, published whether or not anything is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measures {
    pub channel: ChannelId,
    pub stream: StreamId,
    pub protocol: Protocol,
    pub probe: Option<ProbeId>,
    /// End of the window.
    pub at: Time,
    pub window_s: f64,
    /// Measured numbers of the stream by name with unit suffix: `playlist_age_seconds`, `live_latency_seconds`.
    pub values: BTreeMap<String, f64>,
    /// Responses by class: `2xx`, `3xx`, `4xx`, `5xx`, `failed`.
    pub responses: BTreeMap<String, u64>,
    pub tracks: Vec<TrackMeasures>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrackMeasures {
    pub track: TrackId,
    /// `declared_bits_per_second`, `measured_bits_per_second`, `segment_duration_seconds`, `download_seconds`, ...
    pub values: BTreeMap<String, f64>,
}
