//! What players need to choose: after inheritance.

use super::Audit;
use crate::{AdaptationSet, IssueKind, Mpd, Track};

/// Sets for fast forward: no alternative to the content (DASH-IF IOP §3.2.9).
const TRICK_MODE: &str = "http://dashif.org/guidelines/trickmode";

pub(super) fn attributes(audit: &mut Audit<'_>, mpd: &Mpd, tracks: &[Track<'_>]) {
    for track in tracks {
        let missing = missing(track);
        if !missing.is_empty() {
            let subject = format!("{} of Representation {}", missing.join(", "), track.id());
            audit.issue(track.representation.at, IssueKind::RecommendedMissing, subject, "", "a value here or above");
        }
    }
    for period in &mpd.periods {
        for set in &period.adaptation_sets {
            let kind = kind(set);
            let alternatives =
                || period.adaptation_sets.iter().filter(|other| !is_trick(other) && self::kind(other) == kind);
            if matches!(kind, Some("audio" | "text")) && set.lang.is_none() {
                let subject = format!("AdaptationSet@lang of {}", kind.unwrap_or_default());
                let issue = match alternatives().count() {
                    0 | 1 => IssueKind::LanguageOfOnlySet,
                    _ => IssueKind::RecommendedMissing,
                };
                audit.issue(set.at, issue, subject, "", "a language");
            }
            if kind.is_some() && set.roles.is_empty() && !is_trick(set) && alternatives().count() > 1 {
                let subject = format!("Role of one of several {} AdaptationSets", kind.unwrap_or_default());
                audit.issue(set.at, IssueKind::RecommendedMissing, subject, "", "a role");
            }
        }
    }
}

fn missing(track: &Track<'_>) -> Vec<&'static str> {
    let mut out = Vec::new();
    let mut need = |name, absent: bool| {
        if absent {
            out.push(name);
        }
    };
    let kind = track.content_type();
    need("mimeType", track.mime_type().is_none());
    need("codecs", track.codecs().is_none() && matches!(kind, None | Some("video" | "audio")));
    match kind {
        None => need("contentType", true),
        Some("video") => {
            need("width", track.common(|c| c.width.as_ref()).is_none());
            need("height", track.common(|c| c.height.as_ref()).is_none());
            need("frameRate", track.common(|c| c.frame_rate.as_ref()).is_none());
        }
        Some("audio") => need("audioSamplingRate", track.common(|c| c.audio_sampling_rate.as_ref()).is_none()),
        Some(_) => {}
    }
    out
}

/// As declared for the set, or by its first Representation.
fn kind(set: &AdaptationSet) -> Option<&str> {
    if let Some(content_type) = &set.content_type {
        return Some(&content_type.value);
    }
    let of_first = set.representations.first().map(|representation| &representation.common);
    let mime = set.common.mime_type.as_ref().or_else(|| of_first?.mime_type.as_ref());
    let codecs = set.common.codecs.as_ref().or_else(|| of_first?.codecs.as_ref());
    if codecs.is_some_and(|codecs| codecs.starts_with("stpp") || codecs.starts_with("wvtt")) {
        return Some("text");
    }
    mime.and_then(|mime| mime.split('/').next())
}

fn is_trick(set: &AdaptationSet) -> bool {
    set.common.essential_properties.iter().any(|property| &*property.scheme_id_uri == TRICK_MODE)
}
