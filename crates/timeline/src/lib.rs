//! Follows a stream across polls: what one more playlist means, given those before ([`HlsTracker`]), when to ask
//! again and which segments are new ([`ChannelPlan`]), and media timestamps without their wrap ([`unwrap`]).
//!
//! Pure: time comes in with each observation. It refuses to know HTTP, severities, holds and alarms: a [`Step`] says
//! what happened, a check says whether that is bad. All state is serialisable and bounded.
//! The rules are CHECKS.md 5.1 (tracker), 5.3 (cadence), 5.4 (stale), 5.6 (unwrapping).
//! Start reading at [`HlsTracker::step`], then [`Classification`]; on the probe at [`ChannelPlan`].

pub mod cadence;
pub mod dash;
mod key;
mod observation;
mod record;
mod step;
mod tracker;
pub mod unwrap;

pub use cadence::{
    Burst, CadenceSettings, ChannelPlan, HlsCadence, PollFailure, PollOutcome, PollPlan, Polled, RemovedSegment,
    SegmentPlan, SegmentReason, reaches,
};
pub use key::{KeyRules, SegmentKey};
pub use observation::{BodyDigest, Observation, Outcome};
pub use record::{Record, SegmentFacts};
pub use step::*;
pub use tracker::HlsTracker;
