//! The renditions of a multivariant playlist, with names that stay the same over reloads and restarts.

use ow_domain::TrackId;
use ow_domain::capture::{Track, TrackKind};
use ow_domain::track_name::{Unnamed, name_tracks};
use ow_hls::{MediaType, MultivariantPlaylist, Rendition, Variant};
use url::Url;

/// Renditions watched per stream; further ones are not.
pub const MAX_TRACKS: usize = 64;

/// Media playlists to watch, each once, in the order of the playlist.
///
/// Trick-play renditions are left out: their segments are parts of those of the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrackTable {
    /// Track and absolute URL of its media playlist.
    pub tracks: Vec<(Track, String)>,
}

impl TrackTable {
    /// Of a multivariant playlist that was loaded from `base`.
    pub fn read(playlist: &MultivariantPlaylist, base: &str) -> Self {
        let base = Url::parse(base).ok();
        let absolute = |uri: &str| match &base {
            Some(base) => base.join(uri).ok().map(String::from),
            None => None,
        };
        let mut found: Vec<(Unnamed, String)> = Vec::new();
        for variant in playlist.variants.iter().filter(|v| !v.uri.is_empty()) {
            let Some(url) = absolute(&variant.uri) else { continue };
            if found.len() == MAX_TRACKS || found.iter().any(|(_, known)| *known == url) {
                continue;
            }
            let label = variant.stable_variant_id.as_deref().unwrap_or_default().to_owned();
            found.push((Unnamed { track: of_variant(variant, playlist), label }, url));
        }
        for rendition in &playlist.media {
            let kind = match rendition.media_type {
                MediaType::Audio => TrackKind::Audio,
                MediaType::Video => TrackKind::Video,
                MediaType::Subtitles => TrackKind::Text,
                MediaType::ClosedCaptions | MediaType::Other => continue,
            };
            let Some(url) = rendition.uri.as_deref().and_then(absolute) else { continue };
            if found.len() == MAX_TRACKS || found.iter().any(|(_, known)| *known == url) {
                continue;
            }
            let label = format!("{}-{}", rendition.group_id, rendition.name);
            found.push((Unnamed { track: of_rendition(rendition, kind), label }, url));
        }
        let (unnamed, urls): (Vec<Unnamed>, Vec<String>) = found.into_iter().unzip();
        Self { tracks: name_tracks(unnamed).into_iter().zip(urls).collect() }
    }

    /// An entry that is itself a media playlist.
    pub fn single(url: &str) -> Self {
        Self { tracks: vec![(blank(TrackId::from_text("main"), TrackKind::Muxed), url.to_owned())] }
    }
}

fn of_variant(variant: &Variant, playlist: &MultivariantPlaylist) -> Track {
    let is_audio = |codec: &str| {
        ["mp4a", "ac-3", "ec-3", "ac-4", "fLaC", "Opus", "opus", "mp3"].iter().any(|known| codec.starts_with(known))
    };
    let is_text = |codec: &str| codec.starts_with("wvtt") || codec.starts_with("stpp");
    let has_video = variant.resolution.is_some() || variant.codecs.iter().any(|c| !is_audio(c) && !is_text(c));
    let has_audio = variant.codecs.is_empty() || variant.codecs.iter().any(|c| is_audio(c));
    let audio_apart = variant.audio.as_deref().is_some_and(|group| {
        // A rendition without URI is in the variant itself (BIS 4.4.6.2.1).
        let mut members = playlist.media.iter().filter(|m| m.media_type == MediaType::Audio && &*m.group_id == group);
        members.all(|m| m.uri.is_some())
    });
    let kind = match (has_video || variant.codecs.is_empty(), has_audio && !audio_apart) {
        (true, true) => TrackKind::Muxed,
        (true, false) => TrackKind::Video,
        (false, _) => TrackKind::Audio,
    };
    Track {
        bandwidth: variant.bandwidth,
        average_bandwidth: variant.average_bandwidth,
        width: variant.resolution.map(|r| r.width),
        height: variant.resolution.map(|r| r.height),
        codecs: (!variant.codecs.is_empty()).then(|| variant.codecs.join(",")),
        frame_rate_milli: variant.frame_rate_milli,
        video_range: variant.video_range.as_deref().map(Into::into),
        ..blank(TrackId::from_text("variant"), kind)
    }
}

fn of_rendition(rendition: &Rendition, kind: TrackKind) -> Track {
    Track {
        language: rendition.language.as_deref().map(Into::into),
        channels: rendition.channels.as_deref().map(Into::into),
        ..blank(TrackId::from_text("rendition"), kind)
    }
}

fn blank(id: TrackId, kind: TrackKind) -> Track {
    Track {
        id,
        kind,
        bandwidth: None,
        average_bandwidth: None,
        frame_rate_milli: None,
        video_range: None,
        channels: None,
        width: None,
        height: None,
        codecs: None,
        language: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, TrackKind, &str)]) {
        let text = format!("#EXTM3U\n{text}");
        let (playlist, _) = ow_hls::parse(text.as_bytes(), ow_hls::Variables::default());
        let table = TrackTable::read(playlist.as_multivariant().unwrap(), "http://o/live/a/master.m3u8?token=1");
        let found: Vec<_> = table.tracks.iter().map(|(t, url)| (t.id.as_str(), t.kind, url.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn variants_and_renditions_have_names_that_last() {
        use TrackKind::{Audio, Muxed, Text, Video};
        check(
            "#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS=\"avc1.640028,mp4a.40.2\"\nhi/i.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS=\"mp4a.40.2\"\naudio.m3u8\n",
            &[("muxed-1080p", Muxed, "http://o/live/a/hi/i.m3u8"), ("audio", Audio, "http://o/live/a/audio.m3u8")],
        );
        check(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"en\",URI=\"en.m3u8\"\n\
             #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"Tieng Viet\",LANGUAGE=\"vi\",URI=\"/vi.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=900500,RESOLUTION=640x360,CODECS=\"avc1.4d401e,mp4a.40.2\",AUDIO=\"a\"\nlow.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=950000,RESOLUTION=640x360,CODECS=\"avc1.4d401e,ec-3\",AUDIO=\"b\"\nlow.m3u8\n",
            &[
                ("video-360p", Video, "http://o/live/a/low.m3u8"),
                ("audio-en", Audio, "http://o/live/a/en.m3u8"),
                ("text-vi", Text, "http://o/vi.m3u8"),
            ],
        );
        // Two groups of one language, and a backup copy of a variant.
        check(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"lo\",NAME=\"E\",LANGUAGE=\"en\",URI=\"lo.m3u8\"\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"E\",LANGUAGE=\"en\",URI=\"hi.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO=\"lo\"\na.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO=\"lo\"\nb.m3u8\n",
            &[
                ("video-1", Video, "http://o/live/a/a.m3u8"),
                ("video-2", Video, "http://o/live/a/b.m3u8"),
                ("audio-en-lo-e", Audio, "http://o/live/a/lo.m3u8"),
                ("audio-en-hi-e", Audio, "http://o/live/a/hi.m3u8"),
            ],
        );
    }
}
