//! The HLS multivariant playlist (CHECKS 3.2).

mod changed;
mod group_unresolved;
mod parse_error;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[&parse_error::CHECK, &group_unresolved::CHECK, &changed::CHECK];
