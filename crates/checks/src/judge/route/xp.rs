//! The HLS and the DASH stream of a channel against each other.

use std::collections::BTreeMap;

use ow_domain::capture::{Capture, ObjectKind, Protocol};
use ow_domain::verdict::Condition;
use ow_domain::{Span, StreamId, Time};

use crate::alarms::Alarms;
use crate::input::{PresentationView, Presentations};
use crate::judge::memory::StreamMemory;
use crate::judge::run::{About, Runner};

/// Edges seen within this span are compared: several refreshes of either side.
const EDGE_SPAN: Span = Span::from_secs(30);

/// Compares the pair when this capture is a manifest of its HLS stream: the first HLS and the first DASH stream of the channel.
pub(super) fn pair(
    streams: &BTreeMap<StreamId, StreamMemory>,
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
    let (Some(hls_memory), Some(dash_memory)) = (streams.get(hls), streams.get(dash)) else { return };
    let conditions: Vec<Condition> = alarms.conditions().into_values().collect();
    let now = run.now();
    let input = Presentations {
        capture,
        policy,
        is_entry: capture.object == ObjectKind::Mvp,
        hls: view(hls, hls_memory, &conditions, now),
        dash: view(dash, dash_memory, &conditions, now),
    };
    run.checks(alarms, &About { track: None, ..*about }, &input);
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
        worst: worst.map(|c| c.severity),
        worst_check: worst.map(|c| c.check.clone()),
        answers: memory.ever_ok && !memory.entry_failed,
    }
}
