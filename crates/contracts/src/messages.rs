//! The messages. Most are domain values; the few types here exist only on the bus.

use ow_domain::capture::{Capture, Tick};
use ow_domain::incident::{ChangeKind, Delivery, Notice, NotifyJob};
use ow_domain::job::FetchJob;
use ow_domain::verdict::{Measures, Verdict};
use ow_domain::{Severity, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::message::{Message, MessageId};
use crate::subject::Subject;

/// `alert.<severity>.<channel>`: an incident was raised, changed or cleared. For integrators, per channel and severity.
/// A clear is published under the severity that the incident had, so that a subscriber of `alert.critical.>` sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct IncidentChange(pub Notice);

/// `incident.<event>`: the same fact, by kind of change (`incident.raise`, `incident.update`, `incident.clear`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ChannelIncident(pub Notice);

/// A message that could not be handled, with the reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Stream it was in, without any prefix.
    pub stream: String,
    pub subject: String,
    pub seq: u64,
    /// Which consumer gave up.
    pub consumer: String,
    /// Why, one line.
    pub reason: String,
    pub at: Time,
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The payload as it was, base64.
    pub payload_base64: String,
}

impl Message for FetchJob {
    const TYPE: &'static str = "ottwatch.fetch-job.v1";
    fn subject(&self) -> Subject {
        Subject::fetch_job(&self.probe, &self.channel)
    }
    fn message_id(&self) -> MessageId {
        MessageId::derived(&["job", self.probe.as_str(), self.channel.as_str(), &self.revision.to_string()])
    }
    fn time(&self) -> Option<Time> {
        None
    }
    fn about(&self) -> String {
        format!("{}/{}", self.probe, self.channel)
    }
}

impl Message for Capture {
    const TYPE: &'static str = "ottwatch.capture.v1";
    fn subject(&self) -> Subject {
        Subject::capture(&self.channel, &self.stream, self.object)
    }
    fn message_id(&self) -> MessageId {
        MessageId(self.id.clone())
    }
    fn time(&self) -> Option<Time> {
        Some(self.exchange.t_end)
    }
    fn about(&self) -> String {
        format!("{}/{}", self.channel, self.stream)
    }
}

impl Message for Tick {
    const TYPE: &'static str = "ottwatch.tick.v1";
    fn subject(&self) -> Subject {
        Subject::tick(self.partition)
    }
    fn message_id(&self) -> MessageId {
        MessageId(format!("tick.{}.{}", self.partition, self.at.unix_seconds()))
    }
    fn time(&self) -> Option<Time> {
        Some(self.at)
    }
    fn about(&self) -> String {
        format!("partition/{}", self.partition)
    }
}

impl Message for Verdict {
    const TYPE: &'static str = "ottwatch.verdict.v1";
    fn subject(&self) -> Subject {
        Subject::verdict(&self.channel)
    }
    fn message_id(&self) -> MessageId {
        MessageId::derived(&[
            "verdict",
            self.channel.as_str(),
            &self.position.epoch.to_string(),
            &self.position.seq.to_string(),
        ])
    }
    fn time(&self) -> Option<Time> {
        Some(self.as_of)
    }
    fn about(&self) -> String {
        self.channel.to_string()
    }
}

impl Message for Measures {
    const TYPE: &'static str = "ottwatch.measures.v1";
    fn subject(&self) -> Subject {
        Subject::measure(&self.channel, &self.stream)
    }
    fn message_id(&self) -> MessageId {
        MessageId::derived(&[
            "measures",
            self.channel.as_str(),
            self.stream.as_str(),
            self.probe.as_ref().map_or("", |probe| probe.as_str()),
            &self.at.unix_micros().to_string(),
        ])
    }
    fn time(&self) -> Option<Time> {
        Some(self.at)
    }
    fn about(&self) -> String {
        format!("{}/{}", self.channel, self.stream)
    }
}

fn notice_id(kind: &str, notice: &Notice) -> MessageId {
    MessageId::derived(&[kind, &notice.number.to_string(), &notice.revision.to_string()])
}

impl Message for IncidentChange {
    const TYPE: &'static str = "ottwatch.alert.v1";
    fn subject(&self) -> Subject {
        let severity = match self.0.change {
            ChangeKind::Clear => self.0.previous_severity.unwrap_or(Severity::Indeterminate),
            ChangeKind::Raise | ChangeKind::Update => self.0.severity,
        };
        Subject::alert(severity, &self.0.channel)
    }
    fn message_id(&self) -> MessageId {
        notice_id("alert", &self.0)
    }
    fn time(&self) -> Option<Time> {
        Some(self.0.at)
    }
    fn about(&self) -> String {
        self.0.channel.to_string()
    }
}

impl Message for ChannelIncident {
    const TYPE: &'static str = "ottwatch.incident.v1";
    fn subject(&self) -> Subject {
        Subject::incident(self.0.change.as_str())
    }
    fn message_id(&self) -> MessageId {
        notice_id("incident", &self.0)
    }
    fn time(&self) -> Option<Time> {
        Some(self.0.at)
    }
    fn about(&self) -> String {
        self.0.number.to_string()
    }
}

impl Message for NotifyJob {
    const TYPE: &'static str = "ottwatch.notify-job.v1";
    fn subject(&self) -> Subject {
        Subject::notify(self.kind, &self.receiver)
    }
    fn message_id(&self) -> MessageId {
        MessageId::derived(&["notify", &self.idempotency_key()])
    }
    fn time(&self) -> Option<Time> {
        Some(self.notice.at)
    }
    fn about(&self) -> String {
        format!("{}/{}", self.notice.number, self.receiver)
    }
}

impl Message for Delivery {
    const TYPE: &'static str = "ottwatch.delivery.v1";
    fn subject(&self) -> Subject {
        Subject::delivery(&self.receiver)
    }
    fn message_id(&self) -> MessageId {
        MessageId::derived(&[
            "delivery",
            self.receiver.as_str(),
            &self.number.to_string(),
            &self.revision.to_string(),
            &self.attempts.to_string(),
        ])
    }
    fn time(&self) -> Option<Time> {
        Some(self.at)
    }
    fn about(&self) -> String {
        format!("{}/{}", self.number, self.receiver)
    }
}

impl Message for DeadLetter {
    const TYPE: &'static str = "ottwatch.dead-letter.v1";
    fn subject(&self) -> Subject {
        Subject::dead(&self.stream)
    }
    fn message_id(&self) -> MessageId {
        MessageId::derived(&["dead", &self.stream, &self.seq.to_string(), &self.consumer])
    }
    fn time(&self) -> Option<Time> {
        Some(self.at)
    }
    fn about(&self) -> String {
        self.subject.clone()
    }
}
