//! One MPD across polls: which answer is accepted, and what changed that must not change (CHECKS 3.7, 5.2, 5.4).

use std::collections::VecDeque;

use ow_domain::capture::TrackKind;
use ow_domain::{Span, Time, TrackId};
use serde::{Deserialize, Serialize};

use super::view::{Listed, Listing, PeriodView, Presentation, Run, TrackView, runs, ticks_to_span};

/// Bodies remembered.
const MAX_BODIES: usize = 32;
/// Pairs of Period and Representation remembered.
const MAX_HISTORIES: usize = 512;
/// Segments remembered of each, the newest.
const MAX_REMEMBERED: usize = 2_048;
/// Seams and rewrites told per track and step.
const MAX_TOLD: usize = 16;
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

/// One fetch of the MPD.
#[derive(Debug, Clone, Copy)]
pub struct DashObservation<'a> {
    pub t_req: Time,
    pub t_end: Time,
    /// `Age` of the answer.
    pub age: Option<Span>,
    pub outcome: DashOutcome<'a>,
}

#[derive(Debug, Clone, Copy)]
pub enum DashOutcome<'a> {
    Ok(&'a Presentation),
    /// 304, with the MPD as it was when it was last read.
    NotModified(&'a Presentation),
    Failed,
}

/// What one more fetch means. Plain data: checks judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashStep {
    pub class: DashClass,
    /// Grows with every availability start that was accepted; the first is 1.
    pub epoch: u32,
    pub t_req: Time,
    pub t_end: Time,
    pub publish: Publish,
    /// The content is another one than that accepted before; `None` when there was none.
    pub content_changed: Option<bool>,
    /// The availability start is not that of the accepted epoch: before and now.
    pub ast_changed: Option<(Option<Time>, Option<Time>)>,
    pub dynamic: bool,
    /// Static before and dynamic now, or the other way round.
    pub type_changed: bool,
    pub update_period: Option<Span>,
    pub period_changes: Vec<PeriodChange>,
    pub tracks: Vec<DashTrackStep>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DashClass {
    First,
    Failed,
    /// The request began before the last one judged.
    OutOfOrder,
    /// The accepted content again.
    Unchanged,
    Updated,
    /// An older version: state untouched.
    StaleCopy,
    /// Another availability start, not yet confirmed: state untouched.
    EpochCandidate,
    /// Another availability start for the second time: accepted.
    EpochChanged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Publish {
    /// Absent now or before, or nothing to compare with.
    Unknown,
    Same,
    Newer,
    /// Lower than the accepted one. `known_body`: it is a version that was served before.
    Regressed {
        before: Time,
        after: Time,
        known_body: bool,
    },
}

/// A known Period that is another one now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeriodChange {
    pub period: Box<str>,
    /// Where it is about one rendition.
    pub track: Option<TrackId>,
    pub field: PeriodField,
    pub before: Box<str>,
    pub after: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeriodField {
    Start,
    PresentationTimeOffset,
    Timescale,
    AssetIdentifier,
    Media,
}

/// One rendition of one Period after one accepted fetch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashTrackStep {
    pub period: Box<str>,
    pub track: TrackId,
    pub kind: TrackKind,
    pub timescale: u64,
    pub explicit: bool,
    /// Nominal segment duration.
    pub nominal: Option<Span>,
    /// Holes (above 0) and overlaps (below 0) between listed segments beyond one tick or 1 ms; the worst
    /// of each sign first.
    pub seams: Vec<Seam>,
    pub n_listed: u64,
    pub rewritten: Option<Rewrite>,
    pub mapping: Option<MappingChange>,
    /// Newest content of the rendition, told in the Period that holds it.
    pub age: Option<DashAge>,
    /// End of the newest listed segment on the wall clock: AST + PS + (end - PTO).
    pub edge_at: Option<Time>,
}

/// Between two listed segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seam {
    /// Where the first of them ends and the second starts, ticks.
    pub end: u64,
    pub start: u64,
    /// `start - end`.
    pub size: Span,
}

/// A known segment that is listed otherwise now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    pub before: Listed,
    pub after: Listed,
    /// Segments that show it.
    pub n: u32,
}

/// Numbers that stand for other media than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MappingChange {
    /// The segment at `time` had the number `before`.
    Number { time: u64, before: u64, after: u64 },
    /// A computed list: `startNumber` and duration in ticks before and now.
    Computed { before: (u64, u64), after: (u64, u64) },
    /// A computed list whose timescale or offset changed: numbers stand for other times.
    Base,
}

/// Age of the newest content (CHECKS 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DashAge {
    /// This answer showed something newer.
    pub grew: bool,
    /// `t_req` minus the end of the response that first showed it: a lower bound; 0 when it grew.
    pub age: Span,
    pub age_at_origin: Option<Span>,
    pub first_seen_end: Time,
}

