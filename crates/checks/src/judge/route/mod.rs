//! Which checks see a capture, with what input, and in which order (CHECKS 1.3): reachability, parse, structure,
//! timeline, renditions, segments. What a step could not establish, the ones below it are not asked.
//!
//! Here is what holds for every capture; `hls` follows playlists, `dash` MPDs, `media` segments.

mod align;
mod dash;
mod hls;
mod ladder;
mod llhls;
mod media;
pub(crate) mod own;
mod xp;

use std::collections::BTreeMap;

use ow_domain::capture::{Capture, ObjectKind, Outcome, Phase, Protocol, Response, Track, TrackKind};
use ow_domain::policy::ChannelPolicy;
use ow_domain::{Span, Time, TrackId};
use ow_hls::{LooksLike, Sniff};
use ow_timeline::{HlsTracker, KeyRules};

use super::ProbeMemory;
use super::memory::{
    HostMemory, LatencyMemory, MAX_SEGMENT_LOADS, MAX_TRACKS, SegmentLoad, StreamMemory, TrackMemory, as_if_plain,
};
use super::run::{About, Runner};
use crate::input::{BodyKind, Load, SegmentShare, cors_origin, host_of};

/// Failures of one host within this span are one burst and count once: requests of all renditions and the second try
/// of a segment after half a second. The next poll after a failure comes a second later.
const BURST: Span = Span::from_millis(900);
/// So long after a failed connection a reused one proves nothing.
const CONNECTION_DOUBT: Span = Span::from_secs(5);

/// Judges one capture.
pub(crate) fn capture(memory: &mut ProbeMemory, run: &mut Runner<'_>, capture: &Capture, policy: &ChannelPolicy) {
    if capture.protocol == Protocol::Hls && (capture.object == ObjectKind::Part || capture.blocking.is_some()) {
        let Some(plain) = low_latency(memory, run, capture) else { return };
        return judge(memory, run, &plain, policy);
    }
    judge(memory, run, capture, policy);
}

/// Parts and blocking reloads are judged by themselves. Gives a playlist that is to be judged as any other.
fn low_latency(memory: &mut ProbeMemory, run: &mut Runner<'_>, capture: &Capture) -> Option<Capture> {
    let ProbeMemory { streams, alarms, .. } = memory;
    let stream = streams.entry(capture.stream.clone()).or_insert_with(|| StreamMemory::new(capture.protocol));
    stream.last_capture_at = Some(run.now());
    let track = track_of(capture);
    let tracks: Vec<TrackId> = stream.tracks.keys().cloned().collect();
    let about = About { capture, track: track.as_ref().map(|t| &t.id), tracks: &tracks };
    match capture.blocking {
        Some(asked) => llhls::reload(stream, alarms, run, &about, asked).then(|| as_if_plain(capture)),
        None => {
            llhls::part(stream, alarms, run, &about);
            None
        }
    }
}

