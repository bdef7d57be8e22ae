//! Bit rate and size (CHECKS 3.15).

mod segment_empty;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[&segment_empty::CHECK];