impl DashStep {
    /// The answer became, or equals, the accepted state.
    pub const fn is_accepted(&self) -> bool {
        matches!(self.class, DashClass::First | DashClass::Unchanged | DashClass::Updated | DashClass::EpochChanged)
    }
    /// There was an MPD to look at.
    pub const fn has_mpd(&self) -> bool {
        !matches!(self.class, DashClass::Failed | DashClass::OutOfOrder)
    }
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
            self.histories.clear();
            self.newest.clear();
            self.bodies.clear();
            self.remember_body(content, now.publish_time);
            let mut step = self.accept(observation, now, content, DashClass::EpochChanged, Some(&before));
            step.ast_changed = moved;
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

    /// Compares one Representation with what was seen of it.
    fn follow(
        &mut self,
        now: &Presentation,
        period: &PeriodView,
        view: &TrackView,
        changes: &mut Vec<PeriodChange>,
    ) -> DashTrackStep {
        let listed = view.listed();
        let mut step = DashTrackStep {
            period: period.key.clone(),
            track: view.track.id.clone(),
            kind: view.track.kind,
            timescale: view.timescale,
            explicit: view.is_explicit(),
            nominal: view.nominal(),
            seams: seams(view, &listed),
            n_listed: listed.len() as u64,
            rewritten: None,
            mapping: None,
            age: None,
            edge_at: listed.last().and_then(|last| Some(now.ast? + period.start? + view.in_period(last.end()))),
        };
        let computed = match view.listing {
            Listing::Every { duration, .. } => Some((view.start_number, duration)),
            _ => None,
        };
        let media = match &view.address {
            super::view::Address::Template { media, .. } => media.split('?').next().map(Into::into),
            _ => None,
        };
        let at = self.histories.iter().position(|h| h.period == period.key && h.track == view.track.id);
        let fresh = |listed: &[Listed]| History {
            period: period.key.clone(),
            track: view.track.id.clone(),
            timescale: view.timescale,
            pto: view.pto,
            numbered: view.is_numbered(),
            computed,
            media: media.clone(),
            runs: remembered(listed.iter().copied()),
            seen: true,
        };
        let Some(history) = at.and_then(|at| self.histories.get_mut(at)) else {
            if self.histories.len() < MAX_HISTORIES {
                self.histories.push(fresh(&listed));
            }
            return step;
        };
        history.seen = true;
        let mut change = |field, before: String, after: String| {
            changes.push(PeriodChange {
                period: period.key.clone(),
                track: Some(view.track.id.clone()),
                field,
                before: before.into(),
                after: after.into(),
            });
        };
        let base_changed = (history.timescale, history.pto) != (view.timescale, view.pto);
        let both_computed = history.computed.zip(computed);
        if base_changed || history.computed.is_some() != computed.is_some() {
            if both_computed.is_some() {
                step.mapping = Some(MappingChange::Base);
            } else if history.timescale != view.timescale {
                change(PeriodField::Timescale, history.timescale.to_string(), view.timescale.to_string());
            } else if history.pto != view.pto {
                change(PeriodField::PresentationTimeOffset, history.pto.to_string(), view.pto.to_string());
            }
            *history = fresh(&listed);
            return step;
        }
        if history.media != media {
            let text = |m: &Option<Box<str>>| m.as_deref().unwrap_or("none").to_owned();
            change(PeriodField::Media, text(&history.media), text(&media));
            history.media = media;
        }
        if let Some((before, after)) = both_computed {
            if before != after {
                step.mapping = Some(MappingChange::Computed { before, after });
                history.computed = computed;
            }
            return step;
        }
        let known: Vec<Listed> = history.runs.iter().flat_map(|run| (0..run.count).map(|i| run.at(i))).collect();
        compare(view, &known, &listed, &mut step);
        let newest_known = known.last().map(Listed::end);
        let new = listed.iter().filter(|s| newest_known.is_none_or(|end| s.time >= end)).copied();
        // What left the head is forgotten with it: memory is bounded by the window.
        let first = listed.first().map_or(0, |s| s.time);
        let kept = known.iter().copied().filter(|s| s.time >= first);
        history.runs = remembered(kept.chain(new));
        step
    }

    /// How old the newest content of each rendition is.
    fn ages(&mut self, observation: &DashObservation<'_>, now: &Presentation, step: &mut DashStep) {
        for (place, (period, view)) in now.tracks().enumerate() {
            let Some(end) = end_of(period, view) else { continue };
            // Told in the Period that holds the newest content.
            let id = &view.track.id;
            let best = now.tracks().filter(|(_, t)| t.track.id == *id).filter_map(|(p, t)| end_of(p, t)).max();
            if best != Some(end) {
                continue;
            }
            let known = self.newest.iter_mut().find(|n| n.track == *id);
            let age = match known {
                Some(known) if end > known.end => {
                    *known = Newest { track: id.clone(), end, first_seen_end: observation.t_end, seen: true };
                    DashAge { grew: true, age: Span::ZERO, age_at_origin: None, first_seen_end: observation.t_end }
                }
                Some(known) => {
                    known.seen = true;
                    let age = observation.t_req - known.first_seen_end;
                    let age = if age.is_negative() { Span::ZERO } else { age };
                    DashAge {
                        grew: false,
                        age,
                        age_at_origin: observation.age.filter(|a| *a > Span::ZERO).map(|a| age - a),
                        first_seen_end: known.first_seen_end,
                    }
                }
                None => {
                    if self.newest.len() < MAX_HISTORIES {
                        let first_seen_end = observation.t_end;
                        self.newest.push(Newest { track: id.clone(), end, first_seen_end, seen: true });
                    }
                    DashAge { grew: true, age: Span::ZERO, age_at_origin: None, first_seen_end: observation.t_end }
                }
            };
            if let Some(track) = step.tracks.get_mut(place) {
                track.age = Some(age);
            }
        }
    }
}

