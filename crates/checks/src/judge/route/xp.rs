//! The HLS and the DASH stream of a channel against each other.

use std::collections::BTreeMap;

use ow_domain::capture::{Capture, ObjectKind, Protocol, TrackKind};
use ow_domain::verdict::Condition;
use ow_domain::{Span, StreamId, Time};

use crate::alarms::Alarms;
use crate::input::{Cuts, MarkPair, PresentationView, Presentations, SharedObject, span_of};
use crate::judge::memory::{SeenObject, StreamMemory, compare_breaks};
use crate::judge::run::{About, Runner};

/// Edges seen within this span are compared: several refreshes of either side.
const EDGE_SPAN: Span = Span::from_secs(30);

/// Compares the pair when this capture is a manifest of its HLS stream: the first HLS and the first DASH stream of the channel.
pub(super) fn pair(
    streams: &mut BTreeMap<StreamId, StreamMemory>,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    capture: &Capture,
) {
    if capture.protocol != Protocol::Hls || !capture.object.is_manifest() {
        return;
    }
    let policy = run.policy();
    let first = |protocol| policy.streams.iter().find(|s| s.protocol == protocol).map(|s| &s.stream);
    let (Some(hls), Some(dash)) = (first(Protocol::Hls), first(Protocol::Dash)) else { return };
    if capture.stream != *hls {
        return;
    }
    let breaks = breaks(streams, hls, dash);
    let (Some(hls_memory), Some(dash_memory)) = (streams.get(hls), streams.get(dash)) else { return };
    let conditions: Vec<Condition> = alarms.conditions().into_values().collect();
    let now = run.now();
    let input = Presentations {
        capture,
        policy,
        is_entry: capture.object == ObjectKind::Mvp,
        hls: view(hls, hls_memory, &conditions, now),
        dash: view(dash, dash_memory, &conditions, now),
        breaks,
    };
    run.checks(alarms, &About { track: None, ..*about }, &input);
}

/// Of the HLS stream the rendition of pictures that is first by name; all have the same breaks.
fn breaks(streams: &mut BTreeMap<StreamId, StreamMemory>, hls: &StreamId, dash: &StreamId) -> Vec<MarkPair> {
    let Some(mut of_dash) = streams.get_mut(dash).map(|m| std::mem::take(&mut m.dash.ads.marks)) else {
        return Vec::new();
    };
    let pictures = streams.get_mut(hls).and_then(|memory| {
        memory.tracks.values_mut().find(|t| matches!(t.track.kind, TrackKind::Video | TrackKind::Muxed))
    });
    let pairs = pictures.map(|track| compare_breaks(&mut track.ads.marks, &mut of_dash)).unwrap_or_default();
    if let Some(memory) = streams.get_mut(dash) {
        memory.dash.ads.marks = of_dash;
    }
    pairs
}

fn view<'a>(id: &'a StreamId, memory: &'a StreamMemory, conditions: &[Condition], now: Time) -> PresentationView<'a> {
    let own = conditions.iter().filter(|c| c.subject.stream.as_ref() == Some(id) && !c.check.starts_with("xp-"));
    let worst = own.max_by_key(|c| c.severity);
    PresentationView {
        name: id.as_str(),
        duration: memory.tracks.values().filter_map(|t| t.target_duration).max().unwrap_or(Span::ZERO),
        latency: memory.offer.edges.least(EDGE_SPAN, now),
        offer: memory.offer.ladder.as_ref(),
        protections: super::ladder::protections(memory),
        video: video(memory),
        worst: worst.map(|c| c.severity),
        worst_check: worst.map(|c| c.check.clone()),
        answers: memory.ever_ok && !memory.entry_failed,
    }
}

/// Fewer segments tell nothing of where a rendition is cut.
const MIN_STARTS: usize = 4;

fn video(memory: &StreamMemory) -> Option<Cuts<'_>> {
    let videos = memory.tracks.iter().filter(|(_, t)| matches!(t.track.kind, TrackKind::Video | TrackKind::Muxed));
    let read = videos.filter(|(_, t)| t.delivery.align.media.len() >= MIN_STARTS);
    let (track, lowest) = read.min_by_key(|(id, t)| (t.track.bandwidth.unwrap_or(u64::MAX), (*id).clone()))?;
    let media = &lowest.delivery.align.media;
    Some(Cuts {
        track,
        starts: media.iter().map(|m| m.start).collect(),
        unit: span_of(media.iter().map(|m| m.unit).max().unwrap_or(0)),
        cmaf: media.iter().all(|m| m.cmaf && !m.short),
    })
}

/// Compares a segment with what the other protocol got under the same path, and remembers it.
pub(super) fn shared(
    streams: &mut BTreeMap<StreamId, StreamMemory>,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    capture: &Capture,
) {
    let Some(seen) = SeenObject::of(capture) else { return };
    let others = streams.iter().filter(|(_, other)| other.protocol != capture.protocol);
    let twin = others.filter_map(|(id, other)| Some((id, other.objects.find(&seen)?))).next();
    if let Some((id, twin)) = twin {
        let input = SharedObject { capture, other: id.as_str(), at: twin.at, same: seen.is_same(twin) };
        run.checks(alarms, about, &input);
    }
    if let Some(stream) = streams.get_mut(&capture.stream) {
        stream.objects.remember(seen);
    }
}
