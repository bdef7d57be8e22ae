//! Segment timing (CHECKS 3.14).

pub(crate) mod duration_mismatch;
