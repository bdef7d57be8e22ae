//! Exactly one way to address segments, and a template that can be expanded.

use super::Audit;
use crate::template::{Name, Part, parts};
use crate::{Addressing, At, IssueKind, Mode, Mpd, SegmentInfo, Track, Window};

/// Longer durations without `@timescale` are ticks, not seconds.
const LONGEST_SEGMENT_SECONDS: u64 = 3_600;

pub(super) fn addressing(audit: &mut Audit<'_>, mpd: &Mpd, tracks: &[Track<'_>]) {
    for track in tracks {
        let levels = [
            ("Representation", &track.representation.addressing),
            ("AdaptationSet", &track.set.addressing),
            ("Period", &track.period.addressing),
        ];
        if several(audit, track, &levels) {
            continue;
        }
        let Some(info) = track.segment_info() else {
            if mpd.is_dynamic() && track.set.href.is_none() && track.period.href.is_none() {
                let subject = format!("segment description of Representation {}", track.id());
                let expected = "SegmentTemplate, SegmentList or SegmentBase";
                audit.issue(track.representation.at, IssueKind::AddressingNone, subject, "", expected);
            }
            continue;
        };
        let is_template = levels.iter().any(|(_, level)| level.template.is_some());
        let is_list = levels.iter().any(|(_, level)| level.list.is_some());
        if is_template || is_list {
            duration_or_timeline(audit, track, info, is_template);
            timescale(audit, track, info);
        }
        if is_template {
            template(audit, track, info);
        }
    }
}

/// Two kinds at one level, or a list and a template at different ones.
fn several(audit: &mut Audit<'_>, track: &Track<'_>, levels: &[(&str, &Addressing); 3]) -> bool {
    let kinds = |level: &Addressing| {
        [("SegmentTemplate", &level.template), ("SegmentList", &level.list), ("SegmentBase", &level.base)]
            .into_iter()
            .filter_map(|(name, info)| Some((name, info.as_ref()?.at)))
            .collect::<Vec<_>>()
    };
    for (name, level) in levels {
        if let [(first, _), (second, at), ..] = kinds(level)[..] {
            let found = format!("{first} and {second} in one {name}");
            audit.issue(at, IssueKind::AddressingSeveral, "segment description", found, "one kind");
            return true;
        }
    }
    let template = levels.iter().find_map(|(_, level)| level.template.as_ref());
    let list = levels.iter().find_map(|(_, level)| level.list.as_ref());
    if let (Some(_), Some(list)) = (template, list) {
        let found = format!("SegmentTemplate and SegmentList over Representation {}", track.id());
        audit.issue(list.at, IssueKind::AddressingSeveral, "segment description", found, "one kind");
        return true;
    }
    false
}

fn duration_or_timeline(audit: &mut Audit<'_>, track: &Track<'_>, info: &SegmentInfo, is_template: bool) {
    let duration = track.stated(|info| info.duration);
    let timeline = track.stated(|info| info.timeline.as_ref());
    let subject = format!("segment description of Representation {}", track.id());
    match (duration, timeline) {
        (Some(duration), Some(_)) => {
            let found = "@duration and SegmentTimeline";
            audit.issue(duration.at, IssueKind::DurationAndTimeline, subject, found, "one of them");
        }
        (None, None) => {
            let needs = match is_template {
                true => track.media.is_some_and(|media| counts(&media.value)),
                false => track.segment_urls().is_some_and(|urls| urls.len() > 1),
            };
            if needs {
                audit.issue(info.at, IssueKind::DurationMissing, subject, "", "@duration or SegmentTimeline");
            }
        }
        _ => {}
    }
}

/// Names a segment among several.
fn counts(media: &str) -> bool {
    parts(media)
        .is_ok_and(|parts| parts.iter().any(|part| matches!(part, Part::Variable(Name::Number | Name::Time, _))))
}

fn timescale(audit: &mut Audit<'_>, track: &Track<'_>, info: &SegmentInfo) {
    if track.stated(|info| info.timescale).is_some() {
        return;
    }
    let entries = track.timeline.map_or(&[][..], |timeline| &timeline.entries);
    let longest = entries.iter().map(|s| s.d).chain(track.duration).max().unwrap_or(0);
    if longest > LONGEST_SEGMENT_SECONDS {
        let subject = format!("@timescale over Representation {} with durations of {longest}", track.id());
        audit.issue(info.at, IssueKind::TimescaleMissing, subject, "", "a timescale: these are no seconds");
    }
}

fn template(audit: &mut Audit<'_>, track: &Track<'_>, info: &SegmentInfo) {
    let texts: [(&str, Option<&At<Box<str>>>); 3] = [
        ("media", track.media),
        ("initialization", track.stated(|info| info.initialization_template.as_ref())),
        ("index", track.stated(|info| info.index.as_ref())),
    ];
    if track.media.is_none() {
        let subject = format!("SegmentTemplate@media of Representation {}", track.id());
        audit.issue(info.at, IssueKind::TemplateWithoutMedia, subject, "", "a template");
    }
    for (name, text) in texts {
        let Some(text) = text else { continue };
        let subject = format!("SegmentTemplate@{name}");
        let parts = match parts(text) {
            Ok(parts) => parts,
            Err((kind, place)) => {
                let expected = match kind {
                    IssueKind::TemplateWidth => "%0Nd as width",
                    _ => "RepresentationID, Number, Time, Bandwidth or SubNumber between two $",
                };
                audit.issue(text.at, kind, subject, format!("{:?} at {place:?}", text.value), expected);
                continue;
            }
        };
        let has = |wanted: Name| parts.iter().any(|part| matches!(part, Part::Variable(name, _) if *name == wanted));
        let found = format!("{:?}", text.value);
        if name == "initialization" {
            if has(Name::Number) || has(Name::Time) {
                let expected = "no $Number$ and no $Time$";
                audit.issue(text.at, IssueKind::TemplateIdentifier, subject, found, expected);
            }
        } else if has(Name::Number) && has(Name::Time) {
            audit.issue(text.at, IssueKind::TemplateNumberAndTime, subject, found, "one of $Number$ and $Time$");
        } else if name == "media" && !has(Name::Number) && !has(Name::Time) && is_many(track) {
            audit.issue(text.at, IssueKind::TemplateWithoutNumber, subject, found, "$Number$ or $Time$");
        }
    }
}

/// More than one segment is described.
fn is_many(track: &Track<'_>) -> bool {
    matches!(track.mode, Mode::Timeline | Mode::Duration) && track.segments(Window::default()).take(2).count() > 1
}
