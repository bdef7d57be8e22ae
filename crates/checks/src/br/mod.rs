//! Bit rate and size (CHECKS 3.15).

mod peak_exceeds;
mod segment_empty;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[&segment_empty::CHECK, &peak_exceeds::CHECK];

/// Bits per second as people read them.
pub(crate) fn bits(rate: f64) -> String {
    if rate >= 1e6 { format!("{:.2} Mbit/s", rate / 1e6) } else { format!("{:.0} kbit/s", rate / 1e3) }
}
