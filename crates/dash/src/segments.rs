//! The segments of a track, one after the other (§5.3.9.6, CHECKS 5.2): exact, lazy, bounded.

use crate::limits::MAX_SEGMENTS;
use crate::track::{Mode, Track};
use crate::{Position, S};

/// Microseconds from the start of the presentation; `from` inclusive, `until` exclusive. The default is everything.
/// An open description (`@duration` or `r="-1"` in a Period without end) runs to `until`: give one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    pub from_us: Option<i64>,
    pub until_us: Option<i64>,
}

/// One segment of a [`Track`]. Times in ticks are of the track's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segment {
    /// `$Number$`.
    pub number: u64,
    /// `$SubNumber$`, from 1; 0 outside of Segment Sequences (`S@k` above 1).
    pub sub_number: u32,
    /// `$Time$`: media time of the start, ticks. With `@duration`: offset + index x duration.
    pub time: u64,
    /// Ticks. With `@duration` the nominal one, also for a last segment that the Period cuts. 0 when it is not known.
    pub duration: u64,
    /// Presentation time of the start, microseconds, rounded down.
    pub start_us: i64,
    /// Presentation time of the end, microseconds, rounded up.
    pub end_us: i64,
    /// Where it is described: the `S`, the `SegmentURL`, or the segment description.
    pub at: Position,
    /// Index of its `SegmentURL`.
    pub(crate) url_index: Option<usize>,
}

/// Segments of one sequence (`S@k`).
const MAX_SEQUENCE: u64 = 1_000;

/// Segments of equal duration.
#[derive(Debug, Clone, Copy)]
struct Run {
    number: u64,
    time: u64,
    duration: u64,
    count: u64,
    /// Segments of a sequence; 1 usually.
    k: u64,
    at: Position,
    /// Index of the first one in the list.
    index: u64,
}

/// Iterator over segments.
#[derive(Debug, Clone)]
pub struct Segments<'t> {
    track: &'t Track<'t>,
    window: Window,
    /// Period start.
    start_us: i64,
    entries: &'t [S],
    next_entry: usize,
    /// Where the next entry starts unless it says so, and its number.
    time: u64,
    number: u64,
    index: u64,
    run: Option<Run>,
    /// Next in the run, and the end.
    i: u64,
    end: u64,
    sub: u64,
    n_given: u64,
}

impl<'t> Segments<'t> {
    pub(crate) fn new(track: &'t Track<'t>, window: Window) -> Self {
        let mut out = Self {
            track,
            window,
            start_us: track.time.start_us.unwrap_or(0),
            entries: &[],
            next_entry: 0,
            time: 0,
            number: track.start_number,
            index: 0,
            run: None,
            i: 0,
            end: 0,
            sub: 0,
            n_given: 0,
        };
        // No timing, no segments.
        if track.time.start_us.is_none() || track.timescale == 0 {
            return out;
        }
        match track.mode {
            Mode::Timeline => out.entries = track.timeline.map_or(&[], |timeline| &timeline.entries),
            Mode::Unknown => {}
            Mode::Duration | Mode::List | Mode::Single => {
                let run = out.only_run();
                out.enter(run);
            }
        }
        out
    }

    /// Everything as one run: no SegmentTimeline.
    fn only_run(&self) -> Run {
        let track = self.track;
        let time = track.presentation_time_offset;
        let whole = track.time.duration_us.map(|us| self.ticks_up(us));
        let duration = match track.mode {
            Mode::Single => whole.unwrap_or(0),
            _ => track.duration.or(whole).unwrap_or(0),
        };
        let by_period = whole.filter(|_| duration > 0).map(|whole| whole.div_ceil(duration));
        let by_number = track.end_number.map(|end| end.saturating_sub(track.start_number).saturating_add(1));
        let by_list = track.segment_urls().map(|urls| urls.len() as u64);
        let count = match track.mode {
            Mode::Single => Some(1),
            Mode::List => by_list,
            _ => [by_period, by_number].into_iter().flatten().min(),
        };
        let at = track.segment_info().map_or(track.representation.at, |info| info.at);
        Run { number: track.start_number, time, duration, count: count.unwrap_or(u64::MAX), k: 1, at, index: 0 }
    }

    /// Microseconds to ticks, rounded up.
    fn ticks_up(&self, us: i64) -> u64 {
        let scaled = i128::from(us) * i128::from(self.track.timescale);
        u64::try_from((scaled + 999_999).div_euclid(1_000_000)).unwrap_or(if us < 0 { 0 } else { u64::MAX })
    }

