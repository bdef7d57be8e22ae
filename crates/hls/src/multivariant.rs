//! Tags of the Multivariant Playlist (BIS 4.4.6).

use crate::attributes::{self, AttributeList};
use crate::issue::IssueKind;
use crate::limits::{MAX_LIST, MAX_RAW_TAGS};
use crate::lines::{Line, Lines};
use crate::media::read_key;
use crate::model::{
    At, ClosedCaptions, ContentSteering, Define, DefineSource, MediaType, MultivariantPlaylist, RawTag, Rendition,
    SessionData, Start, Variant,
};
use crate::parser::{Reporter, Vocabulary, vocabulary};
use crate::value::{parse_decimal_us, read_resolution, read_u64};
use crate::variables::Variables;

pub(crate) fn read(lines: &mut Lines<'_>, mut variables: Variables, report: &mut Reporter) -> MultivariantPlaylist {
    let mut playlist = MultivariantPlaylist::default();
    // The STREAM-INF that waits for its URI, and whether only comments stood between.
    let mut pending: Option<Variant> = None;
    while let Some(line) = lines.next(report) {
        let number = lines.number;
        let (name, value) = match line {
            Line::Uri(uri) => {
                match pending.take() {
                    Some(mut variant) => {
                        variant.uri = variables.expand(uri, number, report).into();
                        variant.uri_line = number;
                        report.push(&mut playlist.variants, variant, MAX_LIST, number, "MAX_LIST variants");
                    }
                    None => report.issue(number, IssueKind::UriWithoutStreamInf, uri),
                }
                continue;
            }
            Line::Tag { name, value } => (name, value.unwrap_or("")),
        };
        if let Some(variant) = pending.take() {
            // "The URI line is REQUIRED and MUST immediately follow" (4.4.6.2); unknown tags are ignored lines.
            if vocabulary(name) == Vocabulary::Both && !name.starts_with("EXT-X-STREAM") && !is_basic(name) {
                pending = Some(variant);
            } else {
                report.issue(variant.line, IssueKind::StreamInfWithoutUri, name);
                report.push(&mut playlist.variants, variant, MAX_LIST, number, "MAX_LIST variants");
            }
        }
        if vocabulary(name) == Vocabulary::Media {
            report.issue(number, IssueKind::MixedTags, name);
            continue;
        }
        match name {
            "EXTM3U" => report.issue(number, IssueKind::TagDuplicate, name),
            "EXT-X-VERSION" => read_version(value, number, &mut playlist.version, report),
            "EXT-X-INDEPENDENT-SEGMENTS" => once(&mut playlist.independent_segments, number, number, name, report),
            "EXT-X-START" => {
                let start = read_start(&attributes::read(value, number, &mut variables, report), report);
                once(&mut playlist.start, start, number, name, report);
            }
            "EXT-X-DEFINE" => {
                let define = read_define(value, number, &mut variables, report);
                if let Some(define) = define {
                    report.push(&mut playlist.defines, define, MAX_LIST, number, "MAX_LIST definitions");
                }
            }
            "EXT-X-STREAM-INF" => {
                pending = Some(read_variant(attributes::read(value, number, &mut variables, report), false, report));
            }
            "EXT-X-I-FRAME-STREAM-INF" => {
                let variant = read_variant(attributes::read(value, number, &mut variables, report), true, report);
                report.push(&mut playlist.i_frame_variants, variant, MAX_LIST, number, "MAX_LIST I-frame variants");
            }
            "EXT-X-MEDIA" => {
                let rendition = read_rendition(attributes::read(value, number, &mut variables, report), report);
                report.push(&mut playlist.media, rendition, MAX_LIST, number, "MAX_LIST renditions");
            }
            "EXT-X-SESSION-DATA" => {
                let list = attributes::read(value, number, &mut variables, report);
                let data = SessionData {
                    line: number,
                    data_id: required(&list, "DATA-ID", name, report),
                    value: text(&list, "VALUE"),
                    uri: text(&list, "URI"),
                    format: text(&list, "FORMAT"),
                    language: text(&list, "LANGUAGE"),
                };
                report.push(&mut playlist.session_data, data, MAX_LIST, number, "MAX_LIST session data");
            }
            "EXT-X-SESSION-KEY" => {
                let key = read_key(attributes::read(value, number, &mut variables, report), name, report);
                report.push(&mut playlist.session_keys, key, MAX_LIST, number, "MAX_LIST session keys");
            }
            "EXT-X-CONTENT-STEERING" => {
                let list = attributes::read(value, number, &mut variables, report);
                let steering = ContentSteering {
                    line: number,
                    server_uri: required(&list, "SERVER-URI", name, report),
                    pathway_id: text(&list, "PATHWAY-ID"),
                };
                once(&mut playlist.content_steering, steering, number, name, report);
            }
            _ => {
                let tag = RawTag { line: number, name: name.into(), value: value.into(), segment: 0 };
                report.push(&mut playlist.raw_tags, tag, MAX_RAW_TAGS, number, "MAX_RAW_TAGS");
            }
        }
    }
    if let Some(variant) = pending {
        report.issue(variant.line, IssueKind::StreamInfWithoutUri, "end of playlist");
        report.push(&mut playlist.variants, variant, MAX_LIST, lines.number, "MAX_LIST variants");
    }
    playlist.n_lines = lines.number;
    if playlist.variants.is_empty() {
        report.issue(0, IssueKind::NoVariant, "no EXT-X-STREAM-INF");
    }
    check_groups(&playlist, report);
    playlist
}

