//! The HLS tracker (CHECKS 5.1): one per rendition, one [`Step`] per fetch.
//!
//! `view` is a playlist made comparable, `align` says how it relates to a timeline, `timeline` keeps the records and
//! takes playlists in, this file decides which timeline is the true one.

mod align;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod golden;
mod labels;
#[cfg(test)]
mod properties;
mod report;
#[cfg(test)]
mod testing;
mod timeline;
mod view;

use std::collections::VecDeque;

use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

use crate::step::{
    Classification, ForwardJump, Freshness, Regressed, RegressedReason, StaleCopy, StaleCopyBy, Step, TimelineReset,
};
use crate::{BodyDigest, KeyRules, Observation, Outcome, Record};
use align::{Relation, relate};
use labels::Labels;
use timeline::Timeline;
use view::View;

/// EXTINF equal within this (CHECKS `hls-segment-rewritten`).
const EXTINF_TOLERANCE: Span = Span::from_millis(1);
/// PDT equal within this (CHECKS 5.1 step 5 E).
const PDT_TOLERANCE: Span = Span::from_millis(50);
/// Earlier bodies remembered.
const MAX_DIGESTS: usize = 32;
/// Successful responses that make a candidate a new epoch (`reset_confirm_polls`).
const RESET_CONFIRM_POLLS: u32 = 2;

/// An answer that is older than the last one by more than any request may take is none that was overtaken: the probe's
/// clock was set back, or another probe took over. Then the numbers go on and only the ages begin again.
const MAX_OVERTAKING: Span = Span::from_secs(60);

/// Follows one media playlist.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HlsTracker {
    rules: KeyRules,
    epoch: u32,
    started: Option<Time>,
    epoch_started: Option<Time>,
    last_t_req: Option<Time>,
    last_ok_end: Option<Time>,
    /// Digest of the last body that came, accepted or not: what a 304 refers to.
    last_body: Option<BodyDigest>,
    /// What was said of the last body when it was not accepted: said again for a 304.
    last_rejected: Option<Classification>,
    timeline: Option<Timeline>,
    candidate: Option<Candidate>,
    pending_shift: Option<i64>,
    last_confirm: Option<Time>,
    alternations: u32,
    digests: VecDeque<SeenBody>,
    labels: Labels,
}

/// A second timeline that may become the true one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Candidate {
    timeline: Timeline,
    n_polls: u32,
    first_seen_end: Time,
    /// As first seen.
    first_msn: u64,
    last_msn: u64,
    first_dsn: u64,
    first_discontinuity: bool,
    first_pdt: Option<Time>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct SeenBody {
    digest: BodyDigest,
    epoch: u32,
    last_msn: u64,
    ended: bool,
}

impl HlsTracker {
    pub fn new(rules: KeyRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Takes one fetch in. Call in the order in which requests began; one that began earlier is evidence only.
    pub fn step(&mut self, observation: &Observation<'_>) -> Step {
        let t_req = observation.t_req;
        if self.last_t_req.is_some_and(|last| t_req < last && last - t_req <= MAX_OVERTAKING) {
            return self.report(observation, Classification::OutOfOrder);
        }
        self.last_t_req = Some(t_req);
        let (playlist, digest) = match observation.outcome {
            Outcome::Failed => return self.report(observation, Classification::Failed),
            Outcome::NotModified => match self.last_body {
                Some(digest) => (None, digest),
                None => return self.report(observation, Classification::Failed),
            },
            Outcome::Ok { playlist, digest } => (Some(playlist), digest),
        };
        let step = match playlist {
            Some(playlist) if playlist.skip.is_some() => {
                Step { wants_full_playlist: true, ..self.report(observation, Classification::Delta) }
            }
            Some(playlist) => {
                self.last_body = Some(digest);
                match View::new(playlist, observation.final_url, &self.rules) {
                    Some(view) => {
                        self.labels.learn(&view);
                        self.judge(observation, Some(&view), digest)
                    }
                    None => self.report(observation, Classification::Empty),
                }
            }
            None => self.judge(observation, None, digest),
        };
        self.last_ok_end = Some(observation.t_end);
        self.last_rejected = (!step.is_accepted()).then(|| step.classification.clone());
        step
    }

    /// Number of the epoch; 0 before the first playlist.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Segments of the current epoch by number, removed ones of the history window first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.timeline.iter().flat_map(|timeline| &timeline.records)
    }

