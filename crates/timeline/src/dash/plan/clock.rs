//! What a time source of the MPD says of the probe's clock.

use ow_domain::{Span, Time};

use super::super::view::{Presentation, TimeSource};
use super::{DashAnswer, DashPlan};

/// A time source that agrees within this corrects nothing.
const CLOCK_TOLERANCE: Span = Span::from_millis(100);

#[derive(Debug, Clone, Default)]
pub(super) struct TimeDue {
    pub(super) next_due: Option<Time>,
    pub(super) in_flight: bool,
    /// Source clock minus probe clock.
    pub(super) offset: Span,
}

impl DashPlan {
    /// The time sources answered: the first that told a time said `from` to `to` (a `Date` has whole seconds) between
    /// `t_req` and `t_end`. `None` when all failed. A time in the MPD that stands before them has the word.
    pub fn on_time(&mut self, answer: DashAnswer, said: Option<(Time, Time)>) {
        self.time.in_flight = false;
        let wait = if said.is_some() { self.settings.time_poll } else { self.settings.without_period };
        self.time.next_due = Some(answer.t_end + wait);
        let sources = self.presentation.as_ref().map(|p| p.time_sources.as_slice()).unwrap_or_default();
        let is_told = matches!(sources.first(), Some(TimeSource::Direct(_)));
        if let Some((from, to)) = said.filter(|_| !is_told) {
            self.correct(from - answer.t_end, to - answer.t_req);
        }
    }

    /// The source clock is ahead of the probe's by something in this interval: the least that fits is taken.
    fn correct(&mut self, least: Span, most: Span) {
        self.time.offset = if least > CLOCK_TOLERANCE {
            least
        } else if most < -CLOCK_TOLERANCE {
            most
        } else {
            Span::ZERO
        };
    }

    /// The first time source that can be used decides; all are asked.
    pub(super) fn learn_time(&mut self, answer: DashAnswer, presentation: &Presentation) {
        let sources = &presentation.time_sources;
        match sources.first() {
            Some(TimeSource::Direct(time)) => self.correct(*time - answer.t_end, *time - answer.t_req),
            Some(_) => {}
            None => self.time = TimeDue::default(),
        }
        if sources.iter().any(|source| !matches!(source, TimeSource::Direct(_))) {
            self.time.next_due.get_or_insert(answer.t_end);
        } else {
            self.time.next_due = None;
        }
    }

    pub(super) fn http_time_sources(&self) -> Vec<TimeSource> {
        let sources = self.presentation.as_ref().map(|p| p.time_sources.as_slice()).unwrap_or_default();
        sources.iter().filter(|source| !matches!(source, TimeSource::Direct(_))).cloned().collect()
    }
}
