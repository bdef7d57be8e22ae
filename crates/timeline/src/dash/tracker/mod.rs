//! One MPD across polls: which answer is accepted, and what changed that must not change (CHECKS 3.7, 5.2, 5.4).

mod follow;
mod step;

use std::collections::VecDeque;

use ow_domain::{Span, Time, TrackId};
use serde::{Deserialize, Serialize};

use super::view::{PeriodView, Presentation, Run, TrackView};
use follow::period_changes;
pub use step::*;

/// Bodies remembered.
const MAX_BODIES: usize = 32;
/// Pairs of Period and Representation remembered.
const MAX_HISTORIES: usize = 512;
/// Polls with another availability start until it is taken for the true one.
const EPOCH_POLLS: u32 = 2;
/// Requests that overlapped are told apart by their start up to this.
const MAX_OVERTAKING: Span = Span::from_secs(60);

/// State of one MPD across polls. Serialisable and bounded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DashTracker {
    epoch: u32,
    last_t_req: Option<Time>,
    last_ok_end: Option<Time>,
    accepted: Option<Accepted>,
    /// Another availability start, and how often it was seen in a row.
    candidate: Option<(Option<Time>, u32)>,
    bodies: VecDeque<Body>,
    histories: Vec<History>,
    newest: Vec<Newest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Accepted {
    ast: Option<Time>,
    publish_time: Option<Time>,
    content: u64,
    dynamic: bool,
    periods: Vec<KnownPeriod>,
    /// `Some` while the last answer was this one: what a 304 means.
    update_period: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KnownPeriod {
    key: Box<str>,
    start: Option<Span>,
    asset: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    content: u64,
    publish_time: Option<Time>,
    epoch: u32,
}

/// Segments of one Representation in one Period, as first seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct History {
    period: Box<str>,
    track: TrackId,
    timescale: u64,
    pto: u64,
    numbered: bool,
    /// Computed lists: `startNumber` and `@duration`.
    computed: Option<(u64, u64)>,
    media: Option<Box<str>>,
    runs: Vec<Run>,
    seen: bool,
}

/// Newest content of one rendition over all Periods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Newest {
    track: TrackId,
    /// End on the MPD timeline.
    end: Span,
    first_seen_end: Time,
    seen: bool,
}

impl DashTracker {
    /// Takes one fetch in, in the order in which requests began.
    pub fn step(&mut self, observation: &DashObservation<'_>) -> DashStep {
        let overtaken = |last: Time| observation.t_req < last && last - observation.t_req <= MAX_OVERTAKING;
        if self.last_t_req.is_some_and(overtaken) {
            return self.report(observation, DashClass::OutOfOrder);
        }
        self.last_t_req = Some(observation.t_req);
        let now = match observation.outcome {
            DashOutcome::Ok(now) => now,
            // Without an accepted state a 304 says nothing.
            DashOutcome::NotModified(now) if self.accepted.is_some() => now,
            DashOutcome::NotModified(_) | DashOutcome::Failed => return self.report(observation, DashClass::Failed),
        };
        let content = now.content_digest();
        let known_body = self
            .bodies
            .iter()
            .any(|b| b.content == content && b.publish_time == now.publish_time && b.epoch == self.epoch);
        let Some(before) = self.accepted.clone() else {
            self.remember_body(content, now.publish_time);
            return self.accept(observation, now, content, DashClass::First, None);
        };
        let publish = match (before.publish_time, now.publish_time) {
            (Some(before), Some(after)) if after < before => Publish::Regressed { before, after, known_body },
            (Some(before), Some(after)) if after == before => Publish::Same,
            (Some(_), Some(_)) => Publish::Newer,
            _ => Publish::Unknown,
        };
        let changed = content != before.content;
        let older = match publish {
            Publish::Regressed { known_body, .. } => known_body || self.is_behind(now),
            Publish::Unknown => changed && known_body,
            Publish::Same | Publish::Newer => false,
        };
        if older {
            let mut step = self.report(observation, DashClass::StaleCopy);
            step.publish = publish;
            step.content_changed = Some(changed);
            return step;
        }
        // A missing one is no other one.
        let other_ast = now.ast.zip(before.ast).is_some_and(|(now, before)| now != before);
        if other_ast && (now.dynamic || before.dynamic) {
            let n = match self.candidate {
                Some((ast, n)) if ast == now.ast => n + 1,
                _ => 1,
            };
            let moved = Some((before.ast, now.ast));
            if n < EPOCH_POLLS {
                self.candidate = Some((now.ast, n));
                let mut step = self.report(observation, DashClass::EpochCandidate);
                step.publish = publish;
                step.content_changed = Some(changed);
                step.ast_changed = moved;
                return step;
            }
            let reset = self.is_new(&before, now);
            self.histories.clear();
            self.newest.clear();
            self.bodies.clear();
            self.remember_body(content, now.publish_time);
            let mut step = self.accept(observation, now, content, DashClass::EpochChanged, Some(&before));
            step.ast_changed = moved;
            step.reset = reset;
            step.publish = publish;
            return step;
        }
        self.candidate = None;
        if !known_body {
            self.remember_body(content, now.publish_time);
        }
        let class = if changed { DashClass::Updated } else { DashClass::Unchanged };
        let mut step = self.accept(observation, now, content, class, Some(&before));
        step.publish = publish;
        step
    }

