//! Segments and initialization sections.

use std::collections::BTreeMap;

use ow_domain::capture::{BodyEnd, ObjectKind, TrackKind};
use ow_domain::{Span, TrackId};

use super::{response, short_hash};
use crate::alarms::Alarms;
use crate::input::MediaLoad;
use crate::judge::memory::{MAX_DIGESTS, StreamMemory, TrackMemory};
use crate::judge::run::{About, Runner};

/// Judges a segment or an initialization section that arrived completely, and remembers it for the next.
pub(super) fn media(stream: &mut StreamMemory, alarms: &mut Alarms, run: &mut Runner<'_>, about: &About<'_>) {
    let capture = about.capture;
    let Some(response) = response(capture) else { return };
    let complete = matches!(response.status, 200 | 206) && response.body_end == BodyEnd::Complete;
    // Text where media was expected is the business of http-body-not-media alone.
    let is_text = capture.facts.as_ref().is_some_and(|f| f.container == ow_domain::facts::Container::Text);
    let is_text_track = capture.track.as_ref().is_some_and(|t| t.kind == TrackKind::Text);
    if !complete || (is_text && !is_text_track) {
        return;
    }
    let is_segment = capture.object == ObjectKind::Segment;
    let mut memory = about.track.and_then(|id| stream.tracks.get_mut(id));
    if let Some(memory) = memory.as_deref_mut().filter(|_| is_segment) {
        let number = capture.promised.as_ref().and_then(|p| p.number);
        if let (Some(msn), Some(digest), 200) = (number, &response.digest, response.status) {
            let digest = short_hash(digest);
            if let Some(pending) = memory.rewrites.iter_mut().find(|p| p.msn == msn) {
                pending.bytes_changed = Some(digest != pending.digest);
            }
            memory.digests.retain(|(known, _)| *known != msn);
            if memory.digests.len() == MAX_DIGESTS {
                memory.digests.pop_front();
            }
            memory.digests.push_back((msn, digest));
        }
    }
    let target_duration = memory.as_ref().and_then(|m| m.target_duration);
    let mut input = MediaLoad {
        capture,
        response,
        facts: capture.facts.as_ref(),
        track: capture.track.as_ref(),
        target_duration,
        init: None,
        init_before: None,
        before: None,
        drift: None,
        history: None,
        clock: None,
        off_promise: None,
        number_drift: None,
        tracks: &NO_TRACKS,
    };
    if let Some(memory) = memory.filter(|_| is_segment && input.is_whole()) {
        let duration = input.measured_duration().map(|m| m.duration).or(input.declared_duration());
        memory.media.count(capture, response.body_bytes, duration.unwrap_or(Span::ZERO));
        if input.is_sound() {
            memory.media.follow(capture);
            input.off_promise = memory.media.number_drift(capture);
        }
    }
    if let Some(memory) = about.track.and_then(|id| stream.tracks.get(id)) {
        let promised = capture.promised.as_ref().filter(|_| is_segment);
        input.init = match is_segment {
            true => memory.media.init_of(capture.facts.as_ref()),
            false => memory.media.init.as_ref(),
        };
        input.before = promised.and_then(|p| memory.media.before(p));
        input.init_before = input.before.and_then(|before| memory.media.init_of(Some(&before.facts)));
        input.drift = memory.media.drift(capture).filter(|_| is_segment);
        input.history = Some(&memory.media.history);
        input.clock = Some(&memory.media.clock);
        input.number_drift = Some(&memory.media.number_drift);
    }
    input.tracks = &stream.tracks;
    run.checks(alarms, about, &input);
    if let Some(memory) = about.track.and_then(|id| stream.tracks.get_mut(id)) {
        memory.media.remember(capture, response);
    }
}

/// Before the renditions are looked at.
static NO_TRACKS: BTreeMap<TrackId, TrackMemory> = BTreeMap::new();
