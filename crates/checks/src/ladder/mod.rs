//! The ladder against the template of the channel (CHECKS 3.10).

mod audio_config;
mod audio_description_missing;
mod audio_language_missing;
mod bitrate_out_of_range;
mod codec_mismatch;
mod drm_system_missing;
mod framerate_mismatch;
mod hdr_missing;
mod rendition_flapping;
mod rendition_missing;
mod rendition_unexpected;
mod resolution_mismatch;
mod subtitle_missing;
mod template_absent;
mod uhd_missing;

use ow_domain::Severity;
use ow_domain::ladder::VideoRung;

use crate::input::LadderLoad;
use crate::offer::difference;
use crate::outcome::At;
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &template_absent::CHECK,
    &rendition_missing::CHECK,
    &rendition_flapping::CHECK,
    &rendition_unexpected::CHECK,
    &uhd_missing::CHECK,
    &hdr_missing::CHECK,
    &resolution_mismatch::CHECK,
    &codec_mismatch::CHECK,
    &framerate_mismatch::CHECK,
    &bitrate_out_of_range::CHECK,
    &audio_language_missing::CHECK,
    &audio_description_missing::CHECK,
    &audio_config::CHECK,
    &subtitle_missing::CHECK,
    &drm_system_missing::CHECK,
];

/// Names listed in one message.
const MAX_NAMES: usize = 4;

/// `1 rendition`, `3 renditions`.
fn renditions(n: usize) -> String {
    if n == 1 { "1 rendition".into() } else { format!("{n} renditions") }
}

/// Resolutions of rungs, with the codec where two rungs have one size.
fn list(places: &[usize], rungs: &[VideoRung]) -> String {
    let of_size = |size: &VideoRung| rungs.iter().filter(|r| (r.width, r.height) == (size.width, size.height)).count();
    let name = |rung: &VideoRung| match rung.codec {
        Some(codec) if of_size(rung) > 1 => format!("{} {codec}", rung.resolution()),
        _ => rung.resolution(),
    };
    some(places.iter().filter_map(|n| rungs.get(*n)).map(name))
}

/// The first names, and how many more there are.
fn some(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// How bad it is to lose these rungs: critical when the two best or all are gone.
fn loss(lost: &[usize], rungs: &[VideoRung]) -> Severity {
    let mut by_quality: Vec<usize> = (0..rungs.len()).collect();
    let quality = |n: usize| rungs.get(n).map(|r| (r.height, r.bitrate_kbps.map_or(0, |b| b.max)));
    by_quality.sort_by_key(|n| std::cmp::Reverse(quality(*n)));
    let best_two = by_quality.iter().take(2).all(|n| lost.contains(n));
    if best_two || lost.len() == rungs.len() { Severity::Critical } else { Severity::Major }
}

/// Adds the semantic difference between contract and offer to the evidence.
fn with_difference<'a>(mut at: At<'a>, input: &LadderLoad<'_>) -> At<'a> {
    if let Some(agreed) = &input.agreed {
        for (word, text) in difference(agreed.contract, input.offer, agreed.matched) {
            at = at.fact(word, text);
        }
    }
    at
}