/// Tags of both kinds that we know; unknown tags between STREAM-INF and its URI are lines to be ignored.
fn is_basic(name: &str) -> bool {
    matches!(name, "EXTM3U" | "EXT-X-VERSION" | "EXT-X-INDEPENDENT-SEGMENTS" | "EXT-X-START" | "EXT-X-DEFINE")
}

fn check_groups(playlist: &MultivariantPlaylist, report: &mut Reporter) {
    let declared: std::collections::BTreeSet<(MediaType, &str)> =
        playlist.media.iter().map(|m| (m.media_type, &*m.group_id)).collect();
    for variant in playlist.variants.iter().chain(&playlist.i_frame_variants) {
        let captions = match &variant.closed_captions {
            Some(ClosedCaptions::Group(group)) => Some(group),
            _ => None,
        };
        for (attribute, media_type, group) in [
            ("AUDIO", MediaType::Audio, variant.audio.as_ref()),
            ("VIDEO", MediaType::Video, variant.video.as_ref()),
            ("SUBTITLES", MediaType::Subtitles, variant.subtitles.as_ref()),
            ("CLOSED-CAPTIONS", MediaType::ClosedCaptions, captions),
        ] {
            if let Some(group) = group
                && !declared.contains(&(media_type, &**group))
            {
                report.issue(variant.line, IssueKind::GroupUnresolved, &format!("{attribute}=\"{group}\""));
            }
        }
    }
}

fn read_variant(list: AttributeList, i_frame: bool, report: &mut Reporter) -> Variant {
    let tag = if i_frame { "EXT-X-I-FRAME-STREAM-INF" } else { "EXT-X-STREAM-INF" };
    let line = list.line;
    if list.get("BANDWIDTH").is_none() {
        report.issue(line, IssueKind::AttributeMissing, &format!("{tag} BANDWIDTH"));
    }
    let frame_rate = list.str("FRAME-RATE").and_then(|text| {
        let rate = parse_decimal_us(text).and_then(|us| u32::try_from((us.saturating_add(500)) / 1000).ok());
        if rate.is_none() {
            report.issue(line, IssueKind::AttributeValue, &format!("{tag} FRAME-RATE={text}"));
        }
        rate
    });
    let resolution = list.str("RESOLUTION").and_then(|text| {
        let resolution = read_resolution(text);
        if resolution.is_none() {
            report.issue(line, IssueKind::AttributeValue, &format!("{tag} RESOLUTION={text}"));
        }
        resolution
    });
    Variant {
        line,
        uri_line: line,
        uri: if i_frame { required(&list, "URI", tag, report) } else { Box::default() },
        bandwidth: integer(&list, "BANDWIDTH", tag, report),
        average_bandwidth: integer(&list, "AVERAGE-BANDWIDTH", tag, report),
        score: text(&list, "SCORE"),
        codecs: list
            .str("CODECS")
            .map(|codecs| codecs.split(',').map(str::trim).filter(|c| !c.is_empty()).map(Into::into).collect())
            .unwrap_or_default(),
        supplemental_codecs: text(&list, "SUPPLEMENTAL-CODECS"),
        resolution,
        frame_rate_milli: frame_rate,
        hdcp_level: text(&list, "HDCP-LEVEL"),
        video_range: text(&list, "VIDEO-RANGE"),
        stable_variant_id: text(&list, "STABLE-VARIANT-ID"),
        pathway_id: text(&list, "PATHWAY-ID"),
        audio: text(&list, "AUDIO"),
        video: text(&list, "VIDEO"),
        subtitles: text(&list, "SUBTITLES"),
        closed_captions: list.get("CLOSED-CAPTIONS").map(|value| {
            if !value.is_quoted() && value.as_str() == "NONE" {
                ClosedCaptions::None
            } else {
                ClosedCaptions::Group(value.as_str().into())
            }
        }),
        attributes: list,
    }
}

