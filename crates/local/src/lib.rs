//! Private nats-server and PostgreSQL as children of this process: for `ottwatch up`, demos and tests.
//!
//! The programs are found, not carried ([`find`]); their data lie under a home folder and are used again by the next
//! start; ports are free ones chosen by the servers (PostgreSQL has none at all, only a socket). The servers end with
//! this process however it ends, `kill -9` included. Knows nothing of streams, tables or services.
//!
//! Calls block for as long as the server needs (nats-server about 20 ms, PostgreSQL 50 ms, the first time 1 s); async
//! callers wrap them in `spawn_blocking`. Start reading at [`LocalNats`] and [`LocalPostgres`].

mod error;
pub mod find;
mod lock;
mod nats;
mod postgres;
mod process;
mod sys;

pub use error::LocalError;
pub use find::{NATS_FLOOR, POSTGRES_FLOOR, find_nats_server, find_postgres};
pub use nats::{LocalNats, NatsOptions};
pub use postgres::{LocalPostgres, PgOptions};