    /// No Period is one of those known; where Periods have no ids, the timeline began again.
    fn is_new(&self, before: &Accepted, now: &Presentation) -> bool {
        let by_place = |key: &str| key.starts_with('#');
        if now.periods.iter().any(|p| by_place(&p.key)) {
            return self.is_behind(now);
        }
        !now.periods.is_empty() && !now.periods.iter().any(|p| before.periods.iter().any(|known| known.key == p.key))
    }

    /// Every listed rendition ends before what was seen of it.
    fn is_behind(&self, now: &Presentation) -> bool {
        let mut compared = 0;
        for newest in &self.newest {
            let ends = now.tracks().filter(|(_, t)| t.track.id == newest.track).filter_map(|(p, t)| end_of(p, t));
            match ends.max() {
                Some(end) if end < newest.end => compared += 1,
                Some(_) => return false,
                None => {}
            }
        }
        compared > 0
    }

    fn remember_body(&mut self, content: u64, publish_time: Option<Time>) {
        if self.bodies.len() == MAX_BODIES {
            self.bodies.pop_front();
        }
        self.bodies.push_back(Body { content, publish_time, epoch: self.epoch.max(1) });
    }

    /// A step that leaves the state alone.
    fn report(&self, observation: &DashObservation<'_>, class: DashClass) -> DashStep {
        DashStep {
            class,
            epoch: self.epoch,
            t_req: observation.t_req,
            t_end: observation.t_end,
            publish: Publish::Unknown,
            content_changed: None,
            ast_changed: None,
            reset: false,
            dynamic: self.accepted.as_ref().is_some_and(|a| a.dynamic),
            type_changed: false,
            update_period: self.accepted.as_ref().and_then(|a| a.update_period),
            period_changes: Vec::new(),
            tracks: Vec::new(),
        }
    }

    fn accept(
        &mut self,
        observation: &DashObservation<'_>,
        now: &Presentation,
        content: u64,
        class: DashClass,
        before: Option<&Accepted>,
    ) -> DashStep {
        if matches!(class, DashClass::First | DashClass::EpochChanged) {
            self.epoch += 1;
            self.candidate = None;
        }
        // A body of another epoch is no older version of this one.
        let epoch = self.epoch;
        self.bodies.iter_mut().filter(|b| b.content == content).for_each(|b| b.epoch = epoch);
        let mut step = self.report(observation, class);
        step.dynamic = now.dynamic;
        step.update_period = now.update_period;
        step.content_changed = before.map(|b| b.content != content);
        step.type_changed = before.is_some_and(|b| b.dynamic != now.dynamic);
        if class == DashClass::Updated
            && let Some(before) = before
        {
            period_changes(before, now, &mut step.period_changes);
        }
        self.histories.iter_mut().for_each(|h| h.seen = false);
        self.newest.iter_mut().for_each(|n| n.seen = false);
        for (period, view) in now.tracks() {
            step.tracks.push(self.follow(now, period, view, &mut step.period_changes));
        }
        self.ages(observation, now, &mut step);
        self.histories.retain(|h| h.seen);
        self.newest.retain(|n| n.seen);
        self.accepted = Some(Accepted {
            ast: now.ast.or(before.and_then(|b| b.ast)),
            publish_time: now.publish_time,
            content,
            dynamic: now.dynamic,
            periods: now
                .periods
                .iter()
                .map(|p| KnownPeriod { key: p.key.clone(), start: p.start, asset: p.asset.clone() })
                .collect(),
            update_period: now.update_period,
        });
        self.last_ok_end = Some(observation.t_end);
        step
    }
}

/// End of the newest listed segment on the MPD timeline.
fn end_of(period: &PeriodView, view: &TrackView) -> Option<Span> {
    Some(period.start? + view.in_period(view.newest_listed()?.end()))
}
