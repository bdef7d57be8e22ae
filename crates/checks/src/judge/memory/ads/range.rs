//! Breaks told by `EXT-X-DATERANGE` with SCTE-35 commands (BIS 4.4.5.1).

use std::collections::BTreeMap;

use ow_domain::{Span, Time};
use ow_hls::{DateRange, MediaPlaylist, SpliceFault, splice_info_from_hex};
use serde::{Deserialize, Serialize};

use super::super::super::route::short_hash;
use super::Placed;
use super::cue::is_auto_return;

/// Ranges of breaks remembered.
const MAX_RANGES: usize = 64;
/// Ranges of one playlist that are looked at.
const MAX_LISTED: usize = 512;
/// A range that was not listed for so long is forgotten.
const RANGE_FOR: Span = Span::from_secs(3600);
/// A marker and a date farther apart are not about the same splice.
const SAME_SPLICE_US: i64 = 15_000_000;
/// Dates are written with milliseconds, durations added up.
const ROUNDING_US: i64 = 40_000;

/// A break told by a date range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RangeBreak {
    seen_at: Time,
    start_us: i64,
    planned_us: Option<i64>,
    /// It was said how long it is, or that it is over, or it ends by itself.
    ends: bool,
    is_placed: bool,
}

/// A range of a break that is listed now.
pub(super) struct Told {
    pub start_us: i64,
    pub planned: Option<Span>,
    /// Line and place against segment starts, once it can be told.
    pub placed: Option<(u32, Placed)>,
}

/// When each segment begins, Unix microseconds.
pub(super) fn dates(playlist: &MediaPlaylist) -> Vec<Option<i64>> {
    let mut date = None;
    let starts = playlist.segments.iter().map(|segment| {
        let start = segment.program_date_time.map(|d| d.unix_us).or(date);
        date = start.map(|s: i64| s.saturating_add(segment.duration_us));
        start
    });
    starts.collect()
}

/// End of the newest segment.
pub(super) fn edge(playlist: &MediaPlaylist, dates: &[Option<i64>]) -> Option<i64> {
    Some((*dates.last()?)?.saturating_add(playlist.segments.last()?.duration_us))
}

fn outs(playlist: &MediaPlaylist) -> impl Iterator<Item = &DateRange> {
    playlist.date_ranges.iter().take(MAX_LISTED).filter(|r| r.scte35_out.is_some())
}

/// The range that begins nearest to segment `index`, and how much later.
fn nearest<'a>(
    playlist: &'a MediaPlaylist,
    index: usize,
    dates: &[Option<i64>],
    of: impl Fn(&DateRange) -> Option<i64>,
) -> Option<(&'a DateRange, i64)> {
    let marker = (*dates.get(index)?)?;
    let distance = |r: &'a DateRange| Some((r, of(r)?.saturating_sub(marker)));
    outs(playlist).filter_map(distance).filter(|(_, d)| d.abs() < SAME_SPLICE_US).min_by_key(|(_, d)| d.abs())
}

/// A cut is made at the first boundary from the splice on: a splice inside the segment before is at its place.
fn snapped(playlist: &MediaPlaylist, index: usize, off: i64) -> Placed {
    let before = index.checked_sub(1).and_then(|i| playlist.segments.get(i)).map_or(0, |s| s.duration_us);
    let is_snapped = off < 0 && off > -before + ROUNDING_US;
    Placed::Off(if is_snapped { Span::ZERO } else { Span::from_micros(off) })
}

/// A marker for the begin of a break at segment `index`.
pub(super) fn placed_out(playlist: &MediaPlaylist, index: usize, dates: &[Option<i64>]) -> Placed {
    let found = nearest(playlist, index, dates, |r| r.start_date.map(|d| d.unix_us));
    found.map_or(Placed::Unknown, |(_, off)| snapped(playlist, index, off))
}

/// A marker for its end; what was only planned is no date.
pub(super) fn placed_in(playlist: &MediaPlaylist, index: usize, dates: &[Option<i64>]) -> Placed {
    nearest(playlist, index, dates, end_us).map_or(Placed::Unknown, |(_, off)| snapped(playlist, index, off))
}

fn end_us(range: &DateRange) -> Option<i64> {
    let by_length = || range.start_date?.unix_us.checked_add(range.duration_us?);
    range.end_date.map(|d| d.unix_us).or_else(by_length)
}

