//! DASH live behaviour, across polls (CHECKS 3.7).

mod ast_changed;
mod epoch_reset;
mod live_edge_future;
mod live_edge_lag;
mod number_drift;
mod number_mapping_changed;
mod period_gap;
mod period_mutated;
mod period_tail_unavailable;
mod period_tracks_missing;
mod publishtime_not_updated;
mod publishtime_regressed;
mod segment_expired_early;
mod segment_late;
mod start_number_skew;
mod timeline_gap;
mod timeline_overlap;
mod timeline_rewritten;
mod timeline_stale;
mod tsb_short;
mod utctiming_skew;
mod utctiming_unreachable;

use ow_domain::Span;
use ow_timeline::dash::{DashClass, DashTrackStep};

use crate::input::MpdStep;
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &ast_changed::CHECK,
    &epoch_reset::CHECK,
    &period_mutated::CHECK,
    &publishtime_regressed::CHECK,
    &publishtime_not_updated::CHECK,
    &number_mapping_changed::CHECK,
    &start_number_skew::CHECK,
    &period_gap::CHECK,
    &period_tracks_missing::CHECK,
    &timeline_rewritten::CHECK,
    &timeline_overlap::CHECK,
    &timeline_gap::CHECK,
    &timeline_stale::CHECK,
    &live_edge_lag::CHECK,
    &live_edge_future::CHECK,
    &tsb_short::CHECK,
    &utctiming_unreachable::CHECK,
    &utctiming_skew::CHECK,
    &segment_late::CHECK,
    &segment_expired_early::CHECK,
    &number_drift::CHECK,
    &period_tail_unavailable::CHECK,
];

/// Factor of the segment duration or the update period after which a timeline counts as stale (CHECKS 5.4).
const STALE_FACTOR: f64 = 1.5;
const STALE_SLACK_S: f64 = 0.1;

/// A version that was accepted and not seen before: what rules over one document look at.
fn is_new_version(input: &MpdStep<'_>) -> bool {
    matches!(input.step.class, DashClass::First | DashClass::Updated | DashClass::EpochChanged)
}

fn times(span: Span, factor: f64) -> Span {
    span.mul_ratio((factor * 1000.0).round() as i64, 1000)
}

/// The larger of the segment duration and the update period.
fn rhythm(input: &MpdStep<'_>, track: &DashTrackStep) -> Option<Span> {
    let nominal = track.nominal?;
    Some(nominal.max(input.step.update_period.unwrap_or(Span::ZERO)))
}

/// The rendition that showed something new last, of those that are listed one by one.
fn freshest<'a>(input: &MpdStep<'a>) -> Option<&'a DashTrackStep> {
    let listed = input.step.tracks.iter().filter(|t| t.explicit && t.age.is_some());
    listed.min_by_key(|t| t.age.map(|age| age.age))
}

/// The last Period ends where its list does: nothing new is to come.
fn has_ended(input: &MpdStep<'_>) -> bool {
    let Some(last) = input.presentation.periods.last() else { return false };
    let (Some(start), Some(duration)) = (last.start, last.duration) else { return false };
    let ends = last.tracks.iter().filter_map(|t| Some(start + t.in_period(t.newest_listed()?.end())));
    ends.max().is_some_and(|end| end + Span::from_secs(1) >= start + duration)
}

fn is_stale(input: &MpdStep<'_>, track: &DashTrackStep) -> bool {
    let limit = rhythm(input, track).map(|r| times(r, STALE_FACTOR) + Span::from_secs_f64(STALE_SLACK_S));
    track.age.zip(limit).is_some_and(|(age, limit)| age.age >= limit)
}
