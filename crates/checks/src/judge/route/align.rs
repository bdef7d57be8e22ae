//! The renditions of a stream against each other, once per burst (CHECKS 5.5).

use std::collections::HashMap;

use ow_domain::capture::TrackKind;
use ow_domain::{Span, Time, TrackId};

use crate::alarms::Alarms;
use crate::input::{Aligned, AlignedSegment, AlignedTrack, TrackAge, host_of};
use crate::judge::memory::{StreamMemory, TrackMemory};
use crate::judge::run::{About, Runner};

/// Requests this close are one burst (`burst_span_s`).
const BURST_SPAN: Span = Span::from_millis(500);
/// Newest segments that are compared.
const MAX_SEGMENTS: usize = 32;
/// Renditions that are compared.
const MAX_COMPARED: usize = 48;

/// Compares the renditions when this answer completed a burst.
pub(super) fn burst(stream: &mut StreamMemory, alarms: &mut Alarms, run: &mut Runner<'_>, about: &About<'_>) {
    let Some(last) = about.track.and_then(|id| stream.tracks.get(id)).and_then(|t| t.delivery.align.asked_at) else {
        return;
    };
    let live = |(id, memory): (&TrackId, &TrackMemory)| {
        let asked_at = memory.delivery.align.asked_at?;
        let patience = memory.target_duration.unwrap_or(Span::ZERO).mul_ratio(3, 1).max(Span::from_secs(15));
        (memory.track.kind != TrackKind::Trick && last - asked_at <= patience).then(|| (id.clone(), asked_at))
    };
    let asked: Vec<(TrackId, Time)> = stream.tracks.iter().filter_map(live).take(MAX_COMPARED).collect();
    let Some(newest) = asked.iter().map(|(_, at)| *at).max() else { return };
    let before = stream.offer.burst_at;
    let complete = asked.iter().all(|(_, at)| newest - *at <= BURST_SPAN && before.is_none_or(|before| *at > before));
    if asked.len() < 2 || !complete {
        return;
    }
    stream.offer.burst_at = Some(newest);
    let compared: Vec<(&TrackId, &TrackMemory)> =
        asked.iter().filter_map(|(id, _)| stream.tracks.get_key_value(id)).collect();
    let tracks: Vec<AlignedTrack<'_>> = compared.iter().map(|(id, memory)| aligned(id, memory)).collect();
    run.checks(alarms, about, &Aligned { capture: about.capture, tracks: &tracks });
}

fn aligned<'a>(id: &'a TrackId, memory: &'a TrackMemory) -> AlignedTrack<'a> {
    let align = &memory.delivery.align;
    let media: HashMap<u64, _> = align.media.iter().map(|m| (m.msn, *m)).collect();
    let listed = memory.tracker.records().filter(|r| r.removed_at.is_none());
    let mut segments: Vec<AlignedSegment> = listed
        .rev()
        .take(MAX_SEGMENTS)
        .map(|record| {
            let now = record.now();
            AlignedSegment {
                msn: record.msn,
                duration: now.duration,
                dsn: now.dsn,
                discontinuity: now.discontinuity,
                pdt: now.pdt,
                media: media.get(&record.msn).copied(),
            }
        })
        .collect();
    segments.reverse();
    let first = memory.tracker.records().find(|r| r.removed_at.is_none());
    let target_duration = memory.target_duration.unwrap_or(Span::ZERO);
    let is_stale = memory.age.is_none_or(|age| {
        crate::hls::is_stale(&TrackAge {
            kind: memory.track.kind,
            target_duration,
            first_seen_end: age.first_seen_end,
            age: age.age,
            age_at_origin: age.age_at_origin,
            newest_msn: age.newest_msn,
        })
    });
    AlignedTrack {
        id,
        kind: memory.track.kind,
        bandwidth: memory.track.bandwidth,
        host: host_of(&memory.url),
        target_duration,
        is_stale,
        shape: &align.shape,
        segments,
        window_start: first.and_then(|r| r.now().pdt),
    }
}
