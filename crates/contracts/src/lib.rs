//! The bus contract: which messages travel on which subjects, in which form.
//!
//! Everything here is public and additive-only: integrators subscribe to these subjects (DESIGN 4). It knows no NATS
//! client: `crates/bus` moves the bytes. Start at [`message::Message`], then [`subject`]; [`catalog`] lists all
//! messages and is the source of `schemas/`.

pub mod bundle;
pub mod catalog;
pub mod envelope;
pub mod message;
pub mod messages;
pub mod subject;

pub use bundle::Recorded;
pub use message::{Message, MessageId};
pub use messages::{ChannelIncident, DeadLetter, IncidentChange};
pub use subject::Subject;