fn read_rendition(list: AttributeList, report: &mut Reporter) -> Rendition {
    let tag = "EXT-X-MEDIA";
    let media_type = match list.str("TYPE") {
        Some("AUDIO") => MediaType::Audio,
        Some("VIDEO") => MediaType::Video,
        Some("SUBTITLES") => MediaType::Subtitles,
        Some("CLOSED-CAPTIONS") => MediaType::ClosedCaptions,
        other => {
            if other.is_none() {
                report.issue(list.line, IssueKind::AttributeMissing, "EXT-X-MEDIA TYPE");
            }
            MediaType::Other
        }
    };
    Rendition {
        line: list.line,
        media_type,
        group_id: required(&list, "GROUP-ID", tag, report),
        name: required(&list, "NAME", tag, report),
        uri: text(&list, "URI"),
        language: text(&list, "LANGUAGE"),
        assoc_language: text(&list, "ASSOC-LANGUAGE"),
        stable_rendition_id: text(&list, "STABLE-RENDITION-ID"),
        default: list.is_yes("DEFAULT"),
        autoselect: list.get("AUTOSELECT").map(|value| value.as_str() == "YES"),
        forced: list.is_yes("FORCED"),
        instream_id: text(&list, "INSTREAM-ID"),
        characteristics: text(&list, "CHARACTERISTICS"),
        channels: text(&list, "CHANNELS"),
        bit_depth: integer(&list, "BIT-DEPTH", tag, report).and_then(|n| n.try_into().ok()),
        sample_rate: integer(&list, "SAMPLE-RATE", tag, report).and_then(|n| n.try_into().ok()),
        attributes: list,
    }
}

// ---- Helpers shared with the media playlist ----

pub(crate) fn text(list: &AttributeList, name: &str) -> Option<Box<str>> {
    list.str(name).map(Into::into)
}

pub(crate) fn required(list: &AttributeList, name: &str, tag: &str, report: &mut Reporter) -> Box<str> {
    match list.str(name) {
        Some(text) => text.into(),
        None => {
            report.issue(list.line, IssueKind::AttributeMissing, &format!("{tag} {name}"));
            Box::default()
        }
    }
}

pub(crate) fn integer(list: &AttributeList, name: &str, tag: &str, report: &mut Reporter) -> Option<u64> {
    let text = list.str(name)?;
    let number = read_u64(text);
    if number.is_none() {
        report.issue(list.line, IssueKind::AttributeValue, &format!("{tag} {name}={text}"));
    }
    number
}

pub(crate) fn seconds(list: &AttributeList, name: &str, tag: &str, report: &mut Reporter) -> Option<i64> {
    let text = list.str(name)?;
    let us = parse_decimal_us(text);
    if us.is_none() {
        report.issue(list.line, IssueKind::AttributeValue, &format!("{tag} {name}={text}"));
    }
    us
}

/// Keeps the first and reports the others.
pub(crate) fn once<T>(slot: &mut Option<T>, value: T, line: u32, tag: &str, report: &mut Reporter) {
    if slot.is_some() {
        report.issue(line, IssueKind::TagDuplicate, tag);
    } else {
        *slot = Some(value);
    }
}

pub(crate) fn read_version(value: &str, line: u32, slot: &mut Option<At<u32>>, report: &mut Reporter) {
    match value.parse::<u32>() {
        Ok(version) => once(slot, At { value: version, line }, line, "EXT-X-VERSION", report),
        Err(_) => report.issue(line, IssueKind::TagValue, &format!("EXT-X-VERSION:{value}")),
    }
}

pub(crate) fn read_start(list: &AttributeList, report: &mut Reporter) -> Start {
    if list.get("TIME-OFFSET").is_none() {
        report.issue(list.line, IssueKind::AttributeMissing, "EXT-X-START TIME-OFFSET");
    }
    Start {
        line: list.line,
        time_offset_us: seconds(list, "TIME-OFFSET", "EXT-X-START", report).unwrap_or(0),
        precise: list.is_yes("PRECISE"),
    }
}

pub(crate) fn read_define(value: &str, line: u32, variables: &mut Variables, report: &mut Reporter) -> Option<Define> {
    let list = attributes::read(value, line, variables, report);
    let sources =
        [("NAME", DefineSource::Value), ("IMPORT", DefineSource::Import), ("QUERYPARAM", DefineSource::QueryParam)];
    let mut named = sources.iter().filter_map(|&(attribute, source)| Some((list.str(attribute)?, source)));
    let (Some((name, source)), None) = (named.next(), named.next()) else {
        report.issue(line, IssueKind::DefineInvalid, value);
        return None;
    };
    let resolved: Option<Box<str>> = match source {
        DefineSource::Value => list.str("VALUE").map(Into::into),
        DefineSource::Import => variables.import(name),
        DefineSource::QueryParam => variables.query_param(name),
    };
    match &resolved {
        Some(value) => {
            if !variables.define(name, value.clone()) {
                report.issue(line, IssueKind::DefineDuplicate, name);
            }
        }
        None if source == DefineSource::Value => report.issue(line, IssueKind::DefineInvalid, value),
        None => report.issue(line, IssueKind::DefineUnresolved, name),
    }
    Some(Define { line, name: name.into(), source, value: resolved })
}
