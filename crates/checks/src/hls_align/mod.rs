//! HLS renditions against each other (CHECKS 3.4).

mod rendition_frozen;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[&rendition_frozen::CHECK];
