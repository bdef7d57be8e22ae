//! PostgreSQL: the only user of SQL. Connections, migrations, and one module per group of tables.
//!
//! It knows rows and transactions, not why they change: decisions are made in the pure crates and by the services.
//! It knows no bus and no HTTP. Migrations are `migrations/V<n>__<name>.sql`, embedded, applied by
//! [`Store::migrate`]. Start reading at [`Store`].

pub mod access;
pub mod alarms;
pub mod audit;
#[cfg(feature = "bench")]
pub mod bench;
pub mod config;
pub mod deliveries;
mod error;
pub mod idempotency;
mod listen;
pub mod manifests;
pub mod measures;
pub mod partitions;
mod pool;
mod scope;
mod time;

pub use error::{Retry, StoreError};
pub use listen::{Listener, Notification};
pub use pool::{Store, StoreConfig, Timeouts, Use};
pub use time::{from_sql_time, sql_time};

/// Postgres notification channel on which every change of configuration is announced; the payload is the kind of
/// entity that changed. Services re-read what they keep of it, and do so from time to time anyway.
pub const CONFIG_CHANNEL: &str = "ottwatch_config";

/// Postgres notification channel on which every change of an incident is announced, with its number as the payload;
/// records of severity info are not.
pub const ALARM_CHANNEL: &str = "ottwatch_alarm";
