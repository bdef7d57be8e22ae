//! The ladder contract: the renditions that a channel has been agreed to offer, with tolerances. Part of a template.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a channel must offer. A list that is empty asks for nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LadderContract {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub video: Vec<VideoRung>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audio: Vec<AudioWanted>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subtitles: Vec<TextWanted>,
    /// Systems by which the channel can be decrypted; any of them missing is a fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drm: Vec<DrmSystem>,
    /// Clear Periods (advertisements) of a protected channel are agreed.
    #[serde(skip_serializing_if = "is_false")]
    pub clear_periods: bool,
    /// A picture of at least 2160 lines is sold.
    #[serde(skip_serializing_if = "is_false")]
    pub uhd: bool,
    /// High dynamic range of this kind is sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hdr: Option<DynamicRange>,
    pub tolerance: LadderTolerance,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VideoRung {
    /// Pixels, as declared: 1080 lines, not the 1088 that are coded.
    pub width: u32,
    pub height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<VideoCodec>,
    /// RFC 6381; the profile must be this one, the level at most this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec_string: Option<String>,
    /// Frames per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate_kbps: Option<KbpsRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic_range: Option<DynamicRange>,
}

/// Kilobits per second, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KbpsRange {
    pub min: u32,
    pub max: u32,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AudioWanted {
    /// BCP 47, or ISO 639; `fra`, `fre` and `fr` are one language. `und` stands for sound without a language.
    pub language: String,
    pub role: AudioRole,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<AudioCodec>,
    /// Channels of the layout: 2, 6 for 5.1, 16 for Dolby Atmos by E-AC-3 JOC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// What viewers hear who chose nothing.
    #[serde(skip_serializing_if = "is_false")]
    pub default: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TextWanted {
    pub language: String,
    pub kind: TextKind,
    /// Its absence is a major fault (a licence or law asks for it).
    #[serde(skip_serializing_if = "is_false")]
    pub mandatory: bool,
}

/// How far what is found may be from what is agreed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LadderTolerance {
    /// Beyond the ends of a range of bitrates, percent.
    pub bitrate_percent: f64,
    /// Percent.
    pub frame_rate_percent: f64,
    /// Renditions beyond the contract are agreed.
    #[serde(skip_serializing_if = "is_false")]
    pub extra_renditions: bool,
}

impl Default for LadderTolerance {
    fn default() -> Self {
        Self { bitrate_percent: 20.0, frame_rate_percent: 0.5, extra_renditions: false }
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A closed word with a text of its own.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];
            pub const WORDS: &[&str] = &[$($text),+];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// Family of a video codec.
    VideoCodec { H264 = "h264", H265 = "h265", Av1 = "av1", Vp9 = "vp9", Mpeg2 = "mpeg2" }
);

words!(
    /// Family of an audio codec.
    AudioCodec {
        Aac = "aac",
        HeAac = "he-aac",
        Xhe = "xhe-aac",
        Ac3 = "ac3",
        Eac3 = "eac3",
        Ac4 = "ac4",
        Mp3 = "mp3",
        Opus = "opus",
        Flac = "flac",
        Dts = "dts",
    }
);

words!(
    DynamicRange {
        Sdr = "sdr",
        /// PQ.
        Hdr10 = "hdr10",
        Hlg = "hlg",
        DolbyVision = "dolby-vision",
    }
);

words!(
    #[derive(Default)]
    AudioRole {
        #[default]
        Main = "main",
        /// Audio description for people who do not see the picture.
        Description = "description",
        Commentary = "commentary",
        Dub = "dub",
        /// Dialogue enhanced for people who hear badly.
        Clear = "enhanced",
    }
);

words!(
    #[derive(Default)]
    TextKind {
        #[default]
        Subtitles = "subtitles",
        /// For people who do not hear; CEA-608 and 708 included.
        Captions = "captions",
        /// Only what the language of the programme does not say.
        Forced = "forced",
    }
);

words!(DrmSystem { Widevine = "widevine", PlayReady = "playready", FairPlay = "fairplay", ClearKey = "clearkey" });

impl VideoRung {
    /// `1920x1080`.
    pub fn resolution(&self) -> String {
        format!("{}x{}", self.width, self.height)
    }
}

/// Reads `1920x1080`; both sides from 1 to 16384.
pub fn parse_resolution(text: &str) -> Option<(u32, u32)> {
    let side = |text: &str| {
        let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|n| (1..=16_384).contains(n))
    };
    let (width, height) = text.split_once('x')?;
    Some((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_is_stored() {
        for codec in AudioCodec::ALL {
            assert_eq!(serde_json::to_value(codec).unwrap(), codec.as_str());
        }
        assert_eq!(serde_json::from_str::<DynamicRange>("\"dolby-vision\"").unwrap(), DynamicRange::DolbyVision);
        assert_eq!(TextKind::WORDS.len(), TextKind::ALL.len());
    }

    #[test]
    fn resolutions() {
        for (text, expected) in [
            ("1920x1080", Some((1920, 1080))),
            ("1920X1080", None),
            ("1920", None),
            ("0x1", None),
            ("99999x1", None),
            ("+1x1", None),
            ("1x1x1", None),
        ] {
            assert_eq!(parse_resolution(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_said_is_the_default() {
        let contract: LadderContract = serde_json::from_str("{}").unwrap();
        assert_eq!(contract, LadderContract::default());
        assert_eq!(contract.tolerance.bitrate_percent, 20.0);
    }
}
