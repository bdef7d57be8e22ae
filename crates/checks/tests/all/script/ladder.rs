//! What fixtures offer, and what was agreed.

use ow_domain::StreamId;
use ow_domain::capture::Protocol;
use ow_domain::job::{Depth, StreamJob};
use ow_domain::ladder::{
    AudioWanted, DrmSystem, KbpsRange, LadderContract, TextWanted, VideoCodec, VideoRung, parse_resolution,
};
use ow_domain::policy::ChannelPolicy;
use serde_json::json;

use super::Words;

/// `1920x1080:h264:25:5000:hdr10`: resolution, codec (or codec string), frame rate, kbit/s (or range), dynamic range.
struct Rung<'a> {
    size: (u32, u32),
    codec: Option<&'a str>,
    rate: Option<f64>,
    kbps: Option<&'a str>,
    range: Option<&'a str>,
}

fn rung(text: &str) -> Rung<'_> {
    let mut parts = text.split(':').map(|p| Some(p).filter(|p| !p.is_empty()));
    let size = parts.next().flatten().unwrap_or_default();
    let mut next = || parts.next().flatten();
    Rung {
        size: parse_resolution(size).unwrap_or_else(|| panic!("{size} is no resolution")),
        codec: next(),
        rate: next().map(|r| r.parse().unwrap()),
        kbps: next(),
        range: next(),
    }
}

fn codec_string(codec: &str) -> &str {
    match codec {
        "h264" => "avc1.640028",
        "h265" => "hvc1.2.4.L150.B0",
        "aac" => "mp4a.40.2",
        "ac3" => "ac-3",
        "eac3" => "ec-3",
        "av1" => "av01.0.08M.10",
        other => other,
    }
}

fn word<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(json!(text)).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The contract of a `policy` line; `false` when the key is not ours.
pub fn agree(policy: &mut ChannelPolicy, key: &str, value: &str) -> bool {
    if !matches!(key, "rungs" | "wanted-audio" | "wanted-text" | "drm" | "contract" | "hdr" | "uhd" | "dash") {
        return false;
    }
    if key == "dash" {
        policy.streams.push(StreamJob {
            stream: StreamId::new(value).unwrap(),
            protocol: Protocol::Dash,
            url: "http://o.example/live/manifest.mpd".into(),
            headers: Vec::new(),
            depth: Depth::default(),
        });
        return true;
    }
    let contract = policy.ladder.get_or_insert_with(LadderContract::default);
    let items = || value.split(',').filter(|v| !v.is_empty());
    match key {
        "rungs" => contract.video = items().map(agreed_rung).collect(),
        "wanted-audio" => contract.audio = items().map(agreed_audio).collect(),
        "wanted-text" => {
            contract.subtitles = items()
                .map(|text| {
                    let parts: Vec<&str> = text.split(':').collect();
                    let kind = parts.get(1).filter(|k| !k.is_empty()).map(|k| word(k)).unwrap_or_default();
                    TextWanted { language: parts[0].into(), kind, mandatory: parts.contains(&"mandatory") }
                })
                .collect();
        }
        "drm" => contract.drm = items().map(word::<DrmSystem>).collect(),
        "hdr" => contract.hdr = Some(word(value)),
        "uhd" => contract.uhd = value == "yes",
        _ => {
            contract.clear_periods = items().any(|v| v == "clear-periods");
            contract.tolerance.extra_renditions = items().any(|v| v == "extra");
        }
    }
    true
}

fn agreed_rung(text: &str) -> VideoRung {
    let rung = rung(text);
    let family = |c: &str| VideoCodec::ALL.iter().copied().find(|v| v.as_str() == c);
    VideoRung {
        width: rung.size.0,
        height: rung.size.1,
        codec: rung.codec.and_then(|c| family(c).or_else(|| ow_checks::offer::video_codec(c))),
        codec_string: rung.codec.filter(|c| family(c).is_none()).map(str::to_owned),
        frame_rate: rung.rate,
        bitrate_kbps: rung.kbps.map(|kbps| {
            let (min, max) = kbps.split_once('-').unwrap_or((kbps, kbps));
            KbpsRange { min: min.parse().unwrap(), max: max.parse().unwrap() }
        }),
        dynamic_range: rung.range.map(word),
    }
}

/// `fra:description:aac:2:default`
fn agreed_audio(text: &str) -> AudioWanted {
    let parts: Vec<&str> = text.split(':').collect();
    let part = |n: usize| parts.get(n).copied().filter(|p| !p.is_empty() && *p != "default");
    AudioWanted {
        language: parts[0].into(),
        role: part(1).map(word).unwrap_or_default(),
        codec: part(2).map(word),
        channels: part(3).map(|c| c.parse().unwrap()),
        sample_rate: None,
        default: parts.contains(&"default"),
    }
}

