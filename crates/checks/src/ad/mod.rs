//! Advertisement breaks and SCTE-35 (CHECKS 3.19).

mod break_duration_mismatch;
mod break_missing;
mod cue_cont_inconsistent;
mod cue_in_without_out;
mod cue_out_without_in;
mod scte35_invalid;
mod splice_not_on_boundary;

use crate::registry::{CheckDef, Spec};

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &scte35_invalid::CHECK,
    &splice_not_on_boundary::CHECK,
    &cue_out_without_in::CHECK,
    &cue_in_without_out::CHECK,
    &cue_cont_inconsistent::CHECK,
    &break_duration_mismatch::CHECK,
    &break_missing::CHECK,
];

/// ANSI/SCTE 35, Digital program insertion cueing message.
const fn scte35(clause: &'static str) -> Spec {
    Spec { text: "ANSI/SCTE 35", clause }
}
