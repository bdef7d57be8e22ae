//! HLS playlist text to a model and a list of issues (draft-pantos-hls-rfc8216bis-22, "BIS" below; RFC 8216).
//!
//! Pure: bytes in, values out; no clock, no I/O, nothing of ours imported. It refuses to know URLs of the playlist
//! itself, earlier polls, severities and checks: it says what is written and where it breaks the grammar.
//! A broken playlist is never an error of ours: [`parse`] always gives a model, as far as the text allows.
//! Start reading at [`parse`], then [`Playlist`], [`IssueKind`].

mod attributes;
mod diff;
mod issue;
mod limits;
mod lines;
mod media;
mod model;
mod multivariant;
mod parser;
mod scte35;
mod sniff;
mod value;
mod variables;
mod write;

pub use attributes::{Attribute, AttributeList, AttributeValue};
pub use diff::{Difference, MAX_DIFFERENCES, diff};
pub use issue::{Issue, IssueFamily, IssueKind};
pub use limits::*;
pub use model::*;
pub use parser::parse;
pub use scte35::{
    Segmentation, SpliceCommand, SpliceFault, SpliceInfo, SpliceInsert, splice_info, splice_info_from_base64,
    splice_info_from_hex,
};
pub use sniff::{LooksLike, Sniff, sniff};
pub use value::{parse_date_time, parse_decimal_us};
pub use variables::Variables;
pub use write::{write, write_media, write_multivariant};
