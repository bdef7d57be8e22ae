use ow_domain::Severity;
use ow_hls::{ClosedCaptions, MediaType, Variant};
use std::collections::BTreeSet;

use super::{Breach, cut, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Groups of one TYPE, named by variants, that do not hold the same renditions.
    /// Matters:       A viewer's language or captions are gone after a switch of quality.
    /// Usual causes:  A rendition that was added to one codec's group only.
    /// Stays quiet:   For differences in URI, CHANNELS and bitrate, and for groups that no variant names.
    id: "hls-mvp-group-membership-differs", title: "Groups hold different renditions", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.2.1")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let mut breaches = Vec::new();
    let of = |kind: MediaType, v: &Variant| match kind {
        MediaType::Audio => v.audio.clone(),
        MediaType::Video => v.video.clone(),
        MediaType::Subtitles => v.subtitles.clone(),
        MediaType::ClosedCaptions => match &v.closed_captions {
            Some(ClosedCaptions::Group(group)) => Some(group.clone()),
            _ => None,
        },
        MediaType::Other => None,
    };
    for kind in [MediaType::Audio, MediaType::Video, MediaType::Subtitles, MediaType::ClosedCaptions] {
        let named: BTreeSet<Box<str>> = doc.playlist.variants.iter().filter_map(|v| of(kind, v)).collect();
        let mut first: Option<(Box<str>, BTreeSet<_>)> = None;
        for group in named {
            let in_group = doc.playlist.media.iter().filter(|m| m.media_type == kind && m.group_id == group);
            let line = in_group.clone().map(|m| m.line).min();
            let members: BTreeSet<_> = in_group.map(|m| (&m.name, &m.language, &m.characteristics, m.forced)).collect();
            // An undeclared group is hls-mvp-group-unresolved.
            let Some(line) = line else { continue };
            match &first {
                None => first = Some((group, members)),
                Some((other, expected)) if *expected != members => {
                    let value = format!("groups {} and {} hold different renditions", cut(other), cut(&group));
                    breaches.push(Breach::new(line, Severity::Minor, value, "the same names and languages"));
                }
                Some(_) => {}
            }
        }
    }
    tell(doc, out, breaches);
}