fn judge(memory: &mut ProbeMemory, run: &mut Runner<'_>, capture: &Capture, policy: &ChannelPolicy) {
    let now = run.now();
    let ProbeMemory { streams, hosts, alarms, .. } = memory;
    let stream = streams.entry(capture.stream.clone()).or_insert_with(|| StreamMemory::new(capture.protocol));
    stream.last_capture_at = Some(now);
    let track = track_of(capture);
    let is_removed = capture.promised.as_ref().is_some_and(|p| p.removed.is_some());
    if let Some(track) = &track {
        remember_track(stream, track, capture, policy, now);
    }
    stream.measure(capture, now);
    if let Some(memory) = track.as_ref().and_then(|t| stream.tracks.get_mut(&t.id))
        && matches!(capture.object, ObjectKind::Segment | ObjectKind::Init)
        && !is_removed
    {
        memory.delivery.take(capture);
    }
    let tracks: Vec<TrackId> = stream.tracks.keys().cloned().collect();
    let about = About { capture, track: track.as_ref().map(|t| &t.id), tracks: &tracks };

    let body = body_kind(capture);
    let is_entry = is_entry(capture, policy);
    let entry_failed = stream.entry_failed && !is_entry;
    let share = remember_segment(stream, capture, track.as_ref());
    let host = host_of(&capture.exchange.origin);
    let host_memory = remember_host(hosts, &host, capture, now);
    let other_key_fails = stream.keys.remember(capture, crate::drm::key_works(capture));
    let rejected = stream.access.take(capture, is_entry, track.as_ref().map(|t| &t.id));
    stream.access.retain(|track| stream.tracks.contains_key(track));
    let windows = hosts.get_mut(&host).map(|memory| {
        let identity =
            format!("{}/{}/{}", capture.stream, track.as_ref().map_or("", |t| t.id.as_str()), capture.object.as_str());
        memory.traffic.take(capture, now, short_hash(&identity), cors_origin(capture, policy).is_some())
    });
    let of_track = track.as_ref().and_then(|t| stream.tracks.get(&t.id)).and_then(|t| t.target_duration);
    let target_duration = of_track.or_else(|| stream.tracks.values().filter_map(|t| t.target_duration).max());
    let throughput_median = throughput(stream, capture, track.as_ref());
    let load = Load {
        capture,
        policy,
        body,
        is_entry,
        host_serves_entry: policy.streams.iter().any(|s| host_of(&s.url) == host),
        entry_failed,
        host_failed_recently: host_memory.failed_recently,
        host_failure_counted: host_memory.counted,
        other_key_fails,
        recent_segments: share,
        rejected,
        windows: windows.unwrap_or_default(),
        target_duration,
        throughput_median,
    };
    run.checks(alarms, &about, &load);
    remember_manifest(stream, &load, now);

    match capture.object {
        ObjectKind::Mvp | ObjectKind::MediaPlaylist if capture.protocol == Protocol::Hls => {
            hls::playlist(stream, alarms, run, &about, &load, track.clone());
        }
        ObjectKind::Mpd if capture.protocol == Protocol::Dash => dash::mpd(stream, alarms, run, &about, &load),
        // Of a segment that has left its playlist only matters that it is there.
        ObjectKind::Segment if is_removed => {}
        ObjectKind::Segment | ObjectKind::Init => {
            dash::publication(stream, capture);
            media::media(stream, alarms, run, &about);
            llhls::segment(stream, alarms, run, &about);
            dash::segment(stream, capture);
        }
        _ => {}
    }
    xp::shared(streams, alarms, run, &about, capture);
    xp::pair(streams, alarms, run, &about, capture);
}

/// The rendition of a capture. A media playlist that is the entry of its stream needs none: it is `main`.
fn track_of(capture: &Capture) -> Option<Track> {
    capture.track.clone().or_else(|| {
        (capture.object == ObjectKind::MediaPlaylist).then(|| Track {
            id: TrackId::from_text("main"),
            kind: TrackKind::Muxed,
            bandwidth: None,
            average_bandwidth: None,
            frame_rate_milli: None,
            video_range: None,
            channels: None,
            width: None,
            height: None,
            codecs: None,
            language: None,
        })
    })
}

fn remember_track(stream: &mut StreamMemory, track: &Track, capture: &Capture, policy: &ChannelPolicy, now: Time) {
    let url = (capture.object == ObjectKind::MediaPlaylist).then(|| capture.exchange.url_without_query());
    if let Some(known) = stream.tracks.get_mut(&track.id) {
        known.last_seen = now;
        if let Some(url) = url
            && url != known.url
        {
            // Another address is another timeline (a reloaded multivariant playlist); the first address is learned.
            if !known.url.is_empty() {
                let fresh = new_track(track, policy, now);
                *known = TrackMemory { window: std::mem::take(&mut known.window), ..fresh };
            }
            known.url = url;
        }
        if known.track != *track {
            known.track = track.clone();
        }
        return;
    }
    if stream.tracks.len() < MAX_TRACKS {
        let mut fresh = new_track(track, policy, now);
        fresh.url = url.unwrap_or_default();
        stream.tracks.insert(track.id.clone(), fresh);
        stream.max_height = stream.max_height.max(track.height);
    }
}

