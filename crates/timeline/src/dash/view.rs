//! An MPD as the plan and the tracker see it: resolved, with one entry per Representation, in integers.

use ow_domain::capture::Track;
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

use crate::key::hash_bytes;

/// Segments of one Representation that are looked at, the newest: an explicit list may be longer.
pub const MAX_LISTED: u64 = 8_192;

/// One version of one MPD.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Presentation {
    pub dynamic: bool,
    /// `@availabilityStartTime`.
    pub ast: Option<Time>,
    pub publish_time: Option<Time>,
    /// `@minimumUpdatePeriod`.
    pub update_period: Option<Span>,
    /// `@timeShiftBufferDepth`; absent is unbounded.
    pub time_shift: Option<Span>,
    /// `@mediaPresentationDuration`.
    pub duration: Option<Span>,
    /// `Location`, absolute.
    pub location: Option<String>,
    pub time_sources: Vec<TimeSource>,
    pub periods: Vec<PeriodView>,
}

/// One `UTCTiming`, of the schemes that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeSource {
    /// The time is in the MPD.
    Direct(Time),
    /// The `Date` of the answer to a HEAD request.
    HttpHead(String),
    /// The body is an xs:dateTime or ISO 8601 time.
    HttpText(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PeriodView {
    /// `@id`, or `#n` by place.
    pub key: Box<str>,
    /// Start on the MPD timeline; absent while the Period is only announced (early available).
    pub start: Option<Span>,
    /// Declared, or up to the next Period or the end of the presentation; absent while it is open.
    pub duration: Option<Span>,
    /// `AssetIdentifier`, as text.
    pub asset: Option<Box<str>>,
    pub tracks: Vec<TrackView>,
}

/// One Representation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackView {
    /// Named as in captures.
    pub track: Track,
    /// Place of its AdaptationSet in the Period.
    pub set: u32,
    /// `@id`.
    pub representation: Box<str>,
    /// Ticks per second, at least 1.
    pub timescale: u64,
    /// `@presentationTimeOffset`, ticks.
    pub pto: u64,
    /// `@availabilityTimeOffset` in force; `None` is `INF`.
    pub ato: Option<Span>,
    /// `@startNumber`, 1 when absent.
    pub start_number: u64,
    pub listing: Listing,
    pub init: Option<Resource>,
    pub address: Address,
}

/// Which segments there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listing {
    /// Listed one by one (SegmentTimeline, SegmentList).
    Explicit(Vec<Run>),
    /// One after the other of this many ticks from the start of the Period, numbers from `startNumber`.
    Every { duration: u64, end_number: Option<u64> },
    /// One resource with an index inside (SegmentBase).
    Single { index: Option<(u64, u64)> },
    /// Nothing that could be asked for.
    Nothing,
}

/// Segments of equal duration that follow each other without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Number of the first.
    pub number: u64,
    /// Start of the first, ticks.
    pub time: u64,
    /// Ticks.
    pub duration: u64,
    /// How many.
    pub count: u64,
}

/// One segment of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub number: u64,
    pub time: u64,
    pub duration: u64,
}

impl Listed {
    pub const fn end(&self) -> u64 {
        self.time.saturating_add(self.duration)
    }
}

/// A URL and the bytes of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// Absolute.
    pub url: String,
    /// First and last byte; no last is to the end.
    pub range: Option<(u64, Option<u64>)>,
}

/// How the URL of a segment is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// SegmentTemplate `@media`, and the URL against which it resolves.
    Template {
        base: String,
        media: String,
        bandwidth: Option<u64>,
    },
    /// SegmentList: from `startNumber` on.
    List(Vec<Resource>),
    /// All in one resource.
    Single(Resource),
    Nothing,
}

