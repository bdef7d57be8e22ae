//! Encryption and DRM (CHECKS 3.18).

mod decrypt_failed;
mod encryption_state_mismatch;
mod key_tag_invalid;
mod key_unreachable;
mod kid_ahead_of_manifest;
mod kid_mismatch;
mod pssh_missing;
mod scheme_mismatch;
mod senc_inconsistent;

use std::collections::BTreeSet;

use ow_domain::facts::SegmentFacts;

use crate::input::{PastInit, mp4 as view};
use crate::registry::CheckDef;
pub(crate) use key_unreachable::key_works;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &key_tag_invalid::CHECK,
    &key_unreachable::CHECK,
    &encryption_state_mismatch::CHECK,
    &decrypt_failed::CHECK,
    &scheme_mismatch::CHECK,
    &senc_inconsistent::CHECK,
    &pssh_missing::CHECK,
    &kid_mismatch::CHECK,
    &kid_ahead_of_manifest::CHECK,
];

/// Key ids that the samples of a segment are encrypted with: those of its `seig` groups, else that of `tenc`.
fn kids_in_use(facts: &SegmentFacts, init: &PastInit) -> BTreeSet<String> {
    let mut kids = BTreeSet::new();
    for run in facts.mp4.iter().flat_map(|mp4| &mp4.runs) {
        if !run.kids.is_empty() {
            kids.extend(run.kids.iter().map(|kid| kid.to_ascii_lowercase()));
            continue;
        }
        let protection = view::track_of(init, run).and_then(|track| track.protection.as_ref());
        let protection = protection.filter(|p| p.is_protected != Some(false) && run.is_protected != Some(false));
        kids.extend(protection.and_then(|p| p.kid.as_ref()).map(|kid| kid.to_ascii_lowercase()));
    }
    kids
}
