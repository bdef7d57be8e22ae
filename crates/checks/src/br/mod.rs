//! Bit rate and size (CHECKS 3.15).

mod avg_exceeds;
mod frozen_size_pattern;
mod identical_payload;
mod peak_exceeds;
mod rendition_inversion;
mod segment_empty;
mod segment_tiny;
mod step_change;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &segment_empty::CHECK,
    &peak_exceeds::CHECK,
    &avg_exceeds::CHECK,
    &segment_tiny::CHECK,
    &identical_payload::CHECK,
    &frozen_size_pattern::CHECK,
    &rendition_inversion::CHECK,
    &step_change::CHECK,
];

/// Bits per second as people read them.
pub(crate) fn bits(rate: f64) -> String {
    if rate >= 1e6 { format!("{:.2} Mbit/s", rate / 1e6) } else { format!("{:.0} kbit/s", rate / 1e3) }
}
