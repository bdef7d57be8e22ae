//! The playlist model. Everything is owned. Durations are integer microseconds, rounded half up from the decimal
//! text; a `line` counts from 1 and is where the tag (or, for a segment, the URI) stands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::AttributeList;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Playlist {
    Multivariant(Box<MultivariantPlaylist>),
    Media(Box<MediaPlaylist>),
}

impl Playlist {
    pub fn as_media(&self) -> Option<&MediaPlaylist> {
        match self {
            Self::Media(media) => Some(media),
            Self::Multivariant(_) => None,
        }
    }

    pub fn as_multivariant(&self) -> Option<&MultivariantPlaylist> {
        match self {
            Self::Multivariant(multivariant) => Some(multivariant),
            Self::Media(_) => None,
        }
    }
}

/// A number and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At<T> {
    pub value: T,
    pub line: u32,
}

/// A tag kept as text: unknown ones, and those (CUE-*, SCTE35, ASSET, ...) whose meaning belongs to a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTag {
    pub line: u32,
    /// Without `#`: `EXT-X-CUE-OUT`.
    pub name: Box<str>,
    /// After the first `:`, empty when there is none.
    pub value: Box<str>,
    /// Media playlists: index in `segments` of the segment that follows (`segments.len()` after the last one).
    pub segment: u32,
}

/// `EXT-X-START` (BIS 4.4.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub line: u32,
    pub time_offset_us: i64,
    pub precise: bool,
}

/// `EXT-X-DEFINE` (BIS 4.4.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Define {
    pub line: u32,
    pub name: Box<str>,
    pub source: DefineSource,
    /// `None` when it could not be resolved.
    pub value: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefineSource {
    Value,
    Import,
    QueryParam,
}

// ---- Multivariant playlist ----

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MultivariantPlaylist {
    /// `EXT-X-VERSION`; absent means 1.
    pub version: Option<At<u32>>,
    pub independent_segments: Option<u32>,
    pub start: Option<Start>,
    pub defines: Vec<Define>,
    pub variants: Vec<Variant>,
    pub i_frame_variants: Vec<Variant>,
    pub media: Vec<Rendition>,
    pub session_data: Vec<SessionData>,
    pub session_keys: Vec<Key>,
    pub content_steering: Option<ContentSteering>,
    pub raw_tags: Vec<RawTag>,
    pub n_lines: u32,
}

/// `EXT-X-STREAM-INF` with its URI line, or `EXT-X-I-FRAME-STREAM-INF` (BIS 4.4.6.2, 4.4.6.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variant {
    pub line: u32,
    /// Line of the URI (the tag's own line for I-frame variants).
    pub uri_line: u32,
    /// Empty when the URI is missing.
    pub uri: Box<str>,
    /// Bits per second.
    pub bandwidth: Option<u64>,
    pub average_bandwidth: Option<u64>,
    pub score: Option<Box<str>>,
    /// The comma-separated items, trimmed; empty when absent.
    pub codecs: Vec<Box<str>>,
    pub supplemental_codecs: Option<Box<str>>,
    pub resolution: Option<Resolution>,
    /// Thousandths of frames per second.
    pub frame_rate_milli: Option<u32>,
    pub hdcp_level: Option<Box<str>>,
    pub video_range: Option<Box<str>>,
    pub stable_variant_id: Option<Box<str>>,
    pub pathway_id: Option<Box<str>>,
    pub audio: Option<Box<str>>,
    pub video: Option<Box<str>>,
    pub subtitles: Option<Box<str>>,
    pub closed_captions: Option<ClosedCaptions>,
    /// All attributes as written, variables substituted.
    pub attributes: AttributeList,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resolution {
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClosedCaptions {
    /// The keyword `NONE`.
    None,
    Group(Box<str>),
}

/// `EXT-X-MEDIA` (BIS 4.4.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    pub line: u32,
    pub media_type: MediaType,
    pub group_id: Box<str>,
    pub name: Box<str>,
    pub uri: Option<Box<str>>,
    pub language: Option<Box<str>>,
    pub assoc_language: Option<Box<str>>,
    pub stable_rendition_id: Option<Box<str>>,
    pub default: bool,
    /// `None` when absent.
    pub autoselect: Option<bool>,
    pub forced: bool,
    pub instream_id: Option<Box<str>>,
    pub characteristics: Option<Box<str>>,
    pub channels: Option<Box<str>>,
    pub bit_depth: Option<u32>,
    pub sample_rate: Option<u32>,
    pub attributes: AttributeList,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaType {
    Audio,
    Video,
    Subtitles,
    ClosedCaptions,
    /// Absent or a later enumerated value; the text is in `attributes`.
    Other,
}

/// `EXT-X-SESSION-DATA` (BIS 4.4.6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionData {
    pub line: u32,
    pub data_id: Box<str>,
    pub value: Option<Box<str>>,
    pub uri: Option<Box<str>>,
    pub format: Option<Box<str>>,
    pub language: Option<Box<str>>,
}

