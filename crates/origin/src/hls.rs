//! HLS playlists (RFC 8216): the clean ones, and what faults make of them.

use std::fmt::Write;

use crate::config::{AdBreaks, GOP_MS};
use crate::cue;
use crate::fault::{Discontinuity, FaultKind, Format, Hit, Malformed, Rewrite, Sequence};
use crate::ladder::{AUDIO, RENDITIONS, SUBTITLES};
use crate::ll::{Asked, Low};
use crate::packager::{Packager, Rate, scale};
use crate::protect::{Dress, Keyring, base64};
use crate::timeline::{Timeline, iso};

/// Multivariant playlist of one format.
pub(crate) fn master(packager: &Packager, format: Format, dress: Dress, hits: &[Hit]) -> String {
    let missing =
        |name: &str| hits.iter().any(|h| matches!(h.kind(), FaultKind::MissingRendition {}) && h.takes_rendition(name));
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if format != Format::Ts && !missing(RENDITIONS[AUDIO]) {
        out.push_str(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",\
             URI=\"audio/index.m3u8\"\n",
        );
    }
    let has_subtitles = dress == Dress::Subtitles && !missing(SUBTITLES);
    if has_subtitles {
        let _ = writeln!(
            out,
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,\
             URI=\"{SUBTITLES}/index.m3u8\""
        );
    }
    for (i, video) in packager.ladder().video.iter().enumerate() {
        let name = RENDITIONS[i];
        if missing(name) {
            continue;
        }
        let (rate, group) = match format {
            Format::Ts if has_subtitles => (packager.ts_rate(i), ",SUBTITLES=\"subs\""),
            Format::Ts => (packager.ts_rate(i), ""),
            Format::Ll => (packager.ll_rate(i) + packager.ll_rate(AUDIO), ",AUDIO=\"aud\""),
            _ => (packager.cmaf_rate(i) + packager.cmaf_rate(AUDIO), ",AUDIO=\"aud\""),
        };
        let rate = rate.declared(hits);
        let codecs = declared_codecs(hits).unwrap_or(&video.codecs);
        let _ = write!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{codecs},mp4a.40.2\",RESOLUTION={}x{},FRAME-RATE=25.000{group}\n\
             {name}/index.m3u8\n",
            rate.peak, rate.average, video.width, video.height
        );
    }
    out
}

/// What a fault declares of the video's codec.
pub(crate) fn declared_codecs(hits: &[Hit]) -> Option<&str> {
    hits.iter().find_map(|h| if let FaultKind::Codecs { value } = h.kind() { Some(value.as_str()) } else { None })
}

impl Rate {
    /// As faults have it declared.
    pub(crate) fn declared(self, hits: &[Hit]) -> Rate {
        hits.iter().fold(self, |rate, hit| match *hit.kind() {
            FaultKind::Bandwidth { percent } => {
                let of = |n: u64| (n * u64::from(percent) / 100).max(1);
                Rate { peak: of(rate.peak), average: of(rate.average) }
            }
            _ => rate,
        })
    }
}

/// A segment's name in a playlist, without its suffix. Names carry all that is needed to make the segment again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// `<n>`
    Plain { n: i64 },
    /// `t<time>`: start in the rendition's timescale (DASH `$Time$`).
    At { time: i64 },
    /// `r<since>-<start>-<n>`: made by a packager that started anew with segment `since`, whose media it calls number `start`.
    Restarted { since: i64, start: i64, n: i64 },
    /// `w<edge>-<n>`: renamed while `edge` was the newest.
    Renamed { edge: i64, n: i64 },
}

