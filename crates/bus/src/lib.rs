//! The bus: the only user of the NATS client.
//!
//! It moves the messages of `ow-contracts` through JetStream: publish with derived ids, consume with explicit outcomes,
//! dead letters, partitions with one owner each, leases, typed key-value buckets. Streams, buckets and consumers are
//! declared once, in [`topology`]. It refuses to know what a message means. Start reading at [`Bus::connect`], then
//! [`consume`], [`partitions`] and [`leases`].
//!
//! Delivery is at least once everywhere: handlers must be idempotent, and what they publish carries derived ids.

pub mod config;
mod connect;
pub mod consume;
mod dead;
mod error;
mod follow;
pub mod kv;
pub mod leases;
mod letters;
mod members;
pub mod partitions;
mod publish;
mod received;
mod time;
pub mod topology;
pub mod trace;

pub use config::{BusConfig, StreamPrefix};
pub use connect::{Bus, SERVER_FLOOR};
pub use consume::{Delivered, Handler};
pub use error::BusError;
pub use kv::{Change, Entry, Kv, KvWatch};
pub use leases::{JobPut, Lease, LeaseChange, LeaseConfig, LeaseTaker};
pub use letters::{BuriedLetter, LetterPage};
pub use partitions::{PartitionHandler, PartitionReader, PartitionedConfig, PartitionedConsumer, Replay};
pub use publish::{Published, Publisher};
pub use received::{Outcome, Received, Recording, Tail};
pub use topology::{Bucket, ConsumerSpec, Limits, StreamName};
pub use trace::TraceContext;
