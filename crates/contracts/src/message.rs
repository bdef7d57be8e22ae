//! What makes a type a bus message.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::subject::Subject;

/// Deduplication id (`Nats-Msg-Id`, `ce-id`): derived from content, never random, so that a repeated publish of one
/// fact is one message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(pub String);

impl MessageId {
    /// UUID version 5 of the parts, in the namespace of this contract.
    pub fn derived(parts: &[&str]) -> Self {
        let namespace = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, b"ottwatch.v1");
        Self(uuid::Uuid::new_v5(&namespace, parts.join("\u{1f}").as_bytes()).to_string())
    }
}

/// A JSON message with CloudEvents attributes (binary mode).
pub trait Message: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// CloudEvents `type`, e.g. `ottwatch.capture.v1`.
    const TYPE: &'static str;
    /// Where it is published.
    fn subject(&self) -> Subject;
    fn message_id(&self) -> MessageId;
    /// CloudEvents `time`: when the fact happened.
    fn time(&self) -> Option<ow_domain::Time>;
    /// CloudEvents `subject`: the entity it is about.
    fn about(&self) -> String;
}
