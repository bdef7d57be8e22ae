//! Advertisement breaks and SCTE-35 (CHECKS 3.19).

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[];
