//! Breaks of DASH: `EventStream` of the MPD and `emsg` of its segments, by the schemes of ANSI/SCTE 214-1.

use std::collections::VecDeque;

use ow_dash::{Event, EventStream, Mpd};
use ow_domain::capture::DashPromise;
use ow_domain::facts::EventMessage;
use ow_domain::{Span, Time};
use ow_hls::{SpliceCommand, SpliceFault, SpliceInfo, splice_info_from_base64, splice_info_from_hex};
use ow_timeline::dash::{DashStep, Presentation};
use serde::{Deserialize, Serialize};

use super::super::super::route::short_hash;
use super::{AdMarks, FORGET_AFTER, MAX_PAYLOADS, StillOpen};

/// Events of one MPD that are looked at.
const MAX_EVENTS: usize = 256;
/// Segmentation types that begin something that can be replaced (SCTE 35 10.3.3.1).
const BEGINS: [u8; 7] = [0x22, 0x30, 0x32, 0x34, 0x36, 0x44, 0x46];
/// A longer break is a number that means something else.
const MAX_BREAK: Span = Span::from_secs(86_400);

/// What is known of the breaks of one MPD.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DashAds {
    pub marks: AdMarks,
    open: Option<OpenBreak>,
    /// The newest break that was told, on the wall clock of the presentation.
    last_out: Option<Time>,
    payloads: VecDeque<u64>,
    /// Sections that this MPD showed for the first time: the line of their event, and what is wrong with each.
    #[serde(skip)]
    pub sections: Vec<(u32, Option<&'static str>)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OpenBreak {
    at: Time,
    planned: Option<Span>,
    /// Nobody need end it.
    ends_itself: bool,
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Begin {
        planned: Option<Span>,
        ends_itself: bool,
    },
    End,
    /// Something else.
    Other,
}

/// The breaks of an MPD as its checks see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DashBreaks {
    /// The break that someone has yet to end.
    pub still_open: Option<StillOpen>,
    /// Time to the edge since the last break began; since the watching began where there was none.
    pub since_break: Option<Span>,
    /// The edge is inside a break, as far as that is known.
    pub in_break: bool,
    /// There ever was something about breaks.
    pub is_known: bool,
}

/// The element or box is about SCTE 35.
fn is_scte35(scheme: &str) -> bool {
    scheme.starts_with("urn:scte:scte35:")
}

impl DashAds {
    /// Takes an accepted MPD in.
    pub(crate) fn update(&mut self, step: &DashStep, mpd: &Mpd, presentation: &Presentation) {
        self.sections.clear();
        if let Some(edge) = step.tracks.iter().filter_map(|t| t.edge_at).max() {
            let nominal = step.tracks.iter().filter_map(|t| t.nominal).max().unwrap_or(Span::ZERO);
            let before = self.marks.watched();
            self.marks.reaches(edge, step.update_period.unwrap_or(nominal).max(nominal));
            if before.map(|(since, _)| since) != self.marks.watched().map(|(since, _)| since) {
                // Sight was lost: whether the break ended meanwhile is not known.
                self.open = None;
            }
        }
        for (n, period) in mpd.periods.iter().enumerate() {
            let label = period.id.as_ref().map_or_else(|| format!("#{n}"), |id| id.value.to_string());
            let start = presentation.periods.iter().find(|p| *p.key == *label).and_then(|p| p.start);
            let begin = presentation.ast.zip(start).map(|(ast, start)| ast + start);
            for stream in period.event_streams.iter().filter(|s| is_scte35(&s.descriptor.scheme_id_uri)) {
                stream.events.iter().take(MAX_EVENTS).for_each(|event| self.event(stream, event, begin));
            }
        }
        self.open.take_if(|open| {
            let lasted = self.marks.watched().map_or(Span::ZERO, |(_, edge)| edge - open.at);
            lasted > open.planned.unwrap_or(Span::ZERO) + FORGET_AFTER
        });
    }

    /// What is known of breaks up to the edge.
    pub(crate) fn breaks(&self) -> DashBreaks {
        let Some((since, edge)) = self.marks.watched() else { return DashBreaks::default() };
        let begun = self.open.as_ref().filter(|open| open.at <= edge);
        let still_open = begun.filter(|open| !open.ends_itself);
        let last = self.last_out.filter(|at| *at <= edge).map_or(since, |at| at.max(since));
        DashBreaks {
            still_open: still_open.map(|open| StillOpen { lasted: edge - open.at, planned: open.planned }),
            since_break: Some(edge - last),
            in_break: begun.is_some_and(|open| open.planned.is_none_or(|planned| edge <= open.at + planned)),
            is_known: self.last_out.is_some(),
        }
    }

    /// Takes what an event says of its time. Each MPD repeats its events: older ones than the newest break change nothing.
    fn says(&mut self, at: Time, says: Says) {
        match says {
            Says::Begin { planned, ends_itself } => {
                self.marks.add(at, planned);
                if self.last_out.is_none_or(|last| at > last) {
                    self.last_out = Some(at);
                    self.open = Some(OpenBreak { at, planned, ends_itself });
                }
            }
            Says::End => drop(self.open.take_if(|open| open.at < at)),
            Says::Other => {}
        }
    }

