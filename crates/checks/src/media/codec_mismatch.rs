use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::facts::{Container, ElementaryFacts, EsKind};

use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::{bis, has, rfc};
use crate::ts::{kind_name, sound_and_pictures, with_number};

crate::check! {
    /// Detects:       CODECS or @codecs that name another codec, profile or level than the bytes have.
    /// Matters:       Players refuse the rendition, or take it and fail to decode.
    /// Usual causes:  A template written by hand, an encoder preset that was changed, another input.
    /// Stays quiet:   For implicit SBR, Dolby Vision, constraint flags, and where nothing is declared.
    id: "media-codec-mismatch", title: "Declared codec differs from the bytes", severity: Major, hold: "H2", clear: "C3",
    since: "0.2", spec: [rfc("RFC 6381", "3.3"), has("1.4"), bis("4.4.6.2")], input: MediaLoad, scope: Track, params: {},
}

/// Family of the first part of a codec string; the same word as in the facts.
fn family(codec: &str) -> Option<&'static str> {
    let (head, rest) = codec.split_once('.').unwrap_or((codec, ""));
    Some(match head {
        "avc1" | "avc3" => "h264",
        "hvc1" | "hev1" => "h265",
        "av01" => "av1",
        "vp09" => "vp9",
        "mp4a" if rest.starts_with("40.34") || rest == "69" || rest == "6B" => "mpa",
        "mp4a" => "aac",
        "ac-3" => "ac3",
        "ec-3" => "eac3",
        "Opus" | "opus" => "opus",
        "fLaC" => "flac",
        _ => return None,
    })
}

/// Profile and level of a codec string of pictures, as numbers that grow with what they ask of a decoder.
fn profile_and_level(codec: &str) -> Option<(u32, u32)> {
    let parts: Vec<&str> = codec.split('.').collect();
    match (parts.first()?, parts.get(1), parts.get(3)) {
        (&("avc1" | "avc3"), Some(hex), _) if hex.len() == 6 => {
            let value = u32::from_str_radix(hex, 16).ok()?;
            Some((value >> 16, value & 0xff))
        }
        (&("hvc1" | "hev1"), Some(profile), Some(level)) => {
            let profile = profile.trim_start_matches(['A', 'B', 'C']).parse().ok()?;
            Some((profile, level.trim_start_matches(['L', 'H']).parse().ok()?))
        }
        _ => None,
    }
}

struct Mismatch<'a> {
    severity: Severity,
    reason: &'static str,
    declared: &'a str,
    found: String,
}

/// Compares one stream with the declared codecs of its kind; `None` when it fits, `Some(Err)` when nothing can be said.
fn compare<'a>(stream: &ElementaryFacts, declared: &[&'a str], in_boxes: bool) -> Option<Result<Mismatch<'a>, ()>> {
    let real = stream.found_codec.as_deref().unwrap_or(&stream.codec);
    let is_video = |f: &str| matches!(f, "h264" | "h265" | "av1" | "vp9");
    let of_kind: Vec<&str> = declared
        .iter()
        .copied()
        .filter(|d| family(d).is_some_and(|f| is_video(f) == (stream.kind == EsKind::Video)))
        .collect();
    let Some(first) = of_kind.first() else { return Some(Err(())) };
    let known = ["h264", "h265", "av1", "vp9", "aac", "mpa", "ac3", "eac3", "opus", "flac"];
    if !known.contains(&real) {
        return Some(Err(()));
    }
    let Some(same) = of_kind.iter().find(|d| family(d) == Some(real)) else {
        let found = stream.codec_string.clone().unwrap_or_else(|| real.to_owned());
        return Some(Ok(Mismatch { severity: Severity::Major, reason: "family", declared: first, found }));
    };
    let found = stream.codec_string.as_deref()?;
    // The name of the sample entry decides where parameter sets are looked for; transport streams have none.
    if in_boxes && stream.kind == EsKind::Video && same.split('.').next() != found.split('.').next() {
        let severity = Severity::Major;
        return Some(Ok(Mismatch { severity, reason: "sample-entry", declared: same, found: found.to_owned() }));
    }
    let ((profile, level), (real_profile, real_level)) = (profile_and_level(same)?, profile_and_level(found)?);
    let (severity, reason) = if profile != real_profile {
        (Severity::Major, "profile")
    } else if level < real_level {
        (Severity::Minor, "level-too-low")
    } else if level > real_level {
        (Severity::Info, "level-too-high")
    } else {
        return None;
    };
    Some(Ok(Mismatch { severity, reason, declared: same, found: found.to_owned() }))
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let codecs = load.track.filter(|t| t.kind != TrackKind::Text).and_then(|t| t.codecs.as_deref());
    let facts = load.facts.filter(|_| load.is_whole() && load.is_sound());
    let (Some(codecs), Some(facts), Some(track)) = (codecs, facts, load.track) else {
        out.unknown();
        return;
    };
    let declared: Vec<&str> = codecs.split(',').map(str::trim).collect();
    let in_boxes = facts.container == Container::IsoBmff;
    let mut known = false;
    for stream in sound_and_pictures(facts).filter(|s| s.n_access_units > 0) {
        // Sound beside the pictures of a variant whose audio is elsewhere is not what CODECS speaks of.
        if stream.kind == EsKind::Audio && track.kind == TrackKind::Video {
            continue;
        }
        match compare(stream, &declared, in_boxes) {
            None => known = true,
            Some(Err(())) => {}
            Some(Ok(Mismatch { severity, reason, declared, found })) => {
                let message =
                    format!("{} of a segment is {found}; {declared} as declared expected", kind_name(stream.kind));
                let at = out.fail(severity, &found, declared, message).reason(reason);
                with_number(load, at.fact("CODECS", codecs));
                return;
            }
        }
    }
    if known {
        out.pass()
    } else {
        out.unknown()
    };
}
