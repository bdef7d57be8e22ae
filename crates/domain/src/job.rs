//! What a probe is asked to watch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::Protocol;
use crate::{ChannelId, ProbeId, StreamId};

/// The standing order for one channel on one probe: all that the probe needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FetchJob {
    pub channel: ChannelId,
    pub probe: ProbeId,
    /// Grows with every change of what is wanted.
    pub revision: u64,
    pub streams: Vec<StreamJob>,
    pub limits: FetchLimits,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamJob {
    pub stream: StreamId,
    pub protocol: Protocol,
    /// Entry URL: multivariant or media playlist, or MPD.
    pub url: String,
    /// Extra request headers, for example an authorisation that the packager wants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    #[serde(default)]
    pub depth: Depth,
}

/// How much of each segment is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// Every byte of every segment.
    #[default]
    Full,
    /// The first bytes of every segment, by range request.
    Head,
    /// One segment in `n` in full, besides the first after a start, discontinuity or init change.
    Sampled { n: u32 },
    /// No segments.
    Manifest,
}

/// Limits of the probe towards one channel's origins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FetchLimits {
    /// Requests per second to one origin (`scheme://host:port`), shared by the channels of one fetcher.
    pub origin_rps: u32,
    /// Bits per second from one origin, shared by the channels of one fetcher.
    pub origin_mbps: u32,
    pub dns_timeout_ms: u32,
    pub connect_timeout_ms: u32,
    pub tls_timeout_ms: u32,
    /// Request sent to first byte.
    pub ttfb_timeout_ms: u32,
    /// Lower bound of the total time of a manifest request; the bound is max(this, target duration).
    pub manifest_timeout_ms: u32,
    /// Lower bound of the total time of a segment request; the bound is max(this, 2 x segment duration).
    pub segment_timeout_ms: u32,
    pub max_manifest_bytes: u64,
    pub max_segment_bytes: u64,
    pub max_redirects: u8,
    /// How many segments of one rendition are fetched at once at the start (newest first).
    pub initial_segments: u32,
    /// Parallel transfers per channel.
    pub max_parallel: u32,
    /// Private (RFC 1918, loopback, unique local) addresses may be asked: packagers usually live there.
    pub allow_private: bool,
    /// Link-local addresses, metadata services included, may be asked.
    pub allow_link_local: bool,
    /// PEM of extra roots for TLS, for packagers with a certificate of a private authority.
    pub extra_roots_pem: Option<String>,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            origin_rps: 200,
            origin_mbps: 2_000,
            dns_timeout_ms: 2_000,
            connect_timeout_ms: 3_000,
            tls_timeout_ms: 3_000,
            ttfb_timeout_ms: 5_000,
            manifest_timeout_ms: 5_000,
            segment_timeout_ms: 5_000,
            max_manifest_bytes: 8 << 20,
            max_segment_bytes: 64 << 20,
            max_redirects: 5,
            initial_segments: 1,
            max_parallel: 8,
            allow_private: true,
            allow_link_local: false,
            extra_roots_pem: None,
        }
    }
}

/// A fetcher's sign of life, kept in KV `PROBES` with a TTL under `<probe>.<replica>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeHeartbeat {
    pub probe: ProbeId,
    /// Name of this fetcher process.
    pub replica: String,
    pub version: String,
    pub at: crate::Time,
    /// Channels it can hold.
    pub slots: u32,
    pub held: u32,
    /// Region or site label of the probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}
