//! ISO BMFF and CMAF segments (CHECKS 3.12).

mod base_offset;
mod empty_samples;
mod emsg_invalid;
mod init_changed;
mod init_invalid;
mod init_mismatch;
mod parse_error;
mod prft_invalid;
mod sample_flags_lie;
mod tfdt_discontinuity;
mod tfdt_missing;
mod tfdt_overflow;
mod tfdt_vs_manifest;
mod trun_out_of_range;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &parse_error::CHECK,
    &init_invalid::CHECK,
    &init_changed::CHECK,
    &init_mismatch::CHECK,
    &tfdt_missing::CHECK,
    &base_offset::CHECK,
    &trun_out_of_range::CHECK,
    &empty_samples::CHECK,
    &tfdt_overflow::CHECK,
    &tfdt_discontinuity::CHECK,
    &tfdt_vs_manifest::CHECK,
    &sample_flags_lie::CHECK,
    &prft_invalid::CHECK,
    &emsg_invalid::CHECK,
];