fn new_track(track: &Track, policy: &ChannelPolicy, now: Time) -> TrackMemory {
    let rules = KeyRules { token_params: policy.checks.token_params.clone(), ..KeyRules::default() };
    TrackMemory {
        track: track.clone(),
        url: String::new(),
        tracker: HlsTracker::new(rules),
        last_seen: now,
        digest: None,
        age: None,
        target_duration: None,
        ended: false,
        latency: LatencyMemory::default(),
        digests: Default::default(),
        rewrites: Vec::new(),
        media: Default::default(),
        history: Default::default(),
        ads: Default::default(),
        delivery: Default::default(),
        key_hashes: Default::default(),
        rates: Vec::new(),
        origin_header: None,
        parts: Default::default(),
        tags: Default::default(),
        window: Default::default(),
    }
}

fn is_entry(capture: &Capture, policy: &ChannelPolicy) -> bool {
    match capture.object {
        ObjectKind::Mvp | ObjectKind::Mpd => true,
        ObjectKind::MediaPlaylist => {
            let asked = capture.exchange.url_without_query();
            policy
                .streams
                .iter()
                .any(|s| s.stream == capture.stream && ow_domain::capture::printable_url(&s.url) == asked)
        }
        _ => false,
    }
}

fn response(capture: &Capture) -> Option<&Response> {
    match &capture.exchange.outcome {
        Outcome::Response(response) => Some(response),
        Outcome::Failed(_) => None,
    }
}

/// What a manifest body is, by its first bytes.
fn body_kind(capture: &Capture) -> BodyKind {
    if !capture.object.is_manifest() || !capture.exchange.is_complete_success() {
        return BodyKind::None;
    }
    let Some(body) = &capture.body else {
        // The probe kept only a sample of what is no manifest.
        let sample = response(capture).and_then(|r| r.sniff.as_deref());
        return sample.map_or(BodyKind::None, |sample| foreign(ow_hls::sniff(sample.as_bytes())));
    };
    if capture.object == ObjectKind::Mpd {
        let head = &body.text.as_bytes()[..body.text.len().min(4096)];
        let is_mpd = head.windows(4).any(|w| w == b"<MPD" || w == b":MPD");
        return if is_mpd { BodyKind::Mpd } else { foreign(ow_hls::sniff(body.text.as_bytes())) };
    }
    match ow_hls::sniff(body.text.as_bytes()) {
        Sniff::Multivariant | Sniff::Media => BodyKind::Playlist,
        Sniff::HasBom => BodyKind::Bom,
        other => foreign(other),
    }
}

fn foreign(sniff: Sniff) -> BodyKind {
    BodyKind::Foreign(match sniff {
        Sniff::NotAPlaylist(LooksLike::Empty) => "an empty body",
        Sniff::NotAPlaylist(LooksLike::Html) => "an HTML page",
        Sniff::NotAPlaylist(LooksLike::Json) => "JSON",
        Sniff::NotAPlaylist(LooksLike::Xml) => "XML",
        Sniff::NotAPlaylist(LooksLike::Binary) => "binary data",
        Sniff::NotAPlaylist(LooksLike::Text) => "other text",
        Sniff::Multivariant | Sniff::Media | Sniff::HasBom => "an HLS playlist",
    })
}

struct HostView {
    failed_recently: bool,
    counted: bool,
}

