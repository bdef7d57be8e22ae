//! What people and other systems are told: incidents, notices, deliveries.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operation::{Ack, Operation, Suppression};
use crate::verdict::{Evidence, Subject};
use crate::{ChannelId, ReceiverId, Severity, Time};

/// Number of an incident for people, counted from 1 and never reused. Shown as `INC-1042`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct IncidentNumber(pub i64);

impl fmt::Display for IncidentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{}", self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Raise,
    /// Severity changed, or the text that people act on, or somebody did something about it.
    Update,
    Clear,
}

impl ChangeKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raise => "raise",
            Self::Update => "update",
            Self::Clear => "clear",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One incident at one revision: all that a message to people or machines needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    pub number: IncidentNumber,
    /// Counts the changes of this incident from 1 (the raise).
    pub revision: u32,
    pub change: ChangeKind,
    /// Severity after the change; `cleared` for a clear.
    pub severity: Severity,
    /// Worst or last severity before the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_severity: Option<Severity>,
    pub channel: ChannelId,
    pub channel_name: String,
    /// Identity of the alarm inside the channel.
    pub fingerprint: String,
    pub check: String,
    /// Short title of the check: `HLS playlist stale`.
    pub title: String,
    pub subject: Subject,
    /// One sentence, at most 255 bytes.
    pub message: String,
    pub value: String,
    pub limit: String,
    pub raised_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<Time>,
    /// Why it was cleared when not because the checks pass again: `subject-removed`, `forced`, `channel-removed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_reason: Option<String>,
    /// Time of the change.
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packager: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<crate::ProbeId>,
    /// The event kind of condition: closes by itself.
    #[serde(default)]
    pub event: bool,
    /// What a person or a rule did, when this revision is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Who has it in hand, after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// Why nobody is told for now, after the change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<Suppression>,
    /// The incident of the same alarm that was closed by hand before this one began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopens: Option<IncidentNumber>,
}

impl Notice {
    /// Identity of the alarm over all channels; the same from raise to clear.
    pub fn alarm_id(&self) -> String {
        format!("{}|{}", self.channel, self.fingerprint)
    }
}

/// [`Notice::check`] of a message that tests a receiver. Its number belongs to no incident.
pub const TEST_CHECK: &str = "ottwatch-test";

/// Which receiver module delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReceiverKind {
    Snmp,
    Email,
    Slack,
    Webhook,
}

impl ReceiverKind {
    pub const ALL: [Self; 4] = [Self::Snmp, Self::Email, Self::Slack, Self::Webhook];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snmp => "snmp",
            Self::Email => "email",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for ReceiverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for ReceiverKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a receiver kind; use snmp, email, slack or webhook"))
    }
}

/// Order to tell one receiver of one incident revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotifyJob {
    pub receiver: ReceiverId,
    pub kind: ReceiverKind,
    pub notice: Notice,
    /// After this time an undelivered raise or update is dropped as stale; a clear never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
}

impl NotifyJob {
    /// It tests the receiver: tried once, and no dead letter when it fails.
    pub fn is_test(&self) -> bool {
        self.notice.check == TEST_CHECK
    }

    /// `INC-7/2/noc-slack`: one delivery is made at most once per key.
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}/{}", self.notice.number, self.notice.revision, self.receiver)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryOutcome {
    Delivered,
    /// Will be tried again.
    Deferred,
    /// Given up; in the dead-letter list.
    Failed,
    /// Nothing to send: an equal or later revision was delivered before.
    Superseded,
}

/// What became of a notify job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    pub receiver: ReceiverId,
    pub kind: ReceiverKind,
    pub number: IncidentNumber,
    pub revision: u32,
    pub change: ChangeKind,
    pub outcome: DeliveryOutcome,
    /// Attempts so far, this one included.
    pub attempts: u32,
    pub at: Time,
    /// Receipt or reason, one line, no secret.
    pub detail: String,
}
