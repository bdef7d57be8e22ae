//! Whom to tell what, given what is wrong now: the life of an alarm from raise to clear, and the routes.
//!
//! Pure: [`step`] compares the verdict of a channel with the alarms that are open and says what changes and who hears
//! of it. It refuses to know where alarms are kept, how a message is sent and what the time is. Hold, clear and flap
//! logic is not here: a verdict lists only conditions that already count.
//!
//! One alarm (a fingerprint of a channel, from raise to clear) is one incident. Grouping several alarms into one
//! incident, inhibition, silences, acknowledgement and escalation come between [`step`]'s comparison and the choice of
//! recipients ([`Routes::recipients`]): a change names its alarm and its incident separately. What a [`Silence`] or a
//! [`Maintenance`] covers, and when, is in [`silence`], [`window`] and [`recurrence`].
//! Start reading at [`step`], then [`routing`].

pub mod glob;
pub mod matcher;
pub mod recurrence;
pub mod routing;
pub mod silence;
mod state;
mod step;
pub mod window;

pub use matcher::{Matcher, MatcherError};
pub use recurrence::{Recurrence, RuleError, zone};
pub use routing::{Route, Routes, Target};
pub use silence::{GroupScope, Maintenance, Silence};
pub use state::{ChannelAlarms, OpenAlarm, Recipient};
pub use step::{Change, Confirmation, Decision, Job, Plan, step};
pub use window::{Schedule, ScheduleError, Window};
