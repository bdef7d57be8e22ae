//! Model to text, in one fixed order of tags. For tests, fixtures and the demo origin; raw tags go where they stood.

use std::fmt::Write;

use crate::attributes::{AttributeList, AttributeValue};
use crate::model::{
    ByteRange, DateTime, Define, DefineSource, Key, MediaPlaylist, MultivariantPlaylist, Part, Playlist, PlaylistType,
    RawTag, Start,
};
use crate::value::write_date_time;

/// Writes either kind.
pub fn write(playlist: &Playlist) -> String {
    match playlist {
        Playlist::Multivariant(playlist) => write_multivariant(playlist),
        Playlist::Media(playlist) => write_media(playlist),
    }
}

pub fn write_multivariant(playlist: &MultivariantPlaylist) -> String {
    let mut out = String::from("#EXTM3U\n");
    if let Some(version) = playlist.version {
        tag(&mut out, "EXT-X-VERSION", version.value);
    }
    if playlist.independent_segments.is_some() {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    start(&mut out, playlist.start.as_ref());
    playlist.defines.iter().for_each(|d| define(&mut out, d));
    if let Some(steering) = &playlist.content_steering {
        let mut list = format!("SERVER-URI=\"{}\"", steering.server_uri);
        optional(&mut list, "PATHWAY-ID", steering.pathway_id.as_deref());
        tag(&mut out, "EXT-X-CONTENT-STEERING", list);
    }
    for data in &playlist.session_data {
        let mut list = format!("DATA-ID=\"{}\"", data.data_id);
        optional(&mut list, "VALUE", data.value.as_deref());
        optional(&mut list, "URI", data.uri.as_deref());
        if let Some(format) = &data.format {
            let _ = write!(list, ",FORMAT={format}");
        }
        optional(&mut list, "LANGUAGE", data.language.as_deref());
        tag(&mut out, "EXT-X-SESSION-DATA", list);
    }
    for key in &playlist.session_keys {
        attributes(&mut out, "EXT-X-SESSION-KEY", &key.attributes);
    }
    for media in &playlist.media {
        attributes(&mut out, "EXT-X-MEDIA", &media.attributes);
    }
    playlist.raw_tags.iter().for_each(|t| raw(&mut out, t));
    for variant in &playlist.variants {
        attributes(&mut out, "EXT-X-STREAM-INF", &variant.attributes);
        line(&mut out, &variant.uri);
    }
    for variant in &playlist.i_frame_variants {
        attributes(&mut out, "EXT-X-I-FRAME-STREAM-INF", &variant.attributes);
    }
    out
}

pub fn write_media(playlist: &MediaPlaylist) -> String {
    let mut out = String::from("#EXTM3U\n");
    if let Some(version) = playlist.version {
        tag(&mut out, "EXT-X-VERSION", version.value);
    }
    if let Some(td) = playlist.target_duration {
        tag(&mut out, "EXT-X-TARGETDURATION", td.value);
    }
    if let Some(number) = playlist.media_sequence {
        tag(&mut out, "EXT-X-MEDIA-SEQUENCE", number.value);
    }
    if let Some(number) = playlist.discontinuity_sequence {
        tag(&mut out, "EXT-X-DISCONTINUITY-SEQUENCE", number.value);
    }
    match playlist.playlist_type.map(|at| at.value) {
        Some(PlaylistType::Event) => tag(&mut out, "EXT-X-PLAYLIST-TYPE", "EVENT"),
        Some(PlaylistType::Vod) => tag(&mut out, "EXT-X-PLAYLIST-TYPE", "VOD"),
        Some(PlaylistType::Other) | None => {}
    }
    if playlist.i_frames_only.is_some() {
        out.push_str("#EXT-X-I-FRAMES-ONLY\n");
    }
    if playlist.independent_segments.is_some() {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    start(&mut out, playlist.start.as_ref());
    playlist.defines.iter().for_each(|d| define(&mut out, d));
    if let Some(control) = &playlist.server_control {
        attributes(&mut out, "EXT-X-SERVER-CONTROL", &control.attributes);
    }
    if let Some(part_inf) = &playlist.part_inf {
        tag(&mut out, "EXT-X-PART-INF", format_args!("PART-TARGET={}", Seconds(part_inf.part_target_us)));
    }
    if let Some(skip) = &playlist.skip {
        let mut list = format!("SKIPPED-SEGMENTS={}", skip.skipped_segments);
        optional(&mut list, "RECENTLY-REMOVED-DATERANGES", skip.recently_removed_dateranges.as_deref());
        tag(&mut out, "EXT-X-SKIP", list);
    }
    segments(&mut out, playlist);
    playlist.trailing_parts.iter().for_each(|p| part(&mut out, p));
    for hint in &playlist.preload_hints {
        let mut list = format!("TYPE={},URI=\"{}\"", hint.hint_type, hint.uri);
        if hint.byte_range_start > 0 {
            let _ = write!(list, ",BYTERANGE-START={}", hint.byte_range_start);
        }
        if let Some(length) = hint.byte_range_length {
            let _ = write!(list, ",BYTERANGE-LENGTH={length}");
        }
        tag(&mut out, "EXT-X-PRELOAD-HINT", list);
    }
    for report in &playlist.rendition_reports {
        let mut list = format!("URI=\"{}\"", report.uri);
        if let Some(msn) = report.last_msn {
            let _ = write!(list, ",LAST-MSN={msn}");
        }
        if let Some(part) = report.last_part {
            let _ = write!(list, ",LAST-PART={part}");
        }
        tag(&mut out, "EXT-X-RENDITION-REPORT", list);
    }
    if playlist.end_list.is_some() {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

fn segments(out: &mut String, playlist: &MediaPlaylist) {
    let n = playlist.segments.len();
    let mut map: Option<&crate::Map> = None;
    let mut keys: &[Key] = &[];
    let mut bitrate = None;
    let mut dsn = playlist.discontinuity_sequence.map_or(0, |at| at.value);
    for (i, segment) in playlist.segments.iter().enumerate() {
        for tag in playlist.raw_tags_of(i) {
            raw(out, tag);
        }
        for range in playlist.date_ranges.iter().filter(|range| range.segment as usize == i) {
            attributes(out, "EXT-X-DATERANGE", &range.attributes);
        }
        for _ in dsn..segment.dsn {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        dsn = segment.dsn;
        let now = segment.keys.as_deref().unwrap_or(&[]);
        if now != keys {
            if !keys.is_empty() {
                out.push_str("#EXT-X-KEY:METHOD=NONE\n");
            }
            now.iter().for_each(|key| attributes(out, "EXT-X-KEY", &key.attributes));
            keys = now;
        }
        if segment.map.as_deref() != map {
            map = segment.map.as_deref();
            if let Some(map) = map {
                let mut list = format!("URI=\"{}\"", map.uri);
                if let Some(range) = map.byte_range {
                    let _ = write!(list, ",BYTERANGE=\"{}\"", Range(range));
                }
                tag(out, "EXT-X-MAP", list);
            }
        }
        if segment.bitrate_kbps != bitrate {
            bitrate = segment.bitrate_kbps;
            if let Some(kbps) = bitrate {
                tag(out, "EXT-X-BITRATE", kbps);
            }
        }
        if let Some(DateTime { unix_us, .. }) = segment.program_date_time {
            tag(out, "EXT-X-PROGRAM-DATE-TIME", write_date_time(unix_us));
        }
        segment.parts.iter().for_each(|p| part(out, p));
        if segment.gap.is_some() {
            out.push_str("#EXT-X-GAP\n");
        }
        if segment.extinf_line != 0 {
            let duration = Seconds(segment.duration_us);
            let _ = if segment.duration_is_integer {
                writeln!(out, "#EXTINF:{},{}", segment.duration_us / 1_000_000, segment.title)
            } else {
                writeln!(out, "#EXTINF:{duration},{}", segment.title)
            };
        }
        if let Some(range) = segment.byte_range {
            tag(out, "EXT-X-BYTERANGE", Range(range));
        }
        line(out, &segment.uri);
    }
    playlist.raw_tags_of(n).iter().for_each(|t| raw(out, t));
    for range in playlist.date_ranges.iter().filter(|range| range.segment as usize >= n) {
        attributes(out, "EXT-X-DATERANGE", &range.attributes);
    }
}

fn part(out: &mut String, part: &Part) {
    let mut list = format!("DURATION={},URI=\"{}\"", Seconds(part.duration_us), part.uri);
    if let Some(range) = part.byte_range {
        let _ = write!(list, ",BYTERANGE=\"{}\"", Range(range));
    }
    if part.independent {
        list.push_str(",INDEPENDENT=YES");
    }
    if part.gap {
        list.push_str(",GAP=YES");
    }
    tag(out, "EXT-X-PART", list);
}

fn start(out: &mut String, start: Option<&Start>) {
    if let Some(start) = start {
        let precise = if start.precise { ",PRECISE=YES" } else { "" };
        tag(out, "EXT-X-START", format_args!("TIME-OFFSET={}{precise}", Seconds(start.time_offset_us)));
    }
}

fn define(out: &mut String, define: &Define) {
    let name = &define.name;
    match define.source {
        DefineSource::Value => {
            let value = define.value.as_deref().unwrap_or("");
            tag(out, "EXT-X-DEFINE", format_args!("NAME=\"{name}\",VALUE=\"{value}\""));
        }
        DefineSource::Import => tag(out, "EXT-X-DEFINE", format_args!("IMPORT=\"{name}\"")),
        DefineSource::QueryParam => tag(out, "EXT-X-DEFINE", format_args!("QUERYPARAM=\"{name}\"")),
    }
}

fn attributes(out: &mut String, name: &str, list: &AttributeList) {
    let _ = write!(out, "#{name}:");
    for (i, attribute) in list.attributes.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = match &attribute.value {
            AttributeValue::Quoted(text) => write!(out, "{comma}{}=\"{text}\"", attribute.name),
            AttributeValue::Bare(text) => write!(out, "{comma}{}={text}", attribute.name),
        };
    }
    out.push('\n');
}

fn raw(out: &mut String, tag: &RawTag) {
    let _ = if tag.value.is_empty() {
        writeln!(out, "#{}", tag.name)
    } else {
        writeln!(out, "#{}:{}", tag.name, tag.value)
    };
}

fn optional(list: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        let _ = write!(list, ",{name}=\"{value}\"");
    }
}

fn tag(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "#{name}:{value}");
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Microseconds as decimal seconds, with a fraction always.
struct Seconds(i64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let us = self.0.unsigned_abs();
        let digits = format!("{:06}", us % 1_000_000);
        let fraction = digits.trim_end_matches('0');
        write!(f, "{sign}{}.{}", us / 1_000_000, if fraction.is_empty() { "0" } else { fraction })
    }
}

struct Range(ByteRange);

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.explicit { write!(f, "{}@{}", self.0.length, self.0.offset) } else { write!(f, "{}", self.0.length) }
    }
}