/// End of the newest listed segment on the MPD timeline.
fn end_of(period: &PeriodView, view: &TrackView) -> Option<Span> {
    Some(period.start? + view.in_period(view.newest_listed()?.end()))
}

/// The newest as runs.
fn remembered(segments: impl Iterator<Item = Listed>) -> Vec<Run> {
    let all: Vec<Listed> = segments.collect();
    let skip = all.len().saturating_sub(MAX_REMEMBERED);
    runs(all.into_iter().skip(skip))
}

/// One sample is at most 1 ms for what we watch, and one tick is never told.
fn tolerance(timescale: u64) -> i128 {
    i128::from(timescale / 1_000).max(1)
}

fn seams(view: &TrackView, listed: &[Listed]) -> Vec<Seam> {
    let mut out = Vec::new();
    for (a, b) in listed.iter().zip(listed.iter().skip(1)) {
        let ticks = i128::from(b.time) - i128::from(a.end());
        if ticks.abs() > tolerance(view.timescale) {
            out.push(Seam { end: a.end(), start: b.time, size: ticks_to_span(ticks, view.timescale) });
        }
    }
    out.sort_by_key(|seam| std::cmp::Reverse(seam.size.abs()));
    // The worst of each sign is always told.
    if let Some(other) =
        out.first().and_then(|first| out.iter().position(|s| s.size.is_negative() != first.size.is_negative()))
        && other >= MAX_TOLD
    {
        out.swap(1, other);
    }
    out.truncate(MAX_TOLD);
    out
}

/// Finds known segments that are listed otherwise.
fn compare(view: &TrackView, known: &[Listed], listed: &[Listed], step: &mut DashTrackStep) {
    let (Some(first_known), Some(last_known)) = (known.first(), known.last()) else { return };
    let tolerance = tolerance(view.timescale);
    let differs = |a: u64, b: u64| (i128::from(a) - i128::from(b)).abs() > tolerance;
    let mut rewrite = |before: Listed, after: Listed| match &mut step.rewritten {
        Some(rewrite) => rewrite.n = rewrite.n.saturating_add(1),
        None => step.rewritten = Some(Rewrite { before, after, n: 1 }),
    };
    let (mut at, mut same_at) = (0, 0);
    let in_known = |s: &&Listed| s.time >= first_known.time && s.time < last_known.end() && s.duration > 0;
    for s in listed.iter().filter(in_known) {
        // The known segment that starts with it, and the one that covers its start.
        while known.get(same_at).is_some_and(|k| k.time < s.time) {
            same_at += 1;
        }
        while known.get(at).is_some_and(|k| k.end() <= s.time) {
            at += 1;
        }
        if let Some(k) = known.get(same_at).filter(|k| k.time == s.time && k.duration > 0) {
            if differs(k.end(), s.end()) {
                rewrite(*k, *s);
            } else if view.is_numbered() && k.number != s.number && step.mapping.is_none() {
                step.mapping = Some(MappingChange::Number { time: s.time, before: k.number, after: s.number });
            }
        } else if let Some(k) = known.get(at).filter(|k| k.time < s.time) {
            // Another cut inside of a known segment; where that is still listed the two overlap, which is no change.
            let is_listed = listed.binary_search_by_key(&k.time, |s| s.time).is_ok();
            let inside = differs(k.time, s.time) && i128::from(k.end()) - i128::from(s.time) > tolerance;
            if inside && !is_listed && k.duration > 0 {
                rewrite(*k, *s);
            }
        }
    }
}

fn period_changes(before: &Accepted, now: &Presentation, out: &mut Vec<PeriodChange>) {
    for period in &now.periods {
        let Some(known) = before.periods.iter().find(|p| p.key == period.key) else { continue };
        // Periods without an id are known by their place, which moves when one leaves the head.
        if period.key.starts_with('#') {
            continue;
        }
        let text = |span: Option<Span>| span.map_or_else(|| "none".to_owned(), |s| format!("{:.3} s", s.secs_f64()));
        let mut change = |field, before: String, after: String| {
            out.push(PeriodChange {
                period: period.key.clone(),
                track: None,
                field,
                before: before.into(),
                after: after.into(),
            });
        };
        // An early available Period gets its start later.
        if known.start.is_some() && known.start != period.start {
            change(PeriodField::Start, text(known.start), text(period.start));
        }
        if known.asset != period.asset {
            let text = |asset: &Option<Box<str>>| asset.as_deref().unwrap_or("none").to_owned();
            change(PeriodField::AssetIdentifier, text(&known.asset), text(&period.asset));
        }
    }
}
