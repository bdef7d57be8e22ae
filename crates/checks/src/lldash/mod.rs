//! Low-latency DASH (CHECKS 3.8).

mod ato_incoherent;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[&ato_incoherent::CHECK];
