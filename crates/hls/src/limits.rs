//! Bounds on what is read from one playlist. Beyond them the rest is ignored and [`crate::IssueKind::LimitExceeded`]
//! is reported once per limit, so memory is at most a small multiple of the body.

/// Lines per playlist: 24 h of 2 s segments with four lines each, three times over.
pub const MAX_LINES: usize = 500_000;
/// Segments per media playlist: 24 h of 2 s segments are 43 200.
pub const MAX_SEGMENTS: usize = 50_000;
/// Parts per media playlist, in segments and after the last one.
pub const MAX_PARTS: usize = 50_000;
/// Attributes per tag. Real DATERANGE tags carry up to about 20.
pub const MAX_ATTRIBUTES: usize = 128;
/// Variants, renditions, session tags, definitions, date ranges, reports: each list by itself.
pub const MAX_LIST: usize = 10_000;
/// Tags kept raw per playlist.
pub const MAX_RAW_TAGS: usize = 50_000;
/// Keys that apply to one segment at once (one per KEYFORMAT).
pub const MAX_KEYS_PER_SEGMENT: usize = 16;
/// Bytes that variable substitution may produce per playlist.
pub const MAX_EXPANDED_BYTES: usize = 4 << 20;
/// Issues kept per playlist; further ones are counted only by the last entry, a `LimitExceeded`.
pub const MAX_ISSUES: usize = 200;
/// Characters of quoted input in an issue's detail.
pub const MAX_DETAIL_CHARS: usize = 120;
