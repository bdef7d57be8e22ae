//! DASH MPDs (ISO/IEC 23009-1): `SegmentTimeline` with `$Time$`, and `$Number$` with `@duration`.

use std::fmt::Write;

use crate::fault::{FaultKind, Hit, Malformed, Seam};
use crate::hls::{declared_codecs, seen_at};
use crate::ladder::{AUDIO, RENDITIONS};
use crate::packager::{Packager, scale};
use crate::protect::{Key, base64};
use crate::timeline::{Timeline, iso};

const MAIN: &str = "      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>\n";

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
    (addressing, key): (Addressing, Option<Key>),
    now_us: i64,
    utc: Option<Utc<'_>>,
    hits: &[Hit],
) -> String {
    let now_us = seen_at(timeline, now_us, hits);
    let has = |wanted: fn(&FaultKind) -> bool| hits.iter().any(|h| wanted(h.kind()));
    let sum = |of: fn(&FaultKind) -> i64| hits.iter().map(|h| of(h.kind())).sum::<i64>();
    let shift_ms = sum(|k| if let FaultKind::AvailabilityStart { by_ms } = *k { by_ms } else { 0 });
    let seconds = timeline.segment_us / 1_000_000;
    let kind = if has(|k| matches!(k, FaultKind::Endlist {})) { "static" } else { "dynamic" };
    let mut edge = timeline.edge(now_us);
    let mut publish_edge = edge;
    for hit in hits {
        match hit.kind() {
            FaultKind::TimelineFrozen {} => edge = edge.min(timeline.edge(hit.since_us)),
            FaultKind::PublishTimeFrozen {} => publish_edge = publish_edge.min(timeline.edge(hit.since_us)),
            _ => {}
        }
    }
    let view = View {
        packager,
        timeline,
        addressing,
        key,
        first: timeline.first(timeline.published(edge)),
        edge,
        hits,
        offset_ms: sum(|k| if let FaultKind::AvailabilityTimeOffset { by_ms } = *k { by_ms as i64 } else { 0 }),
    };
    // The MPD changes with each segment, or never.
    let (update, published) = match addressing {
        Addressing::Timeline => (seconds, timeline.published(publish_edge)),
        Addressing::Number => (60, timeline.start_us),
    };
    // What overlaps is told longer than it is.
    let longest = seconds + i64::from(has(|k| matches!(k, FaultKind::TimelineOverlap { .. })));
    let mut out = String::with_capacity(4_096);
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"{} profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"{kind}\" \
         availabilityStartTime=\"{}\"",
        if key.is_some() { " xmlns:cenc=\"urn:mpeg:cenc:2013\"" } else { "" },
        iso(timeline.start_us + shift_ms * 1_000)
    );
    if !has(|k| matches!(k, FaultKind::PublishTimeMissing {})) {
        let _ = write!(out, " publishTime=\"{}\"", iso(published));
    }
    let _ = writeln!(
        out,
        " minimumUpdatePeriod=\"PT{update}S\" timeShiftBufferDepth=\"PT{}S\" maxSegmentDuration=\"PT{longest}S\" \
         minBufferTime=\"PT{seconds}S\" suggestedPresentationDelay=\"PT{}S\">",
        timeline.window * seconds,
        seconds * timeline.window.min(3)
    );
    view.periods(&mut out);
    if let Some(utc) = utc.filter(|_| !has(|k| matches!(k, FaultKind::UtcTimingMissing {}))) {
        let _ =
            writeln!(out, "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"{}\"/>", iso(utc.now_us));
        let url = format!("http://{}/time", utc.host);
        let _ = writeln!(out, "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"{url}\"/>");
    }
    out.push_str("</MPD>\n");
    out
}

/// What is listed.
struct View<'a> {
    packager: &'a Packager,
    timeline: &'a Timeline,
    addressing: Addressing,
    /// Of a protected presentation.
    key: Option<Key>,
    /// Oldest and newest segment.
    first: i64,
    edge: i64,
    hits: &'a [Hit],
    /// `availabilityTimeOffset`, milliseconds; 0: none.
    offset_ms: i64,
}

/// The segments of a period: `from` on, without `to`.
#[derive(Clone, Copy)]
struct Stretch {
    from: i64,
    to: Option<i64>,
}

