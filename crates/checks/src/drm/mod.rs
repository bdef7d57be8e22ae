//! Encryption and DRM (CHECKS 3.18).

mod encryption_state_mismatch;
mod key_unreachable;
mod pssh_missing;
mod scheme_mismatch;
mod senc_inconsistent;

use crate::registry::CheckDef;
pub(crate) use key_unreachable::key_works;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &key_unreachable::CHECK,
    &encryption_state_mismatch::CHECK,
    &scheme_mismatch::CHECK,
    &senc_inconsistent::CHECK,
    &pssh_missing::CHECK,
];
