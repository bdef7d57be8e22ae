//! Codec and picture configuration (CHECKS 3.13).

mod audio_config_mismatch;
mod codec_mismatch;
mod framerate_mismatch;
mod hdr_signalling;
mod nal_walk_error;
mod no_keyframe_start;
mod parameter_change;
mod resolution_mismatch;

use ow_domain::capture::{ObjectKind, Track, TrackKind};
use ow_domain::facts::{ElementaryFacts, EsKind};

use crate::input::MediaLoad;
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &no_keyframe_start::CHECK,
    &codec_mismatch::CHECK,
    &nal_walk_error::CHECK,
    &resolution_mismatch::CHECK,
    &framerate_mismatch::CHECK,
    &audio_config_mismatch::CHECK,
    &hdr_signalling::CHECK,
    &parameter_change::CHECK,
];

/// The pictures of a whole segment that can be read, and the rendition as declared; `None` for everything that has none.
pub(crate) fn video_of<'a>(load: &MediaLoad<'a>) -> Option<(&'a Track, &'a ElementaryFacts)> {
    let track = load.track.filter(|t| matches!(t.kind, TrackKind::Video | TrackKind::Muxed))?;
    let is_segment = load.capture.object == ObjectKind::Segment && load.is_whole() && load.is_sound();
    let video = load.facts.filter(|_| is_segment)?.elementary.iter().find(|e| e.kind == EsKind::Video)?;
    (video.n_access_units > 0 && video.found_codec.is_none()).then_some((track, video))
}