    /// Sets the part of the run that lies in the window.
    fn enter(&mut self, run: Run) {
        let step = i128::from(run.duration.max(1)) * 1_000_000;
        let offset = (i128::from(run.time) - i128::from(self.track.presentation_time_offset)) * 1_000_000;
        let distance = |us: i64| {
            let scaled = (i128::from(us) - i128::from(self.start_us)).saturating_mul(self.track.timescale.into());
            scaled.saturating_sub(offset)
        };
        // Ends after `from`, starts before `until`.
        let first = self.window.from_us.map_or(0, |from| distance(from).div_euclid(step).max(0));
        let end = self.window.until_us.map_or(i128::from(run.count), |until| {
            let distance = distance(until);
            distance.saturating_add(step - 1).div_euclid(step).max(0)
        });
        self.i = u64::try_from(first).unwrap_or(u64::MAX);
        self.end = u64::try_from(end).unwrap_or(u64::MAX).min(run.count);
        self.sub = 0;
        self.run = Some(run);
    }

    /// The next entry of the SegmentTimeline as a run.
    fn next_run(&mut self) -> Option<Run> {
        let entry = *self.entries.get(self.next_entry)?;
        let following = self.entries.get(self.next_entry + 1);
        self.next_entry += 1;
        let time = entry.t.unwrap_or(self.time);
        let number = entry.n.unwrap_or(self.number);
        let count = match u64::try_from(entry.r) {
            _ if entry.d == 0 => 1,
            Ok(r) => r.saturating_add(1),
            Err(_) => self.open_count(&entry, time, following),
        };
        let list_left = self.track.segment_urls().map(|urls| (urls.len() as u64).saturating_sub(self.index));
        let count = count.min(list_left.unwrap_or(u64::MAX));
        self.time = time.saturating_add(entry.d.saturating_mul(count));
        self.number = number.saturating_add(count);
        let index = self.index;
        self.index = index.saturating_add(count);
        Some(Run {
            number,
            time,
            duration: entry.d,
            count,
            k: entry.k.min(entry.d).clamp(1, MAX_SEQUENCE),
            at: entry.at,
            index,
        })
    }

    /// How often an entry with `r` below 0 stands: up to the next `S@t`, else the end of the Period, else without end.
    fn open_count(&self, entry: &S, time: u64, following: Option<&S>) -> u64 {
        if let Some(next) = following {
            // Without @t the next one cannot say where this one ends.
            return next.t.map_or(1, |t| t.saturating_sub(time).div_ceil(entry.d));
        }
        match self.track.time.duration_us {
            Some(us) => {
                let end = u128::from(self.track.presentation_time_offset) + u128::from(self.ticks_up(us));
                let left = end.saturating_sub(time.into());
                u64::try_from(left.div_ceil(entry.d.into())).unwrap_or(u64::MAX)
            }
            None => u64::MAX,
        }
    }

    fn is_wanted(&self, segment: &Segment) -> bool {
        self.window.from_us.is_none_or(|from| segment.end_us > from)
            && self.window.until_us.is_none_or(|until| segment.start_us < until)
    }

    fn segment(&self, run: &Run, i: u64, sub: u64) -> Option<Segment> {
        let start = run.time.checked_add(run.duration.checked_mul(i)?)?;
        let (time, duration, sub_number) = if run.k > 1 {
            let at = |n: u64| start.checked_add((u128::from(run.duration) * u128::from(n) / u128::from(run.k)) as u64);
            let (from, to) = (at(sub)?, at(sub + 1)?);
            (from, to - from, u32::try_from(sub + 1).ok()?)
        } else {
            (start, run.duration, 0)
        };
        let end = i128::from(time) + i128::from(duration) - i128::from(self.track.presentation_time_offset);
        let scale = i128::from(self.track.timescale);
        let end_us = i64::try_from((end * 1_000_000 + scale - 1).div_euclid(scale)).ok()?.checked_add(self.start_us)?;
        let index = usize::try_from(run.index.checked_add(i)?).ok();
        let url = self.track.segment_urls().and_then(|urls| urls.get(index?));
        Some(Segment {
            number: run.number.checked_add(i)?,
            sub_number,
            time,
            duration,
            start_us: self.track.presentation_us(time)?,
            end_us,
            at: url.map_or(run.at, |url| url.at),
            url_index: index.filter(|_| url.is_some()),
        })
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        loop {
            if self.n_given >= MAX_SEGMENTS {
                return None;
            }
            let Some(run) = self.run.filter(|_| self.i < self.end) else {
                self.run = None;
                let run = self.next_run()?;
                self.enter(run);
                continue;
            };
            let segment = self.segment(&run, self.i, self.sub);
            self.sub += 1;
            if self.sub >= run.k {
                self.sub = 0;
                self.i += 1;
            }
            match segment {
                // Parts of a sequence that the window cuts.
                Some(part) if run.k > 1 && !self.is_wanted(&part) => {}
                Some(segment) => {
                    self.n_given += 1;
                    return Some(segment);
                }
                // Beyond what the types hold: nothing of this run can be told any more.
                None => self.run = None,
            }
        }
    }
}
