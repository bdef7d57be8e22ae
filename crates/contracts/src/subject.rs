//! The subject grammar, in one place. All subjects start with `ottwatch.v1.`.

use std::fmt;

use ow_domain::capture::ObjectKind;
use ow_domain::incident::ReceiverKind;
use ow_domain::{ChannelId, Partition, ProbeId, ReceiverId, Severity, StreamId};

/// First tokens of every subject.
pub const ROOT: &str = "ottwatch.v1";

/// A subject below the root, without the root itself: `capture.7.vtv3.main-hls.segment`. `crates/bus` puts the root
/// (and, in tests, a prefix) before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Subject {
    /// For patterns with wildcards and for reading; not checked.
    pub fn raw(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// With the root: `ottwatch.v1.capture.7.tick`.
    pub fn full(&self) -> String {
        format!("{ROOT}.{}", self.0)
    }

    pub fn fetch_job(probe: &ProbeId, channel: &ChannelId) -> Self {
        Self(format!("job.fetch.{probe}.{channel}"))
    }
    pub fn fetch_jobs_of(probe: &ProbeId) -> Self {
        Self(format!("job.fetch.{probe}.*"))
    }
    pub fn capture(channel: &ChannelId, stream: &StreamId, object: ObjectKind) -> Self {
        Self(format!("capture.{}.{channel}.{stream}.{}", Partition::of(channel), object.as_str()))
    }
    pub fn tick(partition: Partition) -> Self {
        Self(format!("capture.{partition}.tick"))
    }
    /// Captures and ticks of one partition.
    pub fn captures_of(partition: Partition) -> Self {
        Self(format!("capture.{partition}.>"))
    }
    pub fn verdict(channel: &ChannelId) -> Self {
        Self(format!("verdict.{}.{channel}", Partition::of(channel)))
    }
    pub fn verdicts_of(partition: Partition) -> Self {
        Self(format!("verdict.{partition}.>"))
    }
    pub fn measure(channel: &ChannelId, stream: &StreamId) -> Self {
        Self(format!("measure.{channel}.{stream}"))
    }
    pub fn alert(severity: Severity, channel: &ChannelId) -> Self {
        Self(format!("alert.{severity}.{channel}"))
    }
    pub fn incident(event: &str) -> Self {
        Self(format!("incident.{event}"))
    }
    pub fn notify(kind: ReceiverKind, receiver: &ReceiverId) -> Self {
        Self(format!("job.notify.{kind}.{receiver}"))
    }
    pub fn notify_of(kind: ReceiverKind) -> Self {
        Self(format!("job.notify.{kind}.*"))
    }
    pub fn delivery(receiver: &ReceiverId) -> Self {
        Self(format!("delivery.{receiver}"))
    }
    pub fn dead(stream: &str) -> Self {
        Self(format!("dead.{}", stream.to_ascii_lowercase()))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
