//! Advertisement breaks of a rendition, as its playlists tell them: the dialects of cue tags and date ranges made one.

mod cue;
mod events;
mod marks;
mod range;

use std::collections::{BTreeMap, VecDeque};

use ow_domain::{Span, Time};
use ow_hls::MediaPlaylist;
use ow_timeline::Step;
use serde::{Deserialize, Serialize};

use cue::Cue;
pub use events::DashBreaks;
pub(crate) use events::{DashAds, section_of_message};
pub(crate) use marks::compare as compare_breaks;
pub use marks::{AdMarks, MarkPair};
use range::RangeBreak;

/// Payloads of which it is remembered that they were looked at.
const MAX_PAYLOADS: usize = 256;
/// What one playlist tells at most.
const MAX_EVENTS: usize = 256;
/// An open break of which nothing is heard is forgotten so long after its end was due.
const FORGET_AFTER: Span = Span::from_secs(3600);

/// Breaks so far, on the media time of the rendition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AdHistory {
    /// Number that comes next, and the media time at which it begins.
    next: Option<(u64, Span)>,
    /// Media time from which on no segment was missed.
    since: Span,
    open: Option<OpenBreak>,
    /// An end was seen, so that it is known whether a break is open.
    is_known: bool,
    /// Cue tags were seen: they place breaks, date ranges describe them.
    has_cues: bool,
    last_break: Option<Span>,
    payloads: VecDeque<u64>,
    ranges: BTreeMap<u64, RangeBreak>,
    /// Breaks by date.
    pub(crate) marks: AdMarks,
    /// What this step told; not remembered.
    #[serde(skip)]
    pub events: Vec<AdEvent>,
    /// A break told by a date range that should be over: for how long, and what was planned. Of this step.
    #[serde(skip)]
    range_overrun: Option<(Span, Span)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OpenBreak {
    start: Span,
    planned: Option<Span>,
    /// Nobody need end it.
    ends_itself: bool,
    /// Its beginning was not seen.
    joined: bool,
    n_conts: u32,
}

/// One thing that a playlist told about breaks.
#[derive(Debug, Clone, PartialEq)]
pub enum AdEvent {
    /// A break begins at a segment.
    Out { line: u32, msn: u64, placed: Placed },
    /// A break ends: how long it was, and was to be.
    In { line: u32, msn: u64, length: Option<(Span, Span)>, unexpected: bool, placed: Placed },
    /// A segment inside a break.
    Cont { line: u32, msn: u64, fault: Option<ContFault> },
    /// The start of a date range that no cue tag places: distance from the nearest segment start.
    Start { line: u32, placed: Placed },
    /// A SCTE-35 section.
    Payload { line: u32, fault: Option<&'static str> },
}

/// Where a marker stands against the splice that is told with a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// No date to compare with.
    Unknown,
    /// Splice minus marker; zero where the marker stands on the first boundary from the splice on.
    Off(Span),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContFault {
    /// What the tag says, and the media time since the break began.
    Elapsed { told: Span, media: Span },
    /// Duration told now, and before.
    Duration { told: Span, before: Span },
    /// Others of this break have one.
    Missing,
}

/// A break that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StillOpen {
    pub lasted: Span,
    pub planned: Option<Span>,
}

impl AdHistory {
    /// Takes one playlist in.
    pub(crate) fn update(&mut self, step: &Step, playlist: Option<&MediaPlaylist>) {
        self.events.clear();
        self.range_overrun = None;
        if !step.is_accepted() {
            return;
        }
        if step.is_new_epoch() {
            *self = Self { payloads: std::mem::take(&mut self.payloads), ..Self::default() };
        }
        let Some(playlist) = playlist else { return };
        let dates = range::dates(playlist);
        if let Some(edge) = range::edge(playlist, &dates) {
            self.marks.reaches(Time::from_unix_micros(edge), step.target_duration);
        }
        for (index, segment) in playlist.segments.iter().enumerate() {
            let position = match self.next {
                Some((next, _)) if segment.msn < next => continue,
                Some((next, at)) if segment.msn == next => at,
                Some((_, at)) => {
                    // Segments were missed: whether the break ended in them is not known.
                    (self.open, self.is_known, self.last_break, self.since) = (None, false, None, at);
                    at
                }
                None => Span::ZERO,
            };
            let length = Span::from_micros(segment.duration_us);
            self.segment(playlist, index, position, &dates);
            self.next = Some((segment.msn.saturating_add(1), position + length));
        }
        self.date_ranges(playlist, &dates, step.t_end);
        if self.open.as_ref().is_some_and(|b| self.end() - b.start > b.planned.unwrap_or(Span::ZERO) + FORGET_AFTER) {
            (self.open, self.is_known) = (None, false);
        }
    }