/// `EXT-X-CONTENT-STEERING` (BIS 4.4.6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentSteering {
    pub line: u32,
    pub server_uri: Box<str>,
    pub pathway_id: Option<Box<str>>,
}

// ---- Media playlist ----

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaPlaylist {
    /// `EXT-X-VERSION`; absent means 1.
    pub version: Option<At<u32>>,
    /// Whole seconds. The tag asks for an integer; `6.5` is an issue and read as 6.
    pub target_duration: Option<At<u64>>,
    /// `EXT-X-MEDIA-SEQUENCE`; absent means 0.
    pub media_sequence: Option<At<u64>>,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`; absent means 0.
    pub discontinuity_sequence: Option<At<u64>>,
    pub playlist_type: Option<At<PlaylistType>>,
    /// Line of `EXT-X-ENDLIST`.
    pub end_list: Option<u32>,
    pub i_frames_only: Option<u32>,
    pub independent_segments: Option<u32>,
    pub start: Option<Start>,
    pub defines: Vec<Define>,
    pub segments: Vec<Segment>,
    /// Parts after the last complete segment: the beginning of the next one.
    pub trailing_parts: Vec<Part>,
    pub date_ranges: Vec<DateRange>,
    pub part_inf: Option<PartInf>,
    pub server_control: Option<ServerControl>,
    pub preload_hints: Vec<PreloadHint>,
    pub rendition_reports: Vec<RenditionReport>,
    pub skip: Option<Skip>,
    pub raw_tags: Vec<RawTag>,
    pub n_lines: u32,
}

impl MediaPlaylist {
    /// Target duration in microseconds, 0 when absent.
    pub fn target_duration_us(&self) -> i64 {
        self.target_duration
            .map_or(0, |td| i64::try_from(td.value).unwrap_or(i64::MAX / 1_000_000).saturating_mul(1_000_000))
    }

    /// Number of the first listed segment (of the first skipped one in a delta update).
    pub fn first_msn(&self) -> u64 {
        self.media_sequence.map_or(0, |at| at.value)
    }

    /// Number of the last listed segment; `None` without segments.
    pub fn last_msn(&self) -> Option<u64> {
        self.segments.last().map(|segment| segment.msn)
    }

    /// W: the sum of all durations listed, in microseconds.
    pub fn window_us(&self) -> i64 {
        self.segments.iter().fold(0i64, |sum, segment| sum.saturating_add(segment.duration_us))
    }

    /// Every part with the number of the segment it belongs to, in order.
    pub fn parts(&self) -> impl Iterator<Item = (u64, &Part)> {
        let next = self.segments.last().map_or(self.first_msn(), |segment| segment.msn.saturating_add(1));
        self.segments
            .iter()
            .flat_map(|segment| segment.parts.iter().map(|part| (segment.msn, part)))
            .chain(self.trailing_parts.iter().map(move |part| (next, part)))
    }

    /// Raw tags that stand before segment `index` and after the one before it.
    pub fn raw_tags_of(&self, index: usize) -> &[RawTag] {
        let key = |tag: &RawTag| tag.segment as usize;
        let from = self.raw_tags.partition_point(|tag| key(tag) < index);
        let to = self.raw_tags.partition_point(|tag| key(tag) <= index);
        &self.raw_tags[from..to]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum PlaylistType {
    Event,
    Vod,
    #[default]
    Other,
}

/// One Media Segment: its URI line and the tags that apply to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segment {
    /// Media Sequence Number: that of the playlist plus position (plus skipped segments).
    pub msn: u64,
    /// Discontinuity Sequence Number: that of the playlist plus DISCONTINUITY tags up to and with this segment.
    pub dsn: u64,
    pub uri: Box<str>,
    /// Line of the URI.
    pub line: u32,
    /// Line of EXTINF, 0 when missing.
    pub extinf_line: u32,
    /// EXTINF; 0 when missing or unreadable (then there is an issue).
    pub duration_us: i64,
    /// EXTINF was written without a fraction.
    pub duration_is_integer: bool,
    pub title: Box<str>,
    /// Line of the DISCONTINUITY tag before this segment.
    pub discontinuity: Option<u32>,
    /// Line of EXT-X-GAP.
    pub gap: Option<u32>,
    pub byte_range: Option<ByteRange>,
    /// The tag on this very segment, not a derived time.
    pub program_date_time: Option<DateTime>,
    pub map: Option<Arc<Map>>,
    /// Keys in force, one per KEYFORMAT; `None` when not encrypted. Shared between segments.
    pub keys: Option<Arc<[Key]>>,
    /// `EXT-X-BITRATE`, kbit/s.
    pub bitrate_kbps: Option<u64>,
    pub parts: Vec<Part>,
}

/// `n[@o]` (BIS 4.4.4.2). The offset is resolved from the range before it when not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ByteRange {
    pub length: u64,
    pub offset: u64,
    /// The offset was written.
    pub explicit: bool,
}

/// A date and time of a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateTime {
    pub line: u32,
    /// Microseconds since 1970-01-01T00:00:00Z; without a zone the text is taken as UTC.
    pub unix_us: i64,
    pub has_zone: bool,
    /// `+0700` in place of `+07:00`; most players accept it.
    pub zone_without_colon: bool,
    pub n_fraction_digits: u8,
}

/// `EXT-X-MAP` (BIS 4.4.4.5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Map {
    pub line: u32,
    pub uri: Box<str>,
    pub byte_range: Option<ByteRange>,
}

/// `EXT-X-KEY` (BIS 4.4.4.4) or `EXT-X-SESSION-KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub line: u32,
    pub method: KeyMethod,
    pub uri: Option<Box<str>>,
    /// Hexadecimal text as written.
    pub iv: Option<Box<str>>,
    /// Absent means `identity`.
    pub key_format: Option<Box<str>>,
    pub key_format_versions: Option<Box<str>>,
    pub attributes: AttributeList,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMethod {
    None,
    Aes128,
    SampleAes,
    SampleAesCtr,
    Other(Box<str>),
}

impl KeyMethod {
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "NONE",
            Self::Aes128 => "AES-128",
            Self::SampleAes => "SAMPLE-AES",
            Self::SampleAesCtr => "SAMPLE-AES-CTR",
            Self::Other(text) => text,
        }
    }
}

