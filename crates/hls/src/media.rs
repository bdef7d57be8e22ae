//! Tags of the Media Playlist (BIS 4.4.3 to 4.4.5).

use std::sync::Arc;

use crate::attributes::{self, AttributeList, RawAttribute};
use crate::issue::IssueKind;
use crate::limits::{MAX_KEYS_PER_SEGMENT, MAX_LIST, MAX_PARTS, MAX_RAW_TAGS, MAX_SEGMENTS};
use crate::lines::{Line, Lines};
use crate::model::{
    At, ByteRange, DateRange, DateTime, Key, KeyMethod, Map, MediaPlaylist, Part, PartInf, PlaylistType, PreloadHint,
    RawTag, RenditionReport, Segment, ServerControl, Skip,
};
use crate::multivariant::{integer, once, read_define, read_start, read_version, required, seconds, text};
use crate::parser::{Reporter, Vocabulary, vocabulary};
use crate::value::{parse_date_time, read_decimal, read_u64};
use crate::variables::Variables;

pub(crate) fn read(lines: &mut Lines<'_>, variables: Variables, report: &mut Reporter) -> MediaPlaylist {
    let mut reader = Reader {
        playlist: MediaPlaylist::default(),
        variables,
        report,
        next: Segment::default(),
        n_discontinuities: 0,
        n_parts: 0,
        byte_range: None,
        map: None,
        keys: Vec::new(),
        shared_keys: None,
        bitrate_kbps: None,
    };
    while let Some(line) = lines.next(reader.report) {
        match line {
            Line::Tag { name, value } => reader.tag(name, value.unwrap_or(""), lines.number),
            Line::Uri(uri) => reader.uri(uri, lines.number),
        }
    }
    reader.finish(lines.number)
}

struct Reader<'r> {
    playlist: MediaPlaylist,
    variables: Variables,
    report: &'r mut Reporter,
    /// Collects the tags that apply to the next URI line.
    next: Segment,
    /// DISCONTINUITY tags so far.
    n_discontinuities: u64,
    n_parts: usize,
    /// BYTERANGE of the next segment: length, offset if written, line.
    byte_range: Option<(u64, Option<u64>, u32)>,
    map: Option<Arc<Map>>,
    keys: Vec<Key>,
    /// `keys` as the segments share it; `None` when it has to be made anew.
    shared_keys: Option<Arc<[Key]>>,
    bitrate_kbps: Option<u64>,
}