    /// A listed or recently removed segment of the current epoch.
    pub fn record(&self, msn: u64) -> Option<&Record> {
        self.timeline.as_ref()?.find(msn)
    }

    /// Text of a MAP or KEY identity of [`crate::SegmentFacts`], while remembered.
    pub fn label(&self, identity: u64) -> Option<&str> {
        self.labels.get(identity)
    }

    /// A second timeline waits for confirmation.
    pub const fn has_candidate(&self) -> bool {
        self.candidate.is_some()
    }

    fn judge(&mut self, observation: &Observation<'_>, view: Option<&View<'_>>, digest: BodyDigest) -> Step {
        let Some(timeline) = &self.timeline else {
            let Some(view) = view else { return self.report(observation, Classification::Failed) };
            let timeline = Timeline::begin(view, digest, observation.t_end);
            let taken = timeline.all_as_new(Some(view));
            self.timeline = Some(timeline);
            self.epoch = 1;
            self.started = Some(observation.t_end);
            self.epoch_started = Some(observation.t_end);
            return self.accepted(observation, Classification::First, taken, true);
        };
        if digest == timeline.digest {
            let regressed = self.drop_candidate();
            return self.unchanged(observation, regressed);
        }
        if self.is_old_body(digest, view) {
            let regressed = self.drop_candidate();
            let last_msn = self.digests.iter().find(|body| body.digest == digest).map_or(0, |body| body.last_msn);
            let classification = self.stale_copy(observation, StaleCopyBy::Digest, last_msn);
            return Step { regressed, ..self.report(observation, classification) };
        }
        let Some(view) = view else { return self.not_modified_elsewhere(observation, digest) };
        let relation = relate(timeline, view);
        if self.candidate.is_some() {
            self.decide(observation, view, digest, relation)
        } else {
            self.follow(observation, view, digest, relation, None)
        }
    }

    /// A body that was accepted earlier and shows less than is known.
    fn is_old_body(&self, digest: BodyDigest, view: Option<&View<'_>>) -> bool {
        let Some(timeline) = &self.timeline else { return false };
        self.digests.iter().find(|body| body.digest == digest).is_some_and(|body| {
            // Two edges whose bodies differ in a comment alternate with the same newest segment: nothing old in that.
            let same_newest = body.epoch == self.epoch && body.last_msn >= timeline.a1 && body.ended == timeline.ended;
            !same_newest || view.is_none()
        })
    }

    /// 304 to a body that was not accepted: the candidate's, a shifted one, or one we never kept.
    fn not_modified_elsewhere(&mut self, observation: &Observation<'_>, digest: BodyDigest) -> Step {
        match self.candidate.take() {
            Some(mut candidate) if candidate.timeline.digest == digest => {
                candidate.n_polls += 1;
                self.accept_candidate(observation, candidate, None)
            }
            candidate => {
                self.candidate = candidate;
                let again = self.last_rejected.clone().unwrap_or(Classification::Failed);
                let freshness = match again {
                    Classification::TailRemoved { .. } => self.same_newest(observation),
                    _ => Freshness::NotEvaluated,
                };
                Step { freshness, ..self.report(observation, again) }
            }
        }
    }

