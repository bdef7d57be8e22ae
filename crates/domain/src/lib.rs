//! Values that every part of ottwatch speaks of: identifiers, time, severity, what a probe saw ([`capture`]),
//! what a channel is expected to be ([`policy`]), what is wrong with it ([`verdict`]).
//!
//! Pure: no clock, file, socket or randomness. It knows no bus, no SQL and no HTTP framework. The types derive
//! serde and JSON Schema because they travel unchanged inside bus messages (docs/adr/0002).
//! Start reading at [`capture::Capture`], then [`verdict::Verdict`].

pub mod access;
pub mod address;
pub mod capture;
pub mod config;
pub mod error;
pub mod facts;
pub mod id;
pub mod incident;
pub mod job;
pub mod ladder;
pub mod operation;
pub mod partition;
pub mod policy;
pub mod probe;
pub mod receiver;
pub mod severity;
pub mod time;
pub mod track_name;
pub mod verdict;

pub use id::{ChannelId, ProbeId, ReceiverId, Slug, StreamId, TrackId};
pub use partition::{N_PARTITIONS, Partition};
pub use severity::Severity;
pub use time::{Span, Time};
