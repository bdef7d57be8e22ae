//! Steps made of the tracker's state.

use ow_domain::{Span, Time};

use super::HlsTracker;
use super::timeline::{Taken, Timeline};
use crate::Observation;
use crate::step::{Classification, DsnVerdict, EndList, Freshness, Newest, Step};

impl HlsTracker {
    /// The step of a playlist that was taken in.
    pub(super) fn accepted(
        &self,
        observation: &Observation<'_>,
        classification: Classification,
        taken: Taken,
        grew: bool,
    ) -> Step {
        let ended = self.timeline.as_ref().is_some_and(|timeline| timeline.ended);
        let freshness = match (ended, grew) {
            (true, _) => Freshness::NotEvaluated,
            (false, true) => Freshness::Grew,
            (false, false) => self.same_newest(observation),
        };
        let step = self.report(observation, classification);
        Step {
            new_segments: taken.new_segments,
            removed_segments: taken.removed_segments,
            changes: taken.changes,
            n_changes: taken.n_changes,
            dsn: taken.dsn.unwrap_or(DsnVerdict::Unknown),
            pdt_moved: taken.pdt_moved,
            pdt_steps: taken.pdt_steps,
            target_duration_changed: taken.target_duration_changed,
            version_changed: taken.version_changed,
            end_list: taken.end_list.unwrap_or(step.end_list),
            freshness,
            ..step
        }
    }

    /// The step without anything taken in: state as it is now.
    pub(super) fn report(&self, observation: &Observation<'_>, classification: Classification) -> Step {
        let timeline = self.timeline.as_ref();
        let newest = timeline.and_then(|timeline| Some((timeline, timeline.newest()?)));
        let since = |start: Option<Time>| start.map_or(Span::ZERO, |start| observation.t_end - start);
        Step {
            classification,
            epoch: self.epoch,
            t_req: observation.t_req,
            t_end: observation.t_end,
            clock_uncertainty: observation.clock_uncertainty,
            previous_t_end: self.last_ok_end,
            since_start: since(self.started),
            since_epoch_start: since(self.epoch_started),
            regressed: None,
            new_segments: Vec::new(),
            removed_segments: Vec::new(),
            changes: Vec::new(),
            n_changes: 0,
            dsn: DsnVerdict::Unknown,
            pdt_moved: None,
            pdt_steps: Vec::new(),
            target_duration_changed: None,
            version_changed: None,
            end_list: if timeline.is_some_and(|timeline| timeline.ended) { EndList::Present } else { EndList::Absent },
            freshness: Freshness::NotEvaluated,
            target_duration: timeline.map_or(Span::ZERO, Timeline::target_duration),
            window: timeline.map_or(Span::ZERO, |timeline| timeline.window),
            n_listed: timeline.map_or(0, |timeline| timeline.n_listed),
            newest: newest.map(|(timeline, record)| Newest {
                msn: record.msn,
                uri: record.now().uri.clone(),
                duration: record.now().duration,
                first_seen_end: record.first_seen_end,
                pdt_end: timeline.pdt_end,
            }),
            first_msn: timeline.map(|timeline| timeline.a0),
            alternations: self.alternations,
            wants_confirm_poll: false,
            wants_full_playlist: false,
        }
    }
}
