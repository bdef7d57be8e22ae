//! The offer of a multivariant playlist.

use std::collections::BTreeMap;

use ow_domain::ladder::{AudioCodec, AudioRole, DrmSystem, DynamicRange, TextKind};
use ow_hls::{Key, KeyMethod, MediaType, MultivariantPlaylist, Rendition, Variant};

use super::codec::is_dolby_vision;
use super::{AudioTrack, Ladder, MAX_OFFERED, Protection, TextTrack, VideoTrack, audio_codec, video_codec};

/// Most key ids of one track.
const MAX_KEY_IDS: usize = 16;

/// What the playlist offers. Variants that differ only in their groups or host are one rendition each as declared; who
/// compares tells copies apart.
pub fn of_hls(playlist: &MultivariantPlaylist) -> Ladder {
    let mut ladder = Ladder {
        n_trick: u32::try_from(playlist.i_frame_variants.len()).unwrap_or(u32::MAX),
        protection: protection_of_keys(playlist.session_keys.iter()),
        ..Ladder::default()
    };
    // Sound of a group is coded as the variants that name it say.
    let mut codecs: BTreeMap<&str, AudioCodec> = BTreeMap::new();
    let mut muxed: Option<AudioCodec> = None;
    for variant in &playlist.variants {
        let audio = variant.codecs.iter().find_map(|codec| audio_codec(codec));
        match (&variant.audio, audio) {
            (Some(group), Some(audio)) => {
                codecs.entry(group).or_insert(audio);
            }
            (None, Some(audio)) => muxed = muxed.or(Some(audio)),
            _ => {}
        }
        if ladder.video.len() < MAX_OFFERED && is_video(variant) {
            ladder.video.push(video(variant));
        }
    }
    for rendition in playlist.media.iter().take(4 * MAX_OFFERED) {
        match rendition.media_type {
            MediaType::Audio if ladder.audio.len() < MAX_OFFERED => {
                ladder.audio.push(audio(rendition, codecs.get(&*rendition.group_id).copied()));
            }
            MediaType::Subtitles | MediaType::ClosedCaptions if ladder.text.len() < MAX_OFFERED => {
                ladder.text.push(text(rendition));
            }
            _ => {}
        }
    }
    if ladder.audio.is_empty()
        && let Some(codec) = muxed
    {
        let name = "in the video".to_owned();
        ladder.audio.push(AudioTrack { name, codec: Some(codec), default: true, muxed: true, ..AudioTrack::default() });
    }
    ladder
}

/// Without CODECS and RESOLUTION it is a picture all the same; with codecs of sound alone it is not.
fn is_video(variant: &Variant) -> bool {
    variant.resolution.is_some()
        || variant.codecs.is_empty()
        || variant.codecs.iter().any(|codec| video_codec(codec).is_some())
}

fn video(variant: &Variant) -> VideoTrack {
    let codec_string = variant.codecs.iter().find(|codec| video_codec(codec).is_some()).map(|codec| codec.to_string());
    let supplemental = variant.supplemental_codecs.as_deref().unwrap_or_default();
    let dolby = supplemental.split(',').chain(codec_string.as_deref()).any(is_dolby_vision);
    let range = match variant.video_range.as_deref() {
        _ if dolby => Some(DynamicRange::DolbyVision),
        Some("PQ") => Some(DynamicRange::Hdr10),
        Some("HLG") => Some(DynamicRange::Hlg),
        Some("SDR") => Some(DynamicRange::Sdr),
        _ => None,
    };
    VideoTrack {
        name: crate::canonical::path(&variant.uri).to_owned(),
        width: variant.resolution.map(|r| r.width),
        height: variant.resolution.map(|r| r.height),
        codec: codec_string.as_deref().and_then(video_codec),
        codec_string,
        frame_rate_milli: variant.frame_rate_milli,
        bandwidth: variant.bandwidth,
        average_bandwidth: variant.average_bandwidth,
        range,
        with_audio: variant.audio.is_some() || variant.codecs.iter().any(|codec| audio_codec(codec).is_some()),
        protection: None,
    }
}

fn characteristics(rendition: &Rendition) -> impl Iterator<Item = &str> {
    rendition.characteristics.as_deref().unwrap_or_default().split(',').map(str::trim)
}

fn audio(rendition: &Rendition, codec: Option<AudioCodec>) -> AudioTrack {
    let role = characteristics(rendition).find_map(|c| match c {
        "public.accessibility.describes-video" => Some(AudioRole::Description),
        "public.accessibility.enhances-speech-intelligibility" => Some(AudioRole::Clear),
        _ => None,
    });
    let channels = rendition.channels.as_deref().unwrap_or_default();
    let (count, kind) = channels.split_once('/').unwrap_or((channels, ""));
    let joc = kind.split([',', '/']).any(|k| k == "JOC");
    AudioTrack {
        name: format!("{}/{}", rendition.group_id, rendition.name),
        language: rendition.language.as_deref().map(str::to_owned),
        role: role.unwrap_or_default(),
        codec,
        channels: count.parse().ok(),
        joc,
        sample_rate: rendition.sample_rate,
        default: rendition.default,
        muxed: false,
        protection: None,
    }
}

