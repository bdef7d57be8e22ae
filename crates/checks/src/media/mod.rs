//! Codec and picture configuration (CHECKS 3.13).

mod no_keyframe_start;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[&no_keyframe_start::CHECK];
