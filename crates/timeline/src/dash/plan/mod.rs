//! When to ask for an MPD, for its time source and for its segments (CHECKS 5.2, 5.3). For the probe: it judges nothing.
//!
//! The loop is `next_wakeup` -> `take_due` -> fetch -> `on_mpd` / `on_unchanged` / `on_failure` / `on_time`.

mod clock;
mod promise;
mod segments;

use std::sync::Arc;

use ow_domain::capture::{DashPromise, Track};
use ow_domain::{Span, Time};

use super::view::{Presentation, Resource, TimeSource};
use crate::PollFailure;
use crate::cadence::CadenceSettings;
use crate::cadence::{error_delay, jitter};
use crate::key::{hash_bytes, mix};

use clock::TimeDue;
pub use promise::early_retry;
use segments::Followed;

/// Parameters of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct DashSettings {
    /// What it has in common with HLS: initial segments, oldest probe, spread, error delays.
    pub cadence: CadenceSettings,
    /// A segment is asked for so long after its availability start.
    pub edge_guard: Span,
    /// Another rendition is asked right at the edge after this.
    pub edge_rotate: Span,
    /// MPD without `@minimumUpdatePeriod`, static ones, and computed lists with a period of 0.
    pub without_period: Span,
    pub zero_period_computed: Span,
    /// How often an HTTP time source is asked.
    pub time_poll: Span,
}

impl Default for DashSettings {
    fn default() -> Self {
        Self {
            cadence: CadenceSettings::default(),
            edge_guard: Span::from_millis(100),
            edge_rotate: Span::from_secs(30),
            without_period: Span::from_secs(60),
            zero_period_computed: Span::from_secs(30),
            time_poll: Span::from_secs(300),
        }
    }
}

/// Poll plan of one DASH stream.
#[derive(Debug, Clone)]
pub struct DashPlan {
    hash: u64,
    settings: DashSettings,
    mpd: MpdDue,
    time: TimeDue,
    presentation: Option<Presentation>,
    listed_at: Time,
    followed: Vec<Followed>,
    waiting: Vec<(Time, DashSegment)>,
    n_not_planned: u32,
}

#[derive(Debug, Clone)]
struct MpdDue {
    next_due: Time,
    in_flight: bool,
    n_errors: u32,
    n_polls: u64,
    /// `Location`, asked instead of the entry.
    location: Option<String>,
    digest: Option<u64>,
}

/// What is to be asked now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DashDue {
    /// When the earliest of it was planned for.
    pub due: Option<Time>,
    pub mpd: bool,
    /// `Location` to ask instead of the entry.
    pub location: Option<String>,
    /// Every HTTP source of the MPD.
    pub times: Vec<TimeSource>,
    pub segments: Vec<DashSegment>,
    /// Segments left out for lack of room.
    pub n_not_planned: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentWhy {
    New,
    /// Among the newest at first sight.
    FirstSight,
    /// The oldest of the window, now and then.
    Oldest,
    /// Only the initialization section and the index: one resource for the whole Period.
    Index,
}

/// One segment to fetch.
#[derive(Debug, Clone, PartialEq)]
pub struct DashSegment {
    pub track: Arc<Track>,
    pub number: u64,
    /// Of the whole, as declared.
    pub duration: Span,
    pub why: SegmentWhy,
    /// Taken even where segments are sampled.
    pub mandatory: bool,
    /// First of a Period that is not the first.
    pub discontinuity: bool,
    pub from_edge: u32,
    /// End of the response that first listed it.
    pub listed_at: Time,
    pub resource: Resource,
    pub init: Option<Resource>,
    pub promise: DashPromise,
}

/// What an MPD answer means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DashAnswer {
    pub t_req: Time,
    pub t_end: Time,
}

impl DashPlan {
    /// `channel` seeds phase and jitter.
    pub fn new(channel: &str, start: Time, settings: DashSettings) -> Self {
        let hash = hash_bytes(0, channel.as_bytes());
        let next_due = start + jitter(settings.cadence.phase_spread, 1000, hash);
        Self {
            hash,
            settings,
            mpd: MpdDue { next_due, in_flight: false, n_errors: 0, n_polls: 0, location: None, digest: None },
            time: TimeDue::default(),
            presentation: None,
            listed_at: start,
            followed: Vec::new(),
            waiting: Vec::new(),
            n_not_planned: 0,
        }
    }

    pub const fn settings(&self) -> &DashSettings {
        &self.settings
    }

    /// Clock of the time source minus clock of the probe, as far as it matters.
    pub const fn clock_offset(&self) -> Span {
        self.time.offset
    }

    /// When the MPD is asked for next.
    pub const fn mpd_due(&self) -> Time {
        self.mpd.next_due
    }

