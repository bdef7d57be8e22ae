//! What the bytes of a segment are: filled by `crates/media` while the body streams past.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Facts of one segment or init section. Media time is exact: integers in `timescale` units.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SegmentFacts {
    pub container: Container,
    /// Elementary streams in order of appearance, at most 16.
    #[serde(default)]
    pub elementary: Vec<ElementaryFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<TsFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mp4: Option<Mp4Facts>,
    /// What is wrong with the bytes, at most 32; `n_issues` counts all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<MediaIssue>,
    #[serde(default)]
    pub n_issues: u32,
}

impl SegmentFacts {
    /// The elementary stream that the segment is about: first video, else first audio, else first.
    pub fn main(&self) -> Option<&ElementaryFacts> {
        let of = |kind| self.elementary.iter().find(|e| e.kind == kind);
        of(EsKind::Video).or_else(|| of(EsKind::Audio)).or_else(|| self.elementary.first())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Container {
    MpegTs,
    /// ISO base media / CMAF.
    IsoBmff,
    /// Packed audio: ID3 then ADTS, AC-3 or MP3.
    PackedAudio,
    WebVtt,
    /// Text that is no media: HTML, JSON, XML error pages.
    Text,
    Empty,
    #[default]
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EsKind {
    Video,
    Audio,
    Text,
    /// Metadata: ID3, SCTE-35.
    Data,
    #[default]
    Other,
}

/// One elementary stream or track inside a segment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ElementaryFacts {
    /// PID (TS) or track_ID (ISO BMFF).
    pub id: u32,
    pub kind: EsKind,
    /// Short codec name: `h264`, `h265`, `aac`, `ac3`, `eac3`, `id3`, `scte35`, or the sample entry / stream type.
    pub codec: String,
    /// Units per second of the times below: 90000 for TS.
    pub timescale: u32,
    /// Earliest presentation time in this segment (TS: 33-bit value as found; ISO BMFF: tfdt plus composition offset).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_pts: Option<i64>,
    /// First decode time: first DTS (TS), baseMediaDecodeTime (ISO BMFF).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_dts: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_dts: Option<i64>,
    /// Media duration in `timescale` units: last presentation end minus first presentation time; for TS the duration of
    /// the last access unit is the median distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    pub n_access_units: u32,
    /// Typical access unit duration, `timescale` units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_unit_duration: Option<i64>,
    /// Whether the first video access unit can be decoded without earlier ones (IDR, CRA/BLA; sync sample).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_with_keyframe: Option<bool>,
    pub n_keyframes: u32,
    /// Bytes of payload (PES payload, samples), without container overhead.
    pub payload_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// RFC 6381 codec string read from the bitstream or sample entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec_string: Option<String>,
    #[serde(default)]
    pub encrypted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TsFacts {
    pub n_packets: u64,
    pub sync_losses: u32,
    /// Continuity counter errors inside the segment, all PIDs (exact duplicates are legal).
    pub cc_errors: u32,
    pub transport_errors: u32,
    /// PAT and PMT came before the first PES packet.
    pub pat_pmt_first: bool,
    pub scrambled_packets: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcr_pid: Option<u16>,
    /// First and last PCR, 27 MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_pcr: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pcr: Option<i64>,
    /// PIDs announced by the PMT without any PES packet in this segment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_pids: Vec<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Mp4Facts {
    /// Top-level box types in order, at most 64.
    pub boxes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brands: Vec<String>,
    /// `mfhd` sequence number of the first fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<u32>,
    pub n_fragments: u32,
    pub mdat_bytes: u64,
    /// Version of the first `tfdt` (0: 32 bit, 1: 64 bit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tfdt_version: Option<u8>,
    /// track_IDs of the init section (init only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_track_ids: Vec<u32>,
}

/// One thing wrong in the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MediaIssue {
    /// Stable kebab-case name, e.g. `ts-sync-loss`, `mp4-box-overruns`.
    pub kind: String,
    /// Byte offset in the body.
    pub offset: u64,
    pub detail: String,
}
