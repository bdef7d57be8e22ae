//! What a probe saw of one request: the one fact that all judgement rests on.
//!
//! A [`Capture`] is made for every request, also for one that failed; a fault of the watched stream is content of a
//! capture, never an error of ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::SegmentFacts;
use crate::{ChannelId, ProbeId, Span, StreamId, Time, TrackId};

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
    /// What the probe measured of itself last; with the first capture of a channel after each measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_facts: Option<Box<crate::probe::ProbeFacts>>,
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
    /// HLS CHANNELS or DASH AudioChannelConfiguration, as written.
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
}

/// `_HLS_msn` and `_HLS_part` of a request (draft-pantos-hls-rfc8216bis 6.2.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockingReload {
    pub msn: u64,
    /// Absent: the whole segment was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
}

impl Promised {
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

/// The HTTP exchange, as the wire did it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// Absolute URL asked for, before redirects. May carry tokens: print it with [`Exchange::url_without_query`].
    pub url: String,
    /// URL that answered after redirects, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_url: Option<String>,
    /// `scheme://host:port` that was asked.
    pub origin: String,
    pub method: String,
    /// When the request was started (before DNS).
    pub t_req: Time,
    /// When the last byte arrived, or the failure was known.
    pub t_end: Time,
    #[serde(default)]
    pub timings: Timings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFacts>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
    /// Addresses tried and how each failed, when more than the winning one was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_addresses: Vec<FailedAddress>,
    pub outcome: Outcome,
}

impl Exchange {
    /// The URL as it may be shown and logged: user, password, query and fragment removed.
    pub fn url_without_query(&self) -> String {
        printable_url(&self.url)
    }
    /// URL against which relative references resolve.
    pub fn base_url(&self) -> &str {
        self.final_url.as_deref().unwrap_or(&self.url)
    }
    /// Time from request start to last byte.
    pub fn took(&self) -> Span {
        self.t_end - self.t_req
    }
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Response(response) => Some(response.status),
            Outcome::Failed(_) => None,
        }
    }
    /// A 200 or 206 whose body is complete.
    pub fn is_complete_success(&self) -> bool {
        matches!(&self.outcome, Outcome::Response(r) if matches!(r.status, 200 | 206) && r.body_end == BodyEnd::Complete)
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        match &self.outcome {
            Outcome::Response(r) => {
                r.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
            }
            Outcome::Failed(_) => None,
        }
    }
}

/// `url` without user info, query and fragment: fit for logs and messages to people.
pub fn printable_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    match url.find("://") {
        Some(scheme) => {
            let rest = &url[scheme + 3..];
            let host_end = rest.find('/').unwrap_or(rest.len());
            match rest[..host_end].rfind('@') {
                Some(at) => format!("{}://{}", &url[..scheme], &rest[at + 1..]),
                None => url.to_owned(),
            }
        }
        None => url.to_owned(),
    }
}

/// Time per phase, microseconds. A phase that did not happen (reused connection, failure before) is absent, not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<i64>,
    /// Request fully sent to first byte of the response head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfb_us: Option<i64>,
    /// First byte of the head to last byte of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_us: Option<i64>,
    /// The request went over a connection used before.
    #[serde(default)]
    pub reused: bool,
    /// Longest pause between two reads of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_stall_us: Option<i64>,
    /// Lowest rate over two seconds of a body that took longer, bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest_bits_per_second: Option<u64>,
}

/// The certificate and session of a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsFacts {
    pub version: String,
    pub cipher: String,
    /// Earliest `notAfter` over the presented chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
    /// `notBefore` of the leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// SHA-256 of the leaf, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_sha256: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redirect {
    pub status: u16,
    pub location: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedAddress {
    pub addr: String,
    pub failure: FailureKind,
}

/// How the exchange ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A status line arrived; the body may still have ended early.
    Response(Response),
    /// No status line.
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    pub status: u16,
    /// Response headers with lower-case names, at most 64 of at most 1 KiB; credentials (`set-cookie`) left out.
    pub headers: Vec<(String, String)>,
    /// Bytes of body received, after removal of transfer coding, before content coding.
    pub body_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    pub body_end: BodyEnd,
    /// SHA-256 of the body as received (after content decoding), hex; absent when nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// First bytes of a body that is not what was asked for, printable ASCII only, at most 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sniff: Option<String>,
}

/// How the body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodyEnd {
    Complete,
    /// Fewer bytes than Content-Length, or chunked coding without its last chunk.
    Short,
    /// Connection reset while the body was arriving.
    Reset,
    /// The total or stall time limit passed.
    TimedOut,
    /// Our own size limit was reached; the rest was not read.
    TooLarge,
    /// Not read on purpose (error status, depth `manifest`).
    NotRead,
    /// The content coding could not be undone.
    BadEncoding,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    pub phase: Phase,
    pub kind: FailureKind,
    /// One line for people, without the query of any URL.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Refused by our own rules before anything was sent.
    Policy,
    Dns,
    Connect,
    Tls,
    /// Sending the request and waiting for the first byte of the answer.
    Request,
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Name does not exist.
    NameNotFound,
    /// Resolver failed or answered nothing.
    ResolverFailed,
    Refused,
    Unreachable,
    Reset,
    TimedOut,
    /// Connection closed without an answer.
    Closed,
    /// The answer is not HTTP.
    BadResponse,
    TooManyRedirects,
    RedirectLoop,
    BadRedirect,
    TlsNameMismatch,
    TlsExpired,
    TlsNotYetValid,
    TlsUntrusted,
    TlsAlert,
    TlsVersion,
    TlsOther,
    /// The address is one the probe may not ask (metadata service, link-local, or not allowed by policy).
    AddressForbidden,
    /// The URL cannot be used at all.
    BadUrl,
    /// The request was not made because the budget of the origin was used up.
    OverBudget,
    Other,
}

impl FailureKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameNotFound => "name-not-found",
            Self::ResolverFailed => "resolver-failed",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::TimedOut => "timed-out",
            Self::Closed => "closed",
            Self::BadResponse => "bad-response",
            Self::TooManyRedirects => "too-many-redirects",
            Self::RedirectLoop => "redirect-loop",
            Self::BadRedirect => "bad-redirect",
            Self::TlsNameMismatch => "tls-name-mismatch",
            Self::TlsExpired => "tls-expired",
            Self::TlsNotYetValid => "tls-not-yet-valid",
            Self::TlsUntrusted => "tls-untrusted",
            Self::TlsAlert => "tls-alert",
            Self::TlsVersion => "tls-version",
            Self::TlsOther => "tls-other",
            Self::AddressForbidden => "address-forbidden",
            Self::BadUrl => "bad-url",
            Self::OverBudget => "over-budget",
            Self::Other => "other",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::printable_url;

    #[test]
    fn printable_urls_carry_no_secret() {
        for (url, expected) in [
            ("https://u:p@host:8443/a/b.m3u8?token=1#x", "https://host:8443/a/b.m3u8"),
            ("http://host/a", "http://host/a"),
            ("http://host?x@y", "http://host"),
            ("http://host/a@b", "http://host/a@b"),
            ("not a url?secret", "not a url"),
        ] {
            assert_eq!(printable_url(url), expected);
        }
    }
}