impl Presentation {
    /// Identity of the content: without the volatile time of `UTCTiming`, `@publishTime`, and what depends on the URL
    /// that was asked.
    pub fn content_digest(&self) -> u64 {
        let mut h = Digest(0);
        h.add(format_args!(
            "{} {:?} {:?} {:?} {:?}",
            self.dynamic, self.ast, self.update_period, self.time_shift, self.duration
        ));
        for period in &self.periods {
            h.add(format_args!("P {} {:?} {:?} {:?}", period.key, period.start, period.duration, period.asset));
            for t in &period.tracks {
                // Resolved URLs carry what this request was asked with: tokens, and hosts of redirects.
                let media = match &t.address {
                    Address::Template { media, .. } => media.as_str(),
                    Address::List(_) | Address::Single(_) | Address::Nothing => "",
                };
                h.add(format_args!("R {:?} {} {} {} {media}", t.track, t.set, t.representation, t.timescale));
                h.add(format_args!("{} {:?} {} {:?}", t.pto, t.ato, t.start_number, t.listing));
            }
        }
        h.0
    }

    /// All tracks with their Period, in document order.
    pub fn tracks(&self) -> impl Iterator<Item = (&PeriodView, &TrackView)> {
        self.periods.iter().flat_map(|period| period.tracks.iter().map(move |track| (period, track)))
    }
}

/// A hash over formatted text.
struct Digest(u64);

impl Digest {
    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a hash cannot fail.
        let _ = std::fmt::Write::write_fmt(self, text);
    }
}

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 = hash_bytes(self.0, text.as_bytes());
        Ok(())
    }
}

impl TrackView {
    /// Listed one by one.
    pub fn is_explicit(&self) -> bool {
        matches!(self.listing, Listing::Explicit(_))
    }

    /// Numbers, and not times, make the URLs of segments.
    pub fn is_numbered(&self) -> bool {
        let numbered = |media: &str| media.contains("$Number") && !media.contains("$Time");
        matches!(&self.address, Address::Template { media, .. } if numbered(media))
    }

    /// Listed segments in order, the newest [`MAX_LISTED`]. Empty when they are computed.
    pub fn listed(&self) -> Vec<Listed> {
        let Listing::Explicit(runs) = &self.listing else { return Vec::new() };
        let total = runs.iter().fold(0_u64, |n, run| n.saturating_add(run.count));
        let mut skip = total.saturating_sub(MAX_LISTED);
        let mut out = Vec::with_capacity(total.min(MAX_LISTED) as usize);
        for run in runs {
            let left_out = skip.min(run.count);
            skip -= left_out;
            out.extend((left_out..run.count).map(|i| run.at(i)));
        }
        out
    }

    pub fn newest_listed(&self) -> Option<Listed> {
        let Listing::Explicit(runs) = &self.listing else { return None };
        runs.iter().rev().find(|run| run.count > 0).map(|run| run.at(run.count - 1))
    }

    /// d: `@duration`, or the median of the listed durations.
    pub fn nominal(&self) -> Option<Span> {
        let ticks = match &self.listing {
            Listing::Every { duration, .. } => *duration,
            Listing::Explicit(runs) => {
                let mut runs: Vec<(u64, u64)> = runs.iter().map(|run| (run.duration, run.count)).collect();
                runs.sort_unstable();
                let total = runs.iter().fold(0_u64, |n, run| n.saturating_add(run.1));
                let mut passed = 0_u64;
                runs.into_iter()
                    .find(|(_, n)| {
                        passed = passed.saturating_add(*n);
                        passed > total / 2
                    })?
                    .0
            }
            Listing::Single { .. } | Listing::Nothing => return None,
        };
        Some(self.span(ticks)).filter(|d| *d > Span::ZERO)
    }

    /// Ticks as a span.
    pub fn span(&self, ticks: u64) -> Span {
        ticks_to_span(i128::from(ticks), self.timescale)
    }

    /// Place of a media time on the Period's timeline: `(time - PTO) / timescale`.
    pub fn in_period(&self, time: u64) -> Span {
        ticks_to_span(i128::from(time) - i128::from(self.pto), self.timescale)
    }

