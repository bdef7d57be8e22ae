//! What the bytes of a segment are: filled by `crates/media` while the body streams past.

mod mp4;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use mp4::{EventMessage, Mp4Facts, Mp4Protection, Mp4Run, Mp4Track, ProducerTime, Pssh, SegmentIndex};

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<PackedFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vtt: Option<VttFacts>,
    /// What the key that the playlist names makes of a segment that is encrypted as a whole; absent where nobody tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decrypted: Option<DecryptFacts>,
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

/// A segment of METHOD=AES-128 (RFC 8216 4.3.2.4) after decryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecryptFacts {
    pub start: DecryptedStart,
    /// The last block ends with padding as PKCS #7 has it.
    pub padding: bool,
    /// How long before the request for the segment the key was fetched, microseconds.
    pub key_age_us: i64,
}

/// What stands at the begin of decrypted bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DecryptedStart {
    Media,
    /// Media, but for the first 16 bytes: the initialization vector is another.
    AllButFirstBlock,
    Unreadable,
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
    /// Decode time at which the next segment is due to begin: `last_dts` and the duration of what is there from it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_dts: Option<i64>,
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
    /// ISO 639-2 language of the PMT descriptor or `mdhd`, lower case; absent when `und`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What the first sequence parameter set says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoFacts>,
    /// All parameter sets came before the first slice (TS video).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_sets_first: Option<bool>,
    /// Codec that the bytes show where the container announces another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_codec: Option<String>,
    /// Where key frames are, `timescale` units after `first_dts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyframes: Option<KeyframeFacts>,
    /// Oddities of timestamps (TS only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamps: Option<StampFacts>,
    /// Sizes of access units that are no key frames, filler and SEI left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inter_frames: Option<SizeFacts>,
    /// Places where the chain of NAL units or audio frames is broken: forbidden bit, no start code, no sync.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_walk_errors: u32,
    /// 64-bit digest of the payload without timestamps, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_digest: Option<String>,
}

impl ElementaryFacts {
    /// Media seconds of `ticks`.
    pub fn seconds(&self, ticks: i64) -> Option<f64> {
        (self.timescale > 0).then(|| ticks as f64 / f64::from(self.timescale))
    }
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// What a sequence parameter set says of the pictures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct VideoFacts {
    /// `profile_idc` or `general_profile_idc`.
    pub profile: u8,
    /// `level_idc`: H.264 in tenths (40 is 4.0), H.265 in thirtieths (120 is 4.0).
    pub level: u8,
    /// `chroma_format_idc`: 0 none, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_format: u8,
    /// Bits per luma sample.
    pub bit_depth: u8,
    /// The stream may hold fields (H.264 `frame_mbs_only_flag` 0, H.265 `field_seq_flag` 1).
    #[serde(default)]
    pub interlaced: bool,
    /// Frames per second of the VUI: numerator, denominator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<(u32, u32)>,
    /// Sample aspect ratio: width, height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_aspect: Option<(u32, u32)>,
    /// `colour_primaries`: 1 is BT.709, 9 is BT.2020.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primaries: Option<u8>,
    /// `transfer_characteristics`: 16 is PQ, 18 is HLG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<u8>,
    /// SEI mastering display colour volume, content light level.
    #[serde(default)]
    pub mastering_display: bool,
    #[serde(default)]
    pub content_light: bool,
}

impl VideoFacts {
    /// `SDR`, `PQ` or `HLG` as HLS VIDEO-RANGE says it; `None` where the VUI is silent.
    pub fn range(&self) -> Option<&'static str> {
        match self.transfer? {
            16 => Some("PQ"),
            18 => Some("HLG"),
            2 => None,
            _ => Some("SDR"),
        }
    }
}

/// Key frames of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct KeyframeFacts {
    pub first: i64,
    pub last: i64,
    /// Longest distance between two of them, when there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_distance: Option<i64>,
}

/// Oddities of the timestamps of one PID, 90 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StampFacts {
    /// PES packets without a PTS.
    pub n_without_pts: u32,
    /// DTS that are not later than the one before.
    pub n_backward: u32,
    /// PTS earlier than their DTS.
    pub n_pts_before_dts: u32,
    /// Largest step of DTS forward.
    pub max_step: i64,
    /// Largest PTS minus DTS.
    pub max_reorder: i64,
}

/// A distribution of sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SizeFacts {
    pub n: u32,
    pub mean: u64,
    /// Standard deviation, rounded.
    pub deviation: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TsFacts {
    pub n_packets: u64,
    /// Bytes before the first packet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub leading_bytes: u32,
    /// Bytes after the last whole packet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trailing_bytes: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub null_packets: u32,
    /// Sections of PAT, PMT, CAT and SCTE-35 whose CRC-32 is wrong.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub crc_errors: u32,
    /// PES packets whose PES_scrambling_control is not 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scrambled_pes: u32,
    /// What was found of program specific information.
    #[serde(default, skip_serializing_if = "PsiFacts::is_unknown")]
    pub psi: PsiFacts,
    /// Clock references of the PCR PID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcr: Option<PcrFacts>,
    /// Continuity counters per PID, at most 16 PIDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<PidFacts>,
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

impl TsFacts {
    /// There is nothing but null packets.
    pub fn is_all_null(&self) -> bool {
        self.n_packets > 0 && u64::from(self.null_packets) == self.n_packets
    }
}

/// PAT and PMT of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PsiFacts {
    pub n_pat: u32,
    pub n_pmt: u32,
    /// Programmes of the PAT, the network (0) left out.
    pub n_programs: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pat_version: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pmt_version: Option<u8>,
    /// Packets before the first whole PMT, that of the PMT included, without null packets and PIDs of service information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets_to_pmt: Option<u32>,
    /// A PES packet began before the first whole PMT.
    #[serde(default)]
    pub pes_before_pmt: bool,
    /// Elementary streams of the first PMT: PID and stream type, in order of PID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<(u16, u8)>,
    /// The list of streams changed inside the segment.
    #[serde(default)]
    pub changed: bool,
}

impl PsiFacts {
    /// Nothing was found.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// Program clock references, 27 MHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PcrFacts {
    pub n: u32,
    /// Longest step forward between two without discontinuity_indicator.
    pub max_step: i64,
    /// Steps backward, and forward far beyond what DTS did meanwhile, without discontinuity_indicator.
    pub n_jumps: u32,
    /// The largest of these jumps, with its sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_jump: Option<i64>,
    /// Packets with discontinuity_indicator on the PCR PID.
    pub n_discontinuities: u32,
}

/// Continuity of one PID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PidFacts {
    pub pid: u16,
    pub n_packets: u32,
    pub first_cc: u8,
    pub last_cc: u8,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cc_errors: u32,
}

/// Packed audio (RFC 8216 3.4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PackedFacts {
    /// The segment begins with an ID3 tag.
    pub has_id3: bool,
    /// Value of its PRIV frame `com.apple.streaming.transportStreamTimestamp`, all 64 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
}

/// Header and cue times of a WebVTT segment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct VttFacts {
    /// There is an `X-TIMESTAMP-MAP`.
    pub has_map: bool,
    /// Its MPEGTS, 90 kHz, as written; absent when it is no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mpegts: Option<i64>,
    /// Its LOCAL, milliseconds; absent when it is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_ms: Option<i64>,
    /// Earliest start and latest end of the cues, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_cue_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cue_end_ms: Option<i64>,
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