impl View<'_> {
    fn has(&self, wanted: fn(&FaultKind) -> bool) -> bool {
        self.hits.iter().any(|h| wanted(h.kind()))
    }

    fn periods(&self, out: &mut String) {
        let seam = self.hits.iter().find_map(|h| match *h.kind() {
            // With a tail that is missing, the segment that was being made is the last of the first period.
            FaultKind::PeriodSeam { how } => {
                Some((self.timeline.edge(h.since_us) + 1 + i64::from(how == Seam::TailMissing), how))
            }
            _ => None,
        });
        let moved_ms: i64 =
            self.hits.iter().map(|h| if let FaultKind::PeriodStart { by_ms } = *h.kind() { by_ms } else { 0 }).sum();
        // The period after a tail that is missing is listed ahead, together with the tail.
        let seam = seam.map(|(since, how)| (since, how, since - i64::from(how == Seam::TailMissing)));
        let Some((since, how, _)) = seam.filter(|(.., listed_at)| self.edge >= *listed_at) else {
            return self.period(out, "p0", moved_ms, Stretch { from: 0, to: None }, true);
        };
        let start_ms = since * self.timeline.segment_us / 1_000;
        if self.first < since {
            self.period(out, "p0", moved_ms, Stretch { from: 0, to: Some(since) }, true);
        }
        let late_ms = if how == Seam::Gap { self.timeline.segment_us / 2_000 } else { 0 };
        let stretch = Stretch { from: since, to: None };
        self.period(out, "p1", start_ms + moved_ms + late_ms, stretch, how != Seam::AudioMissing);
    }

    fn period(&self, out: &mut String, id: &str, start_ms: i64, stretch: Stretch, has_audio: bool) {
        let (packager, hits) = (self.packager, self.hits);
        let missing = |i: usize| {
            hits.iter().any(|h| matches!(h.kind(), FaultKind::MissingRendition {}) && h.takes_rendition(RENDITIONS[i]))
        };
        let zero = self.has(|k| matches!(k, FaultKind::ZeroAttributes {}));
        let rate = |i: usize| if zero { 0 } else { packager.cmaf_rate(i).declared(hits).peak };
        let skew_ms = hits.iter().find_map(|h| match *h.kind() {
            FaultKind::StartNumberSkew { by_ms } => Some(i64::from(by_ms)),
            _ => None,
        });
        let _ = writeln!(out, "  <Period id=\"{id}\" start=\"{}\">", duration(start_ms));
        let videos = (0..AUDIO).filter(|i| !missing(*i)).collect::<Vec<_>>();
        if !videos.is_empty() {
            let _ = writeln!(
                out,
                "    <AdaptationSet id=\"1\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\" \
                 frameRate=\"{}\" par=\"16:9\">",
                if zero { 0 } else { 25 }
            );
            self.protection(out);
            out.push_str(MAIN);
            if skew_ms.is_none() {
                self.template(out, videos[0], stretch);
            }
            for i in videos {
                let video = &packager.ladder().video[i];
                let codecs = declared_codecs(hits).unwrap_or(&video.codecs);
                let _ = write!(
                    out,
                    "      <Representation id=\"{}\" bandwidth=\"{}\" codecs=\"{codecs}\" width=\"{}\" height=\"{}\" sar=\"1:1\"",
                    RENDITIONS[i],
                    rate(i),
                    video.width,
                    video.height
                );
                match skew_ms {
                    None => out.push_str("/>\n"),
                    Some(ms) => {
                        out.push_str(">\n");
                        let off = if RENDITIONS[i] == "240p" { ms * i64::from(scale(i)) / 1_000 } else { 0 };
                        self.numbered(out, i, off);
                        out.push_str("      </Representation>\n");
                    }
                }
            }
            out.push_str("    </AdaptationSet>\n");
        }
        if !missing(AUDIO) && has_audio {
            out.push_str(
                "    <AdaptationSet id=\"2\" contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\" \
                 lang=\"en\">\n",
            );
            self.protection(out);
            out.push_str(MAIN);
            self.template(out, AUDIO, stretch);
            let _ = write!(
                out,
                "      <Representation id=\"{}\" bandwidth=\"{}\" codecs=\"mp4a.40.2\" audioSamplingRate=\"{}\">\n        \
                 <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"2\"/>\n      \
                 </Representation>\n    </AdaptationSet>\n",
                RENDITIONS[AUDIO],
                rate(AUDIO),
                scale(AUDIO)
            );
        }
        out.push_str("  </Period>\n");
    }

    /// What an AdaptationSet says of its encryption (ISO/IEC 23001-7 §11.2).
    fn protection(&self, out: &mut String) {
        let Some(key) = self.key else { return };
        let _ = write!(
            out,
            "      <ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"cbcs\" cenc:default_KID=\"{}\"/>\n      \
             <ContentProtection schemeIdUri=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\">\n        <cenc:pssh>{}</cenc:pssh>\n      \
             </ContentProtection>\n",
            key.uuid(),
            base64(&key.widevine(false))
        );
    }

    /// Opening of a `SegmentTemplate` with what all kinds of it have; without its end.
    fn head(&self, out: &mut String, rendition: usize, from: i64) {
        let scale = i64::from(scale(rendition));
        let _ = write!(out, "      <SegmentTemplate timescale=\"{scale}\"");
        if from > 0 {
            let offset = from * (self.timeline.segment_us / 1_000) * scale / 1_000;
            let _ = write!(out, " presentationTimeOffset=\"{offset}\"");
        }
        if self.offset_ms > 0 {
            let _ = write!(out, " availabilityTimeOffset=\"{}.{:03}\"", self.offset_ms / 1_000, self.offset_ms % 1_000);
        }
        out.push_str(" initialization=\"$RepresentationID$/init.mp4\"");
    }

    fn template(&self, out: &mut String, rendition: usize, stretch: Stretch) {
        self.head(out, rendition, stretch.from);
        if self.addressing == Addressing::Number {
            let duration = self.timeline.segment_us / 1_000_000 * i64::from(scale(rendition));
            let _ = writeln!(
                out,
                " media=\"$RepresentationID$/$Number$.m4s\" startNumber=\"{}\" duration=\"{duration}\"/>",
                stretch.from
            );
            return;
        }
        out.push_str(" media=\"$RepresentationID$/t$Time$.m4s\">\n");
        self.segments(out, rendition, stretch, 0);
    }

    /// A template of one Representation by numbers, with a timeline that is off by so many ticks.
    fn numbered(&self, out: &mut String, rendition: usize, off: i64) {
        self.head(out, rendition, 0);
        let _ = writeln!(out, " media=\"$RepresentationID$/$Number$.m4s\" startNumber=\"{}\">", self.first);
        self.segments(out, rendition, Stretch { from: 0, to: None }, off);
    }

    fn segments(&self, out: &mut String, rendition: usize, stretch: Stretch, off: i64) {
        out.push_str("        <SegmentTimeline>\n");
        let first = self.first.max(stretch.from);
        let edge = stretch.to.map_or(self.edge.max(stretch.from), |to| self.edge.min(to - 1));
        let gap = self.has(|k| matches!(k, FaultKind::TimelineGap {}));
        let left_out = (gap && edge > first).then_some((first + edge) / 2);
        let overlap_ms: i64 = self
            .hits
            .iter()
            .map(|h| if let FaultKind::TimelineOverlap { by_ms } = *h.kind() { i64::from(by_ms) } else { 0 })
            .sum();
        let overlap = overlap_ms * i64::from(scale(rendition)) / 1_000;
        // Runs of equal durations: (start, duration, how many).
        let mut runs: Vec<(i64, i64, i64)> = Vec::new();
        for n in (first..=edge).filter(|n| Some(*n) != left_out) {
            let (start, mut duration) = self.packager.span(rendition, n);
            // The one before the newest is told longer than it is.
            if n == edge - 1 {
                duration += overlap;
            }
            match runs.last_mut() {
                Some((t, d, count)) if *d == duration && *t + *d * *count == start + off => *count += 1,
                _ => runs.push((start + off, duration, 1)),
            }
        }
        for (t, d, count) in runs {
            let repeat = if count > 1 { format!(" r=\"{}\"", count - 1) } else { String::new() };
            let _ = writeln!(out, "          <S t=\"{t}\" d=\"{d}\"{repeat}/>");
        }
        out.push_str("        </SegmentTimeline>\n      </SegmentTemplate>\n");
    }
}

/// `PT0S`, `PT1234.5S`; below zero is zero.
fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    match ms % 1_000 {
        0 => format!("PT{}S", ms / 1_000),
        rest => format!("PT{}.{rest:03}S", ms / 1_000),
    }
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
