//! HLS against DASH of one channel (CHECKS 3.9).

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[];
