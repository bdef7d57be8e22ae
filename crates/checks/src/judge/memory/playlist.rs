//! What a rendition's playlists did over minutes: window, discontinuities, rhythm of publication, date ranges.

use std::collections::{BTreeMap, VecDeque};

use ow_domain::{Span, Time};
use ow_hls::MediaPlaylist;
use ow_timeline::{Classification, Step};
use serde::{Deserialize, Serialize};

use super::super::route::short_hash;

/// Window samples: one each ten seconds over ten minutes.
const MAX_WINDOWS: usize = 60;
const WINDOW_EVERY: Span = Span::from_secs(10);
/// Discontinuities are counted over an hour.
const MAX_DISCONTINUITIES: usize = 256;
const DISCONTINUITIES_FOR: Span = Span::from_secs(3600);
/// Points of publication: enough for fifty segments, and for ten minutes of six-second ones.
const MAX_POINTS: usize = 128;
/// On-time polls of which it is remembered whether several segments came at once.
const MAX_POLLS: usize = 20;
const MAX_DATE_RANGES: usize = 256;
/// Attributes remembered of one date range.
const MAX_ATTRIBUTES: usize = 32;
/// A date range that was not listed for so long is forgotten.
const DATE_RANGE_FOR: Span = Span::from_secs(86_400);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaylistHistory {
    /// When W was what, both in microseconds.
    windows: VecDeque<(i64, i64)>,
    discontinuities: VecDeque<i64>,
    points: VecDeque<Point>,
    polls: VecDeque<bool>,
    date_ranges: BTreeMap<String, PastDateRange>,
    /// What this step found; not remembered.
    #[serde(skip)]
    pub date_range_faults: Vec<DateRangeFault>,
}

/// One response that showed something new.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Point {
    at: Time,
    /// Media published since the first point, up to and with this one.
    media: Span,
    n_new: u32,
    /// Earliest moment it can have been published: the request of the poll before.
    not_before: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PastDateRange {
    seen_at: Time,
    start_us: Option<i64>,
    end_us: Option<i64>,
    /// Attribute name -> hash of its value, and the value cut for people.
    attributes: BTreeMap<String, (u64, String)>,
}

/// A date range that is not what it was.
#[derive(Debug, Clone, PartialEq)]
pub enum DateRangeFault {
    /// The same attribute has another value.
    Mutated { id: String, line: u32, attribute: String, before: String, after: String },
    /// The id stands for another time now.
    Reused { id: String, line: u32, before: Time, after: Time },
}

/// Rhythm of publication over the points remembered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rhythm {
    pub n_segments: u32,
    /// Standard deviation of publication minus media time.
    pub deviation: Span,
    /// Media added less wall time that passed.
    pub ahead: Span,
    /// Time from the first to the last point.
    pub over: Span,
    /// Longest distance between two looks: below it nothing can be told.
    pub resolution: Span,
}

impl PlaylistHistory {
    /// Takes one accepted or rejected step in.
    pub(crate) fn update(&mut self, step: &Step, playlist: Option<&MediaPlaylist>) {
        self.date_range_faults.clear();
        if !step.is_accepted() {
            return;
        }
        if step.is_new_epoch() || matches!(step.classification, Classification::ForwardJump(_)) {
            self.windows.clear();
            self.points.clear();
            self.polls.clear();
        }
        let now = step.t_end;
        let micros = now.unix_micros();
        if self.windows.back().is_none_or(|(at, _)| micros - at >= WINDOW_EVERY.micros()) {
            push(&mut self.windows, (micros, step.window.micros()), MAX_WINDOWS);
        }
        let horizon = (now + -DISCONTINUITIES_FOR).unix_micros();
        self.discontinuities.retain(|at| *at >= horizon);
        let is_first = matches!(step.classification, Classification::First) || step.is_new_epoch();
        let fresh = || step.new_segments.iter().filter(|s| !s.seen_late);
        if !is_first {
            for _ in fresh().filter(|s| s.discontinuity) {
                push(&mut self.discontinuities, micros, MAX_DISCONTINUITIES);
            }
            self.publication(step);
        }
        if let Some(playlist) = playlist {
            self.date_ranges(playlist, now);
        }
    }

    fn publication(&mut self, step: &Step) {
        let Some(previous) = step.previous_t_end else { return };
        let Classification::Advance { n_new, .. } = step.classification else { return };
        let media = step.new_segments.iter().fold(Span::ZERO, |sum, s| sum + s.duration);
        let base = self.points.back().map_or(Span::ZERO, |p| p.media);
        let n_new = u32::try_from(n_new).unwrap_or(u32::MAX);
        push(&mut self.points, Point { at: step.t_end, media: base + media, n_new, not_before: previous }, MAX_POINTS);
        let elapsed = step.t_end - previous;
        let shortest = step.new_segments.iter().map(|s| s.duration).min().filter(|d| *d > Span::ZERO);
        let on_time = step.t_req - previous <= step.target_duration.mul_ratio(12, 10);
        if let Some(shortest) = shortest.filter(|_| on_time) {
            // A perfectly regular packager publishes up to so many between two looks.
            let regular = elapsed.micros() / shortest.micros() + 1;
            push(&mut self.polls, i64::from(n_new) > regular, MAX_POLLS);
        }
    }

