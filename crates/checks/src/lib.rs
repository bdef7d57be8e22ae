//! The catalogue of checks and the judge that runs them: captures of one channel in, verdicts out.
//!
//! One file per check (`src/<family>/<name>.rs`), named by its id. Pure: no clock, file, socket, randomness or logger;
//! time and place come in with each capture, so that equal captures give equal verdicts. It refuses to know the bus,
//! incidents and receivers: a verdict lists what is wrong, others decide whom to tell.
//!
//! Start reading at [`ChannelJudge`], then `http/status_manifest.rs` as an example of a check, [`hold`] for how
//! failures become conditions, and `judge/route.rs` for which check sees what (dependency suppression).

mod alarms;
#[cfg(any(test, feature = "bench"))]
pub mod bench;
mod br;
mod canonical;
mod catalogue;
pub mod docs;
mod hls;
mod hls_mvp;
pub mod hold;
mod http;
pub mod input;
mod judge;
mod media;
pub mod notation;
pub mod outcome;
pub mod registry;
mod seg;
mod settings;

pub use docs::docs_markdown;
pub use judge::{ChannelJudge, Finding, Judged};
pub use registry::{CheckDef, ParamDef, all, find};
pub use settings::{SettingProblem, validate_overrides};