impl Reader<'_> {
    fn tag(&mut self, name: &str, value: &str, line: u32) {
        match name {
            "EXTINF" => self.extinf(value, line),
            "EXT-X-PROGRAM-DATE-TIME" => self.next.program_date_time = self.date_time(value, line),
            "EXT-X-DISCONTINUITY" => {
                self.n_discontinuities += 1;
                self.next.discontinuity = Some(line);
            }
            "EXT-X-PART" => self.part(value, line),
            "EXT-X-BYTERANGE" => match read_range(value) {
                Some((length, offset)) => self.byte_range = Some((length, offset, line)),
                None => self.report.issue(line, IssueKind::ByteRange, value),
            },
            "EXT-X-GAP" => self.next.gap = Some(line),
            "EXT-X-KEY" => self.key(value, line),
            "EXT-X-MAP" => self.map(value, line),
            "EXT-X-BITRATE" => match read_u64(value) {
                Some(kbps) => self.bitrate_kbps = Some(kbps),
                None => self.tag_value(name, value, line),
            },
            "EXT-X-DATERANGE" => self.date_range(value, line),
            "EXT-X-TARGETDURATION" => self.target_duration(value, line),
            "EXT-X-MEDIA-SEQUENCE" => {
                let number = self.sequence(name, value, line);
                if let Some(value) = number {
                    once(&mut self.playlist.media_sequence, At { value, line }, line, name, self.report);
                }
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                let number = self.sequence(name, value, line);
                if let Some(value) = number {
                    once(&mut self.playlist.discontinuity_sequence, At { value, line }, line, name, self.report);
                }
            }
            "EXT-X-VERSION" => read_version(value, line, &mut self.playlist.version, self.report),
            "EXT-X-ENDLIST" => once(&mut self.playlist.end_list, line, line, name, self.report),
            "EXT-X-PLAYLIST-TYPE" => {
                let value = match value {
                    "EVENT" => PlaylistType::Event,
                    "VOD" => PlaylistType::Vod,
                    _ => PlaylistType::Other,
                };
                once(&mut self.playlist.playlist_type, At { value, line }, line, name, self.report);
            }
            "EXT-X-I-FRAMES-ONLY" => once(&mut self.playlist.i_frames_only, line, line, name, self.report),
            "EXT-X-INDEPENDENT-SEGMENTS" => {
                once(&mut self.playlist.independent_segments, line, line, name, self.report);
            }
            "EXT-X-START" => {
                let start = read_start(&self.attributes(value, line), self.report);
                once(&mut self.playlist.start, start, line, name, self.report);
            }
            "EXT-X-DEFINE" => {
                if let Some(define) = read_define(value, line, &mut self.variables, self.report) {
                    self.report.push(&mut self.playlist.defines, define, MAX_LIST, line, "MAX_LIST definitions");
                }
            }
            "EXT-X-PART-INF"
            | "EXT-X-SERVER-CONTROL"
            | "EXT-X-PRELOAD-HINT"
            | "EXT-X-RENDITION-REPORT"
            | "EXT-X-SKIP" => self.low_latency(name, value, line),
            "EXTM3U" => self.report.issue(line, IssueKind::TagDuplicate, name),
            _ if vocabulary(name) == Vocabulary::Multivariant => self.report.issue(line, IssueKind::MixedTags, name),
            _ => {
                let tag = RawTag { line, name: name.into(), value: value.into(), segment: self.index() };
                self.report.push(&mut self.playlist.raw_tags, tag, MAX_RAW_TAGS, line, "MAX_RAW_TAGS");
            }
        }
    }

    fn uri(&mut self, uri: &str, line: u32) {
        if self.playlist.segments.len() >= MAX_SEGMENTS {
            self.report.limit(line, "MAX_SEGMENTS");
            self.next = Segment::default();
            self.byte_range = None;
            return;
        }
        let mut segment = std::mem::take(&mut self.next);
        segment.uri = self.variables.expand(uri, line, self.report).into();
        segment.line = line;
        segment.dsn = self.n_discontinuities;
        if segment.extinf_line == 0 {
            self.report.issue(line, IssueKind::SegmentWithoutExtinf, uri);
        }
        if let Some((length, offset, line)) = self.byte_range.take() {
            let before = self.playlist.segments.last().filter(|last| last.uri == segment.uri);
            let before = before.and_then(|last| last.byte_range);
            segment.byte_range = Some(self.resolve_range(length, offset, before, line));
        }
        segment.map = self.map.clone();
        if !self.keys.is_empty() {
            let keys = self.shared_keys.get_or_insert_with(|| self.keys.as_slice().into());
            segment.keys = Some(Arc::clone(keys));
        }
        segment.bitrate_kbps = self.bitrate_kbps;
        self.playlist.segments.push(segment);
    }

    fn finish(mut self, n_lines: u32) -> MediaPlaylist {
        if self.next.extinf_line != 0 {
            self.report.issue(self.next.extinf_line, IssueKind::ExtinfWithoutUri, "end of playlist");
        }
        let mut playlist = self.playlist;
        playlist.n_lines = n_lines;
        playlist.trailing_parts = std::mem::take(&mut self.next.parts);
        if playlist.target_duration.is_none() {
            self.report.issue(0, IssueKind::TargetDurationMissing, "no EXT-X-TARGETDURATION");
        }
        let skipped = playlist.skip.as_ref().map_or(0, |skip| skip.skipped_segments);
        let first_msn = playlist.first_msn().saturating_add(skipped);
        let first_dsn = playlist.discontinuity_sequence.map_or(0, |at| at.value);
        for (i, segment) in playlist.segments.iter_mut().enumerate() {
            segment.msn = first_msn.saturating_add(i as u64);
            segment.dsn = first_dsn.saturating_add(segment.dsn);
        }
        playlist
    }

    fn extinf(&mut self, value: &str, line: u32) {
        if self.next.extinf_line != 0 {
            self.report.issue(self.next.extinf_line, IssueKind::ExtinfWithoutUri, "another EXTINF follows");
        }
        let (duration, title) = value.split_once(',').unwrap_or((value, ""));
        self.next.extinf_line = line;
        self.next.title = title.trim().into();
        self.next.duration_us = 0;
        let Some(decimal) = read_decimal(duration.trim()) else {
            self.report.issue(line, IssueKind::ExtinfNotANumber, value);
            return;
        };
        self.next.duration_is_integer = decimal.is_integer;
        if decimal.micros < 0 {
            self.report.issue(line, IssueKind::ExtinfNegative, duration);
            return;
        }
        if decimal.micros == 0 {
            let detail = if self.next.gap.is_some() { "0 on a gap segment" } else { duration };
            self.report.issue(line, IssueKind::ExtinfZero, detail);
        } else if decimal.n_significant_digits > 15 {
            self.report.issue(line, IssueKind::ExtinfTooPrecise, duration);
        }
        self.next.duration_us = decimal.micros;
    }

    fn target_duration(&mut self, value: &str, line: u32) {
        let number = read_u64(value).or_else(|| {
            self.tag_value("EXT-X-TARGETDURATION", value, line);
            read_decimal(value).and_then(|d| u64::try_from(d.micros / 1_000_000).ok())
        });
        if let Some(value) = number {
            once(&mut self.playlist.target_duration, At { value, line }, line, "EXT-X-TARGETDURATION", self.report);
        }
    }

    fn sequence(&mut self, name: &str, value: &str, line: u32) -> Option<u64> {
        if !self.playlist.segments.is_empty() {
            self.report.issue(line, IssueKind::TagMisplaced, name);
        }
        let number = read_u64(value);
        if number.is_none() {
            self.tag_value(name, value, line);
        }
        number
    }

    fn date_time(&mut self, value: &str, line: u32) -> Option<DateTime> {
        let Some(date) = parse_date_time(value) else {
            self.report.issue(line, IssueKind::DateTimeInvalid, value);
            return None;
        };
        if !date.has_zone {
            self.report.issue(line, IssueKind::DateTimeWithoutZone, value);
        }
        if date.n_fraction_digits < 3 {
            self.report.issue(line, IssueKind::DateTimeWithoutMillis, value);
        }
        Some(DateTime { line, ..date })
    }

    fn part(&mut self, value: &str, line: u32) {
        self.n_parts += 1;
        if self.n_parts > MAX_PARTS {
            self.report.limit(line, "MAX_PARTS");
            return;
        }
        // LL playlists have hundreds of these: no list is kept.
        let mut raw: [Option<RawAttribute<'_>>; 5] = [None; 5];
        let mut duplicate = None;
        attributes::for_each(value, line, self.report, |attribute| {
            let slot = match attribute.name {
                "URI" => 0,
                "DURATION" => 1,
                "INDEPENDENT" => 2,
                "GAP" => 3,
                "BYTERANGE" => 4,
                _ => return,
            };
            if raw[slot].is_some() {
                duplicate = Some(attribute.name);
            } else {
                raw[slot] = Some(attribute);
            }
        });
        if let Some(name) = duplicate {
            self.report.issue(line, IssueKind::AttributeDuplicate, name);
        }
        let mut part = Part { line, ..Part::default() };
        match raw[0] {
            Some(uri) => part.uri = self.variables.expand(uri.value, line, self.report).into(),
            None => self.report.issue(line, IssueKind::AttributeMissing, "EXT-X-PART URI"),
        }
        match raw[1].map(|duration| (duration.value, read_decimal(duration.value))) {
            Some((_, Some(decimal))) if decimal.micros >= 0 => part.duration_us = decimal.micros,
            Some((text, _)) => {
                self.report.issue(line, IssueKind::AttributeValue, &format!("EXT-X-PART DURATION={text}"));
            }
            None => self.report.issue(line, IssueKind::AttributeMissing, "EXT-X-PART DURATION"),
        }
        part.independent = raw[2].is_some_and(|a| a.value == "YES");
        part.gap = raw[3].is_some_and(|a| a.value == "YES");
        if let Some(range) = raw[4] {
            match read_range(range.value) {
                Some((length, offset)) => {
                    let last = self.next.parts.last();
                    let last = last.or_else(|| self.playlist.segments.last().and_then(|s| s.parts.last()));
                    let before = last.filter(|last| last.uri == part.uri).and_then(|last| last.byte_range);
                    part.byte_range = Some(self.resolve_range(length, offset, before, line));
                }
                None => self.report.issue(line, IssueKind::ByteRange, range.value),
            }
        }
        self.next.parts.push(part);
    }

    fn key(&mut self, value: &str, line: u32) {
        let list = self.attributes(value, line);
        let key = read_key(list, "EXT-X-KEY", self.report);
        self.shared_keys = None;
        if key.method == KeyMethod::None {
            self.keys.clear();
            return;
        }
        // A KEY stays in force until the next one of its KEYFORMAT (BIS 4.4.4.4).
        let format = |key: &Key| key.key_format.clone().unwrap_or_else(|| "identity".into());
        match self.keys.iter_mut().find(|old| format(old) == format(&key)) {
            Some(old) => *old = key,
            None => self.report.push(&mut self.keys, key, MAX_KEYS_PER_SEGMENT, line, "MAX_KEYS_PER_SEGMENT"),
        }
    }

    fn map(&mut self, value: &str, line: u32) {
        let list = self.attributes(value, line);
        let uri = required(&list, "URI", "EXT-X-MAP", self.report);
        let byte_range = list.str("BYTERANGE").and_then(|text| match read_range(text) {
            Some((length, offset)) => {
                Some(ByteRange { length, offset: offset.unwrap_or(0), explicit: offset.is_some() })
            }
            None => {
                self.report.issue(line, IssueKind::ByteRange, text);
                None
            }
        });
        self.map = Some(Arc::new(Map { line, uri, byte_range }));
    }

    fn date_range(&mut self, value: &str, line: u32) {
        let tag = "EXT-X-DATERANGE";
        let list = self.attributes(value, line);
        let range = DateRange {
            line,
            segment: self.index(),
            id: required(&list, "ID", tag, self.report),
            class: text(&list, "CLASS"),
            start_date: self.date_attribute(&list, "START-DATE"),
            end_date: self.date_attribute(&list, "END-DATE"),
            duration_us: seconds(&list, "DURATION", tag, self.report),
            planned_duration_us: seconds(&list, "PLANNED-DURATION", tag, self.report),
            end_on_next: list.is_yes("END-ON-NEXT"),
            scte35_cmd: text(&list, "SCTE35-CMD"),
            scte35_out: text(&list, "SCTE35-OUT"),
            scte35_in: text(&list, "SCTE35-IN"),
            attributes: list,
        };
        self.report.push(&mut self.playlist.date_ranges, range, MAX_LIST, line, "MAX_LIST date ranges");
    }

    fn date_attribute(&mut self, list: &AttributeList, name: &str) -> Option<DateTime> {
        let text = list.str(name)?;
        match parse_date_time(text) {
            Some(date) => Some(DateTime { line: list.line, ..date }),
            None => {
                let detail = format!("EXT-X-DATERANGE {name}={text}");
                self.report.issue(list.line, IssueKind::AttributeValue, &detail);
                None
            }
        }
    }

    fn low_latency(&mut self, tag: &str, value: &str, line: u32) {
        let list = self.attributes(value, line);
        let report = &mut *self.report;
        let playlist = &mut self.playlist;
        match tag {
            "EXT-X-PART-INF" => {
                if list.get("PART-TARGET").is_none() {
                    report.issue(line, IssueKind::AttributeMissing, "EXT-X-PART-INF PART-TARGET");
                }
                let part_target_us = seconds(&list, "PART-TARGET", tag, report).unwrap_or(0);
                once(&mut playlist.part_inf, PartInf { line, part_target_us }, line, tag, report);
            }
            "EXT-X-SERVER-CONTROL" => {
                let control = ServerControl {
                    line,
                    can_block_reload: list.is_yes("CAN-BLOCK-RELOAD"),
                    can_skip_until_us: seconds(&list, "CAN-SKIP-UNTIL", tag, report),
                    can_skip_dateranges: list.is_yes("CAN-SKIP-DATERANGES"),
                    hold_back_us: seconds(&list, "HOLD-BACK", tag, report),
                    part_hold_back_us: seconds(&list, "PART-HOLD-BACK", tag, report),
                    attributes: list,
                };
                once(&mut playlist.server_control, control, line, tag, report);
            }
            "EXT-X-PRELOAD-HINT" => {
                let hint = PreloadHint {
                    line,
                    hint_type: required(&list, "TYPE", tag, report),
                    uri: required(&list, "URI", tag, report),
                    byte_range_start: integer(&list, "BYTERANGE-START", tag, report).unwrap_or(0),
                    byte_range_length: integer(&list, "BYTERANGE-LENGTH", tag, report),
                };
                report.push(&mut playlist.preload_hints, hint, MAX_LIST, line, "MAX_LIST preload hints");
            }
            "EXT-X-RENDITION-REPORT" => {
                let entry = RenditionReport {
                    line,
                    uri: required(&list, "URI", tag, report),
                    last_msn: integer(&list, "LAST-MSN", tag, report),
                    last_part: integer(&list, "LAST-PART", tag, report),
                };
                report.push(&mut playlist.rendition_reports, entry, MAX_LIST, line, "MAX_LIST rendition reports");
            }
            _ => {
                if list.get("SKIPPED-SEGMENTS").is_none() {
                    report.issue(line, IssueKind::AttributeMissing, "EXT-X-SKIP SKIPPED-SEGMENTS");
                }
                let skip = Skip {
                    line,
                    skipped_segments: integer(&list, "SKIPPED-SEGMENTS", tag, report).unwrap_or(0),
                    recently_removed_dateranges: text(&list, "RECENTLY-REMOVED-DATERANGES"),
                };
                once(&mut playlist.skip, skip, line, tag, report);
            }
        }
    }

    fn attributes(&mut self, value: &str, line: u32) -> AttributeList {
        attributes::read(value, line, &mut self.variables, self.report)
    }

    fn resolve_range(&mut self, length: u64, offset: Option<u64>, before: Option<ByteRange>, line: u32) -> ByteRange {
        let explicit = offset.is_some();
        let offset = offset.or_else(|| before.map(|range| range.offset.saturating_add(range.length)));
        if offset.is_none() {
            self.report.issue(line, IssueKind::ByteRangeWithoutOffset, &length.to_string());
        }
        ByteRange { length, offset: offset.unwrap_or(0), explicit }
    }

    fn tag_value(&mut self, name: &str, value: &str, line: u32) {
        self.report.issue(line, IssueKind::TagValue, &format!("{name}:{value}"));
    }

    fn index(&self) -> u32 {
        u32::try_from(self.playlist.segments.len()).unwrap_or(u32::MAX)
    }
}

