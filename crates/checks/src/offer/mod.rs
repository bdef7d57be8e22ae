//! What a manifest offers, the same for HLS and DASH: renditions of picture, sound and text, and how they are protected.
//!
//! [`Ladder`] is made by [`of_hls`] or [`of_dash`], compared with the contract of a channel by [`Matched`], and turned into a
//! contract by [`propose`].

mod codec;
mod dash;
mod diff;
mod hls;
mod language;
mod matching;
mod propose;

use std::collections::BTreeSet;

use ow_domain::ladder::{AudioCodec, AudioRole, DrmSystem, DynamicRange, TextKind, VideoCodec};
use serde::{Deserialize, Serialize};

pub use codec::{audio_codec, video_codec};
pub(crate) use codec::{exceeds, is_other_entry};
pub use dash::of_dash;
pub(crate) use diff::{difference, name_audio, name_audio_wanted, name_text, name_text_wanted, name_video};
pub(crate) use hls::protection_of_keys;
pub use hls::{keys_of_media, of_hls};
pub use language::normal_language;
pub(crate) use language::same_language;
pub use matching::Matched;
pub use propose::{Proposal, propose};

/// Tracks of one kind that are looked at.
pub const MAX_OFFERED: usize = 128;

/// What is offered now.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ladder {
    pub video: Vec<VideoTrack>,
    pub audio: Vec<AudioTrack>,
    pub text: Vec<TextTrack>,
    /// Trick-play renditions.
    pub n_trick: u32,
    /// What the manifest says of keys for the presentation as a whole.
    #[serde(default)]
    pub protection: Protection,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VideoTrack {
    /// Path of the variant or id of the Representation.
    pub name: String,
    #[serde(default)]
    pub width: Option<u32>,
    #[serde(default)]
    pub height: Option<u32>,
    /// RFC 6381, the video part of it.
    #[serde(default)]
    pub codec_string: Option<String>,
    #[serde(default)]
    pub codec: Option<VideoCodec>,
    /// Thousandths of frames per second.
    #[serde(default)]
    pub frame_rate_milli: Option<u32>,
    /// Declared peak, bit/s.
    #[serde(default)]
    pub bandwidth: Option<u64>,
    #[serde(default)]
    pub average_bandwidth: Option<u64>,
    #[serde(default)]
    pub range: Option<DynamicRange>,
    /// `bandwidth` counts the sound that is played with it.
    #[serde(default)]
    pub with_audio: bool,
    /// Of this track alone, where the manifest tells.
    #[serde(default)]
    pub protection: Option<Protection>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AudioTrack {
    pub name: String,
    /// As written.
    #[serde(default)]
    pub language: Option<String>,
    pub role: AudioRole,
    #[serde(default)]
    pub codec: Option<AudioCodec>,
    #[serde(default)]
    pub channels: Option<u32>,
    /// E-AC-3 with object audio.
    #[serde(default)]
    pub joc: bool,
    #[serde(default)]
    pub sample_rate: Option<u32>,
    #[serde(default)]
    pub default: bool,
    /// Inside the video segments: the manifest says nothing of its language.
    #[serde(default)]
    pub muxed: bool,
    #[serde(default)]
    pub protection: Option<Protection>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextTrack {
    pub name: String,
    #[serde(default)]
    pub language: Option<String>,
    pub kind: TextKind,
}

/// Keys of a track.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Protection {
    /// The media is encrypted.
    #[serde(default)]
    pub encrypted: bool,
    #[serde(default)]
    pub systems: BTreeSet<DrmSystem>,
    /// Key ids: 32 hex digits, at most 16 of them.
    #[serde(default)]
    pub key_ids: BTreeSet<String>,
}

impl Ladder {
    pub fn is_empty(&self) -> bool {
        self.video.is_empty() && self.audio.is_empty() && self.text.is_empty()
    }

    /// The largest picture.
    pub fn max_height(&self) -> Option<u32> {
        self.video.iter().filter_map(|v| v.height).max()
    }

    /// What tells renditions apart, without bitrates: for noticing that the set changed.
    pub(crate) fn identity(&self) -> u64 {
        let mut names: Vec<String> = self.video.iter().map(name_video).collect();
        names.extend(self.audio.iter().map(name_audio));
        names.extend(self.text.iter().map(name_text));
        names.sort_unstable();
        names.dedup();
        crate::judge::short_hash(&names.join("\n"))
    }
}

impl VideoTrack {
    pub fn frame_rate(&self) -> Option<f64> {
        self.frame_rate_milli.map(|milli| f64::from(milli) / 1000.0)
    }

    /// Same picture: resolution, codec family, dynamic range and frame rate.
    pub(crate) fn same_picture(&self, other: &Self) -> bool {
        (self.width, self.height, self.codec) == (other.width, other.height, other.codec)
            && self.range == other.range
            && self.frame_rate_milli == other.frame_rate_milli
    }
}
