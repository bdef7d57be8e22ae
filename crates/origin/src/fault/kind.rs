//! What can go wrong. Ids in brackets are those of the fault list.

use serde::{Deserialize, Serialize};

use super::{FaultError, ObjectKind};

/// One way to be wrong, with its measures. JSON: `{"kind": "http-status", "status": 404}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    // On the socket: any object.
    /// Answers with this status (200 to 599) and a short text.
    HttpStatus { status: u16 },
    /// Waits before the status line.
    SlowFirstByte { delay_ms: u64 },
    /// Sends the body at this rate, in slices of 50 ms.
    Throttled { bytes_per_s: u64 },
    /// `Content-Length` tells more than is sent, then the connection closes in order. Without `after_bytes`: half of the body.
    Truncated {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_bytes: Option<u64>,
    },
    /// Never answers; with `after_bytes`: sends the head and that much of the body, then nothing. Ends when the client closes. [F74]
    Hang {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_bytes: Option<u64>,
    },
    /// TCP reset after so many body bytes; 0: instead of an answer. [F74]
    Reset {
        #[serde(default)]
        after_bytes: u64,
    },
    /// 200 with an HTML page. [F32]
    Html {},
    /// 200 with no bytes. [F30]
    EmptyBody {},

    // Playlists and MPDs.
    /// 200 with the playlist of the moment when the fault began. [F07, F52]
    FrozenPlaylist {},
    /// The playlist of `behind` segments ago; choose `every` for a cache that is old now and then. [F61]
    StaleCopy { behind: u32 },
    /// Cannot be read, in one of several ways.
    Malformed { how: Malformed },
    /// `EXT-X-ENDLIST` in a media playlist, `type="static"` in an MPD. [F12]
    Endlist {},
    /// Taken out of the multivariant playlist or MPD (the one chosen by `select.rendition`). With `audio` the group stays named. [F26]
    MissingRendition {},

    // Media playlists.
    /// The packager starts anew: new names, media time from `start_number`. With `sequence: reset` the media sequence number falls to
    /// `start_number` and the window fills again from one segment; with `continue` numbers run on. `discontinuity` tells whether
    /// `EXT-X-DISCONTINUITY` marks the seam. Without `for_ms` the new timeline stays. [F01, F03, F04]
    PackagerRestart {
        #[serde(default)]
        sequence: Sequence,
        #[serde(default)]
        discontinuity: Discontinuity,
        #[serde(default = "two")]
        start_number: u32,
    },
    /// The packager's clock is ahead by so many segments: numbers jump, the old window is gone at once. [F09]
    MediaSequenceJump { by: u32 },
    /// `EXT-X-MEDIA-SEQUENCE` alone is off by so many; the URIs stay.
    SequenceShift { by: i32 },
    /// Another `EXT-X-TARGETDURATION`; lower than the segments it is the other face of F18. [F18, F19]
    TargetDuration { seconds: u32 },
    /// EXTINF of the chosen segments is target duration + 1 s. [F18]
    ExtinfExceedsTarget {},
    /// EXTINF of the chosen segments is this percentage of the media's duration. [F20]
    ExtinfMismatch { percent: u32 },
    /// `EXT-X-DISCONTINUITY-SEQUENCE` grows with every segment, with no tag that would allow it. [F05]
    DiscontinuitySequence {},
    /// Program date time jumps by so much at the segment that was being made when the fault began. [F16]
    PdtJump { by_ms: i64 },
    /// No program date time. [F17]
    PdtMissing {},
    /// `EXT-X-GAP` on the chosen segments, which answer 404.
    Gap {},
    /// A segment changes under its number.
    SegmentRewritten { how: Rewrite },
    /// `EXT-X-DISCONTINUITY-SEQUENCE` is never sent, whatever has left the playlist. [F05]
    DiscontinuityUncounted {},
    /// `EXT-X-DISCONTINUITY-SEQUENCE` is higher by so many; on one rendition: they disagree. [F06]
    DiscontinuitySequenceShift { by: u32 },
    /// Only so many of the newest segments are listed. [F13]
    ShortWindow { segments: u32 },
    /// From the first discontinuity of the playlist on, no program date time. [F15]
    PdtAfterDiscontinuityMissing {},
    /// Program date time is off by so much on all segments; on one rendition: the maps disagree. [F16]
    PdtOffset { by_ms: i64 },
    /// Segments published since the fault began need another initialization segment, and nothing marks the seam. [F38]
    MapChanged {},
    /// The packager's clock is ahead by so much: a segment is listed before it can be fetched. Choose `every` for one of several
    /// replicas. [F60]
    ClockAhead { by_ms: u64 },

    /// Cues stand so many segments before the one at which the splice is; on an origin with ad breaks. [F70]
    CueEarly { segments: u32 },
    /// `EXT-X-DATERANGE` has no START-DATE; on an origin with ad breaks. [F71]
    DaterangeWithoutStart {},
    /// `EXT-X-CUE-OUT-CONT` counts backwards; on an origin with ad breaks. [F71]
    CueContWrong {},
    /// No break is told any more; on an origin with ad breaks. [F72]
    CuesStop {},

    // Low-latency media playlists and parts.
    /// A blocking reload is answered at once, whatever it waits for; with `form: segment` only one without `_HLS_part`. [F40, F41]
    BlockingIgnored {
        #[serde(default)]
        form: Blocking,
    },
    /// EXT-X-PART-INF stays, no part is listed, and who waits for one waits in vain. [F42]
    PartsMissing {},
    /// PART-TARGET as given: with less than `part_ms` every part is too long. [F43]
    PartTarget { ms: u32 },
    /// Parts have the bytes of the same place in the segment before, as byte ranges into a file that was written anew. [F44]
    PartsOverwritten {},
    /// INDEPENDENT=YES on every part. [F45]
    PartsIndependent {},
    // Protected channels and subtitles.
    /// Keys change with the segment that was being made when the fault began, and then every so many segments. Nothing is wrong with
    /// that; other faults need it.
    KeyRotation { every_segments: u32, how: Rotation },
    /// Segments are encrypted with the IV of the segment so many after them; AES-128. [F66]
    IvShift { by: u32 },
    /// Initialization segments of later keys still have the id of the first. [F67]
    KidKept {},
    /// Fragments carry headers of DRM systems, other ones than the initialization segment. [F68]
    PsshDiffers {},
    /// Segments have the key of the segment so many after them; with keys that rotate. [F69]
    KeyAhead { segments: u32 },
    /// X-TIMESTAMP-MAP of subtitles counts on where the 33-bit clock wrapped. [F37]
    TimestampMapUnwrapped {},

    // Multivariant playlists and MPDs.
    /// Video renditions declare this in CODECS (HLS) or `@codecs` (MPD). [F22, F23, F24]
    Codecs { value: String },
    /// BANDWIDTH (HLS), `@bandwidth` (MPD) are this percentage of what they should be. [F25]
    Bandwidth { percent: u32 },

    // Headers.
    /// `Cache-Control: max-age` and `Age` as given. [F62]
    CacheHeaders {
        max_age_s: u32,
        #[serde(default)]
        age_s: u32,
    },
    /// `Date` is off by so much. [F63]
    DateShift { by_ms: i64 },

    // Renditions and segments.
    /// Playlist, init and segments of the rendition answer 404. [F08]
    #[serde(rename = "rendition-404")]
    Rendition404 {},
    /// The oldest listed segment answers 404. [F14]
    #[serde(rename = "oldest-segment-404")]
    OldestSegment404 {},
    /// Segments answer 404 for so long after they were listed. [F59]
    SegmentLate { by_ms: u64 },
    /// A continuity counter step in the middle of each chosen TS segment: one packet is lost. [F73]
    ContinuityError {},
    /// Media timestamps of the chosen segments are off by so much. [F34]
    TimestampJump { by_ms: i64 },
    /// The media of the second half is zero, the length is right. Headers of TS packets and the packets in which a unit
    /// begins stay as they are. [F74]
    ZeroedPayload {},
    /// A TS segment begins with media; PAT and PMT come later. [F28]
    PsiNotFirst {},
    /// Segments begin ten pictures after an IDR. [F29]
    StartsInsideGop {},
    /// Segments published since the fault began have 12.5 pictures/s, in the bitstream's parameters too. [F21]
    FrameRateHalved {},
    /// Segments are cut so many GOPs of 2 s later than those of other renditions. [F11]
    CutShift { gops: u32 },
    /// Media time runs fast (or slow) by so much, parts per million, from when the fault began. [F34, F39]
    TimestampDrift { ppm: i32 },
    /// `tfdt` is a small negative number in an unsigned field. [F33]
    TfdtNegative {},
    /// `tfdt` of 32 bits, which wraps. [F35]
    Tfdt32 {},
    /// The initialization segment's video sample entry has this name of four characters. [F24]
    SampleEntry { fourcc: String },

    // DASH.
    /// `availabilityStartTime` is off by so much. [F47, F58]
    AvailabilityStart { by_ms: i64 },
    /// The timeline leaves out the segment in the middle of its window. [F51]
    TimelineGap {},
    /// No `UTCTiming`. [F48]
    UtcTimingMissing {},
    /// No `publishTime`. [F57]
    PublishTimeMissing {},
    /// `publishTime` stays what it was when the fault began, while the MPD changes. [F57]
    PublishTimeFrozen {},
    /// `availabilityTimeOffset` promises segments so much earlier than they are there. [F46]
    AvailabilityTimeOffset { by_ms: u64 },
    /// `frameRate="0"` and `bandwidth="0"`. [F49]
    ZeroAttributes {},
    /// The newest `S` begins so much before the one before it ends. [F50]
    TimelineOverlap { by_ms: u32 },
    /// The MPD is published anew, its timeline does not grow. [F52]
    TimelineFrozen {},
    /// `Period@start` moves by so much under the same id. [F53]
    PeriodStart { by_ms: i64 },
    /// A new period begins with the segment that was being made when the fault began. [F51, F54, F55]
    PeriodSeam { how: Seam },
    /// Representations have templates of their own with one `startNumber`; the times of 240p are off by so much. [F56]
    StartNumberSkew { by_ms: u32 },
}

