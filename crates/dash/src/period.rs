//! Where Periods lie on the MPD timeline (§5.3.2.1).

use crate::Mpd;

/// A Period in time. Microseconds from the start of the presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodTime {
    /// `None` for an early available Period: it has no timing yet.
    pub start_us: Option<i64>,
    /// `None` when it is open.
    pub duration_us: Option<i64>,
}

impl PeriodTime {
    /// The end, when both are known.
    pub fn end_us(&self) -> Option<i64> {
        Some(self.start_us?.saturating_add(self.duration_us?))
    }
}

/// One for each of `mpd.periods`: the start is `@start`, else the end of the one before by its `@duration`, else 0 for
/// the first of a static MPD; the duration is `@duration`, else up to the next start, else up to
/// `@mediaPresentationDuration`. A duration below zero (starts that go back) is given as 0.
pub fn period_times(mpd: &Mpd) -> Vec<PeriodTime> {
    let mut out: Vec<PeriodTime> = Vec::with_capacity(mpd.periods.len());
    let mut before_us = None;
    for (index, period) in mpd.periods.iter().enumerate() {
        let start_us = match period.start {
            Some(start) => Some(start.micros),
            None if index == 0 && !mpd.is_dynamic() => Some(0),
            None => before_us,
        };
        let duration_us = period.duration.map(|duration| duration.micros);
        before_us = start_us.zip(duration_us).map(|(start, duration): (i64, i64)| start.saturating_add(duration));
        out.push(PeriodTime { start_us, duration_us });
    }
    let mut next_us = mpd.media_presentation_duration.map(|duration| duration.micros);
    for time in out.iter_mut().rev() {
        if time.duration_us.is_none() {
            time.duration_us = time.start_us.zip(next_us).map(|(start, next)| next.saturating_sub(start).max(0));
        }
        next_us = time.start_us;
    }
    out
}
