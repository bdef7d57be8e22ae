//! Incidents, how far each channel's verdicts were acted on, the event log and the outbox.
//!
//! Everything that one verdict changes is one transaction ([`Store::record_step`]), fenced by the position that was
//! acted on before: of two who act on the same state, one is told that it was overtaken. What people do goes the same
//! way without moving the position; it is counted instead. Reading for people is in [`list`], sending what was promised
//! in [`outbox`].

mod list;
mod outbox;
mod step;

use ow_domain::incident::{IncidentNumber, Notice, NotifyJob, ReceiverKind};
use ow_domain::verdict::Position;
use ow_domain::{ChannelId, ReceiverId, Severity, Time};
use serde::{Deserialize, Serialize};

pub use list::{AlarmEvent, Cursor, IncidentFilter, IncidentPage, IncidentRow, IncidentState, MAX_PAGE, Shown, Sort};
pub use outbox::{OutboxBatch, OutboxMessage, OutboxRow};

/// Somebody who was told of an incident, with the kind of receiver it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub receiver: ReceiverId,
    pub kind: ReceiverKind,
}

/// An incident that is not over.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenIncident {
    pub number: IncidentNumber,
    /// Of the last revision.
    pub notice: Notice,
    pub told: Vec<Told>,
    pub indeterminate: bool,
    /// Something that `told` should hear is kept back while it is hidden.
    pub owed: bool,
}

/// An incident that somebody closed, while its condition may still be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedClear {
    pub fingerprint: String,
    pub number: IncidentNumber,
    pub at: Time,
}

/// All that is known of a channel's alarms.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChannelRecord {
    /// Position of the last verdict acted on.
    pub acted: Option<Position>,
    /// Counts what was done besides acting on verdicts.
    pub operations: u64,
    pub open: Vec<OpenIncident>,
    pub forced: Vec<ForcedClear>,
}

/// What one verdict changes, or somebody without one.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    pub channel: ChannelId,
    /// [`ChannelRecord::acted`] and [`ChannelRecord::operations`] as they were when this was decided.
    pub before: Option<Position>,
    pub operations: u64,
    /// The verdict acted on and the time it stands for; `None`: it is no verdict, and counts as an operation.
    pub advance: Option<(Position, Time)>,
    /// Carried out in order.
    pub changes: Vec<ChangeRecord>,
    /// Incidents whose `indeterminate` mark changes, and to what.
    pub confirmations: Vec<(IncidentNumber, bool)>,
    /// Fingerprints whose [`ForcedClear`] is over.
    pub forgotten: Vec<String>,
}

/// One incident begins, changes or ends.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRecord {
    /// `None`: it begins, and gets its number now; the numbers in `notice` and `jobs` are then filled in.
    pub number: Option<IncidentNumber>,
    pub notice: Notice,
    pub told: Vec<Told>,
    pub jobs: Vec<NotifyJob>,
    /// Put on the bus for everybody. `false`: recorded only.
    pub publish: bool,
    pub indeterminate: bool,
    pub owed: bool,
}

/// What became of a [`StepRecord`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// Done; the numbers of the incidents that began, in order.
    Recorded(Vec<IncidentNumber>),
    /// Somebody else has acted on this channel, or on its alarms, since `before`: nothing was done. Read the channel again.
    Overtaken,
}

/// Rank of a severity in `incident.severity_rank`.
fn rank(severity: Severity) -> i16 {
    severity as i16
}