    fn event(&mut self, stream: &EventStream, event: &Event, begin: Option<Time>) {
        let text = event.message_data.as_ref().map_or(&*event.body, |data| &*data.value);
        let section = section_of_text(&stream.descriptor.scheme_id_uri, text);
        if let Some(section) = &section {
            self.section(event.at.line, text, section.as_ref().err().map(|fault| fault.as_str()));
        }
        let timescale = stream.timescale.as_ref().map_or(1, |t| t.value);
        let offset = stream.presentation_time_offset.as_ref().map_or(0, |t| t.value);
        let time = event.presentation_time.as_ref().map_or(0, |t| t.value);
        let planned = event.duration.as_ref().and_then(|d| span(i128::from(d.value), timescale));
        let at = begin.zip(span(i128::from(time) - i128::from(offset), timescale)).map(|(begin, after)| begin + after);
        if let Some(at) = at {
            self.says(at, meaning(section.as_ref(), text, planned));
        }
    }

    /// An event message of a segment.
    pub(crate) fn message(&mut self, message: &EventMessage, promise: &DashPromise) {
        let Some(section) = section_of_message(message) else { return };
        // On the clock of the probe: what the segment is available by is the end of its time.
        let ticks = i128::from(promise.time) + i128::from(promise.duration);
        let end = promise.available_at.map(|at| at + Span::from_micros(promise.ato_us.unwrap_or(0)));
        let time = match (message.presentation_time, message.presentation_time_delta) {
            (Some(time), _) => span(i128::from(time), message.timescale.into()),
            (None, Some(delta)) => {
                let start = span(i128::from(promise.time), promise.timescale);
                start.zip(span(delta.into(), message.timescale.into())).map(|(start, delta)| start + delta)
            }
            (None, None) => None,
        };
        let planned = Some(message.duration).filter(|d| *d != u32::MAX && *d > 0);
        let planned = planned.and_then(|d| span(d.into(), message.timescale.into()));
        let at = end.zip(time).zip(span(ticks, promise.timescale)).map(|((end, time), last)| end + (time - last));
        if let Some(at) = at {
            self.says(at, meaning(Some(&section), "", planned));
        }
    }

    /// Remembers a section; it is looked at once.
    fn section(&mut self, line: u32, text: &str, fault: Option<&'static str>) {
        let hash = short_hash(text);
        if self.payloads.contains(&hash) {
            return;
        }
        if self.payloads.len() == MAX_PAYLOADS {
            self.payloads.pop_front();
        }
        self.payloads.push_back(hash);
        self.sections.push((line, fault));
    }
}

type Section = Result<SpliceInfo, SpliceFault>;

/// The section in an `Event`: base64 in an element `Binary`, or alone. `None` where it is written out as XML.
fn section_of_text(scheme: &str, text: &str) -> Option<Section> {
    if scheme.ends_with(":bin") {
        return Some(splice_info_from_base64(text.trim()));
    }
    Some(splice_info_from_base64(binary_of(text)?))
}

/// Text of the first element `Binary`.
fn binary_of(xml: &str) -> Option<&str> {
    let tag = xml.match_indices("Binary").find_map(|(at, _)| {
        let before = xml.get(..at)?.rsplit_once('<')?.1;
        let is_open =
            before.is_empty() || before.strip_suffix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_alphanumeric()));
        xml.get(at..).filter(|_| is_open)
    })?;
    let (_, rest) = tag.split_once('>')?;
    Some(rest.split_once('<')?.0.trim())
}

/// The section in an `emsg` of SCTE 35; `None` for other schemes, for messages that were too long to keep, and for plain XML.
pub(crate) fn section_of_message(message: &EventMessage) -> Option<Section> {
    let hex = message.message.as_deref().filter(|_| is_scte35(&message.scheme))?;
    if message.scheme.ends_with(":bin") {
        return Some(splice_info_from_hex(&format!("0x{hex}")));
    }
    let bytes = (0..hex.len() / 2).map(|i| u8::from_str_radix(hex.get(i * 2..i * 2 + 2).unwrap_or_default(), 16));
    let text = String::from_utf8(bytes.collect::<Result<Vec<u8>, _>>().ok()?).ok()?;
    section_of_text(&message.scheme, &text)
}