/// Remembers failures to connect; tells whether this one belongs to a burst that was counted already.
fn remember_host(hosts: &mut BTreeMap<String, HostMemory>, host: &str, capture: &Capture, now: Time) -> HostView {
    let failed = matches!(&capture.exchange.outcome,
        Outcome::Failed(f) if matches!(f.phase, Phase::Dns | Phase::Connect | Phase::Tls | Phase::Request));
    if !hosts.contains_key(host) && hosts.len() >= super::MAX_HOSTS {
        return HostView { failed_recently: false, counted: false };
    }
    let memory = hosts.entry(host.to_owned()).or_default();
    memory.asked_at = Some(now);
    let failed_recently = memory.failed_at.is_some_and(|at| now - at < CONNECTION_DOUBT);
    let counted = memory.counted_at.is_some_and(|at| now - at < BURST);
    if failed {
        memory.failed_at = Some(now);
        if !counted {
            memory.counted_at = Some(now);
        }
    }
    HostView { failed_recently, counted }
}

fn remember_manifest(stream: &mut StreamMemory, load: &Load<'_>, now: Time) {
    if !load.is_manifest() {
        return;
    }
    let not_modified = load.response().is_some_and(|r| r.status == 304);
    let ok = not_modified || matches!(load.body, BodyKind::Playlist | BodyKind::Bom | BodyKind::Mpd);
    if ok {
        stream.n_failed = 0;
        stream.ever_ok = true;
    } else {
        stream.n_failed = stream.n_failed.saturating_add(1);
    }
    if load.is_entry {
        stream.entry_failed = !ok;
        if ok {
            stream.entry_ok_at = Some(now);
        }
    }
}

/// Bodies from this size on tell a rate: below it is slow start.
const MIN_RATE_BYTES: u64 = 64 << 10;
/// Segments of which the median is taken.
const N_RATES: usize = 10;

/// Remembers the rate of a whole segment; gives the median of every ten.
fn throughput(stream: &mut StreamMemory, capture: &Capture, track: Option<&Track>) -> Option<u64> {
    let response = response(capture).filter(|r| r.content_length.is_some() && r.body_bytes >= MIN_RATE_BYTES)?;
    let body_us = u64::try_from(capture.exchange.timings.body_us?).ok().filter(|us| *us > 0)?;
    let usable = capture.object == ObjectKind::Segment && !capture.extra && capture.late_polls == 0;
    if !usable || !capture.exchange.is_complete_success() {
        return None;
    }
    let rates = &mut stream.tracks.get_mut(&track?.id)?.rates;
    rates.push(response.body_bytes.saturating_mul(8_000_000) / body_us);
    if rates.len() < N_RATES {
        return None;
    }
    let mut rates = std::mem::take(rates);
    rates.sort_unstable();
    rates.get(N_RATES / 2).copied()
}

/// Keeps the last segment loads; a retry replaces its first try.
fn remember_segment(stream: &mut StreamMemory, capture: &Capture, track: Option<&Track>) -> SegmentShare {
    if capture.object == ObjectKind::Segment && !capture.extra {
        let object = short_hash(&capture.exchange.url_without_query());
        let failed = response(capture).is_none_or(|r| r.status >= 400);
        let again = capture.retry || capture.promised.as_ref().is_some_and(|p| p.n_early() > 0);
        let load = SegmentLoad { track: track.map(|t| t.id.clone()), object, failed };
        let first_try = stream.segments.iter_mut().find(|s| s.object == object && s.track == load.track);
        match first_try {
            Some(known) if again => *known = load,
            _ => {
                if stream.segments.len() == MAX_SEGMENT_LOADS {
                    stream.segments.pop_front();
                }
                stream.segments.push_back(load);
            }
        }
    }
    let failed = || stream.segments.iter().filter(|s| s.failed);
    let mut failed_tracks: Vec<_> = failed().map(|s| &s.track).collect();
    failed_tracks.sort_unstable();
    failed_tracks.dedup();
    SegmentShare { n: stream.segments.len(), n_failed: failed().count(), n_failed_tracks: failed_tracks.len() }
}

/// FNV-1a, 64 bits: identity inside one rendition, stable across versions.
pub(crate) fn short_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
