//! The one ladder that every channel has.

use std::sync::OnceLock;

use crate::config::OriginError;
use crate::recording::{Audio, Video};

/// Rendition names: video from high to low, then audio.
pub(crate) const RENDITIONS: [&str; 4] = ["360p", "240p", "144p", "audio"];
/// Name of the subtitles, where there are any.
pub(crate) const SUBTITLES: &str = "subs";
/// Place of the audio rendition in [`RENDITIONS`].
pub(crate) const AUDIO: usize = 3;

const VIDEO_FILES: [&[u8]; 3] =
    [include_bytes!("../assets/360p.mp4"), include_bytes!("../assets/240p.mp4"), include_bytes!("../assets/144p.mp4")];
const AUDIO_FILE: &[u8] = include_bytes!("../assets/audio.mp4");

/// The recording, cut into access units.
#[derive(Debug)]
pub(crate) struct Ladder {
    pub video: [Video; 3],
    pub audio: Audio,
}

impl Ladder {
    /// Read at the first call, then shared by all origins of the process.
    pub fn embedded() -> Result<&'static Ladder, OriginError> {
        static LADDER: OnceLock<Result<Ladder, (&'static str, String)>> = OnceLock::new();
        let read = || -> Result<Ladder, (&'static str, String)> {
            let video = |i: usize| Video::read(VIDEO_FILES[i]).map_err(|e| (RENDITIONS[i], e));
            let audio = Audio::read(AUDIO_FILE).map_err(|e| (RENDITIONS[AUDIO], e))?;
            Ok(Ladder { video: [video(0)?, video(1)?, video(2)?], audio })
        };
        match LADDER.get_or_init(read) {
            Ok(ladder) => Ok(ladder),
            Err((name, reason)) => Err(OriginError::Recording { name, reason: reason.clone() }),
        }
    }

    /// Place of a rendition in [`RENDITIONS`].
    pub fn index(name: &str) -> Option<usize> {
        RENDITIONS.iter().position(|r| *r == name)
    }
}
