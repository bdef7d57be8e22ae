//! The process kit that every service shares: configuration, telemetry, health and metrics, shutdown, exit codes.
//!
//! It knows nothing of channels, the bus or SQL. Start at [`config::load`] and [`ops::serve`].

pub mod config;
pub mod exit;
pub mod ops;
pub mod sealing;
pub mod shutdown;
pub mod telemetry;
pub mod units;

pub use exit::Exit;
pub use ops::{Health, Ops};
pub use units::{HumanBytes, HumanDuration, Secret};
