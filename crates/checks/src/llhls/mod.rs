//! Low-latency HLS (CHECKS 3.5).

mod blocking_reload_broken;
mod can_skip_until;
mod delta_invalid;
mod delta_not_served;
mod hold_back;
mod independent_flag;
mod latency;
mod part_bytes_mismatch;
mod part_duration;
mod part_gap;
mod part_hold_back;
mod part_inf_missing;
mod part_retention;
mod part_stale;
mod part_sum_mismatch;
mod preload_hint_after_end;
mod preload_hint_mismatch;
mod preload_hint_missing;
mod preload_hint_unavailable;
mod rendition_report_missing;
mod rendition_report_wrong;
mod rendition_sync;

use ow_domain::Span;
use ow_hls::MediaPlaylist;

use crate::input::PartLoad;
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &part_inf_missing::CHECK,
    &blocking_reload_broken::CHECK,
    &part_stale::CHECK,
    &part_duration::CHECK,
    &part_bytes_mismatch::CHECK,
    &independent_flag::CHECK,
    &part_hold_back::CHECK,
    &part_sum_mismatch::CHECK,
    &part_gap::CHECK,
    &part_retention::CHECK,
    &hold_back::CHECK,
    &can_skip_until::CHECK,
    &preload_hint_after_end::CHECK,
    &preload_hint_missing::CHECK,
    &preload_hint_mismatch::CHECK,
    &preload_hint_unavailable::CHECK,
    &delta_not_served::CHECK,
    &delta_invalid::CHECK,
    &rendition_report_missing::CHECK,
    &rendition_report_wrong::CHECK,
    &rendition_sync::CHECK,
    &latency::CHECK,
];

pub(crate) fn times(span: Span, factor: f64) -> Span {
    span.mul_ratio((factor * 1000.0).round() as i64, 1000)
}

pub(crate) fn target_duration(playlist: &MediaPlaylist) -> Span {
    Span::from_micros(playlist.target_duration_us())
}

/// The bytes of a part could be read: not encrypted, container understood.
pub(crate) fn is_readable(load: &PartLoad<'_>) -> bool {
    let is_hidden = load.capture.promised.as_ref().is_some_and(|p| p.key_method.is_some());
    let is_encrypted = load.facts.main().is_none_or(|main| main.encrypted);
    !is_hidden && !is_encrypted && crate::input::is_sound(load.facts)
}