    fn date_ranges(&mut self, playlist: &MediaPlaylist, now: Time) {
        self.date_ranges.retain(|_, past| now - past.seen_at < DATE_RANGE_FOR);
        for range in playlist.date_ranges.iter().filter(|r| !r.id.is_empty()) {
            let start_us = range.start_date.map(|d| d.unix_us);
            let length = range.duration_us.or(range.planned_duration_us);
            let end_us = range.end_date.map(|d| d.unix_us).or_else(|| Some(start_us?.saturating_add(length?)));
            let known = self.date_ranges.get_mut(&*range.id);
            let Some(past) = known else {
                if self.date_ranges.len() < MAX_DATE_RANGES {
                    let mut past = PastDateRange { seen_at: now, start_us, end_us, attributes: BTreeMap::new() };
                    remember(&mut past.attributes, range);
                    self.date_ranges.insert(range.id.to_string(), past);
                }
                continue;
            };
            past.seen_at = now;
            // Disjoint: the other range was over before this one begins, or begins after it.
            let reused = start_us.zip(past.start_us).is_some_and(|(a, b)| {
                a != b && (past.end_us.is_some_and(|end| a >= end) || end_us.is_some_and(|end| b >= end))
            });
            if let (true, Some(after), Some(before)) = (reused, start_us, past.start_us) {
                self.date_range_faults.push(DateRangeFault::Reused {
                    id: range.id.to_string(),
                    line: range.line,
                    before: Time::from_unix_micros(before),
                    after: Time::from_unix_micros(after),
                });
                past.attributes.clear();
                (past.start_us, past.end_us) = (start_us, end_us);
                remember(&mut past.attributes, range);
                continue;
            }
            let changed = range.attributes.attributes.iter().find_map(|a| {
                let (hash, before) = past.attributes.get(&*a.name)?;
                (*hash != short_hash(a.value.as_str())).then(|| (a, before.clone()))
            });
            if let Some((attribute, before)) = changed {
                self.date_range_faults.push(DateRangeFault::Mutated {
                    id: range.id.to_string(),
                    line: range.line,
                    attribute: attribute.name.to_string(),
                    before,
                    after: cut(attribute.value.as_str()),
                });
                past.attributes.clear();
            }
            past.start_us = start_us.or(past.start_us);
            past.end_us = end_us.or(past.end_us);
            remember(&mut past.attributes, range);
        }
    }

    /// Discontinuities first seen during the last hour.
    pub fn n_discontinuities(&self) -> usize {
        self.discontinuities.len()
    }

    /// Median of W over the last ten minutes, once five of them are known.
    pub fn median_window(&self, now: Time) -> Option<Span> {
        let oldest = (now + Span::from_secs(-600)).unix_micros();
        let known = self.windows.front().is_some_and(|(at, _)| now.unix_micros() - at >= 300_000_000);
        let mut values: Vec<i64> = self.windows.iter().filter(|(at, _)| *at >= oldest).map(|(_, w)| *w).collect();
        values.sort_unstable();
        (known && values.len() >= 12).then(|| Span::from_micros(values[values.len() / 2]))
    }

    /// On-time polls remembered, and those of them that brought several segments at once.
    pub fn bursts(&self) -> (usize, usize) {
        (self.polls.len(), self.polls.iter().filter(|burst| **burst).count())
    }

    /// How evenly segments were published, over at most `span`.
    pub fn rhythm(&self, span: Span) -> Option<Rhythm> {
        let last = self.points.back()?;
        let points: Vec<&Point> = self.points.iter().filter(|p| last.at - p.at <= span).collect();
        let first = *points.first()?;
        let offsets: Vec<f64> =
            points.iter().map(|p| ((p.at - first.at) - (p.media - first.media)).secs_f64()).collect();
        let mean = offsets.iter().sum::<f64>() / offsets.len() as f64;
        let variance = offsets.iter().map(|o| (o - mean) * (o - mean)).sum::<f64>() / offsets.len() as f64;
        Some(Rhythm {
            n_segments: points.iter().skip(1).fold(0, |n, p| n.saturating_add(p.n_new)),
            deviation: Span::from_secs_f64(variance.sqrt()),
            ahead: (last.media - first.media) - (last.at - first.at),
            over: last.at - first.at,
            resolution: points.iter().map(|p| p.at - p.not_before).max().unwrap_or(Span::ZERO),
        })
    }
}

fn push<T>(ring: &mut VecDeque<T>, value: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(value);
}

fn remember(into: &mut BTreeMap<String, (u64, String)>, range: &ow_hls::DateRange) {
    for attribute in &range.attributes.attributes {
        if into.len() >= MAX_ATTRIBUTES && !into.contains_key(&*attribute.name) {
            return;
        }
        let value = attribute.value.as_str();
        into.insert(attribute.name.to_string(), (short_hash(value), cut(value)));
    }
}

fn cut(value: &str) -> String {
    value.chars().take(40).collect()
}