    /// Segment availability start time of media that ends at `end` ticks: AST + PS + (end - PTO) / ts - ATO (CHECKS 5.2).
    /// `None` without a clock: static, INF, or a Period without a start.
    pub fn available_at(&self, ast: Option<Time>, period: &PeriodView, end: u64) -> Option<Time> {
        Some(ast? + period.start? + self.in_period(end) - self.ato?)
    }

    /// Segment `k` from 0 of a computed list: CHECKS 5.2.
    pub fn computed(&self, k: u64) -> Option<Listed> {
        let Listing::Every { duration, .. } = self.listing else { return None };
        let time = self.pto.checked_add(k.checked_mul(duration)?)?;
        Some(Listed { number: self.start_number.checked_add(k)?, time, duration })
    }

    /// Newest `k` of a computed list whose availability has begun at `now`; `None` while there is none.
    pub fn newest_computed(&self, ast: Option<Time>, period: &PeriodView, now: Time) -> Option<u64> {
        let Listing::Every { duration, end_number } = self.listing else { return None };
        let by_period = period.duration.map(|d| count_up_to(d, self.timescale, duration));
        let by_number = end_number.map(|end| end.saturating_add(1).saturating_sub(self.start_number));
        let by_clock = match (ast, period.start, self.ato) {
            (Some(ast), Some(start), Some(ato)) => {
                let passed = i128::from((now - ast - start + ato).micros());
                let n = passed * i128::from(self.timescale) / (i128::from(duration.max(1)) * 1_000_000);
                Some(u64::try_from(n).unwrap_or(0))
            }
            _ => None,
        };
        [by_period, by_number, by_clock].into_iter().flatten().min()?.checked_sub(1)
    }

    /// URL and byte range of a segment.
    pub fn resource(&self, segment: &Listed) -> Option<Resource> {
        match &self.address {
            Address::Template { base, media, bandwidth } => {
                let values = ow_dash::Values {
                    representation_id: Some(&self.representation),
                    number: Some(segment.number),
                    bandwidth: *bandwidth,
                    time: Some(segment.time),
                    sub_number: Some(0),
                };
                Some(Resource { url: ow_dash::resolve(base, &ow_dash::expand(media, &values)?)?, range: None })
            }
            Address::List(list) => {
                let at = usize::try_from(segment.number.checked_sub(self.start_number)?).ok()?;
                list.get(at).cloned()
            }
            Address::Single(_) | Address::Nothing => None,
        }
    }
}

impl Run {
    pub(crate) const fn at(&self, i: u64) -> Listed {
        Listed {
            number: self.number.saturating_add(i),
            time: self.time.saturating_add(self.duration.saturating_mul(i)),
            duration: self.duration,
        }
    }

    pub(crate) const fn end(&self) -> u64 {
        self.time.saturating_add(self.duration.saturating_mul(self.count))
    }
}

/// Puts segments together where they follow each other.
pub fn runs(segments: impl IntoIterator<Item = Listed>) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for s in segments {
        match out.last_mut() {
            Some(run)
                if run.duration == s.duration
                    && run.end() == s.time
                    && run.number.checked_add(run.count) == Some(s.number) =>
            {
                run.count += 1;
            }
            _ => out.push(Run { number: s.number, time: s.time, duration: s.duration, count: 1 }),
        }
    }
    out
}

/// Segments of `ticks` that cover `span`, the last one cut short or not.
fn count_up_to(span: Span, timescale: u64, ticks: u64) -> u64 {
    let wanted = i128::from(span.micros().max(0)) * i128::from(timescale);
    let one = i128::from(ticks.max(1)) * 1_000_000;
    u64::try_from((wanted + one - 1) / one).unwrap_or(u64::MAX)
}

pub(crate) fn ticks_to_span(ticks: i128, timescale: u64) -> Span {
    let micros = ticks * 1_000_000 / i128::from(timescale.max(1));
    Span::from_micros(i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX }))
}
