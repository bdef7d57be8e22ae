//! Encryption and DRM (CHECKS 3.18).

mod encryption_state_mismatch;
mod key_unreachable;

use crate::registry::CheckDef;
pub(crate) use key_unreachable::key_works;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[&key_unreachable::CHECK, &encryption_state_mismatch::CHECK];
