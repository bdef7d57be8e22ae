//! When to ask for an MPD, for its time source and for its segments (CHECKS 5.2, 5.3). For the probe: it judges nothing.
//!
//! The loop is `next_wakeup` -> `take_due` -> fetch -> `on_mpd` / `on_unchanged` / `on_failure` / `on_time`.

use std::sync::Arc;

use ow_domain::capture::{DashPromise, Track, TrackKind};
use ow_domain::{Span, Time};

use super::view::{Listed, Listing, PeriodView, Presentation, Resource, TimeSource, TrackView};
use crate::PollFailure;
use crate::cadence::CadenceSettings;
use crate::cadence::{error_delay, jitter};
use crate::key::{hash_bytes, mix};

/// Segments waiting for their time; further ones are counted as not planned.
const MAX_WAITING: usize = 512;
/// Pairs of Period and Representation followed.
const MAX_FOLLOWED: usize = 1_024;
/// Listed further ahead than this is left for a later MPD.
const MAX_AHEAD: Span = Span::from_secs(120);
/// Versions in a row with an older end before the list is taken for a restarted one.
const RESTART_AFTER: u8 = 3;
/// A time source that agrees within this corrects nothing.
const CLOCK_TOLERANCE: Span = Span::from_millis(100);
/// Tries for an early segment: at first this often, for this long, and at last up to three durations.
const EARLY_EVERY: Span = Span::from_millis(250);
const EARLY_FOR: Span = Span::from_secs(2);

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

#[derive(Debug, Clone, Default)]
struct TimeDue {
    next_due: Option<Time>,
    in_flight: bool,
    /// Source clock minus probe clock.
    offset: Span,
}

/// One Representation in one Period.
#[derive(Debug, Clone)]
struct Followed {
    period: Box<str>,
    track: Arc<Track>,
    /// Listed: media time from which on segments are new. Computed: the next `k`.
    next: u64,
    computed: bool,
    /// A computed segment stands in the queue.
    queued: bool,
    n_back: u8,
    last_oldest: Option<Time>,
    /// The first one after the start or of a Period.
    first: bool,
    seen: bool,
}