/// `offer 1920x1080:h264:25:5000 1280x720 sound=fr:main:aac:2,de text=en:captions keys=widevine muxed twice`
pub fn multivariant(words: &Words<'_>) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    text.push_str(&keys(words, "EXT-X-SESSION-KEY"));
    let sound = words.options.get("sound").copied().unwrap_or_default();
    let mut sound_codec = "aac";
    for (n, track) in sound.split(',').filter(|s| !s.is_empty()).enumerate() {
        let parts: Vec<&str> = track.split(':').collect();
        let part = |n: usize| parts.get(n).copied().unwrap_or_default();
        text.push_str(&format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"{n}\",URI=\"audio-{n}.m3u8\""));
        if parts[0] != "none" {
            text.push_str(&format!(",LANGUAGE=\"{}\"", parts[0]));
        }
        if part(1) == "description" {
            text.push_str(",CHARACTERISTICS=\"public.accessibility.describes-video\"");
        }
        if !part(2).is_empty() {
            sound_codec = part(2);
        }
        if !part(3).is_empty() {
            text.push_str(&format!(",CHANNELS=\"{}\"", part(3)));
        }
        text.push_str(if n == 0 { ",DEFAULT=YES,AUTOSELECT=YES\n" } else { "\n" });
    }
    for (n, track) in
        words.options.get("text").copied().unwrap_or_default().split(',').filter(|s| !s.is_empty()).enumerate()
    {
        let (language, kind) = track.split_once(':').unwrap_or((track, "subtitles"));
        let (media, extra) = match kind {
            "captions" => ("CLOSED-CAPTIONS", ",INSTREAM-ID=\"CC1\"".to_owned()),
            "forced" => ("SUBTITLES", format!(",FORCED=YES,URI=\"text-{n}.m3u8\"")),
            _ => ("SUBTITLES", format!(",URI=\"text-{n}.m3u8\"")),
        };
        text.push_str(&format!(
            "#EXT-X-MEDIA:TYPE={media},GROUP-ID=\"{kind}\",NAME=\"{n}\",LANGUAGE=\"{language}\"{extra}\n"
        ));
    }
    let group = if sound.is_empty() { "" } else { ",AUDIO=\"a\"" };
    let n_copies = if words.has("twice") { 2 } else { 1 };
    for copy in 0..n_copies {
        for name in
            words.words[3..].iter().filter(|w| parse_resolution(w.split(':').next().unwrap_or_default()).is_some())
        {
            let rung = rung(name);
            let (width, height) = rung.size;
            let bandwidth = rung.kbps.map_or(u64::from(height) * 4_000, |k| k.parse::<u64>().unwrap() * 1000);
            let mut codecs: Vec<&str> = rung.codec.map(codec_string).into_iter().collect();
            if words.has("muxed") || !sound.is_empty() && !codecs.is_empty() {
                codecs.push(codec_string(sound_codec));
            }
            text.push_str(&format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={width}x{height}"));
            if !codecs.is_empty() {
                text.push_str(&format!(",CODECS=\"{}\"", codecs.join(",")));
            }
            if let Some(rate) = rung.rate {
                text.push_str(&format!(",FRAME-RATE={rate:.3}"));
            }
            match rung.range {
                Some("hdr10") => text.push_str(",VIDEO-RANGE=PQ"),
                Some("hlg") => text.push_str(",VIDEO-RANGE=HLG"),
                Some("sdr") => text.push_str(",VIDEO-RANGE=SDR"),
                _ => {}
            }
            text.push_str(&format!("{group}\nv{height}-{copy}.m3u8\n"));
        }
    }
    text
}

/// `keys=widevine,playready` as tags.
pub fn keys(words: &Words<'_>, tag: &str) -> String {
    let systems = words.options.get("keys").copied().unwrap_or_default().split(',').filter(|s| !s.is_empty());
    systems
        .map(|system| {
            let format = match system {
                "widevine" => "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
                "playready" => "com.microsoft.playready",
                "fairplay" => "com.apple.streamingkeydelivery",
                other => other,
            };
            let kids = words.options.get("kids").copied().unwrap_or_default();
            let key = |kid: &str| {
                let kid = if kid.is_empty() { String::new() } else { format!(",KEYID=0x{kid}") };
                format!("#{tag}:METHOD=SAMPLE-AES,URI=\"skd://key\",KEYFORMAT=\"{format}\"{kid}\n")
            };
            kids.split(',').map(key).collect::<String>()
        })
        .collect()
}

/// `kids=a,b`: the video of an MPD is protected with these keys.
pub fn protected(mpd: String, words: &Words<'_>) -> String {
    let Some(kids) = words.options.get("kids") else { return mpd };
    let descriptors: String = kids
        .split(',')
        .map(|kid| {
            let uuid = format!("{}-{}-{}-{}-{}", &kid[..8], &kid[8..12], &kid[12..16], &kid[16..20], &kid[20..]);
            format!(
                "<ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"cenc\" \
                 xmlns:cenc=\"urn:mpeg:cenc:2013\" cenc:default_KID=\"{uuid}\"/>"
            )
        })
        .collect();
    let mark = "frameRate=\"25\">";
    mpd.replacen(mark, &format!("{mark}{descriptors}"), 1)
}