/// `planned`: the duration of the event itself. One that has it ends by itself, as a date range of HLS does.
fn meaning(section: Option<&Section>, text: &str, planned: Option<Span>) -> Says {
    let begin = |auto_return: bool| Says::Begin {
        planned: length(planned, section),
        ends_itself: auto_return || planned.is_some_and(|planned| planned > Span::ZERO),
    };
    match section {
        Some(Ok(info)) => match info.command {
            SpliceCommand::Insert(insert) if insert.cancelled => Says::Other,
            SpliceCommand::Insert(insert) if insert.out_of_network => begin(insert.auto_return),
            SpliceCommand::Insert(_) => Says::End,
            _ => {
                let mut types = info.segmentations.iter().filter_map(|s| s.type_id);
                // An end and the next beginning may share a message.
                if types.clone().any(|id| BEGINS.contains(&id)) {
                    let planned_there = info.segmentations.iter().any(|s| s.duration.is_some());
                    begin(planned_there)
                } else if types.any(|id| BEGINS.iter().any(|begin| begin + 1 == id)) {
                    Says::End
                } else {
                    Says::Other
                }
            }
        },
        Some(Err(_)) => Says::Other,
        // Written out.
        None => {
            let says = |value: &str| text.contains(&format!("outOfNetworkIndicator=\"{value}\""));
            match () {
                () if says("true") || says("1") => {
                    begin(text.contains("autoReturn=\"true\"") || text.contains("autoReturn=\"1\""))
                }
                () if says("false") || says("0") => Says::End,
                () if planned.is_some() && !text.contains("outOfNetworkIndicator") => begin(true),
                () => Says::Other,
            }
        }
    }
}

/// As the event says, else as its section does.
fn length(planned: Option<Span>, section: Option<&Section>) -> Option<Span> {
    let of_section = || match section?.as_ref().ok()?.command {
        SpliceCommand::Insert(insert) => span(insert.duration?.into(), 90_000),
        _ => None,
    };
    planned.filter(|p| *p > Span::ZERO).or_else(of_section).filter(|p| *p <= MAX_BREAK)
}

fn span(ticks: i128, timescale: u64) -> Option<Span> {
    let us = ticks.checked_mul(1_000_000)? / i128::from(timescale.max(1));
    i64::try_from(us).ok().map(Span::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_unix_micros(second * 1_000_000)
    }

    fn begin(planned: Option<i64>, ends_itself: bool) -> Says {
        Says::Begin { planned: planned.map(Span::from_secs), ends_itself }
    }

    #[test]
    fn breaks_begin_and_end_once_however_often_they_are_told() {
        let mut ads = DashAds::default();
        let told = [(100, begin(Some(30), false)), (130, Says::End), (200, begin(None, false))];
        for edge in (60..=320).step_by(4) {
            ads.marks.reaches(at(edge), Span::from_secs(4));
            told.iter().filter(|(when, _)| *when <= edge).for_each(|(when, what)| ads.says(at(*when), *what));
            let breaks = ads.breaks();
            let lasted = breaks.still_open.map(|open| open.lasted);
            let expected = match edge {
                100..130 => Some(Span::from_secs(edge - 100)),
                200.. => Some(Span::from_secs(edge - 200)),
                _ => None,
            };
            assert_eq!(lasted, expected, "{edge}");
            let last = [60, 100, 200].into_iter().filter(|t| *t <= edge).max().unwrap();
            assert_eq!(breaks.since_break, Some(Span::from_secs(edge - last)), "{edge}");
        }
    }

    #[test]
    fn what_ends_itself_is_not_open_and_what_lies_ahead_has_not_begun() {
        let mut ads = DashAds::default();
        ads.marks.reaches(at(50), Span::from_secs(4));
        ads.says(at(60), begin(Some(30), true));
        assert!(ads.breaks().still_open.is_none() && !ads.breaks().in_break);
        ads.marks.reaches(at(80), Span::from_secs(4));
        assert!(ads.breaks().still_open.is_none() && ads.breaks().in_break);
        ads.marks.reaches(at(94), Span::from_secs(4));
        assert!(!ads.breaks().in_break);
    }

    #[test]
    fn sections_and_their_xml_mean_the_same() {
        let out = "<SpliceInsert outOfNetworkIndicator=\"true\"/>";
        assert_eq!(meaning(None, out, None), begin(None, false));
        assert_eq!(meaning(None, out, Some(Span::from_secs(30))), begin(Some(30), true));
        assert_eq!(meaning(None, "<SpliceInsert outOfNetworkIndicator=\"0\"/>", None), Says::End);
        assert_eq!(meaning(None, "<Break/>", Some(Span::from_secs(16))), begin(Some(16), true));
        assert_eq!(meaning(None, "<TimeSignal/>", None), Says::Other);
    }

    #[test]
    fn the_binary_of_an_event_is_found() {
        for (xml, expected) in [
            ("<Signal xmlns=\"http://www.scte.org/schemas/35/2016\"><Binary>/DA=</Binary></Signal>", Some("/DA=")),
            ("<scte35:Signal><scte35:Binary>\n /DA= </scte35:Binary></scte35:Signal>", Some("/DA=")),
            ("<SpliceInfoSection><SpliceInsert/></SpliceInfoSection>", None),
            ("<Signal note=\"Binary\"/>", None),
            ("<Binary>", None),
            ("", None),
        ] {
            assert_eq!(binary_of(xml), expected, "{xml}");
        }
    }
}