/// What is wrong at the seam of two periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seam {
    /// Nothing.
    Contiguous,
    /// The second period has no audio.
    AudioMissing,
    /// The second period starts half a segment late.
    Gap,
    /// The first period promises one segment more than exists: it answers 403.
    TailMissing,
}

/// Which form of a blocking reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blocking {
    #[default]
    Any,
    /// Without `_HLS_part`.
    Segment,
}

/// How a change of keys is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// The fragments name their key; the initialization segment stays. In TS the key's URI changes.
    InBand,
    /// Each key has an initialization segment.
    Map,
}

fn two() -> u32 {
    2
}

/// What the media sequence number does at a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sequence {
    #[default]
    Reset,
    Continue,
}

/// Whether the seam of a restart is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discontinuity {
    #[default]
    Unmarked,
    Marked,
}

/// Ways in which a text is not a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Malformed {
    /// HLS: the first line is missing. MPD: the root element has another name.
    NoHeader,
    /// HLS: no `EXT-X-TARGETDURATION` (of a multivariant playlist: no BANDWIDTH). MPD: no `profiles`, no `minBufferTime`.
    MissingRequired,
    /// HLS: EXTINF is not a number (of a multivariant playlist: BANDWIDTH). MPD: `timescale` is not.
    BadNumber,
    /// A UTF-8 byte order mark in front. (Legal in XML: refused for MPDs.)
    ByteOrderMark,
    /// The text ends in the middle of a line.
    CutOff,
    /// Bytes that are not UTF-8.
    Binary,
}