    /// No candidate in the way: the relation to the accepted timeline decides.
    fn follow(
        &mut self,
        observation: &Observation<'_>,
        view: &View<'_>,
        digest: BodyDigest,
        relation: Relation,
        regressed: Option<Regressed>,
    ) -> Step {
        let Some(timeline) = &mut self.timeline else { return self.report(observation, Classification::Failed) };
        let (a0, a1) = (timeline.a0, timeline.a1);
        if self.pending_shift.is_some() && !matches!(relation, Relation::Shifted { .. }) {
            self.pending_shift = None;
            if relation == Relation::Aligned {
                self.alternations = self.alternations.saturating_add(1);
            }
        }
        let t_end = observation.t_end;
        let step = match relation {
            Relation::Aligned if view.n1 < a1 && view.n0 > a0 => {
                let removed = Classification::TailRemoved { n_removed: a1 - view.n1, last_msn: view.n1 };
                let freshness = self.same_newest(observation);
                Step { freshness, ..self.report(observation, removed) }
            }
            Relation::Aligned | Relation::UriOnly { .. } if view.n1 < a1 => {
                let classification = self.stale_copy(observation, StaleCopyBy::Window, view.n1);
                self.report(observation, classification)
            }
            Relation::Aligned => {
                let head_came_back = view.n0 < a0;
                let classification = match view.n1 - a1 {
                    0 => Classification::NoNewSegment { head_came_back },
                    n_new => Classification::Advance { n_new, head_came_back },
                };
                self.take(observation, view, digest, classification)
            }
            Relation::UriOnly { pdt_compared } => {
                let n_segments = timeline.take_uris(view);
                self.take(observation, view, digest, Classification::UriOnly { n_segments, pdt_compared })
            }
            Relation::Forward => {
                let jump = self.jump(observation, view);
                self.take(observation, view, digest, Classification::ForwardJump(jump))
            }
            Relation::Shifted { k, n_segments } if self.pending_shift == Some(k) => {
                self.begin_epoch(Timeline::begin(view, digest, t_end), t_end);
                let taken = self.timeline.as_ref().map(|timeline| timeline.all_as_new(Some(view)));
                let classification = Classification::SequenceShift { k, n_segments, accepted: true };
                self.accepted(observation, classification, taken.unwrap_or_default(), true)
            }
            Relation::Shifted { k, n_segments } => {
                self.pending_shift = Some(k);
                self.report(observation, Classification::SequenceShift { k, n_segments, accepted: false })
            }
            Relation::Unknown => self.raise_candidate(observation, view, digest),
        };
        Step { regressed: regressed.or(step.regressed.clone()), ..step }
    }

    /// A candidate waits (CHECKS 5.1 step 6): first the old timeline, then the candidate, by shared segments; then both
    /// by numbers; else a third timeline has come.
    fn decide(&mut self, observation: &Observation<'_>, view: &View<'_>, digest: BodyDigest, old: Relation) -> Step {
        if old == Relation::Aligned {
            let regressed = self.drop_candidate();
            return self.follow(observation, view, digest, old, regressed);
        }
        let Some(mut candidate) = self.candidate.take() else {
            return self.follow(observation, view, digest, old, None);
        };
        let new =
            if digest == candidate.timeline.digest { Relation::Aligned } else { relate(&candidate.timeline, view) };
        let continues = match new {
            Relation::Aligned => view.n1 >= candidate.timeline.a1,
            // Only if the old timeline has no claim on these numbers.
            Relation::Forward => {
                let td = candidate.timeline.target_duration();
                !jump_of(&candidate.timeline, observation, view, self.last_ok_end).is_excessive(td + td)
                    && !self.old_claims(observation, view, old)
            }
            Relation::UriOnly { .. } | Relation::Shifted { .. } | Relation::Unknown => false,
        };
        if continues {
            candidate.n_polls += 1;
            candidate.timeline.take(view, digest, observation.t_end, &self.labels);
            if candidate.n_polls >= RESET_CONFIRM_POLLS {
                return self.accept_candidate(observation, candidate, Some(view));
            }
            self.candidate = Some(candidate);
            return self.report(observation, self.candidate_seen(view));
        }
        if self.old_claims(observation, view, old) {
            self.candidate = Some(candidate);
            let regressed = self.drop_candidate();
            return self.follow(observation, view, digest, old, regressed);
        }
        // An old copy of the candidate proves as little as it contradicts.
        if new == Relation::Aligned {
            self.candidate = Some(candidate);
            return self.report(observation, self.candidate_seen(view));
        }
        let regressed = self.regressed(&candidate, RegressedReason::Standing);
        Step { regressed, ..self.raise_candidate(observation, view, digest) }
    }

