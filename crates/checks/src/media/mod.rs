//! Codec and picture configuration (CHECKS 3.13).

pub(crate) mod no_keyframe_start;
