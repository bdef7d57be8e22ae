//! Segment timing (CHECKS 3.14).

mod duration_mismatch;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[&duration_mismatch::CHECK];