    /// The old timeline explains this playlist without a shared segment.
    fn old_claims(&self, observation: &Observation<'_>, view: &View<'_>, old: Relation) -> bool {
        match (old, &self.timeline) {
            (Relation::UriOnly { .. } | Relation::Shifted { .. }, Some(_)) => true,
            (Relation::Forward, Some(timeline)) => {
                let td = timeline.target_duration();
                !jump_of(timeline, observation, view, self.last_ok_end).is_excessive(td + td)
            }
            _ => false,
        }
    }

    fn raise_candidate(&mut self, observation: &Observation<'_>, view: &View<'_>, digest: BodyDigest) -> Step {
        let first = view.items.first();
        self.candidate = Some(Candidate {
            timeline: Timeline::begin(view, digest, observation.t_end),
            n_polls: 1,
            first_seen_end: observation.t_end,
            first_msn: view.n0,
            last_msn: view.n1,
            first_dsn: first.map_or(0, |item| item.segment.dsn),
            first_discontinuity: first.is_some_and(|item| item.segment.discontinuity.is_some()),
            first_pdt: first.and_then(|item| item.pdt),
        });
        let td = self.timeline.as_ref().map_or(Span::ZERO, Timeline::target_duration);
        let wants_confirm_poll = self.last_confirm.is_none_or(|last| observation.t_req - last >= td);
        if wants_confirm_poll {
            self.last_confirm = Some(observation.t_req);
        }
        Step { wants_confirm_poll, ..self.report(observation, self.candidate_seen(view)) }
    }

    fn candidate_seen(&self, view: &View<'_>) -> Classification {
        let lower_msn = self.timeline.as_ref().is_some_and(|timeline| view.n1 < timeline.a1);
        Classification::ResetCandidate { first_msn: view.n0, last_msn: view.n1, lower_msn }
    }

    fn accept_candidate(
        &mut self,
        observation: &Observation<'_>,
        candidate: Candidate,
        view: Option<&View<'_>>,
    ) -> Step {
        let Some(old) = &self.timeline else { return self.report(observation, Classification::Failed) };
        let old_dsn = old.newest().map_or(0, |record| record.first.dsn);
        let pdt_step = candidate.first_pdt.zip(old.pdt_end).map(|(first, end)| first - end);
        let td = old.target_duration();
        let passed = old.newest().map_or(Span::ZERO, |record| candidate.first_seen_end - record.first_seen_end);
        let reset = TimelineReset {
            old_first_msn: old.a0,
            old_last_msn: old.a1,
            new_first_msn: candidate.first_msn,
            new_last_msn: candidate.last_msn,
            first_seen_end: candidate.first_seen_end,
            lower_msn: candidate.last_msn < old.a1,
            seam_marked: candidate.first_discontinuity || candidate.first_dsn > old_dsn,
            dsn_continues: candidate.first_dsn >= old_dsn,
            pdt_step,
            pdt_continues: pdt_step.map(|step| step >= -td && step <= passed + td + td),
            n_polls: candidate.n_polls,
        };
        let taken = candidate.timeline.all_as_new(view);
        self.begin_epoch(candidate.timeline, candidate.first_seen_end);
        self.accepted(observation, Classification::TimelineReset(reset), taken, true)
    }

    fn begin_epoch(&mut self, timeline: Timeline, at: Time) {
        if let Some(old) = &self.timeline {
            let body = SeenBody { digest: old.digest, epoch: self.epoch, last_msn: old.a1, ended: old.ended };
            self.remember_body(body);
        }
        self.digests.retain(|body| body.digest != timeline.digest);
        self.timeline = Some(timeline);
        self.candidate = None;
        self.pending_shift = None;
        self.epoch = self.epoch.saturating_add(1);
        self.epoch_started = Some(at);
    }

    fn drop_candidate(&mut self) -> Option<Regressed> {
        let candidate = self.candidate.take()?;
        self.alternations = self.alternations.saturating_add(1);
        self.regressed(&candidate, RegressedReason::Transient)
    }

