//! HLS against DASH of one channel (CHECKS 3.9).

mod ad_marker;
mod audio_lang;
mod availability_asymmetry;
mod drm_kid;
mod ladder_mismatch;
mod live_edge_skew;
mod segment_boundary;
mod shared_object_hash;
mod subtitle;

use std::collections::BTreeSet;

use ow_domain::Severity;

use crate::outcome::Outcome;
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &live_edge_skew::CHECK,
    &ladder_mismatch::CHECK,
    &audio_lang::CHECK,
    &subtitle::CHECK,
    &drm_kid::CHECK,
    &ad_marker::CHECK,
    &availability_asymmetry::CHECK,
    &segment_boundary::CHECK,
    &shared_object_hash::CHECK,
];

/// Names listed per side.
const MAX_NAMES: usize = 4;

/// Fails when two sets differ, naming what each side lacks; `what` is a noun in the plural.
fn compare(out: &mut Outcome, severity: Severity, what: &str, hls: &BTreeSet<String>, dash: &BTreeSet<String>) {
    let lacking = |side: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        other.difference(side).cloned().collect()
    };
    let (hls_lacks, dash_lacks) = (lacking(hls, dash), lacking(dash, hls));
    if hls_lacks.is_empty() && dash_lacks.is_empty() {
        out.pass();
        return;
    }
    let side = |name: &str, names: &[String]| {
        let shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(MAX_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("{name} lacks {shown}{more}"))
    };
    let value: Vec<String> = [side("HLS", &hls_lacks), side("DASH", &dash_lacks)].into_iter().flatten().collect();
    let value = value.join("; ");
    let limit = format!("the same {what} in both");
    let mut fail = out.fail(severity, value.clone(), limit.clone(), format!("{value}; {limit} expected"));
    for name in &hls_lacks {
        fail = fail.fact("missing in HLS", name);
    }
    for name in &dash_lacks {
        fail = fail.fact("missing in DASH", name);
    }
}
