//! Renditions in the words of a NOC, and how an offer differs from the contract.

use ow_domain::ladder::{AudioWanted, LadderContract, TextWanted, VideoRung};

use super::{AudioTrack, Ladder, Matched, TextTrack, VideoTrack, normal_language};

/// Most lines of a difference.
const MAX_LINES: usize = 16;

fn joined(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn rate(rate: f64) -> String {
    let text = format!("{rate:.3}");
    format!("{} fps", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `1920x1080 h264 25 fps 4000-6000 kbit/s`
fn name_rung(rung: &VideoRung) -> String {
    joined([
        Some(rung.resolution()),
        rung.codec.map(|c| c.to_string()),
        rung.frame_rate.map(rate),
        rung.dynamic_range.map(|r| r.to_string()),
        rung.bitrate_kbps.map(|b| format!("{}-{} kbit/s", b.min, b.max)),
    ])
}

/// `1920x1080 h264 25 fps`, without bitrate.
pub(crate) fn name_video(track: &VideoTrack) -> String {
    let size = track.width.zip(track.height).map(|(w, h)| format!("{w}x{h}"));
    joined([
        size.or_else(|| Some("video of unknown size".into())),
        track.codec.map(|c| c.to_string()),
        track.frame_rate().map(rate),
        track.range.map(|r| r.to_string()),
    ])
}

fn language(tag: Option<&str>) -> String {
    normal_language(tag.unwrap_or_default())
}

fn channels(n: u32) -> String {
    match n {
        1 => "mono".into(),
        2 => "stereo".into(),
        6 => "5.1".into(),
        8 => "7.1".into(),
        n => format!("{n} channels"),
    }
}

/// `fr description eac3 5.1`
pub(crate) fn name_audio(track: &AudioTrack) -> String {
    let role = (track.role != Default::default()).then(|| track.role.to_string());
    let codec = track.codec.map(|c| c.to_string());
    joined([Some(language(track.language.as_deref())), role, codec, track.channels.map(channels)])
}

pub(crate) fn name_audio_wanted(wanted: &AudioWanted) -> String {
    let role = (wanted.role != Default::default()).then(|| wanted.role.to_string());
    let codec = wanted.codec.map(|c| c.to_string());
    joined([Some(language(Some(&wanted.language))), role, codec, wanted.channels.map(channels)])
}

pub(crate) fn name_text(track: &TextTrack) -> String {
    format!("{} {}", language(track.language.as_deref()), track.kind)
}

pub(crate) fn name_text_wanted(wanted: &TextWanted) -> String {
    format!("{} {}", language(Some(&wanted.language)), wanted.kind)
}

/// What is missing, extra and altered, one line each, as pairs of a word and a text.
pub(crate) fn difference(contract: &LadderContract, ladder: &Ladder, matched: &Matched) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for (rung, at) in contract.video.iter().zip(&matched.video) {
        match at.and_then(|at| ladder.video.get(at)) {
            None => lines.push(("missing", format!("video {}", name_rung(rung)))),
            Some(track) => {
                if let Some(altered) = altered_video(contract, rung, track) {
                    lines.push(("altered", format!("video {}: {altered}", rung.resolution())));
                }
            }
        }
    }
    for (wanted, at) in contract.audio.iter().zip(&matched.audio) {
        match at.and_then(|at| ladder.audio.get(at)) {
            None => lines.push(("missing", format!("audio {}", name_audio_wanted(wanted)))),
            Some(track) => {
                let codec = wanted.codec.zip(track.codec).filter(|(a, b)| a != b);
                let count = wanted.channels.zip(track.channels).filter(|(a, b)| a != b);
                if codec.is_some() || count.is_some() {
                    let text = format!("audio {} -> {}", name_audio_wanted(wanted), name_audio(track));
                    lines.push(("altered", text));
                }
            }
        }
    }
    for (wanted, at) in contract.subtitles.iter().zip(&matched.text) {
        if at.is_none() {
            lines.push(("missing", format!("text {}", name_text_wanted(wanted))));
        }
    }
    let of = |at: &usize| ladder.video.get(*at).map(|t| ("extra", format!("video {}", name_video(t))));
    lines.extend(matched.extra_video.iter().filter_map(of));
    let of = |at: &usize| ladder.audio.get(*at).map(|t| ("extra", format!("audio {}", name_audio(t))));
    lines.extend(matched.extra_audio.iter().filter_map(of));
    let of = |at: &usize| ladder.text.get(*at).map(|t| ("extra", format!("text {}", name_text(t))));
    lines.extend(matched.extra_text.iter().filter_map(of));
    lines.truncate(MAX_LINES);
    lines
}

fn altered_video(contract: &LadderContract, rung: &VideoRung, track: &VideoTrack) -> Option<String> {
    let mut parts = Vec::new();
    if let Some((width, height)) = track.width.zip(track.height).filter(|found| *found != (rung.width, rung.height)) {
        parts.push(format!("{} -> {width}x{height}", rung.resolution()));
    }
    if let Some((wanted, found)) = rung.codec.zip(track.codec).filter(|(a, b)| a != b) {
        parts.push(format!("{wanted} -> {found}"));
    }
    if let Some((wanted, found)) = rung.frame_rate.zip(track.frame_rate())
        && (wanted - found).abs() / wanted * 100.0 > contract.tolerance.frame_rate_percent
    {
        parts.push(format!("{} -> {}", rate(wanted), rate(found)));
    }
    if let Some((wanted, found)) = rung.dynamic_range.zip(track.range).filter(|(a, b)| a != b) {
        parts.push(format!("{wanted} -> {found}"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
