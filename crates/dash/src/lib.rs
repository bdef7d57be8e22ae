//! MPD text to a model with positions and a list of issues (ISO/IEC 23009-1; § in this crate is a clause of it).
//!
//! Pure: bytes in, values out; no clock, no I/O, nothing of ours imported. It refuses to know earlier polls,
//! severities and checks: it says what is written, where it breaks the rules, and which segments it describes.
//! A broken document is never an error of ours: [`parse`] gives a model as far as the text allows.
//! Remote elements (xlink) and patches are recognised and not followed.
//! Start reading at [`parse`], then [`Mpd`], [`IssueKind`].

mod audit;
mod issue;
mod limits;
mod model;
mod position;
mod read;
mod value;
mod xml;

pub use issue::{Issue, IssueFamily, IssueKind};
pub use limits::*;
pub use model::*;
pub use position::{At, Position};
pub use read::parse;
pub use value::{DateTime, Duration, parse_date_time, parse_duration};