fn text(rendition: &Rendition) -> TextTrack {
    let for_deaf = characteristics(rendition).any(|c| {
        matches!(c, "public.accessibility.describes-music-and-sound" | "public.accessibility.transcribes-spoken-dialog")
    });
    let kind = match rendition.media_type {
        _ if rendition.forced => TextKind::Forced,
        MediaType::ClosedCaptions => TextKind::Captions,
        _ if for_deaf => TextKind::Captions,
        _ => TextKind::Subtitles,
    };
    TextTrack {
        name: format!("{}/{}", rendition.group_id, rendition.name),
        language: rendition.language.as_deref().map(str::to_owned),
        kind,
    }
}

/// What keys in force say; `METHOD=NONE` says nothing.
pub(crate) fn protection_of_keys<'a>(keys: impl Iterator<Item = &'a Key>) -> Protection {
    let mut protection = Protection::default();
    for key in keys.filter(|key| key.method != KeyMethod::None) {
        protection.encrypted = true;
        let format = key.key_format.as_deref().unwrap_or("identity").to_ascii_lowercase();
        protection.systems.extend(system_of(&format));
        let kid = key.attributes.str("KEYID").map(normal_key_id);
        if let Some(kid) = kid.filter(|kid| kid.len() == 32 && protection.key_ids.len() < MAX_KEY_IDS) {
            protection.key_ids.insert(kid);
        }
    }
    protection
}

/// Keys in force at the newest segment of a media playlist.
pub fn keys_of_media(playlist: &ow_hls::MediaPlaylist) -> Protection {
    let keys = playlist.segments.last().and_then(|s| s.keys.as_deref()).unwrap_or_default();
    protection_of_keys(keys.iter())
}

/// Key format (HLS) or system id (DASH, in lower case) to the system.
pub(super) fn system_of(format: &str) -> Option<DrmSystem> {
    match format.trim_start_matches("urn:uuid:") {
        "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed" | "com.widevine" => Some(DrmSystem::Widevine),
        "9a04f079-9840-4286-ab92-e65be0885f95" | "com.microsoft.playready" => Some(DrmSystem::PlayReady),
        "94ce86fb-07ff-4f43-adb8-93d2fa968ca2" | "com.apple.streamingkeydelivery" => Some(DrmSystem::FairPlay),
        "e2719d58-a985-b3c9-781a-b030af78d30e"
        | "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
        | "org.w3.clearkey"
        | "identity" => Some(DrmSystem::ClearKey),
        _ => None,
    }
}

/// `0xAB..`, UUIDs with dashes: 32 lower-case hex digits.
pub(super) fn normal_key_id(text: &str) -> String {
    let text = text.trim().trim_matches('"');
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    text.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ow_domain::ladder::VideoCodec;

    const MVP: &str = "#EXTM3U
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES-CTR,URI=\"data:x\",KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",KEYID=0x00112233445566778899AABBCCDDEEFF
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Fr\",LANGUAGE=\"fra\",DEFAULT=YES,CHANNELS=\"2\",URI=\"a.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"j\",NAME=\"AD\",LANGUAGE=\"fr\",CHANNELS=\"16/JOC\",CHARACTERISTICS=\"public.accessibility.describes-video\",URI=\"j.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"E\",LANGUAGE=\"en\",URI=\"s.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"F\",LANGUAGE=\"en\",FORCED=YES,URI=\"f.m3u8\"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"CC\",LANGUAGE=\"en\",INSTREAM-ID=\"CC1\"
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS=\"avc1.640028,mp4a.40.2\",FRAME-RATE=25,AUDIO=\"a\"
v1.m3u8?t=1
#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160,CODECS=\"hvc1.2.4.L150.B0,ec-3\",VIDEO-RANGE=PQ,AUDIO=\"j\"
v2.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=96000,CODECS=\"mp4a.40.5\",AUDIO=\"a\"
a.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,URI=\"i.m3u8\"
";

    #[test]
    fn an_offer_of_hls() {
        let (playlist, _) = ow_hls::parse(MVP.as_bytes(), ow_hls::Variables::default());
        let ladder = of_hls(playlist.as_multivariant().unwrap());
        assert_eq!(ladder.video.len(), 2, "{ladder:?}");
        let top = &ladder.video[1];
        assert_eq!((top.height, top.codec, top.range), (Some(2160), Some(VideoCodec::H265), Some(DynamicRange::Hdr10)));
        assert_eq!((ladder.video[0].name.as_str(), ladder.video[0].frame_rate()), ("v1.m3u8", Some(25.0)));
        let described = &ladder.audio[1];
        assert_eq!((described.role, described.channels, described.joc), (AudioRole::Description, Some(16), true));
        assert_eq!((ladder.audio[0].codec, described.codec), (Some(AudioCodec::Aac), Some(AudioCodec::Eac3)));
        let kinds: Vec<TextKind> = ladder.text.iter().map(|t| t.kind).collect();
        assert_eq!(kinds, [TextKind::Subtitles, TextKind::Forced, TextKind::Captions]);
        assert_eq!(ladder.protection.systems, [DrmSystem::Widevine, DrmSystem::FairPlay].into());
        assert_eq!(ladder.protection.key_ids.first().unwrap(), "00112233445566778899aabbccddeeff");
        assert_eq!(ladder.n_trick, 1);
    }

    #[test]
    fn sound_inside_the_video_has_no_language() {
        let text =
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360,CODECS=\"avc1.42c01e,mp4a.40.2\"\nv.m3u8\n";
        let (playlist, _) = ow_hls::parse(text.as_bytes(), ow_hls::Variables::default());
        let ladder = of_hls(playlist.as_multivariant().unwrap());
        assert!(ladder.audio.len() == 1 && ladder.audio[0].muxed && ladder.audio[0].language.is_none());
    }
}