/// What is to be asked now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DashDue {
    /// When the earliest of it was planned for.
    pub due: Option<Time>,
    pub mpd: bool,
    /// `Location` to ask instead of the entry.
    pub location: Option<String>,
    pub time: Option<TimeSource>,
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
            due.time = self.http_time_source();
            self.time.in_flight = due.time.is_some();
            if due.time.is_some() {
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

    /// The time source answered: it said `from` to `to` (a `Date` has whole seconds) between `t_req` and `t_end`.
    /// `None` when it failed.
    pub fn on_time(&mut self, answer: DashAnswer, said: Option<(Time, Time)>) {
        self.time.in_flight = false;
        let wait = if said.is_some() { self.settings.time_poll } else { self.settings.without_period };
        self.time.next_due = Some(answer.t_end + wait);
        if let Some((from, to)) = said {
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

    /// The first time source that can be used decides.
    fn learn_time(&mut self, answer: DashAnswer, presentation: &Presentation) {
        match presentation.time_sources.first() {
            Some(TimeSource::Direct(time)) => {
                self.time.next_due = None;
                self.correct(*time - answer.t_end, *time - answer.t_req);
            }
            Some(_) => {
                self.time.next_due.get_or_insert(answer.t_end);
            }
            None => self.time = TimeDue::default(),
        }
    }

    fn http_time_source(&self) -> Option<TimeSource> {
        let sources = &self.presentation.as_ref()?.time_sources;
        sources.iter().find(|source| !matches!(source, TimeSource::Direct(_))).cloned()
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

    /// New segments of explicit lists, the oldest of all, and where computed lists begin.
    fn plan_segments(&mut self, answer: DashAnswer, first_sight: bool) {
        let Some(presentation) = self.presentation.take() else { return };
        self.followed.iter_mut().for_each(|f| f.seen = false);
        let current = self.current_period(&presentation, answer.t_end);
        for (index, period) in presentation.periods.iter().enumerate() {
            for view in &period.tracks {
                let known = self.followed.iter().position(|f| f.period == period.key && f.track.id == view.track.id);
                let at = match known {
                    Some(at) => at,
                    None if self.followed.len() < MAX_FOLLOWED => {
                        self.followed.push(Followed {
                            period: period.key.clone(),
                            track: Arc::new(view.track.clone()),
                            next: 0,
                            computed: false,
                            queued: false,
                            n_back: 0,
                            last_oldest: None,
                            first: true,
                            seen: true,
                        });
                        self.followed.len() - 1
                    }
                    None => continue,
                };
                // At first sight only the Period on the air is followed from its edge; older ones are past.
                let place = match (known, first_sight) {
                    (Some(_), _) => Place::Known,
                    (None, true) if Some(index) == current => Place::Edge,
                    (None, true) if current.is_some_and(|current| index < current) => Place::Past,
                    (None, _) => Place::Beginning,
                };
                self.follow(at, &presentation, period, view, place, answer, index > 0);
            }
        }
        self.followed.retain(|f| f.seen);
        self.presentation = Some(presentation);
    }

    /// The Period on the air at `now`, or the last one that has begun.
    fn current_period(&self, presentation: &Presentation, now: Time) -> Option<usize> {
        if !presentation.dynamic {
            return presentation.periods.len().checked_sub(1);
        }
        let passed = self.source_time(now) - presentation.ast?;
        presentation.periods.iter().rposition(|p| p.start.is_some_and(|start| start <= passed))
    }

    fn source_time(&self, probe: Time) -> Time {
        probe + self.time.offset
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; the parts are borrowed from two owners")]
    fn follow(
        &mut self,
        at: usize,
        presentation: &Presentation,
        period: &PeriodView,
        view: &TrackView,
        place: Place,
        answer: DashAnswer,
        later_period: bool,
    ) {
        let now = answer.t_end;
        let initial = self.settings.cadence.initial_segments.max(1);
        let Some(followed) = self.followed.get_mut(at) else { return };
        followed.seen = true;
        followed.computed = matches!(view.listing, Listing::Every { .. });
        if *followed.track != view.track {
            followed.track = Arc::new(view.track.clone());
        }
        let mut found: Vec<(Listed, SegmentWhy, u32)> = Vec::new();
        match &view.listing {
            Listing::Explicit(_) => {
                let listed = view.listed();
                let Some(newest) = listed.last().copied() else { return };
                followed.n_back = if newest.time.saturating_add(1) < followed.next { followed.n_back + 1 } else { 0 };
                let restarted = followed.n_back >= RESTART_AFTER;
                let ready = |s: &Listed| match available_at(view, presentation, period, s, self.time.offset) {
                    Some(at) => at <= now + MAX_AHEAD,
                    None => true,
                };
                match place {
                    Place::Past => followed.next = newest.time.saturating_add(1),
                    Place::Edge => {}
                    _ if restarted => {}
                    Place::Known | Place::Beginning => {
                        let new: Vec<&Listed> = listed.iter().filter(|s| s.time >= followed.next && ready(s)).collect();
                        let max = self.settings.cadence.max_new_per_poll as usize;
                        let left_out = new.len().saturating_sub(max);
                        self.n_not_planned = self.n_not_planned.saturating_add(left_out as u32);
                        let n = new.len();
                        for (i, segment) in new.into_iter().enumerate().skip(left_out) {
                            found.push((*segment, SegmentWhy::New, (n - 1 - i) as u32));
                        }
                    }
                }
                if place == Place::Edge || restarted {
                    followed.n_back = 0;
                    let ready: Vec<&Listed> = listed.iter().filter(|s| ready(s)).collect();
                    let from = ready.len().saturating_sub(initial as usize);
                    let edge = ready.iter().enumerate().skip(from);
                    found.extend(edge.map(|(i, s)| (**s, SegmentWhy::FirstSight, (ready.len() - 1 - i) as u32)));
                    followed.next = 0;
                }
                if let Some((last, ..)) = found.last() {
                    followed.next = last.time.saturating_add(1);
                }
            }
            Listing::Every { .. } => {
                let source_now = self.time.offset + (now - Time::UNIX_EPOCH);
                let source_now = Time::UNIX_EPOCH + source_now;
                let newest = view.newest_computed(presentation.ast, period, source_now);
                match place {
                    Place::Edge => {
                        followed.next = newest.map_or(0, |k| (k + 1).saturating_sub(u64::from(initial)));
                    }
                    Place::Past => followed.next = newest.map_or(0, |k| k + 1),
                    Place::Known | Place::Beginning => {}
                }
            }
            Listing::Single { index } => {
                if place != Place::Known
                    && let super::view::Address::Single(whole) = &view.address
                {
                    let range = index.map(|(first, last)| (first, Some(last)));
                    let promise = promise(
                        view,
                        presentation,
                        period,
                        &Listed { number: 0, time: 0, duration: 0 },
                        self.time.offset,
                    );
                    let segment = DashSegment {
                        track: followed.track.clone(),
                        number: 0,
                        duration: period.duration.unwrap_or(Span::ZERO),
                        why: SegmentWhy::Index,
                        mandatory: true,
                        discontinuity: false,
                        from_edge: 0,
                        listed_at: now,
                        resource: Resource { url: whole.url.clone(), range },
                        init: view.init.clone(),
                        promise,
                    };
                    self.waiting.push((now, segment));
                }
            }
            Listing::Nothing => {}
        }
        let oldest_due = followed.last_oldest.is_none_or(|last| now - last >= self.settings.cadence.oldest_probe);
        if oldest_due
            && place != Place::Past
            && let Some(oldest) = oldest(view, presentation, period, now + self.time.offset)
        {
            followed.last_oldest = Some(now);
            // One that is still to come as a new one is not taken twice.
            let to_come = followed.computed && oldest.number.saturating_sub(view.start_number) >= followed.next;
            let taken = to_come || found.iter().any(|(s, ..)| s.time == oldest.time);
            if !taken {
                found.push((oldest, SegmentWhy::Oldest, u32::MAX));
            }
        }
        for (listed, why, from_edge) in found {
            let Some(followed) = self.followed.get_mut(at) else { return };
            let first = why != SegmentWhy::Oldest && std::mem::take(&mut followed.first);
            let discontinuity = first && later_period && why == SegmentWhy::New;
            let track = followed.track.clone();
            let Some(segment) =
                self.segment(track, presentation, period, view, &listed, why, first, discontinuity, from_edge, now)
            else {
                continue;
            };
            let due = segment.promise.available_at.map_or(now, |at| now.max(at + self.settings.edge_guard));
            self.push(due, segment);
        }
    }

    /// Keeps one segment of each computed list in the queue: the next one at its availability time.
    fn queue_computed(&mut self, now: Time) {
        let Some(presentation) = self.presentation.take() else { return };
        let n_tracks = self.followed.iter().filter(|f| f.computed).count().max(1) as i64;
        let turn = now.unix_micros() / self.settings.edge_rotate.micros().max(1) + (self.hash % 64) as i64;
        let edge = turn.rem_euclid(n_tracks);
        let max_new = u64::from(self.settings.cadence.max_new_per_poll);
        let mut nth = 0;
        for at in 0..self.followed.len() {
            let Some(followed) = self.followed.get(at).filter(|f| f.computed) else { continue };
            let at_edge = nth == edge;
            nth += 1;
            if followed.queued {
                continue;
            }
            let (key, id, mut next, first) =
                (followed.period.clone(), followed.track.id.clone(), followed.next, followed.first);
            let found = presentation.periods.iter().enumerate().find(|(_, p)| p.key == key);
            let Some((period_index, period)) = found else { continue };
            let Some(view) = period.tracks.iter().find(|t| t.track.id == id) else { continue };
            let source_now = now + self.time.offset;
            let newest = view.newest_computed(presentation.ast, period, source_now);
            if let Some(behind) = newest.and_then(|k| k.checked_sub(next)).filter(|n| *n >= max_new) {
                let skip = behind + 1 - max_new;
                self.n_not_planned = self.n_not_planned.saturating_add(u32::try_from(skip).unwrap_or(u32::MAX));
                next += skip;
            }
            // The end of the Period, and of what is listed at all.
            let last = view.newest_computed(None, period, source_now);
            let bounded =
                period.duration.is_some() || matches!(view.listing, Listing::Every { end_number: Some(_), .. });
            if (bounded && last.is_none_or(|last| next > last)) || (!presentation.dynamic && newest.is_none()) {
                continue;
            }
            let Some(listed) = view.computed(next) else { continue };
            let track = followed.track.clone();
            let why =
                if first && newest.is_some() && period_index == 0 { SegmentWhy::FirstSight } else { SegmentWhy::New };
            let discontinuity = next == 0 && period_index > 0;
            let from_edge = newest.map_or(0, |k| u32::try_from(k.saturating_sub(next)).unwrap_or(u32::MAX));
            let listed_at = self.listed_at;
            let segment = self.segment(
                track,
                &presentation,
                period,
                view,
                &listed,
                why,
                first,
                discontinuity,
                from_edge,
                listed_at,
            );
            let Some(segment) = segment else { continue };
            // One rendition at a time is asked right at the edge; a 404 for the others is no longer about the edge.
            let distance = if at_edge {
                self.settings.edge_guard
            } else {
                self.settings.edge_guard + segment.duration.mul_ratio(1, 4).max(Span::from_secs(1))
            };
            let Some(due) = segment.promise.available_at.map(|at| now.max(at + distance)) else {
                // Without a clock only what a Period's end bounds: once.
                if let Some(f) = self.followed.get_mut(at) {
                    f.next = next + 1;
                    f.first = false;
                    f.queued = true;
                }
                self.push(now, segment);
                continue;
            };
            if let Some(f) = self.followed.get_mut(at) {
                f.next = next + 1;
                f.first = false;
                f.queued = true;
            }
            self.push(due, segment);
        }
        self.presentation = Some(presentation);
    }

    fn push(&mut self, due: Time, segment: DashSegment) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push((due, segment));
        } else {
            self.n_not_planned = self.n_not_planned.saturating_add(1);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one segment, borrowed from two owners")]
    fn segment(
        &self,
        track: Arc<Track>,
        presentation: &Presentation,
        period: &PeriodView,
        view: &TrackView,
        listed: &Listed,
        why: SegmentWhy,
        mandatory: bool,
        discontinuity: bool,
        from_edge: u32,
        listed_at: Time,
    ) -> Option<DashSegment> {
        if track.kind == TrackKind::Trick && why != SegmentWhy::FirstSight {
            return None;
        }
        Some(DashSegment {
            track,
            number: listed.number,
            duration: view.span(listed.duration),
            why,
            mandatory,
            discontinuity,
            from_edge,
            listed_at,
            resource: view.resource(listed)?,
            init: view.init.clone(),
            promise: promise(view, presentation, period, listed, self.time.offset),
        })
    }
}

/// Where a Representation is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Known,
    /// With the newest segments.
    Edge,
    /// With its first segment: a Period that came while we watched, or comes later.
    Beginning,
    /// Not at all.
    Past,
}

fn promise(
    view: &TrackView,
    presentation: &Presentation,
    period: &PeriodView,
    listed: &Listed,
    offset: Span,
) -> DashPromise {
    DashPromise {
        period: period.key.to_string(),
        representation: view.representation.to_string(),
        time: listed.time,
        duration: listed.duration,
        timescale: view.timescale,
        pto: view.pto,
        period_start_us: period.start.unwrap_or(Span::ZERO).micros(),
        explicit: view.is_explicit(),
        available_at: available_at(view, presentation, period, listed, offset),
        ato_us: view.ato.filter(|ato| *ato != Span::ZERO).map(Span::micros),
        n_early: 0,
        last_early: None,
        gives_up: false,
        time_shift_us: presentation.time_shift.filter(|_| presentation.dynamic).map(Span::micros),
        last_in_period: period.duration.is_some_and(|duration| {
            let is_followed = presentation.periods.last().is_some_and(|last| last.key != period.key);
            is_followed && view.in_period(listed.end()) + view.span(listed.duration).mul_ratio(1, 2) >= duration
        }),
    }
}

/// On the clock of the probe.
fn available_at(
    view: &TrackView,
    presentation: &Presentation,
    period: &PeriodView,
    segment: &Listed,
    offset: Span,
) -> Option<Time> {
    let ast = presentation.ast.filter(|_| presentation.dynamic);
    Some(view.available_at(ast, period, segment.end())? - offset)
}

/// The first segment of the window that is promised for another duration at least.
fn oldest(view: &TrackView, presentation: &Presentation, period: &PeriodView, now: Time) -> Option<Listed> {
    let d = view.nominal()?;
    let window_start = presentation
        .time_shift
        .filter(|_| presentation.dynamic)
        .and_then(|depth| Some(now - depth + d - presentation.ast? - period.start?));
    match &view.listing {
        Listing::Explicit(_) => {
            let listed = view.listed();
            let from = window_start.unwrap_or(Span::from_micros(i64::MIN));
            listed.into_iter().find(|s| view.in_period(s.end()) > from)
        }
        Listing::Every { .. } => {
            let newest = view.newest_computed(presentation.ast, period, now)?;
            let k = match window_start {
                Some(start) if start > Span::ZERO => u64::try_from(start.micros() / d.micros().max(1)).ok()? + 1,
                _ => 0,
            };
            view.computed(k).filter(|_| k <= newest)
        }
        Listing::Single { .. } | Listing::Nothing => None,
    }
}

/// When to ask again for a segment of duration `d`, promised from `from`, that was too early in a request of `t_req`:
/// every 250 ms for 2 s, then four times per duration, until three durations have passed (CHECKS `dash-segment-late`).
pub fn early_retry(from: Time, d: Span, t_req: Time) -> Option<Time> {
    let step = if t_req - from < EARLY_FOR { EARLY_EVERY } else { d.mul_ratio(1, 4).max(EARLY_EVERY) };
    let next = t_req + step;
    (next <= from + d.mul_ratio(3, 1).max(EARLY_FOR)).then_some(next)
}
