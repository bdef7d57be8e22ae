//! ISO BMFF and CMAF segments (CHECKS 3.12).

mod init_mismatch;
mod parse_error;
mod tfdt_discontinuity;
mod tfdt_vs_manifest;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] =
    &[&parse_error::CHECK, &init_mismatch::CHECK, &tfdt_discontinuity::CHECK, &tfdt_vs_manifest::CHECK];