impl Name {
    pub fn parse(text: &str) -> Option<Name> {
        // Bounded so that arithmetic on it cannot overflow: 2^53 microseconds are 285 years.
        let number = |s: &str| {
            s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<i64>().ok()).flatten().filter(|n| *n < 1 << 53)
        };
        if let Some(rest) = text.strip_prefix('t') {
            return Some(Name::At { time: number(rest)? });
        }
        if let Some(rest) = text.strip_prefix('w') {
            let (edge, n) = rest.split_once('-')?;
            return Some(Name::Renamed { edge: number(edge)?, n: number(n)? });
        }
        if let Some(rest) = text.strip_prefix('r') {
            let mut parts = rest.splitn(3, '-').map(number);
            let (since, start, n) = (parts.next()??, parts.next()??, parts.next()??);
            // `start` is a u32 in the fault; media time is computed from it.
            return (n >= since && start <= i64::from(u32::MAX)).then_some(Name::Restarted { since, start, n });
        }
        Some(Name::Plain { n: number(text)? })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Plain { n } => write!(f, "{n}"),
            Name::At { time } => write!(f, "t{time}"),
            Name::Restarted { since, start, n } => write!(f, "r{since}-{start}-{n}"),
            Name::Renamed { edge, n } => write!(f, "w{edge}-{n}"),
        }
    }
}

pub(crate) struct MediaPlaylist {
    /// From which segment on another initialization segment is named.
    map_changed: Option<i64>,
    /// The tag is never sent.
    is_uncounted: bool,
    pub target_duration: u32,
    media_sequence: i64,
    discontinuity_sequence: i64,
    pub segments: Vec<Segment>,
    pub is_ended: bool,
}

