use ow_domain::Severity;

use super::{Breach, cut, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::{bis, rfc};

crate::check! {
    /// Detects:       An item of CODECS that no player can read.
    /// Matters:       Players take it for a codec they do not have and drop the variant.
    /// Usual causes:  A hand-written value, an encoder that prints its profile by name.
    /// Stays quiet:   For codecs that we do not know; the old decimal form (avc1.66.30) is milder, as players accept it.
    id: "hls-mvp-codecs-invalid", title: "CODECS cannot be read", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.2"), rfc("RFC 6381", "3.3")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let all = doc.playlist.variants.iter().chain(&doc.playlist.i_frame_variants);
    let items = all.flat_map(|v| v.codecs.iter().map(move |codec| (v.line, codec)));
    let wrong = items.filter_map(|(line, codec)| Some((line, codec, judge(codec)?)));
    let breaches = wrong.map(|(line, codec, severity)| {
        Breach::new(
            line,
            severity,
            format!("codec {:?} is not of its family's form", cut(codec)),
            "a value by RFC 6381",
        )
    });
    tell(doc, out, breaches.collect());
}

const VIDEO: [&str; 10] = ["avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "dva1", "dvav", "av01", "vp09"];
const AUDIO: [&str; 9] = ["mp4a", "ac-3", "ec-3", "ac-4", "opus", "fLaC", "alac", "mhm1", "mhm2"];

fn family(codec: &str) -> &str {
    codec.split('.').next().unwrap_or_default()
}

pub(super) fn is_video(codec: &str) -> bool {
    VIDEO.contains(&family(codec))
}

pub(super) fn is_audio(codec: &str) -> bool {
    AUDIO.iter().any(|known| known.eq_ignore_ascii_case(family(codec)))
}

/// How wrong an item is; `None` for a good or an unknown one.
fn judge(codec: &str) -> Option<Severity> {
    let mut parts = codec.split('.');
    let family = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let number = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let good = match family {
        "avc1" | "avc3" => match rest.as_slice() {
            [one] => one.len() == 6 && hex(one),
            [_, _] if rest.iter().all(number) => return Some(Severity::Warning),
            _ => false,
        },
        // [space]profile . compatibility . [L|H]level . constraints
        "hvc1" | "hev1" => match rest.as_slice() {
            [profile, compatibility, tier, constraints @ ..] => {
                let profile = profile.trim_start_matches(['A', 'B', 'C']);
                number(&profile)
                    && !compatibility.is_empty()
                    && hex(compatibility)
                    && tier.strip_prefix(['L', 'H']).is_some_and(|level| number(&level))
                    && constraints.iter().all(|c| !c.is_empty() && hex(c))
            }
            _ => false,
        },
        "dvh1" | "dvhe" | "dva1" | "dvav" => matches!(rest.as_slice(), [_, _]) && rest.iter().all(number),
        "mp4a" => match rest.as_slice() {
            ["40", object] => number(object),
            [object] => object.len() == 2 && hex(object),
            _ => false,
        },
        "ac-3" | "ec-3" => rest.is_empty(),
        "av01" => match rest.as_slice() {
            [profile, level, depth, ..] => {
                number(profile) && level.strip_suffix(['M', 'H']).is_some_and(|l| number(&l)) && number(depth)
            }
            _ => false,
        },
        "wvtt" => rest.is_empty(),
        "stpp" => rest.iter().all(|part| !part.is_empty()),
        _ => !family.is_empty(),
    };
    (!good).then_some(Severity::Minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_of_their_familys_form() {
        for (codec, expected) in [
            ("avc1.64001f", None),
            ("avc1.64001", Some(Severity::Minor)),
            ("avc1", Some(Severity::Minor)),
            ("avc1.66.30", Some(Severity::Warning)),
            ("hvc1.2.4.L153.B0", None),
            ("hev1.1.6.H120.90", None),
            ("hvc1.main", Some(Severity::Minor)),
            ("dvh1.05.06", None),
            ("dvh1.05", Some(Severity::Minor)),
            ("mp4a.40.2", None),
            ("mp4a.40.", Some(Severity::Minor)),
            ("mp4a.aac", Some(Severity::Minor)),
            ("mp4a.6B", None),
            ("ec-3", None),
            ("av01.0.08M.10", None),
            ("av01.x", Some(Severity::Minor)),
            ("wvtt", None),
            ("stpp.ttml.im1t", None),
            ("new1.7", None),
        ] {
            assert_eq!(judge(codec), expected, "{codec}");
        }
    }
}
