//! ISO BMFF and CMAF segments (CHECKS 3.12).

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[];
