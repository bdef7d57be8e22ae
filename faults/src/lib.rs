//! The fault suite: each named fault of the origin ([`ow_origin::NamedFault`]) against the whole judgement, in virtual time.
//!
//! Nothing is stood in for but the network and the clock: the fetcher's own planning, HTTP client and parsers ask the origin's own
//! server over pipes in memory ([`ow_origin::MemoryOrigin`]), under tokio's paused time, and [`ow_checks::ChannelJudge`] judges the
//! captures. So five minutes of a stream take a second or two, and the same run gives the same findings.
//!
//! Start reading at [`play`]; which check must find which fault: [`expected`]; the table: [`report`].

pub mod expected;
mod play;
pub mod report;
pub mod suite;

pub use play::{Finding, Played, Subject, play};