pub(crate) struct Segment {
    pub n: i64,
    name: Name,
    duration_us: i64,
    pdt_us: Option<i64>,
    is_discontinuous: bool,
    is_gap: bool,
    /// Cues in front of it, whole lines.
    tags: String,
    /// Keys in force, whole lines.
    keys: String,
    /// Another initialization segment than the usual one.
    map: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Suffix {
    Ts,
    Mp4,
    /// With parts.
    Low,
    Vtt,
}

/// Media playlist of one rendition as of `now_us`; `low`: of low latency, and what it was asked for with.
#[expect(clippy::too_many_arguments, reason = "a playlist is all of these")]
pub(crate) fn media(
    packager: &Packager,
    timeline: &Timeline,
    (channel, format, dress): (&str, Format, Dress),
    rendition: usize,
    now_us: i64,
    ads: Option<AdBreaks>,
    low: Option<Asked>,
    hits: &[Hit],
) -> String {
    let now_us = seen_at(timeline, now_us, hits);
    let edge = timeline.edge(now_us);
    let mut list = clean(packager, timeline, rendition, now_us);
    for hit in hits {
        apply(&mut list, hit, timeline, edge);
    }
    if matches!(dress, Dress::Aes128 | Dress::Drm) {
        protect(&mut list, dress, &Keyring::new(channel, timeline, hits));
    }
    for (i, segment) in list.segments.iter_mut().enumerate() {
        segment.tags = ads.map_or(String::new(), |ads| cue::tags(ads, timeline, segment.n, i == 0, hits));
    }
    let low = low.map(|asked| Low::new(packager, timeline, rendition, now_us, asked, &list, hits));
    let suffix = match format {
        Format::Ts => Suffix::Ts,
        Format::Ll => Suffix::Low,
        Format::Cmaf | Format::Dash => Suffix::Mp4,
    };
    render(&list, suffix, low.as_ref())
}

/// Media playlist of the subtitles.
pub(crate) fn subtitles(packager: &Packager, timeline: &Timeline, now_us: i64, hits: &[Hit]) -> String {
    let now_us = seen_at(timeline, now_us, hits);
    let mut list = clean(packager, timeline, 0, now_us);
    for hit in hits {
        apply(&mut list, hit, timeline, timeline.edge(now_us));
    }
    render(&list, Suffix::Vtt, None)
}

/// Cues of segment `n`: one, on the segment's own clock.
pub(crate) fn text(timeline: &Timeline, n: i64, hits: &[Hit]) -> String {
    let ticks = n * timeline.segment_us / 1_000 * 90;
    let is_unwrapped = hits.iter().any(|h| matches!(h.kind(), FaultKind::TimestampMapUnwrapped {}));
    let wrapped = ticks.rem_euclid(1 << 33);
    let mpegts = if is_unwrapped { ticks.max(wrapped + (1 << 33)) } else { wrapped };
    let end = timeline.segment_us / 1_000 - 500;
    format!(
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{mpegts}\n\n00:00:00.500 --> 00:00:{:02}.{:03}\nSegment {n}\n",
        end / 1_000,
        end % 1_000
    )
}

/// Key tags and initialization segments.
fn protect(list: &mut MediaPlaylist, dress: Dress, keyring: &Keyring<'_>) {
    for segment in &mut list.segments {
        let generation = keyring.generation(segment.n);
        let key = keyring.key(generation);
        if keyring.has_maps() && generation > 0 {
            segment.map = Some(format!("init-k{generation}.mp4"));
        }
        segment.keys = match dress {
            Dress::Aes128 => format!("#EXT-X-KEY:METHOD=AES-128,URI=\"../key-{generation}\"\n"),
            _ => format!(
                "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:text/plain;base64,{}\",KEYID=0x{},\
                 KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",KEYFORMATVERSIONS=\"1\"\n\
                 #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://{}\",KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1\"\n",
                base64(&key.widevine(false)),
                key.hex_id().to_uppercase(),
                key.hex_id()
            ),
        };
    }
}

/// The time that a playlist is of, when a fault holds it back or runs it ahead.
pub(crate) fn seen_at(timeline: &Timeline, now_us: i64, hits: &[Hit]) -> i64 {
    hits.iter().fold(now_us, |now, hit| match *hit.kind() {
        FaultKind::FrozenPlaylist {} => now.min(hit.since_us),
        FaultKind::StaleCopy { behind } => now - i64::from(behind) * timeline.segment_us,
        FaultKind::MediaSequenceJump { by } => now + i64::from(by) * timeline.segment_us,
        FaultKind::ClockAhead { by_ms } => now + by_ms as i64 * 1_000,
        FaultKind::CutShift { gops } => now - i64::from(gops * GOP_MS) * 1_000,
        _ => now,
    })
}

fn clean(packager: &Packager, timeline: &Timeline, rendition: usize, now_us: i64) -> MediaPlaylist {
    let (first, edge) = (timeline.first(now_us), timeline.edge(now_us));
    let scale = i64::from(scale(rendition));
    let us = |ticks: i64| (i128::from(ticks) * 1_000_000 / i128::from(scale)) as i64;
    let segment = |n: i64| {
        let (start, duration) = packager.span(rendition, n);
        Segment {
            n,
            name: Name::Plain { n },
            duration_us: us(duration),
            pdt_us: Some(timeline.start_us + us(start)),
            is_discontinuous: false,
            is_gap: false,
            tags: String::new(),
            keys: String::new(),
            map: None,
        }
    };
    MediaPlaylist {
        map_changed: None,
        is_uncounted: false,
        target_duration: (timeline.segment_us / 1_000_000) as u32,
        media_sequence: first,
        discontinuity_sequence: 0,
        segments: (first..=edge).map(segment).collect(),
        is_ended: false,
    }
}

fn apply(list: &mut MediaPlaylist, hit: &Hit, timeline: &Timeline, edge: i64) {
    let since = timeline.edge(hit.since_us) + 1;
    let target_us = i64::from(list.target_duration) * 1_000_000;
    let chosen = list.segments.iter_mut().filter(|s| hit.takes_segment(s.n, since));
    match *hit.kind() {
        FaultKind::Endlist {} => list.is_ended = true,
        FaultKind::SequenceShift { by } => list.media_sequence = (list.media_sequence + i64::from(by)).max(0),
        FaultKind::TargetDuration { seconds } => list.target_duration = seconds,
        FaultKind::ExtinfExceedsTarget {} => chosen.for_each(|s| s.duration_us = target_us + 1_000_000),
        FaultKind::ExtinfMismatch { percent } => {
            chosen.for_each(|s| s.duration_us = s.duration_us * i64::from(percent) / 100);
        }
        // Counted from 1 at once, so that the first playlist is wrong already.
        FaultKind::DiscontinuitySequence {} => list.discontinuity_sequence += (edge - since + 2).max(1),
        FaultKind::PdtJump { by_ms } => {
            for s in list.segments.iter_mut().filter(|s| s.n >= since) {
                s.pdt_us = s.pdt_us.map(|t| t + by_ms * 1_000);
            }
        }
        FaultKind::DiscontinuityUncounted {} => list.is_uncounted = true,
        FaultKind::DiscontinuitySequenceShift { by } => list.discontinuity_sequence += i64::from(by),
        FaultKind::ShortWindow { segments } => {
            let drop = list.segments.len().saturating_sub(segments as usize);
            list.segments.drain(..drop);
            list.media_sequence += drop as i64;
        }
        FaultKind::PdtAfterDiscontinuityMissing {} => {
            let at = list.segments.iter().position(|s| s.is_discontinuous).unwrap_or(list.segments.len());
            list.segments[at..].iter_mut().for_each(|s| s.pdt_us = None);
        }
        FaultKind::PdtOffset { by_ms } => {
            list.segments.iter_mut().for_each(|s| s.pdt_us = s.pdt_us.map(|t| t + by_ms * 1_000));
        }
        FaultKind::CutShift { gops } => {
            list.segments.iter_mut().for_each(|s| s.pdt_us = s.pdt_us.map(|t| t + i64::from(gops * GOP_MS) * 1_000));
        }
        FaultKind::MapChanged {} => list.map_changed = Some(since),
        FaultKind::PdtMissing {} => list.segments.iter_mut().for_each(|s| s.pdt_us = None),
        FaultKind::Gap {} => chosen.for_each(|s| s.is_gap = true),
        FaultKind::SegmentRewritten { how: Rewrite::Uri } => {
            chosen.for_each(|s| s.name = Name::Renamed { edge, n: s.n });
        }
        FaultKind::SegmentRewritten { how: Rewrite::Extinf } => {
            chosen.for_each(|s| s.duration_us += (edge % 5 + 1) * 10_000);
        }
        FaultKind::PackagerRestart { sequence, discontinuity, start_number } => {
            let marked = discontinuity == Discontinuity::Marked;
            restart(list, hit, timeline, i64::from(start_number), sequence, marked);
        }
        _ => {}
    }
}

/// Segments published after a restart are those of a new packager; until its first one is there the old list stays.
fn restart(list: &mut MediaPlaylist, hit: &Hit, timeline: &Timeline, start: i64, sequence: Sequence, marked: bool) {
    let strikes = hit.strikes();
    // Of the packager that made a segment: how many restarts went before, and its first segment.
    let made_by = |n: i64| {
        let (count, at_us) = strikes.before(timeline.published(n))?;
        Some((count, timeline.edge(at_us) + 1))
    };
    let Some((_, newest_since)) = list.segments.last().and_then(|s| made_by(s.n)) else {
        return;
    };
    if sequence == Sequence::Reset {
        list.segments.retain(|s| s.n >= newest_since);
        list.media_sequence = start + list.segments.first().map_or(0, |s| s.n - newest_since);
    }
    // The tag belongs to its segment: the sequence grows when that one has left (RFC 8216 §6.2.2).
    if let Some((first, count, since)) =
        list.segments.first().and_then(|s| made_by(s.n).map(|(c, since)| (s.n, c, since)))
        && marked
    {
        let earlier = if sequence == Sequence::Reset { 0 } else { count - 1 };
        list.discontinuity_sequence += earlier + i64::from(first > since);
    }
    for segment in &mut list.segments {
        if let Some((_, since)) = made_by(segment.n) {
            segment.name = Name::Restarted { since, start, n: segment.n };
            segment.is_discontinuous = marked && segment.n == since;
        }
    }
}

fn render(list: &MediaPlaylist, suffix: Suffix, low: Option<&Low>) -> String {
    let has_map = matches!(suffix, Suffix::Mp4 | Suffix::Low);
    let (version, suffix) = match suffix {
        Suffix::Ts => (3, "ts"),
        Suffix::Mp4 => (6, "m4s"),
        // EXT-X-SKIP needs 9 (draft-pantos-hls-rfc8216bis 8).
        Suffix::Low => (9, "m4s"),
        Suffix::Vtt => (3, "vtt"),
    };
    // Key formats need version 5.
    let has_formats = list.segments.iter().any(|s| s.keys.contains("KEYFORMAT"));
    let version = if has_formats { version.max(5) } else { version };
    let mut out = String::with_capacity(200 + 120 * list.segments.len());
    let _ = write!(out, "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n", list.target_duration);
    if let Some(low) = low {
        out.push_str(&low.head);
    }
    let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", list.media_sequence);
    if list.discontinuity_sequence > 0 && !list.is_uncounted {
        let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", list.discontinuity_sequence);
    }
    let usual = |n: i64| if list.map_changed.is_some_and(|since| n >= since) { "init-b.mp4" } else { "init.mp4" };
    let map = |s: &'_ Segment| s.map.clone().unwrap_or_else(|| usual(s.n).to_owned());
    let (mut told, mut keys) = (String::new(), "");
    let skipped = low.map_or(0, |low| low.skipped);
    if skipped > 0 {
        let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
    }
    for segment in list.segments.iter().skip(skipped) {
        if keys != segment.keys {
            keys = &segment.keys;
            out.push_str(keys);
        }
        if has_map && told != map(segment) {
            told = map(segment);
            let _ = writeln!(out, "#EXT-X-MAP:URI=\"{told}\"");
        }
        if segment.is_discontinuous {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(pdt) = segment.pdt_us {
            let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", iso(pdt));
        }
        out.push_str(&segment.tags);
        if segment.is_gap {
            out.push_str("#EXT-X-GAP\n");
        }
        if let Some(parts) = low.and_then(|low| low.parts.get(&segment.n)) {
            out.push_str(parts);
        }
        let (s, us) = (segment.duration_us / 1_000_000, segment.duration_us % 1_000_000);
        let _ = write!(out, "#EXTINF:{s}.{us:06},\n{}.{suffix}\n", segment.name);
    }
    if let Some(low) = low {
        out.push_str(&low.tail);
    }
    if list.is_ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

/// Breaks a good playlist.
pub(crate) fn malform(text: &str, how: Malformed) -> Vec<u8> {
    let lines =
        |keep: &dyn Fn(&str) -> bool| text.lines().filter(|l| keep(l)).map(|l| format!("{l}\n")).collect::<String>();
    match how {
        Malformed::NoHeader => lines(&|l| l != "#EXTM3U").into_bytes(),
        Malformed::MissingRequired => {
            lines(&|l| !l.starts_with("#EXT-X-TARGETDURATION")).replace("INF:BANDWIDTH=", "INF:X-WAS=").into_bytes()
        }
        Malformed::BadNumber => {
            text.replace("#EXTINF:", "#EXTINF:six").replace("INF:BANDWIDTH=", "INF:BANDWIDTH=x").into_bytes()
        }
        Malformed::ByteOrderMark => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        Malformed::CutOff => {
            // In the middle of the last tag line.
            let end = text.rfind("\n#").map_or(text.len() / 2, |at| at + 6);
            text.as_bytes()[..end.min(text.len())].to_vec()
        }
        Malformed::Binary => (0..text.len()).map(|i| (i as u8).wrapping_mul(151) | 0x80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_written() {
        for name in [
            Name::Plain { n: 7 },
            Name::At { time: 540_000 },
            Name::Restarted { since: 7, start: 2, n: 9 },
            Name::Renamed { edge: 12, n: 9 },
        ] {
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
        for text in [
            "",
            "-1",
            "t",
            "x1",
            "r9-2-7",
            "r1-2",
            "r1-4294967296-2",
            "w1",
            "9007199254740992",
            "99999999999999999999",
            "1 ",
        ] {
            assert_eq!(Name::parse(text), None, "{text:?}");
        }
    }
}
