//! Which segments are asked for, and when: new ones of lists, the next one of computed lists, the oldest now and then.

use std::sync::Arc;

use ow_domain::capture::{Track, TrackKind};
use ow_domain::{Span, Time};

use super::super::view::{Address, Listed, Listing, PeriodView, Presentation, Resource, TrackView};
use super::promise::{available_at, oldest, promise};
use super::{DashAnswer, DashPlan, DashSegment, SegmentWhy};

/// Segments waiting for their time; further ones are counted as not planned.
const MAX_WAITING: usize = 512;
/// Pairs of Period and Representation followed.
const MAX_FOLLOWED: usize = 1_024;
/// Listed further ahead than this is left for a later MPD.
const MAX_AHEAD: Span = Span::from_secs(120);
/// Versions in a row with an older end before the list is taken for a restarted one.
const RESTART_AFTER: u8 = 3;

/// One Representation in one Period.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    pub(super) period: Box<str>,
    pub(super) track: Arc<Track>,
    /// Listed: media time from which on segments are new. Computed: the next `k`.
    next: u64,
    pub(super) computed: bool,
    /// A computed segment stands in the queue.
    pub(super) queued: bool,
    n_back: u8,
    last_oldest: Option<Time>,
    /// The first one after the start or of a Period.
    first: bool,
    seen: bool,
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

impl DashPlan {
    /// New segments of explicit lists, the oldest of all, and where computed lists begin.
    pub(super) fn plan_segments(&mut self, answer: DashAnswer, first_sight: bool) {
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
                    && let Address::Single(whole) = &view.address
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
    pub(super) fn queue_computed(&mut self, now: Time) {
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
