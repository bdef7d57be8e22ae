//! Whom to tell what, given what is wrong now: the life of an alarm from raise to clear, and the routes.
//!
//! Pure: [`step`] compares the verdict of a channel with the alarms that are open and says what changes and who hears
//! of it. It refuses to know where alarms are kept, how a message is sent and what the time is. Hold, clear and flap
//! logic is not here: a verdict lists only conditions that already count.
//!
//! An open alarm moves on three axes: its condition ([`step`]), who has it in hand and what hides it ([`operate`] by
//! people, [`reassess`] by time and rules). What is hidden is told to nobody, but who was told of an alarm is always
//! told of its end; what ends while it still burns is told then.
//!
//! One alarm (a fingerprint of a channel, from raise to clear) is one incident. Grouping several alarms into one
//! incident, inhibition and escalation come between [`step`]'s comparison and the choice of recipients
//! ([`Routes::recipients`]): a change names its alarm and its incident separately, and inhibition is one more kind of
//! suppression. What a [`Silence`] or a [`Maintenance`] covers, and when, is in [`silence`], [`window`] and
//! [`recurrence`]; those in force at one instant are [`Mutes`]. Start reading at [`step`], then [`routing`].

pub mod explain;
pub mod glob;
pub mod matcher;
mod mute;
mod operate;
mod reassess;
pub mod recurrence;
pub mod routing;
pub mod silence;
mod state;
mod step;
pub mod window;

pub use explain::Explanation;
pub use matcher::{Matcher, MatcherError};
pub use mute::{Mute, Mutes};
pub use operate::{MAX_ACK, MAX_SHELF, Order, Refused, operate};
pub use reassess::reassess;
pub use recurrence::{Recurrence, RuleError, zone};
pub use routing::{Route, Routes, Target};
pub use silence::{GroupScope, Maintenance, Silence};
pub use state::{ChannelAlarms, Forced, OpenAlarm, Recipient};
pub use step::{Change, Confirmation, Context, Decision, Job, Plan, step};
pub use window::{Schedule, ScheduleError, Window};

/// [`ow_domain::incident::Notice::clear_reason`] of what somebody closed by hand.
pub const FORCED: &str = "forced";
