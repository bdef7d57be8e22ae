//! The fetcher: it measures, and judges nothing. Each request for an object of a watched stream becomes one
//! [`ow_domain::capture::Capture`]; how it failed, how long each phase took and what the bytes are is told exactly.
//!
//! It knows no check, no threshold and no alarm. Per channel it remembers only what is new and when to ask again, and
//! builds that again from the next playlist. Start reading at [`http::Probe`].

pub mod clock;
mod config;
pub mod http;
mod metrics;
pub mod own;
mod run;
pub mod watch;

pub use config::FetcherConfig;
pub use run::{Deps, FetcherError, run};
pub use watch::{CaptureSink, WatchOptions, follow_channel, watch_channel};
