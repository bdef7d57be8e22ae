//! Segment timing (CHECKS 3.14).

mod av_offset;
mod cross_rendition_boundary;
mod duration_cumulative;
mod duration_mismatch;
mod first_after_discontinuity;
mod frame_count;
mod gop_length;
mod media_clock_drift;
mod pts_wrap;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &duration_mismatch::CHECK,
    &duration_cumulative::CHECK,
    &media_clock_drift::CHECK,
    &first_after_discontinuity::CHECK,
    &frame_count::CHECK,
    &gop_length::CHECK,
    &av_offset::CHECK,
    &cross_rendition_boundary::CHECK,
    &pts_wrap::CHECK,
];
