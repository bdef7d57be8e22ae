//! An MPD across polls: what one more version means ([`DashTracker`]), and when to ask for it and for its segments
//! ([`DashPlan`]). Both work on a [`Presentation`]: the MPD resolved, in integers. The rules are CHECKS 5.2 to 5.4.

#[cfg(test)]
mod cases;
mod plan;
mod read;
mod tracker;
mod view;

pub use plan::{DashAnswer, DashDue, DashPlan, DashSegment, DashSettings, SegmentWhy, early_retry};
pub use read::{MAX_PERIODS, MAX_TRACKS};
pub use tracker::{
    DashAge, DashClass, DashObservation, DashOutcome, DashStep, DashTrackStep, DashTracker, MappingChange,
    PeriodChange, PeriodField, Publish, Rewrite, Seam,
};
pub use view::*;
