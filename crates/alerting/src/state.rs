//! The open alarms of one channel, as they stand after the last verdict that was acted on.

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::incident::{ChangeKind, IncidentNumber, Notice, ReceiverKind};
use ow_domain::verdict::Position;
use ow_domain::{ReceiverId, Severity, Time};
use serde::{Deserialize, Serialize};

use crate::Plan;

/// A receiver with the kind it had when it was first told, so that a clear finds its way after the receiver is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Recipient {
    pub receiver: ReceiverId,
    pub kind: ReceiverKind,
}

/// One alarm from its raise on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenAlarm {
    /// Incident it belongs to: today one of its own.
    pub incident: IncidentNumber,
    /// Last notice given out or recorded.
    pub notice: Notice,
    /// Who was told of it and must hear of its end.
    pub told: BTreeSet<Recipient>,
    /// Not confirmed by the last verdict: nothing was heard of its subject.
    pub indeterminate: bool,
    /// Something that `told` should hear is kept back while it is hidden.
    #[serde(default)]
    pub owed: bool,
}

impl OpenAlarm {
    pub fn severity(&self) -> Severity {
        self.notice.severity
    }

    /// Recorded only, never told.
    pub fn is_info(&self) -> bool {
        !self.notice.severity.is_alarm()
    }
}

/// An alarm that somebody closed while its condition may still have been listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forced {
    pub incident: IncidentNumber,
    /// A check that fails after this begins a new incident.
    pub at: Time,
}

/// All open alarms of a channel, by fingerprint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChannelAlarms {
    /// Position of the last verdict acted on.
    pub acted: Option<Position>,
    /// Counts what was done besides acting on verdicts.
    #[serde(default)]
    pub operations: u64,
    pub open: BTreeMap<String, OpenAlarm>,
    /// By fingerprint, from the resolution by hand until all is seen to be well or it begins anew.
    #[serde(default)]
    pub forced: BTreeMap<String, Forced>,
}

impl ChannelAlarms {
    /// The state after `plan`. `raised` are the numbers given to its raises, in their order.
    pub fn apply(&mut self, plan: &Plan, raised: &[IncidentNumber]) {
        let mut raised = raised.iter();
        for change in &plan.changes {
            let fingerprint = &change.notice.fingerprint;
            match change.kind {
                ChangeKind::Clear => {
                    self.open.remove(fingerprint);
                    if let (Some(crate::FORCED), Some(incident)) =
                        (change.notice.clear_reason.as_deref(), change.incident)
                    {
                        self.forced.insert(fingerprint.clone(), Forced { incident, at: change.notice.at });
                    }
                }
                ChangeKind::Raise | ChangeKind::Update => {
                    let Some(incident) = change.incident.or_else(|| raised.next().copied()) else { continue };
                    let mut notice = change.notice.clone();
                    notice.number = incident;
                    let alarm = OpenAlarm {
                        incident,
                        notice,
                        told: change.told.clone(),
                        indeterminate: change.indeterminate,
                        owed: change.owed,
                    };
                    self.open.insert(fingerprint.clone(), alarm);
                }
            }
        }
        for confirmation in &plan.confirmations {
            if let Some(alarm) = self.open.get_mut(&confirmation.fingerprint) {
                alarm.indeterminate = confirmation.indeterminate;
            }
        }
        for fingerprint in &plan.forgotten {
            self.forced.remove(fingerprint);
        }
        match plan.advance {
            Some((position, _)) => self.acted = Some(position),
            None => self.operations += 1,
        }
    }
}
