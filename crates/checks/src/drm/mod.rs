//! Encryption and DRM (CHECKS 3.18).

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[];
