//! Bounds on what is read from one document. Beyond them the rest is ignored and
//! [`crate::IssueKind::LimitExceeded`] says so, so memory is at most a small multiple of the body.

/// Bytes of a document. A day of `S` elements for ten tracks without repetition is about 10 MiB.
pub const MAX_BYTES: usize = 16 << 20;
/// Nesting of elements. An MPD itself needs 8; foreign event bodies some more.
pub const MAX_DEPTH: usize = 64;
/// Elements of a document, known and unknown.
pub const MAX_ELEMENTS: usize = 1_000_000;
/// Attributes of one element. Real MPD elements carry up to about 20.
pub const MAX_ATTRIBUTES: usize = 128;
/// Bytes of text kept from one element (`cenc:pssh`, event bodies, URLs).
pub const MAX_TEXT_BYTES: usize = 64 << 10;
/// Segments that one enumeration gives at most (CHECKS 5.2).
pub const MAX_SEGMENTS: u64 = 100_000;
/// Representations that are resolved at most, over all Periods.
pub const MAX_TRACKS: usize = 4_096;
/// Bytes of a URL built from templates and bases.
pub const MAX_URL_BYTES: usize = 8 << 10;
/// Issues kept per document; the last one is a `LimitExceeded` when there were more.
pub const MAX_ISSUES: usize = 200;
/// Characters of quoted input in an issue.
pub const MAX_DETAIL_CHARS: usize = 120;