/// `EXT-X-DATERANGE` (BIS 4.4.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateRange {
    pub line: u32,
    /// Index of the segment that follows the tag, as in [`RawTag::segment`].
    pub segment: u32,
    /// Empty when missing.
    pub id: Box<str>,
    pub class: Option<Box<str>>,
    pub start_date: Option<DateTime>,
    pub end_date: Option<DateTime>,
    pub duration_us: Option<i64>,
    pub planned_duration_us: Option<i64>,
    pub end_on_next: bool,
    pub scte35_cmd: Option<Box<str>>,
    pub scte35_out: Option<Box<str>>,
    pub scte35_in: Option<Box<str>>,
    pub attributes: AttributeList,
}

/// `EXT-X-PART` (BIS 4.4.4.9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    pub line: u32,
    pub uri: Box<str>,
    pub duration_us: i64,
    pub independent: bool,
    pub gap: bool,
    pub byte_range: Option<ByteRange>,
}

/// `EXT-X-PART-INF` (BIS 4.4.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartInf {
    pub line: u32,
    pub part_target_us: i64,
}

/// `EXT-X-SERVER-CONTROL` (BIS 4.4.3.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerControl {
    pub line: u32,
    pub can_block_reload: bool,
    pub can_skip_until_us: Option<i64>,
    pub can_skip_dateranges: bool,
    pub hold_back_us: Option<i64>,
    pub part_hold_back_us: Option<i64>,
    pub attributes: AttributeList,
}

/// `EXT-X-PRELOAD-HINT` (BIS 4.4.5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreloadHint {
    pub line: u32,
    /// `PART`, `MAP` or a later value.
    pub hint_type: Box<str>,
    pub uri: Box<str>,
    pub byte_range_start: u64,
    pub byte_range_length: Option<u64>,
}

/// `EXT-X-RENDITION-REPORT` (BIS 4.4.5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenditionReport {
    pub line: u32,
    pub uri: Box<str>,
    pub last_msn: Option<u64>,
    pub last_part: Option<u64>,
}

/// `EXT-X-SKIP` (BIS 4.4.5.2): this is a delta update, its older segments are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    pub line: u32,
    pub skipped_segments: u64,
    /// Tab-separated ids.
    pub recently_removed_dateranges: Option<Box<str>>,
}