    /// When [`Self::take_due`] will have something.
    pub fn next_wakeup(&self) -> Option<Time> {
        let mpd = (!self.mpd.in_flight).then_some(self.mpd.next_due);
        let time = self.time.next_due.filter(|_| !self.time.in_flight);
        let segments = self.waiting.iter().map(|(due, _)| *due).min();
        [mpd, time, segments].into_iter().flatten().min()
    }

    /// What to ask for now. The MPD and the time source count as in flight until they are answered.
    pub fn take_due(&mut self, now: Time) -> DashDue {
        let mut due = DashDue::default();
        let mut earliest = |at: Time| due.due = Some(due.due.map_or(at, |known: Time| known.min(at)));
        if !self.mpd.in_flight && self.mpd.next_due <= now {
            self.mpd.in_flight = true;
            earliest(self.mpd.next_due);
            due.mpd = true;
            due.location.clone_from(&self.mpd.location);
        }
        if let Some(at) = self.time.next_due.filter(|at| !self.time.in_flight && *at <= now) {
            due.times = self.http_time_sources();
            self.time.in_flight = !due.times.is_empty();
            if self.time.in_flight {
                earliest(at);
            } else {
                self.time.next_due = None;
            }
        }
        let (mut ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| *at <= now);
        self.waiting = waiting;
        ready.sort_by_key(|(at, _)| *at);
        for (at, segment) in ready {
            earliest(at);
            if segment.why != SegmentWhy::Oldest
                && let Some(followed) = self
                    .followed
                    .iter_mut()
                    .find(|f| f.computed && *f.period == *segment.promise.period && f.track.id == segment.track.id)
            {
                followed.queued = false;
            }
            due.segments.push(segment);
        }
        self.queue_computed(now);
        due.n_not_planned = std::mem::take(&mut self.n_not_planned);
        due
    }

    /// An MPD came.
    pub fn on_mpd(&mut self, answer: DashAnswer, presentation: Presentation) {
        let digest = presentation.content_digest();
        let unchanged = self.mpd.digest == Some(digest);
        self.mpd.digest = Some(digest);
        self.mpd.location.clone_from(&presentation.location);
        self.mpd.n_errors = 0;
        self.mpd.in_flight = false;
        self.learn_time(answer, &presentation);
        let restarted = self.presentation.as_ref().is_some_and(|before| before.ast != presentation.ast);
        if restarted {
            self.followed.clear();
            self.waiting.clear();
        }
        let first_sight = self.presentation.is_none() || restarted;
        self.presentation = Some(presentation);
        self.listed_at = answer.t_end;
        self.schedule(answer, unchanged);
        self.plan_segments(answer, first_sight);
        self.queue_computed(answer.t_end);
    }

    /// 304.
    pub fn on_unchanged(&mut self, answer: DashAnswer) {
        self.mpd.n_errors = 0;
        self.mpd.in_flight = false;
        self.schedule(answer, true);
    }

    /// No MPD. After a failed `Location` the entry is asked again.
    pub fn on_failure(&mut self, failure: PollFailure) {
        self.mpd.in_flight = false;
        self.mpd.location = None;
        self.mpd.n_errors = self.mpd.n_errors.saturating_add(1);
        let cadence = &self.settings.cadence;
        let delay = match failure.retry_after {
            Some(after) => after.clamp(Span::from_secs(1), cadence.max_retry_after),
            None => error_delay(self.mpd.n_errors, self.period(false), cadence),
        };
        let delay = delay + jitter(delay, 100, mix(self.hash, u64::from(self.mpd.n_errors)));
        self.mpd.next_due = failure.t_end + delay;
    }

    fn schedule(&mut self, answer: DashAnswer, unchanged: bool) {
        self.mpd.n_polls += 1;
        let wait = self.period(unchanged);
        let wait = wait + jitter(wait, 100, mix(self.hash, self.mpd.n_polls));
        self.mpd.next_due = (answer.t_req + wait).max(answer.t_end);
    }

    /// CHECKS 5.3: the update period between 1 s and 60 s; 0 follows the segments; absent is a minute.
    fn period(&self, unchanged: bool) -> Span {
        let Some(presentation) = &self.presentation else { return self.settings.cadence.assumed_duration };
        let longest = self.settings.without_period;
        match presentation.update_period.filter(|_| presentation.dynamic) {
            None => longest,
            Some(Span::ZERO) => {
                let nominal =
                    presentation.tracks().filter(|(_, t)| t.is_explicit()).filter_map(|(_, t)| t.nominal()).min();
                match nominal {
                    Some(d) if unchanged => d.mul_ratio(1, 2),
                    Some(d) => d,
                    None => self.settings.zero_period_computed,
                }
            }
            Some(period) => period,
        }
        .clamp(Span::from_secs(1), longest)
    }
}
