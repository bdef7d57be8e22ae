//! The HLS multivariant playlist (CHECKS 3.2).

pub(crate) mod changed;
pub(crate) mod group_unresolved;
pub(crate) mod parse_error;
