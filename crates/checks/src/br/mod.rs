//! Bit rate and size (CHECKS 3.15).

pub(crate) mod segment_empty;
