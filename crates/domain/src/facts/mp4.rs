//! What the boxes of an ISO BMFF body say (ISO/IEC 14496-12, 23000-19, 23001-7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// FNV-1a (64 bit, hex) of the `moov` that the fragments were read with, or that this is; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_digest: Option<String>,
    /// Tracks as `moov` declares them, at most 16 (init only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Mp4Track>,
    /// What the fragments hold of each track, in order of appearance, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Mp4Run>,
    /// `pssh` boxes of `moov` and `moof`, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pssh: Vec<Pssh>,
    /// Event messages (`emsg`), at most 32; `n_events` counts all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventMessage>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_events: u32,
    /// First `sidx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidx: Option<SegmentIndex>,
    /// First `prft`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prft: Option<ProducerTime>,
}

/// One `trak` of an init section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Mp4Track {
    pub id: u32,
    /// `hdlr` type: `vide`, `soun`, `subt`.
    pub handler: String,
    /// Units per second of the media times, from `mdhd`.
    pub timescale: u32,
    /// Types of the sample entries, at most 8, `encv` and `enca` as they stand.
    pub sample_entries: Vec<String>,
    /// ISO 639-2 code of `mdhd`; absent when it is `und`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// `mvex` has a `trex` for it.
    #[serde(default)]
    pub has_trex: bool,
    /// `stts`, `stsc` or `stco` list samples, which an init section does not have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_samples: bool,
    /// Entries of the edit list.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_edits: u32,
    /// What the edit list takes off presentation times, `timescale` units (negative: it delays).
    #[serde(default, skip_serializing_if = "is_zero_i64")]
    pub edit_shift: i64,
    /// FNV-1a (64 bit, hex) over the decoder configuration: `avcC`, `hvcC`, `esds`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<Mp4Protection>,
}

/// `sinf` of a protected sample entry (ISO/IEC 23001-7 8.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Mp4Protection {
    /// `schm`: `cenc`, `cbcs`, `cens`, `cbc1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// `default_isProtected` of `tenc`; absent without a readable `tenc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_protected: Option<bool>,
    /// `default_KID`, 32 hex digits in the order of the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// `default_Per_Sample_IV_Size`: 0, 8 or 16.
    #[serde(default)]
    pub iv_bytes: u8,
    /// Length of the constant IV, where `iv_bytes` is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant_iv_bytes: Option<u8>,
    /// Blocks encrypted and skipped in the pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<(u8, u8)>,
}

/// The fragments of one track in one segment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Mp4Run {
    pub track_id: u32,
    /// `traf` boxes.
    pub n_fragments: u32,
    /// baseMediaDecodeTime of the first fragment, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tfdt: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tfdt_version: Option<u8>,
    /// Fragments without `tfdt`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_without_tfdt: u32,
    /// Decode time after the last sample; absent when sample durations are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_dts: Option<i64>,
    /// Fragments whose `tfdt` is not the end of the fragment before, and the largest such step (negative: overlap).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_inner_gaps: u32,
    #[serde(default, skip_serializing_if = "is_zero_i64")]
    pub inner_gap: i64,
    /// Index of the sample entry in use, from 1; 0 when nothing says it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sample_description_index: u32,
    /// Smallest composition offset.
    #[serde(default, skip_serializing_if = "is_zero_i64")]
    pub min_composition_offset: i64,
    /// Samples of size 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_empty_samples: u32,
    /// Samples of duration 0, the last of the segment left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_zero_durations: u32,
    /// What the fragments say: `seig` groups, else the presence of `senc` or `saiz`; absent when they say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_protected: Option<bool>,
    /// KIDs of `seig` groups, 32 hex digits each, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kids: Vec<String>,
    /// Samples that `senc` describes; absent without `senc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_senc_samples: Option<u32>,
    /// NAL unit type of the first coded slice, where the samples are H.264 or H.265 and could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_slice_type: Option<u8>,
    /// Samples whose NAL unit lengths were walked, and those that they did not cover exactly.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_walked: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_walk_errors: u32,
}

/// Protection system specific header (ISO/IEC 23001-7 8.1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Pssh {
    /// SystemID, 32 hex digits.
    pub system: String,
    pub version: u8,
    /// KIDs of version 1, 32 hex digits each, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kids: Vec<String>,
    pub data_bytes: u32,
    /// FNV-1a (64 bit, hex) of the whole box body.
    pub digest: String,
    /// It stands in a `moof`, not in `moov`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_fragment: bool,
}

/// `emsg` (ISO/IEC 23009-1 5.10.3.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EventMessage {
    pub version: u8,
    /// scheme_id_uri and value, each at most 128 bytes.
    pub scheme: String,
    pub value: String,
    pub timescale: u32,
    /// Version 1: absolute, `timescale` units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presentation_time: Option<u64>,
    /// Version 0: from the earliest presentation time of the segment, `timescale` units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presentation_time_delta: Option<u32>,
    /// `timescale` units; 4294967295 means not known.
    pub duration: u32,
    pub id: u32,
    pub message_bytes: u32,
    /// FNV-1a (64 bit, hex) of the message data.
    pub digest: String,
    /// Message data in hex, of SCTE 35 schemes only and up to 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// It stands after a `moof`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_fragment: bool,
}

/// `sidx` (ISO/IEC 14496-12 8.16.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SegmentIndex {
    pub reference_id: u32,
    pub timescale: u32,
    pub earliest_presentation_time: u64,
    pub first_offset: u64,
    pub n_references: u32,
    /// Sums over the references that are not indexes again.
    pub duration: u64,
    pub bytes: u64,
}

/// `prft` (ISO/IEC 14496-12 8.16.5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProducerTime {
    pub track_id: u32,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub utc_us: i64,
    /// Timescale of the track.
    pub media_time: u64,
    /// What moment is meant (8.16.5.3): 0 encoder input, 1 encoder output, 2 file finalised, 4 file written, 8 arbitrary.
    pub flags: u32,
}

const fn is_zero(n: &u32) -> bool {
    *n == 0
}

const fn is_zero_i64(n: &i64) -> bool {
    *n == 0
}