    fn segment(&mut self, playlist: &MediaPlaylist, index: usize, at: Span, dates: &[Option<i64>]) {
        let Some(segment) = playlist.segments.get(index) else { return };
        let msn = segment.msn;
        let mut is_told = false;
        let mut outs = 0;
        for tag in playlist.raw_tags_of(index) {
            if let Some(fault) = cue::payload(tag) {
                self.payload(tag.line, &tag.value, fault);
            }
            let line = tag.line;
            match cue::read(tag) {
                // The same in another dialect.
                Some(Cue::Out { .. }) if outs > 0 => {}
                Some(Cue::Out { planned, auto_return }) => {
                    outs += 1;
                    is_told = true;
                    let placed = range::placed_out(playlist, index, dates);
                    if let Some(date) = dates.get(index).copied().flatten() {
                        self.marks.add(Time::from_unix_micros(date), planned);
                    }
                    let ends_itself = auto_return || range::ends_itself(playlist, index, dates);
                    self.open = Some(OpenBreak { start: at, planned, ends_itself, joined: false, n_conts: 0 });
                    self.last_break = Some(at);
                    self.push(AdEvent::Out { line, msn, placed });
                }
                Some(Cue::In) if !is_told => {
                    is_told = true;
                    let placed = range::placed_in(playlist, index, dates);
                    let open = self.open.take();
                    let planned = open.as_ref().filter(|b| !b.joined).and_then(|b| b.planned);
                    let length = open.as_ref().and_then(|b| Some((at - b.start, planned?)));
                    let unexpected = open.is_none() && self.is_known;
                    self.is_known = true;
                    self.push(AdEvent::In { line, msn, length, unexpected, placed });
                }
                Some(Cue::Cont { elapsed, planned }) if !is_told => {
                    is_told = true;
                    self.cont(line, msn, at, elapsed, planned);
                }
                Some(Cue::In | Cue::Cont { .. }) => {}
                None => continue,
            }
            self.has_cues = true;
        }
        let within = |b: &OpenBreak| b.n_conts >= 2 && b.planned.is_some_and(|p| at < b.start + p);
        if !is_told && self.open.as_ref().is_some_and(within) {
            self.push(AdEvent::Cont { line: segment.line, msn, fault: Some(ContFault::Missing) });
        }
    }

    fn cont(&mut self, line: u32, msn: u64, at: Span, elapsed: Option<Span>, planned: Option<Span>) {
        let Some(open) = &mut self.open else {
            // Joined inside a break.
            if let Some(elapsed) = elapsed {
                let start = at - elapsed;
                self.last_break = self.last_break.max(Some(start));
                self.open = Some(OpenBreak { start, planned, ends_itself: false, joined: true, n_conts: 1 });
            }
            return;
        };
        open.n_conts = open.n_conts.saturating_add(1);
        let media = at - open.start;
        let fault = match (elapsed, planned, open.planned) {
            (_, Some(told), Some(before)) if (told - before).abs() > Span::from_millis(500) => {
                Some(ContFault::Duration { told, before })
            }
            (Some(told), ..) => Some(ContFault::Elapsed { told, media }),
            _ => None,
        };
        open.planned = planned.or(open.planned);
        self.push(AdEvent::Cont { line, msn, fault });
    }

    /// Looks at a section once.
    fn payload(&mut self, line: u32, text: &str, fault: Option<&'static str>) {
        let hash = super::super::route::short_hash(text);
        if self.payloads.contains(&hash) {
            return;
        }
        if self.payloads.len() == MAX_PAYLOADS {
            self.payloads.pop_front();
        }
        self.payloads.push_back(hash);
        self.push(AdEvent::Payload { line, fault });
    }

    fn push(&mut self, event: AdEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push(event);
        }
    }

    /// Media time at the end of the newest segment.
    fn end(&self) -> Span {
        self.next.map_or(Span::ZERO, |(_, at)| at)
    }

    /// The break that someone has yet to end, the one longest overdue.
    pub fn still_open(&self) -> Option<StillOpen> {
        if let Some(open) = self.open.as_ref().filter(|b| !b.ends_itself) {
            return Some(StillOpen { lasted: self.end() - open.start, planned: open.planned });
        }
        let (lasted, planned) = self.range_overrun?;
        Some(StillOpen { lasted, planned: Some(planned) })
    }

    /// Whether the newest segment is inside a break, as far as that is known.
    pub fn in_break(&self) -> bool {
        self.open.as_ref().is_some_and(|b| b.planned.is_none_or(|p| self.end() <= b.start + p))
    }

    /// Media time since the last break began; since the watching began where there was none.
    pub fn since_break(&self) -> Span {
        self.end() - self.last_break.unwrap_or(self.since).max(self.since)
    }

    /// There ever was something about breaks.
    pub fn knows_breaks(&self) -> bool {
        self.has_cues || self.last_break.is_some() || !self.ranges.is_empty()
    }

    fn date_ranges(&mut self, playlist: &MediaPlaylist, dates: &[Option<i64>], now: Time) {
        for (line, text, fault) in range::payloads(playlist) {
            self.payload(line, text, fault);
        }
        let edge = range::edge(playlist, dates);
        for told in range::take(&mut self.ranges, playlist, dates, now) {
            // Where cue tags place breaks, dates describe them.
            if !self.has_cues {
                self.marks.add(Time::from_unix_micros(told.start_us), told.planned);
            }
            let Some(edge) = edge else { continue };
            // Where on the media time of the rendition it began, seen from the newest segment.
            if told.start_us <= edge {
                let start = self.end() - Span::from_micros(edge.saturating_sub(told.start_us));
                if start >= self.since {
                    self.last_break = self.last_break.max(Some(start));
                }
            }
            if self.has_cues {
                continue;
            }
            if let Some((line, placed)) = told.placed {
                self.push(AdEvent::Start { line, placed });
            }
        }
        self.range_overrun = edge.filter(|_| !self.has_cues).and_then(|edge| range::overrun(&self.ranges, edge));
    }
}