/// How a segment changes under its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rewrite {
    /// The same bytes get a new name with each new playlist.
    Uri,
    /// The same name gives the bytes of the segment before.
    Bytes,
    /// EXTINF changes by 10 ms with each new playlist.
    Extinf,
}

use ObjectKind::{Init, Key, MediaPlaylist, Mpd, Mvp, Part, Segment};

impl FaultKind {
    /// The name in JSON.
    pub fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => map["kind"].as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        }
    }

    /// The objects on which it means something.
    pub fn applies_to(&self) -> &'static [ObjectKind] {
        use FaultKind::*;
        match self {
            HttpStatus { .. }
            | SlowFirstByte { .. }
            | Throttled { .. }
            | Truncated { .. }
            | Hang { .. }
            | Reset { .. }
            | Html {}
            | EmptyBody {} => &[Mvp, MediaPlaylist, Segment, Part, Init, Mpd, Key],
            BlockingIgnored { .. } | PartsMissing {} | PartTarget { .. } | PartsIndependent {} => &[MediaPlaylist],
            PartsOverwritten {} => &[Part],
            KeyRotation { .. } => &[MediaPlaylist, Segment, Init],
            IvShift { .. } | PsshDiffers {} | KeyAhead { .. } | TimestampMapUnwrapped {} => &[Segment],
            KidKept {} => &[Init],
            FrozenPlaylist {} | StaleCopy { .. } | Endlist {} => &[MediaPlaylist, Mpd],
            CacheHeaders { .. } | DateShift { .. } => &[Mvp, MediaPlaylist, Segment, Part, Init, Mpd],
            Codecs { .. } | Bandwidth { .. } => &[Mvp, Mpd],
            ClockAhead { .. }
            | CueEarly { .. }
            | DaterangeWithoutStart {}
            | CueContWrong {}
            | CuesStop {}
            | DiscontinuityUncounted {}
            | DiscontinuitySequenceShift { .. }
            | ShortWindow { .. }
            | PdtAfterDiscontinuityMissing {}
            | PdtOffset { .. } => &[MediaPlaylist],
            MapChanged {} | CutShift { .. } => &[MediaPlaylist, Segment],
            SampleEntry { .. } => &[Init],
            PsiNotFirst {}
            | StartsInsideGop {}
            | FrameRateHalved {}
            | TimestampDrift { .. }
            | TfdtNegative {}
            | Tfdt32 {} => &[Segment],
            PeriodSeam { .. } => &[Mpd, Segment],
            Malformed { .. } => &[Mvp, MediaPlaylist, Mpd],
            MissingRendition {} => &[Mvp, Mpd],
            SequenceShift { .. }
            | TargetDuration { .. }
            | ExtinfExceedsTarget {}
            | ExtinfMismatch { .. }
            | DiscontinuitySequence {}
            | PdtJump { .. }
            | PdtMissing {}
            | PackagerRestart { .. } => &[MediaPlaylist],
            MediaSequenceJump { .. } | Gap {} | SegmentRewritten { .. } => &[MediaPlaylist, Segment],
            Rendition404 {} => &[MediaPlaylist, Segment, Part, Init],
            TimestampJump { .. } => &[Segment, Part],
            OldestSegment404 {} | SegmentLate { .. } | ContinuityError {} | ZeroedPayload {} => &[Segment],
            AvailabilityStart { .. } | TimelineGap {} | UtcTimingMissing {} | PublishTimeMissing {} => &[Mpd],
            PublishTimeFrozen {}
            | AvailabilityTimeOffset { .. }
            | ZeroAttributes {}
            | TimelineOverlap { .. }
            | TimelineFrozen {}
            | PeriodStart { .. }
            | StartNumberSkew { .. } => &[Mpd],
        }
    }

    /// The packagings in which it means something.
    pub(crate) fn formats(&self) -> &'static [super::Format] {
        use super::Format::{Cmaf, Dash, Ll, Ts};
        match self {
            FaultKind::ContinuityError {} | FaultKind::PsiNotFirst {} => &[Ts],
            FaultKind::TfdtNegative {} | FaultKind::Tfdt32 {} | FaultKind::SampleEntry { .. } => &[Cmaf, Dash],
            FaultKind::MapChanged {} | FaultKind::KidKept {} | FaultKind::KeyAhead { .. } => &[Cmaf],
            FaultKind::KeyRotation { .. } => &[Ts, Cmaf],
            FaultKind::IvShift { .. } | FaultKind::TimestampMapUnwrapped {} => &[Ts],
            FaultKind::PsshDiffers {} => &[Cmaf, Dash],
            FaultKind::CutShift { .. } => &[Ts, Cmaf],
            FaultKind::PeriodSeam { .. } => &[Dash],
            FaultKind::Gap {}
            | FaultKind::MediaSequenceJump { .. }
            | FaultKind::SegmentRewritten { how: Rewrite::Uri | Rewrite::Extinf } => &[Ts, Cmaf],
            FaultKind::BlockingIgnored { .. }
            | FaultKind::PartsMissing {}
            | FaultKind::PartTarget { .. }
            | FaultKind::PartsOverwritten {}
            | FaultKind::PartsIndependent {} => &[Ll],
            // Of these the parts would tell another story.
            FaultKind::PackagerRestart { .. }
            | FaultKind::SegmentRewritten { .. }
            | FaultKind::StartsInsideGop {}
            | FaultKind::FrameRateHalved {}
            | FaultKind::TimestampDrift { .. }
            | FaultKind::ExtinfMismatch { .. }
            | FaultKind::ExtinfExceedsTarget {} => &[Ts, Cmaf, Dash],
            _ => &[Ts, Cmaf, Ll, Dash],
        }
    }

    /// Whether `every` chooses listed segments, not requests, in a playlist.
    pub(crate) fn is_per_listed_segment(&self) -> bool {
        matches!(
            self,
            FaultKind::ExtinfExceedsTarget {}
                | FaultKind::ExtinfMismatch { .. }
                | FaultKind::Gap {}
                | FaultKind::SegmentRewritten { .. }
        )
    }

    pub(crate) fn check(&self) -> Result<(), FaultError> {
        let wrong = |field: &str, value: i64, reason: &str, example: &str| {
            Err(FaultError::new(&format!("fault.{field}"), value, reason, example))
        };
        match *self {
            FaultKind::Codecs { ref value } if value.len() > 256 || value.contains(['"', '\n', '\r', '<', '&']) => Err(
                FaultError::new("fault.value", value, "must have at most 256 characters and no quotes", "avc1.66.12"),
            ),
            FaultKind::SampleEntry { ref fourcc } if fourcc.len() != 4 || !fourcc.is_ascii() => {
                Err(FaultError::new("fault.fourcc", fourcc, "must have four ASCII characters", "avc3"))
            }
            FaultKind::DiscontinuitySequenceShift { by: b @ (0 | 1_000_001..) } => {
                wrong("by", b.into(), "must be 1 to 1000000", "1")
            }
            FaultKind::PartTarget { ms: p @ (0 | 10_001..) } => wrong("ms", p.into(), "must be 1 to 10000", "300"),
            FaultKind::ShortWindow { segments: 0 } => wrong("segments", 0, "must be at least 1", "2"),
            FaultKind::CueEarly { segments: n @ (0 | 101..) } => wrong("segments", n.into(), "must be 1 to 100", "1"),
            FaultKind::KeyRotation { every_segments: n @ (0 | 1_000_001..), .. } => {
                wrong("every_segments", n.into(), "must be 1 to 1000000", "10")
            }
            FaultKind::IvShift { by: b @ (0 | 1_001..) } => wrong("by", b.into(), "must be 1 to 1000", "1"),
            FaultKind::KeyAhead { segments: n @ (0 | 101..) } => wrong("segments", n.into(), "must be 1 to 100", "1"),
            FaultKind::CutShift { gops: g @ (0 | 11..) } => wrong("gops", g.into(), "must be 1 to 10", "1"),
            FaultKind::Bandwidth { percent: p @ (0 | 100 | 1_001..) } => {
                wrong("percent", p.into(), "must be 1 to 1000, not 100", "50")
            }
            FaultKind::TimestampDrift { ppm } if ppm == 0 || ppm.abs() > 500_000 => {
                wrong("ppm", ppm.into(), "must be within 500000, not 0", "2000")
            }
            FaultKind::ClockAhead { by_ms: b @ (0 | 3_600_001..) }
            | FaultKind::AvailabilityTimeOffset { by_ms: b @ (0 | 3_600_001..) } => {
                wrong("by_ms", b as i64, "must be 1 to 3600000", "2000")
            }
            FaultKind::TimelineOverlap { by_ms: b @ (0 | 20_001..) }
            | FaultKind::StartNumberSkew { by_ms: b @ (0 | 20_001..) } => {
                wrong("by_ms", b.into(), "must be 1 to 20000", "1000")
            }
            FaultKind::HttpStatus { status } if !(200..=599).contains(&status) => {
                wrong("status", status.into(), "must be 200 to 599", "503")
            }
            FaultKind::SlowFirstByte { delay_ms } if delay_ms > 600_000 => {
                wrong("delay_ms", delay_ms as i64, "must be at most 600000", "2000")
            }
            FaultKind::Throttled { bytes_per_s: 0 } => wrong("bytes_per_s", 0, "must be at least 1", "20000"),
            FaultKind::StaleCopy { behind: b @ (0 | 1_801..) } => {
                wrong("behind", b.into(), "must be 1 to 1800 segments", "2")
            }
            FaultKind::MediaSequenceJump { by: b @ (0 | 1_000_001..) } => {
                wrong("by", b.into(), "must be 1 to 1000000 segments", "50")
            }
            FaultKind::SequenceShift { by } if by == 0 || by.abs() > 1_000_000 => {
                wrong("by", by.into(), "must be -1000000 to 1000000, not 0", "3")
            }
            FaultKind::TargetDuration { seconds: s @ (0 | 3_601..) } => {
                wrong("seconds", s.into(), "must be 1 to 3600", "3")
            }
            FaultKind::ExtinfMismatch { percent: p @ (0 | 100 | 1_001..) } => {
                wrong("percent", p.into(), "must be 1 to 1000, not 100", "50")
            }
            FaultKind::PdtJump { by_ms }
            | FaultKind::TimestampJump { by_ms }
            | FaultKind::AvailabilityStart { by_ms }
            | FaultKind::PdtOffset { by_ms }
            | FaultKind::DateShift { by_ms }
            | FaultKind::PeriodStart { by_ms }
                if by_ms == 0 || by_ms.unsigned_abs() > 30 * 86_400_000 =>
            {
                wrong("by_ms", by_ms, "must be within 30 days, not 0", "-26280000")
            }
            FaultKind::SegmentLate { by_ms: b } if b == 0 || b > 3_600_000 => {
                wrong("by_ms", b as i64, "must be 1 to 3600000", "3000")
            }
            _ => Ok(()),
        }
    }
}
