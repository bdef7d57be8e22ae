//! MPEG-TS segments (CHECKS 3.11).

mod cc_error;
mod crc_error;
mod length_not_188;
mod multi_program;
mod packed_audio_id3;
mod parameter_sets_missing;
mod pat_pmt_missing;
mod pcr_jump;
mod pcr_missing;
mod pid_missing;
mod pmt_changed;
mod pts_missing;
mod pts_order;
mod scrambled;
mod stream_type_mismatch;
mod sync_loss;
mod tei;
mod timestamp_jump;
mod vtt_timestamp_map;

use ow_domain::facts::{ElementaryFacts, EsKind, SegmentFacts};

use crate::input::MediaLoad;
use crate::outcome::At;
use crate::registry::{CheckDef, Spec};

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &sync_loss::CHECK,
    &length_not_188::CHECK,
    &tei::CHECK,
    &crc_error::CHECK,
    &pat_pmt_missing::CHECK,
    &multi_program::CHECK,
    &cc_error::CHECK,
    &pid_missing::CHECK,
    &scrambled::CHECK,
    &stream_type_mismatch::CHECK,
    &pmt_changed::CHECK,
    &pcr_missing::CHECK,
    &pcr_jump::CHECK,
    &pts_missing::CHECK,
    &pts_order::CHECK,
    &timestamp_jump::CHECK,
    &parameter_sets_missing::CHECK,
    &packed_audio_id3::CHECK,
    &vtt_timestamp_map::CHECK,
];

/// ITU-T H.222.0, the same as ISO/IEC 13818-1.
pub(crate) const fn h222(clause: &'static str) -> Spec {
    Spec { text: "ITU-T H.222.0", clause }
}
/// ETSI TR 101 290.
pub(crate) const fn tr290(clause: &'static str) -> Spec {
    Spec { text: "ETSI TR 101 290", clause }
}

/// Period of PTS and DTS.
const WRAP: i64 = 1 << 33;

/// `later` minus `earlier` in 33-bit time, the short way round (CHECKS 5.6).
pub(crate) fn ticks_between(earlier: i64, later: i64) -> i64 {
    (later - earlier + WRAP / 2).rem_euclid(WRAP) - WRAP / 2
}

/// Notes the number of the segment, where there is one.
pub(crate) fn with_number(load: &MediaLoad<'_>, at: At<'_>) {
    if let Some(number) = load.number() {
        at.fact("segment number", number);
    }
}

/// Streams of sound and pictures.
pub(crate) fn sound_and_pictures(facts: &SegmentFacts) -> impl Iterator<Item = &ElementaryFacts> {
    facts.elementary.iter().filter(|e| matches!(e.kind, EsKind::Video | EsKind::Audio))
}

pub(crate) fn kind_name(kind: EsKind) -> &'static str {
    match kind {
        EsKind::Video => "video",
        EsKind::Audio => "audio",
        EsKind::Text => "subtitle",
        EsKind::Data => "data",
        EsKind::Other => "private",
    }
}