pub(crate) fn read_key(list: AttributeList, tag: &str, report: &mut Reporter) -> Key {
    let method = match list.str("METHOD") {
        Some("NONE") => KeyMethod::None,
        Some("AES-128") => KeyMethod::Aes128,
        Some("SAMPLE-AES") => KeyMethod::SampleAes,
        Some("SAMPLE-AES-CTR") => KeyMethod::SampleAesCtr,
        Some(other) => KeyMethod::Other(other.into()),
        None => {
            report.issue(list.line, IssueKind::AttributeMissing, &format!("{tag} METHOD"));
            KeyMethod::Other(Box::default())
        }
    };
    if method != KeyMethod::None && list.get("URI").is_none() {
        report.issue(list.line, IssueKind::AttributeMissing, &format!("{tag} URI"));
    }
    Key {
        line: list.line,
        method,
        uri: text(&list, "URI"),
        iv: text(&list, "IV"),
        key_format: text(&list, "KEYFORMAT"),
        key_format_versions: text(&list, "KEYFORMATVERSIONS"),
        attributes: list,
    }
}

/// `n[@o]`.
fn read_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('@') {
        Some((length, offset)) => Some((read_u64(length)?, Some(read_u64(offset)?))),
        None => Some((read_u64(text)?, None)),
    }
}
