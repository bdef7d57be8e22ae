//! Low-latency HLS (CHECKS 3.5).

mod blocking_reload_broken;
mod independent_flag;
mod part_bytes_mismatch;
mod part_duration;
mod part_hold_back;
mod part_inf_missing;
mod part_stale;
mod preload_hint_after_end;

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
    &preload_hint_after_end::CHECK,
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
