//! Incidents, how far each channel's verdicts were acted on, the event log and the outbox.
//!
//! Everything that one verdict changes is one transaction ([`Store::record_step`]), fenced by the position that was
//! acted on before: of two who act on the same state, one is told that it was overtaken. Reading for people is in
//! [`list`], sending what was promised in [`outbox`].

mod list;
mod outbox;
mod step;

use ow_domain::incident::{IncidentNumber, Notice, NotifyJob, ReceiverKind};
use ow_domain::verdict::Position;
use ow_domain::{ChannelId, ReceiverId, Severity, Time};
use serde::{Deserialize, Serialize};

pub use list::{AlarmEvent, IncidentFilter, IncidentPage, IncidentRow, IncidentState};
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
}

/// All that is known of a channel's alarms.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChannelRecord {
    /// Position of the last verdict acted on.
    pub acted: Option<Position>,
    pub open: Vec<OpenIncident>,
}

/// What one verdict changes.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    pub channel: ChannelId,
    /// [`ChannelRecord::acted`] as it was when this was decided.
    pub before: Option<Position>,
    pub position: Position,
    pub as_of: Time,
    /// Carried out in order.
    pub changes: Vec<ChangeRecord>,
    /// Incidents whose `indeterminate` mark changes, and to what.
    pub confirmations: Vec<(IncidentNumber, bool)>,
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
}

/// What became of a [`StepRecord`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// Done; the numbers of the incidents that began, in order.
    Recorded(Vec<IncidentNumber>),
    /// Somebody else has acted on this channel since `before`: nothing was done. Read the channel again.
    Overtaken,
}

/// Rank of a severity in `incident.severity_rank`.
fn rank(severity: Severity) -> i16 {
    severity as i16
}
