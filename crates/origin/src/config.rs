//! What an origin is started with, and what can be wrong with it.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::fault::{FaultError, FaultScript};

/// Length of a GOP of the recording; segments are whole GOPs.
pub(crate) const GOP_MS: u32 = 2_000;
const SEGMENT_MS_MAX: u32 = 20_000;
/// Whole pictures, and a GOP is a whole number of them.
const PART_MS: [u32; 4] = [200, 400, 1_000, 2_000];
const WINDOW_SEGMENTS: std::ops::RangeInclusive<u32> = 3..=1_800;
/// 2026-01-01T00:00:00Z.
const EPOCH_UNIX_S: i64 = 1_767_225_600;

/// Settings of one origin. Every field has a default; unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginConfig {
    /// Address to listen on. Default `127.0.0.1:0` (loopback, a free port).
    pub listen: SocketAddr,
    /// `None`: any channel name (slug of `a-z 0-9 -`, at most 64) exists. `Some(n)`: `ch1` to `chn` only. Default none.
    pub n_channels: Option<u32>,
    /// Segment duration, milliseconds; a multiple of the 2 s GOP, 2000 to 20000. Default 6000.
    pub segment_ms: u32,
    /// Duration of a part in low-latency HLS, milliseconds: 200, 400, 1000 or 2000, so that a GOP is whole parts. Default 400.
    pub part_ms: u32,
    /// Segments listed in a playlist or MPD, 3 to 1800; of low-latency HLS at least 12, so that there is something to skip. Default 6.
    pub window_segments: u32,
    /// Time of segment 0 of every channel (plus the channel's phase), Unix seconds. Segment numbers and media time count from here, so
    /// it must stay the same over restarts. Default 1767225600 (2026-01-01T00:00:00Z).
    pub epoch_unix_s: i64,
    /// Shift the cuts of each channel by a hash of its name, so that channels do not publish at the same instant. Default true.
    pub phase_shift: bool,
    /// Serve `/control/...`. Default true.
    pub control: bool,
    /// Accept `/control/...` from other machines too, not only over loopback. Default false.
    pub control_remote: bool,
    /// Most connections at once; more wait in the listen queue. Default 4096.
    pub max_connections: usize,
    /// Cues for advertisements in HLS playlists. Default none.
    pub ad_breaks: Option<AdBreaks>,
    /// Faults by time since start. Default none.
    pub script: FaultScript,
}

/// A break every so many segments, counted from segment 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdBreaks {
    pub every_segments: u32,
    /// Length of a break; shorter than the distance.
    pub segments: u32,
}

impl Default for OriginConfig {
    fn default() -> OriginConfig {
        OriginConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            n_channels: None,
            segment_ms: 6_000,
            part_ms: 400,
            window_segments: 6,
            epoch_unix_s: EPOCH_UNIX_S,
            phase_shift: true,
            control: true,
            control_remote: false,
            max_connections: 4_096,
            ad_breaks: None,
            script: FaultScript::default(),
        }
    }
}

impl OriginConfig {
    /// All problems at once; empty when the configuration can be used.
    pub fn problems(&self) -> Vec<ConfigError> {
        let mut out = Vec::new();
        let mut bad = |key: &str, value: String, reason: &str, example: &str| {
            out.push(ConfigError { key: key.into(), value, reason: reason.into(), example: example.into() });
        };
        if self.segment_ms == 0 || !self.segment_ms.is_multiple_of(GOP_MS) || self.segment_ms > SEGMENT_MS_MAX {
            bad("segment_ms", self.segment_ms.to_string(), "must be a multiple of 2000, at most 20000", "6000");
        }
        if !PART_MS.contains(&self.part_ms) {
            bad("part_ms", self.part_ms.to_string(), "must be 200, 400, 1000 or 2000", "400");
        }
        if !WINDOW_SEGMENTS.contains(&self.window_segments) {
            bad("window_segments", self.window_segments.to_string(), "must be 3 to 1800", "6");
        }
        if self.n_channels == Some(0) {
            bad("n_channels", "0".into(), "must be at least 1, or left out for any name", "100");
        }
        if !(0..=253_402_300_799).contains(&self.epoch_unix_s) {
            bad(
                "epoch_unix_s",
                self.epoch_unix_s.to_string(),
                "must be Unix seconds, years 1970 to 9999",
                "1767225600",
            );
        }
        if self.max_connections == 0 {
            bad("max_connections", "0".into(), "must be at least 1", "4096");
        }
        if let Some(ads) = self.ad_breaks
            && (ads.segments == 0 || ads.segments >= ads.every_segments)
        {
            let value = format!("{} of {}", ads.segments, ads.every_segments);
            bad("ad_breaks", value, "a break has at least one segment and ends before the next", "4 of 15");
        }
        if let Err(e) = self.script.check(self) {
            bad("script", e.value, &format!("{}: {}", e.field, e.reason), &e.example);
        }
        out
    }

    /// Whether `name` is a channel of this origin.
    pub(crate) fn has_channel(&self, name: &str) -> bool {
        let slug = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        match self.n_channels {
            None => slug,
            Some(n) => name
                .strip_prefix("ch")
                .filter(|d| !d.starts_with('0'))
                .and_then(|d| d.parse::<u32>().ok())
                .is_some_and(|i| (1..=n).contains(&i)),
        }
    }
}

/// One wrong value of a configuration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key} = {value}: {reason}; for example {example}")]
pub struct ConfigError {
    pub key: String,
    pub value: String,
    pub reason: String,
    /// A valid value.
    pub example: String,
}

/// Why an origin could not be started or run.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    #[error("wrong origin configuration: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigError>),
    #[error("cannot listen on {addr}")]
    Listen {
        addr: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// Only a broken build: the embedded recording is part of the program.
    #[error("the embedded recording {name} cannot be read: {reason}")]
    Recording { name: &'static str, reason: String },
    #[error("wrong fault")]
    Fault(#[from] FaultError),
}
