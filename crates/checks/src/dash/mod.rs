//! DASH live behaviour, across polls (CHECKS 3.7).

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[];
