//! MPD text to a model with positions and a list of issues (ISO/IEC 23009-1; § in this crate is a clause of it).
//!
//! Pure: bytes in, values out; no clock, no I/O, nothing of ours imported. It refuses to know earlier polls,
//! severities and checks: it says what is written, where it breaks the rules, and which segments it describes.
//! A broken document is never an error of ours: [`parse`] gives a model as far as the text allows.
//! Remote elements (xlink) and patches are recognised and not followed.
//! Start reading at [`parse`], then [`Mpd`], [`IssueKind`], and for segments [`tracks`], [`Track::segments`].

mod audit;
mod base;
mod channels;
mod diff;
mod issue;
mod limits;
mod model;
mod period;
mod position;
mod read;
mod segments;
mod template;
mod track;
mod uri;
mod value;
mod write;
mod xml;

pub use base::{BaseChoices, base_choices};
pub use channels::channel_count;
pub use diff::{Change, ChangeKind, diff};
pub use issue::{Issue, IssueFamily, IssueKind};
pub use limits::*;
pub use model::*;
pub use period::{PeriodTime, period_times};
pub use position::{At, Position};
pub use read::parse;
pub use segments::{Segment, Segments, Window};
pub use template::{Values, expand};
pub use track::{Mode, Target, Track, reload_url, tracks};
pub use uri::{is_http, resolve};
pub use value::{DateTime, Duration, parse_date_time, parse_duration};
pub use write::write;