    fn regressed(&self, candidate: &Candidate, reason: RegressedReason) -> Option<Regressed> {
        Some(Regressed {
            reason,
            first_msn: candidate.first_msn,
            last_msn: candidate.last_msn,
            accepted_last_msn: self.timeline.as_ref()?.a1,
            first_seen_end: candidate.first_seen_end,
        })
    }

    fn take(
        &mut self,
        observation: &Observation<'_>,
        view: &View<'_>,
        digest: BodyDigest,
        classification: Classification,
    ) -> Step {
        let Some(timeline) = &mut self.timeline else { return self.report(observation, Classification::Failed) };
        let body =
            SeenBody { digest: timeline.digest, epoch: self.epoch, last_msn: timeline.a1, ended: timeline.ended };
        let grew = view.n1 > timeline.a1;
        let taken = timeline.take(view, digest, observation.t_end, &self.labels);
        self.remember_body(body);
        self.digests.retain(|body| body.digest != digest);
        self.accepted(observation, classification, taken, grew)
    }

    fn remember_body(&mut self, body: SeenBody) {
        self.digests.retain(|old| old.digest != body.digest);
        self.digests.push_back(body);
        if self.digests.len() > MAX_DIGESTS {
            self.digests.pop_front();
        }
    }

    fn unchanged(&mut self, observation: &Observation<'_>, regressed: Option<Regressed>) -> Step {
        if self.pending_shift.take().is_some() {
            self.alternations = self.alternations.saturating_add(1);
        }
        let freshness = self.same_newest(observation);
        if let Some(timeline) = &mut self.timeline {
            timeline.shown_end = observation.t_end;
        }
        Step { regressed, freshness, ..self.report(observation, Classification::Unchanged) }
    }

    fn stale_copy(&self, observation: &Observation<'_>, by: StaleCopyBy, last_msn: u64) -> Classification {
        let (accepted_last_msn, hidden) = match &self.timeline {
            Some(timeline) => (timeline.a1, (observation.t_req - timeline.shown_end).max(Span::ZERO)),
            None => (0, Span::ZERO),
        };
        Classification::StaleCopy(StaleCopy { by, last_msn, accepted_last_msn, hidden })
    }

    fn jump(&self, observation: &Observation<'_>, view: &View<'_>) -> ForwardJump {
        match &self.timeline {
            Some(timeline) => jump_of(timeline, observation, view, self.last_ok_end),
            None => ForwardJump {
                from_msn: 0,
                to_msn: view.n0,
                missed: 0,
                advanced: view.window,
                available: Span::ZERO,
                probe_gap_exceeded_window: true,
            },
        }
    }

    fn same_newest(&self, observation: &Observation<'_>) -> Freshness {
        let Some(timeline) = self.timeline.as_ref().filter(|timeline| !timeline.ended) else {
            return Freshness::NotEvaluated;
        };
        let Some(newest) = timeline.newest() else { return Freshness::NotEvaluated };
        let age = (observation.t_req - newest.first_seen_end).max(Span::ZERO);
        let header = observation.age.filter(|&header| header > Span::ZERO);
        Freshness::Same { age, age_at_origin: header.map(|header| (age - header).max(Span::ZERO)) }
    }
}

/// Case D in numbers: how far the media went, and how far it may have gone.
fn jump_of(
    timeline: &Timeline,
    observation: &Observation<'_>,
    view: &View<'_>,
    last_ok_end: Option<Time>,
) -> ForwardJump {
    let missed = view.n0.saturating_sub(timeline.a1).saturating_sub(1);
    let unseen = view.median_duration().mul_ratio(i64::try_from(missed).unwrap_or(i64::MAX), 1);
    let first_seen = timeline.newest().map_or(observation.t_end, |record| record.first_seen_end);
    ForwardJump {
        from_msn: timeline.a1,
        to_msn: view.n0,
        missed,
        advanced: view.window + unseen,
        available: observation.t_end - first_seen,
        probe_gap_exceeded_window: last_ok_end.is_some_and(|last| observation.t_req - last > timeline.window),
    }
}
