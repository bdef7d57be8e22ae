//! Codec strings (RFC 6381) to families, profiles and levels.

use ow_domain::ladder::{AudioCodec, VideoCodec};

/// Family of a video codec string; `None` for sound, text and what is unknown.
pub fn video_codec(text: &str) -> Option<VideoCodec> {
    match entry(text).as_str() {
        "avc1" | "avc3" | "dvav" | "dva1" => Some(VideoCodec::H264),
        "hvc1" | "hev1" | "dvh1" | "dvhe" => Some(VideoCodec::H265),
        "av01" | "dav1" => Some(VideoCodec::Av1),
        "vp09" | "vp9" => Some(VideoCodec::Vp9),
        "mp2v" => Some(VideoCodec::Mpeg2),
        _ => None,
    }
}

/// Family of an audio codec string.
pub fn audio_codec(text: &str) -> Option<AudioCodec> {
    let text = text.trim().to_ascii_lowercase();
    Some(match entry(&text).as_str() {
        "mp4a" => match text.split_once('.').map_or("", |(_, rest)| rest) {
            "40.5" | "40.05" | "40.29" => AudioCodec::HeAac,
            "40.42" => AudioCodec::Xhe,
            "40.34" | "6b" | "69" => AudioCodec::Mp3,
            "a5" => AudioCodec::Ac3,
            "a6" => AudioCodec::Eac3,
            _ => AudioCodec::Aac,
        },
        "ac-3" => AudioCodec::Ac3,
        "ec-3" => AudioCodec::Eac3,
        "ac-4" => AudioCodec::Ac4,
        "mp3" => AudioCodec::Mp3,
        "opus" => AudioCodec::Opus,
        "flac" => AudioCodec::Flac,
        "dtsc" | "dtse" | "dtsh" | "dtsl" | "dtsx" => AudioCodec::Dts,
        _ => return None,
    })
}

pub(super) fn is_dolby_vision(text: &str) -> bool {
    matches!(entry(text).as_str(), "dvav" | "dva1" | "dvh1" | "dvhe" | "dav1")
}

/// Sample entry: what stands before the first dot.
fn entry(text: &str) -> String {
    text.trim().split('.').next().unwrap_or_default().to_ascii_lowercase()
}

/// Same family in another sample entry: `hvc1` where `hev1` was agreed.
pub(crate) fn is_other_entry(wanted: &str, found: &str) -> bool {
    entry(wanted) != entry(found) && video_codec(wanted) == video_codec(found)
}

/// Profile and level of a codec string, where this family is known to us.
fn profile_and_level(text: &str) -> Option<(String, u32)> {
    let mut parts = text.trim().split('.');
    let entry = parts.next()?.to_ascii_lowercase();
    match entry.as_str() {
        "avc1" | "avc3" => {
            let hex = parts.next().filter(|hex| hex.len() == 6 && hex.is_ascii())?;
            let level = u32::from_str_radix(hex.get(4..)?, 16).ok()?;
            Some((hex.get(..2)?.to_ascii_lowercase(), level))
        }
        "hvc1" | "hev1" => {
            let profile = parts.next()?.to_ascii_lowercase();
            let tier_and_level = parts.nth(1)?;
            let level = tier_and_level.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
            Some((profile, level))
        }
        "av01" => {
            let profile = parts.next()?.to_owned();
            let level = parts.next()?.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
            Some((profile, level))
        }
        _ => None,
    }
}

/// In what a codec string goes beyond the agreed one: another profile, or a higher level.
pub(crate) fn exceeds(wanted: &str, found: &str) -> Option<&'static str> {
    let (wanted, found) = (profile_and_level(wanted)?, profile_and_level(found)?);
    if wanted.0 != found.0 {
        return Some("profile");
    }
    (found.1 > wanted.1).then_some("level")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        for (text, video, audio) in [
            ("avc1.640028", Some(VideoCodec::H264), None),
            ("hev1.2.4.L153.B0", Some(VideoCodec::H265), None),
            ("dvh1.05.06", Some(VideoCodec::H265), None),
            ("av01.0.08M.10", Some(VideoCodec::Av1), None),
            ("mp4a.40.2", None, Some(AudioCodec::Aac)),
            ("mp4a.40.5", None, Some(AudioCodec::HeAac)),
            ("mp4a.40.34", None, Some(AudioCodec::Mp3)),
            ("ec-3", None, Some(AudioCodec::Eac3)),
            ("Opus", None, Some(AudioCodec::Opus)),
            ("stpp.ttml.im1t", None, None),
            ("", None, None),
        ] {
            assert_eq!((video_codec(text), audio_codec(text)), (video, audio), "{text}");
        }
    }

    #[test]
    fn profiles_and_levels() {
        for (wanted, found, expected) in [
            ("avc1.640028", "avc1.640028", None),
            ("avc1.640028", "avc1.64001f", None),
            ("avc1.640028", "avc1.64002A", Some("level")),
            ("avc1.640028", "avc1.4d0028", Some("profile")),
            ("hvc1.2.4.L150.B0", "hev1.2.4.L153.B0", Some("level")),
            ("hvc1.2.4.L150.B0", "hvc1.1.6.L120.B0", Some("profile")),
            ("av01.0.08M.10", "av01.0.09M.10", Some("level")),
            ("avc1.640028", "avc1.x", None),
            ("avc1.6400é8", "avc1.640028", None),
        ] {
            assert_eq!(exceeds(wanted, found), expected, "{wanted} {found}");
        }
        assert!(
            is_other_entry("hvc1.1", "hev1.1")
                && !is_other_entry("hvc1.1", "hvc1.2")
                && !is_other_entry("avc1", "hvc1")
        );
    }
}
