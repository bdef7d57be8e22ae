//! DASH MPDs (ISO/IEC 23009-1): `SegmentTimeline` with `$Time$`, and `$Number$` with `@duration`.

use std::fmt::Write;

use crate::fault::{FaultKind, Hit, Malformed};
use crate::hls::seen_at;
use crate::ladder::{AUDIO, RENDITIONS};
use crate::packager::{Packager, scale};
use crate::timeline::{Timeline, iso};

/// How segments are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Addressing {
    /// `SegmentTimeline` and `$Time$`: a new MPD per segment.
    Timeline,
    /// `$Number$` and `@duration`: the MPD stays the same.
    Number,
}

/// The time and the `host:port` to ask for it, for `UTCTiming`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Utc<'a> {
    pub now_us: i64,
    pub host: &'a str,
}

/// An MPD as of `now_us`. Without `utc` the volatile element is left out (for the entity tag).
pub(crate) fn mpd(
    packager: &Packager,
    timeline: &Timeline,
    addressing: Addressing,
    now_us: i64,
    utc: Option<Utc<'_>>,
    hits: &[Hit],
) -> String {
    let now_us = seen_at(timeline, now_us, hits);
    let has = |wanted: fn(&FaultKind) -> bool| hits.iter().any(|h| wanted(h.kind()));
    let shift_ms: i64 =
        hits.iter().map(|h| if let FaultKind::AvailabilityStart { by_ms } = *h.kind() { by_ms } else { 0 }).sum();
    let seconds = timeline.segment_us / 1_000_000;
    let kind = if has(|k| matches!(k, FaultKind::Endlist {})) { "static" } else { "dynamic" };
    // The MPD changes with each segment, or never.
    let (update, published) = match addressing {
        Addressing::Timeline => (seconds, timeline.published(timeline.edge(now_us))),
        Addressing::Number => (60, timeline.start_us),
    };
    let mut out = String::with_capacity(4_096);
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"{kind}\" \
         availabilityStartTime=\"{}\"",
        iso(timeline.start_us + shift_ms * 1_000)
    );
    if !has(|k| matches!(k, FaultKind::PublishTimeMissing {})) {
        let _ = write!(out, " publishTime=\"{}\"", iso(published));
    }
    let _ = write!(
        out,
        " minimumUpdatePeriod=\"PT{update}S\" timeShiftBufferDepth=\"PT{}S\" maxSegmentDuration=\"PT{seconds}S\" \
         minBufferTime=\"PT{seconds}S\" suggestedPresentationDelay=\"PT{}S\">\n  <Period id=\"p0\" start=\"PT0S\">\n",
        timeline.window * seconds,
        seconds * timeline.window.min(3)
    );
    let missing = |i: usize| {
        hits.iter().any(|h| matches!(h.kind(), FaultKind::MissingRendition {}) && h.takes_rendition(RENDITIONS[i]))
    };
    let gap = has(|k| matches!(k, FaultKind::TimelineGap {}));
    let videos = (0..AUDIO).filter(|i| !missing(*i)).collect::<Vec<_>>();
    if !videos.is_empty() {
        out.push_str(
            "    <AdaptationSet id=\"1\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\" \
             frameRate=\"25\" par=\"16:9\">\n      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>\n",
        );
        template(&mut out, packager, timeline, addressing, videos[0], now_us, gap);
        for i in videos {
            let video = &packager.ladder().video[i];
            let _ = writeln!(
                out,
                "      <Representation id=\"{}\" bandwidth=\"{}\" codecs=\"{}\" width=\"{}\" height=\"{}\" sar=\"1:1\"/>",
                RENDITIONS[i],
                packager.cmaf_rate(i).peak,
                video.codecs,
                video.width,
                video.height
            );
        }
        out.push_str("    </AdaptationSet>\n");
    }
    if !missing(AUDIO) {
        out.push_str(
            "    <AdaptationSet id=\"2\" contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\" \
             lang=\"en\">\n      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>\n",
        );
        template(&mut out, packager, timeline, addressing, AUDIO, now_us, gap);
        let _ = write!(
            out,
            "      <Representation id=\"{}\" bandwidth=\"{}\" codecs=\"mp4a.40.2\" audioSamplingRate=\"{}\">\n        \
             <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"2\"/>\n      \
             </Representation>\n    </AdaptationSet>\n",
            RENDITIONS[AUDIO],
            packager.cmaf_rate(AUDIO).peak,
            scale(AUDIO)
        );
    }
    out.push_str("  </Period>\n");
    if let Some(utc) = utc.filter(|_| !has(|k| matches!(k, FaultKind::UtcTimingMissing {}))) {
        let _ =
            writeln!(out, "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"{}\"/>", iso(utc.now_us));
        let url = format!("http://{}/time", utc.host);
        let _ = writeln!(out, "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"{url}\"/>");
    }
    out.push_str("</MPD>\n");
    out
}

fn template(
    out: &mut String,
    packager: &Packager,
    timeline: &Timeline,
    addressing: Addressing,
    rendition: usize,
    now_us: i64,
    gap: bool,
) {
    let scale = scale(rendition);
    let head = format!("      <SegmentTemplate timescale=\"{scale}\" initialization=\"$RepresentationID$/init.mp4\"");
    let first = timeline.first(now_us);
    if addressing == Addressing::Number {
        let duration = timeline.segment_us / 1_000_000 * i64::from(scale);
        let _ = writeln!(
            out,
            "{head} media=\"$RepresentationID$/$Number$.m4s\" startNumber=\"0\" duration=\"{duration}\"/>"
        );
        return;
    }
    let _ = writeln!(out, "{head} media=\"$RepresentationID$/t$Time$.m4s\">");
    out.push_str("        <SegmentTimeline>\n");
    let edge = timeline.edge(now_us);
    let left_out = (gap && edge > first).then_some((first + edge) / 2);
    // Runs of equal durations: (start, duration, how many).
    let mut runs: Vec<(i64, i64, i64)> = Vec::new();
    for n in (first..=edge).filter(|n| Some(*n) != left_out) {
        let (start, duration) = packager.span(rendition, n);
        match runs.last_mut() {
            Some((t, d, count)) if *d == duration && *t + *d * *count == start => *count += 1,
            _ => runs.push((start, duration, 1)),
        }
    }
    for (t, d, count) in runs {
        let repeat = if count > 1 { format!(" r=\"{}\"", count - 1) } else { String::new() };
        let _ = writeln!(out, "          <S t=\"{t}\" d=\"{d}\"{repeat}/>");
    }
    out.push_str("        </SegmentTimeline>\n      </SegmentTemplate>\n");
}

/// Breaks a good MPD.
pub(crate) fn malform(text: &str, how: Malformed) -> Vec<u8> {
    match how {
        Malformed::NoHeader => {
            text.replace("<MPD ", "<Presentation ").replace("</MPD>", "</Presentation>").into_bytes()
        }
        Malformed::MissingRequired => {
            text.replace(" profiles=", " x-was=").replace(" minBufferTime=", " x-had=").into_bytes()
        }
        Malformed::BadNumber => text.replace(" timescale=\"", " timescale=\"x").into_bytes(),
        Malformed::ByteOrderMark => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        Malformed::CutOff => text.as_bytes()[..text.len() * 2 / 3].to_vec(),
        Malformed::Binary => (0..text.len()).map(|i| (i as u8).wrapping_mul(151) | 0x80).collect(),
    }
}