/// The range that describes the break at segment `index` says that nobody need end it.
pub(super) fn ends_itself(playlist: &MediaPlaylist, index: usize, dates: &[Option<i64>]) -> bool {
    nearest(playlist, index, dates, |r| r.start_date.map(|d| d.unix_us)).is_some_and(|(range, _)| does_end(range))
}

fn does_end(range: &DateRange) -> bool {
    let auto_return = || {
        let section = range.scte35_out.as_deref().and_then(|text| splice_info_from_hex(text).ok());
        section.is_some_and(|s| is_auto_return(&s))
    };
    range.duration_us.is_some() || range.end_date.is_some() || auto_return()
}

/// Line, text and fault of every section in date ranges.
pub(super) fn payloads(playlist: &MediaPlaylist) -> impl Iterator<Item = (u32, &str, Option<&'static str>)> {
    playlist.date_ranges.iter().take(MAX_LISTED).flat_map(|range| {
        let (out, back) = (range.scte35_out.as_deref(), range.scte35_in.as_deref());
        let texts = [out, back, range.scte35_cmd.as_deref()].into_iter().flatten();
        texts.map(move |text| {
            let unwritten = !text.starts_with("0x") && !text.starts_with("0X");
            let fault = splice_info_from_hex(text).err().map(SpliceFault::as_str);
            (range.line, text, fault.or(unwritten.then_some("hexadecimal without 0x")))
        })
    })
}

/// Remembers ranges of breaks; gives those that are listed.
pub(super) fn take(
    known: &mut BTreeMap<u64, RangeBreak>,
    playlist: &MediaPlaylist,
    dates: &[Option<i64>],
    now: Time,
) -> Vec<Told> {
    known.retain(|_, b| now - b.seen_at < RANGE_FOR);
    let mut told = Vec::new();
    let listed = playlist.date_ranges.iter().take(MAX_LISTED);
    for range in listed.filter(|r| r.scte35_out.is_some() || r.scte35_in.is_some()) {
        let id = short_hash(&range.id);
        let start = range.start_date.map(|d| d.unix_us);
        if !known.contains_key(&id) {
            let Some(start_us) = start.filter(|_| known.len() < MAX_RANGES && range.scte35_out.is_some()) else {
                continue;
            };
            let fresh = RangeBreak { seen_at: now, start_us, planned_us: None, ends: false, is_placed: false };
            known.insert(id, fresh);
        }
        let Some(past) = known.get_mut(&id) else { continue };
        past.seen_at = now;
        past.planned_us = range.planned_duration_us.or(past.planned_us);
        past.ends |= range.scte35_in.is_some() || does_end(range);
        let place = if past.is_placed { None } else { place(playlist, dates, past.start_us) };
        past.is_placed |= place.is_some();
        let planned = range.duration_us.or(past.planned_us).filter(|us| *us > 0).map(Span::from_micros);
        told.push(Told { start_us: past.start_us, planned, placed: place.map(|p| (range.line, p)) });
    }
    told
}

/// Distance from the nearest segment start, once segments around it are listed. What began before them is not told.
fn place(playlist: &MediaPlaylist, dates: &[Option<i64>], start_us: i64) -> Option<Placed> {
    let (first, edge) = (dates.iter().flatten().min()?, edge(playlist, dates)?);
    if start_us > edge.saturating_add(ROUNDING_US) {
        return None;
    }
    if start_us < first.saturating_sub(ROUNDING_US) {
        return Some(Placed::Unknown);
    }
    let boundaries = dates.iter().flatten().copied().chain([edge]);
    let nearest = boundaries.map(|b| start_us.saturating_sub(b)).min_by_key(|d| d.abs())?;
    Some(Placed::Off(Span::from_micros(nearest)))
}

/// The break that should have ended longest ago and was not told to: since when it lasts, and what was planned.
pub(super) fn overrun(known: &BTreeMap<u64, RangeBreak>, edge: i64) -> Option<(Span, Span)> {
    let open = known.values().filter(|b| !b.ends && b.start_us <= edge);
    let planned = open.filter_map(|b| Some((edge.saturating_sub(b.start_us), b.planned_us.filter(|p| *p > 0)?)));
    let (lasted, planned) = planned.max_by_key(|(lasted, planned)| lasted.saturating_sub(*planned))?;
    Some((Span::from_micros(lasted), Span::from_micros(planned)))
}
