//! What can go wrong between us and the server.

use std::time::Duration;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The bus could not do its work. All but [`BusError::is_permanent`] ones pass when the server is back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    #[error("{key} {value:?} is not usable: {reason}; example: {example}")]
    Config { key: &'static str, value: String, reason: String, example: &'static str },
    #[error("no NATS server answers at {servers} after {waited:?}")]
    Connect {
        servers: String,
        waited: Duration,
        #[source]
        source: Source,
    },
    #[error("the NATS server at {servers} refuses our credentials")]
    Refused {
        servers: String,
        #[source]
        source: Source,
    },
    #[error(
        "the NATS server is {found}, needed is {floor} or newer: older ones acknowledge what they do not know and ignore it; upgrade nats-server"
    )]
    ServerTooOld { found: String, floor: &'static str },
    #[error("cannot set up {what}")]
    Topology {
        what: String,
        #[source]
        source: Source,
    },
    #[error("stream or bucket {what} is not there after {waited:?}; it is made by the scheduler and by `ottwatch up`")]
    TopologyMissing { what: String, waited: Duration },
    #[error("cannot write {what} as JSON")]
    Encode {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("the message on {subject} is larger than the server takes")]
    TooLarge { subject: String },
    #[error("no acknowledged publish on {subject} within {waited:?}")]
    Publish {
        subject: String,
        waited: Duration,
        #[source]
        source: Source,
    },
    #[error("cannot {what}")]
    Request {
        what: String,
        #[source]
        source: Source,
    },
    #[error("{bucket}/{key} was changed by somebody else")]
    Conflict { bucket: String, key: String },
    #[error("{bucket}/{key} holds no readable value")]
    Value {
        bucket: String,
        key: String,
        #[source]
        source: Source,
    },
}

impl BusError {
    /// True if trying again cannot help.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Config { .. }
                | Self::Refused { .. }
                | Self::ServerTooOld { .. }
                | Self::Encode { .. }
                | Self::TooLarge { .. }
                | Self::Conflict { .. }
                | Self::Value { .. }
        )
    }

    pub(crate) fn request<E: Into<Source>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Request { what, source: source.into() }
    }
}
