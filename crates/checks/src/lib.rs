//! The catalogue of checks and the judge that runs them: captures of one channel in, verdicts out.
//!
//! One file per check (`src/<family>/<name>.rs`), named by its id. Pure: no clock, file, socket, randomness or logger;
//! time and place come in with each capture, so that equal captures give equal verdicts. It refuses to know the bus,
//! incidents and receivers: a verdict lists what is wrong, others decide whom to tell.
//!
//! Start reading at [`ChannelJudge`], then `http/status_manifest.rs` as an example of a check, [`hold`] for how
//! failures become conditions, and `judge/route/` for which check sees what (dependency suppression).

mod ad;
mod alarms;
#[cfg(any(test, feature = "bench"))]
pub mod bench;
mod br;
mod canonical;
mod catalogue;
mod dash;
mod dash_mpd;
pub mod docs;
mod drm;
mod headers;
mod hls;
mod hls_align;
mod hls_mvp;
pub mod hold;
mod http;
pub mod input;
mod judge;
mod ladder;
mod lldash;
mod llhls;
mod media;
mod mp4;
pub mod notation;
pub mod offer;
pub mod outcome;
pub mod registry;
mod seg;
#[path = "self/mod.rs"]
mod self_;
mod settings;
mod ts;
mod xp;

pub use docs::docs_markdown;
pub use judge::{ChannelJudge, Finding, Judged};
pub use registry::{CheckDef, ParamDef, all, find};
pub use settings::{SettingProblem, validate_overrides};
