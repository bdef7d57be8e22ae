//! The effective policy of a channel: template, overrides and defaults, compiled into one document.
//!
//! Kept in KV `CONFIG` under the channel's id; the validator and the scheduler act on it and on nothing else.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{FetchLimits, StreamJob};
use crate::ladder::LadderContract;
use crate::{ChannelId, ProbeId, Severity, Time};

/// All that matters of one channel, as the services see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelPolicy {
    pub channel: ChannelId,
    /// Name for people; any UTF-8.
    pub name: String,
    /// Grows with every change.
    pub revision: u64,
    pub enabled: bool,
    #[serde(default)]
    pub class: ChannelClass,
    pub streams: Vec<StreamJob>,
    /// Probes that watch it.
    pub probes: Vec<ProbeId>,
    #[serde(default)]
    pub limits: FetchLimits,
    #[serde(default)]
    pub checks: CheckSettings,
    /// Renditions that the channel has been agreed to offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ladder: Option<LadderContract>,
    /// Scheduled start for class `event`: not watched before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_start: Option<Time>,
    /// Scheduled end for class `event`: not watched after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_end: Option<Time>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Packager (origin) for topology.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packager: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Link to a runbook shown with alarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
}

impl ChannelPolicy {
    /// Whether the channel is to be watched at `at`: enabled, and an event between its start and its end.
    pub fn is_on(&self, at: Time) -> bool {
        let is_event = self.class == ChannelClass::Event;
        let too_early = is_event && self.event_start.is_some_and(|start| at < start);
        let over = is_event && self.event_end.is_some_and(|end| at >= end);
        self.enabled && !too_early && !over
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelClass {
    #[default]
    Linear,
    Event,
    /// Ad-supported, many discontinuities.
    Fast,
    Radio,
}

/// Settings of the catalogue for one channel. What is not named keeps the catalogue's default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckSettings {
    /// Per check id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, CheckOverride>,
    /// Binding rules of the Apple authoring specification apply.
    pub apple_rules: bool,
    /// Browsers play the channel: answers must allow the Origin that the stream's headers send.
    #[serde(skip_serializing_if = "is_false")]
    pub web_clients: bool,
    /// The channel offers trick play: an I-frame rendition is expected.
    #[serde(skip_serializing_if = "is_false")]
    pub trickplay: bool,
    /// Response headers by which the packager tells how fresh its answer is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origin_headers: Vec<String>,
    /// Query parameters that are tokens and no part of a segment's identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_params: Vec<String>,
    /// What the operator wants of tags in media playlists; the first 16 count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tag_rules: Vec<TagRule>,
    /// Expected DVR window in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dvr_window_s: Option<u32>,
    /// Longest time between advertisement breaks in seconds, where the channel has a rhythm of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_break_interval_s: Option<f64>,
    /// Upper limit of live latency in seconds; default 6 target durations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_max_s: Option<f64>,
    /// Seconds after channel start in which only transport and parse checks may raise; default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_grace_s: Option<f64>,
    /// Life of an event alarm without recurrence in seconds; default 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_ttl_s: Option<f64>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A rule of the operator about one tag of media playlists (`hls-custom-tag-rule`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TagRule {
    /// How messages call it.
    pub name: String,
    /// Without `#`: `EXT-X-CUE-OUT`.
    pub tag: String,
    /// Whether every playlist, or none, has the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<TagExpect>,
    /// Regular expression that every line with the tag matches somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The tag is listed at least once in so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<f64>,
    /// Of its findings; warning unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TagExpect {
    Present,
    Absent,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckOverride {
    /// `false` turns the check off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Replaces the severity of every finding of the check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Raise hold, in the notation of the catalogue: `H1`, `H3`, `H3/5`, `H30s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// Clear hold: `C1`, `C2`, `C60s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear: Option<String>,
    /// Parameters by name, for example `slack_target_durations: 3`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, f64>,
}
