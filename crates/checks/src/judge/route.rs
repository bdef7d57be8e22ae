//! Which checks see a capture, with what input, and in which order (CHECKS 1.3): reachability, parse, structure,
//! timeline, renditions, segments. What a step could not establish, the ones below it are not asked.

use std::collections::BTreeMap;

use ow_domain::capture::{BodyEnd, Capture, ObjectKind, Outcome, Phase, Protocol, Response, Track, TrackKind};
use ow_domain::policy::ChannelPolicy;
use ow_domain::{Span, Time, TrackId};
use ow_hls::{Issue, IssueFamily, IssueKind, LooksLike, MediaPlaylist, Playlist, Sniff, Variables};
use ow_timeline::{BodyDigest, Freshness, HlsTracker, KeyRules, Observation};

use super::ProbeMemory;
use super::memory::{
    Age, HostMemory, LatencyMemory, MAX_DIGESTS, MAX_MVP_ISSUES, MAX_PENDING_REWRITES, MAX_SEGMENT_LOADS, MAX_TRACKS,
    PendingRewrite, RewriteVerdict, SegmentLoad, StreamMemory, TrackMemory,
};
use super::run::{About, Runner};
use crate::canonical;
use crate::input::{
    BodyKind, Load, MediaLoad, MvpLoad, PlaylistLoad, PlaylistStep, Renditions, SegmentShare, TrackAge, WallClock,
    host_of,
};
use crate::registry::Run;

/// Failures of one host within this span are one burst and count once: requests of all renditions and the second try
/// of a segment after half a second. The next poll after a failure comes a second later.
const BURST: Span = Span::from_millis(900);
/// So long after a failed connection a reused one proves nothing.
const CONNECTION_DOUBT: Span = Span::from_secs(5);

/// Judges one capture.
pub(crate) fn capture(memory: &mut ProbeMemory, run: &mut Runner<'_>, capture: &Capture, policy: &ChannelPolicy) {
    let now = run.now();
    let ProbeMemory { streams, hosts, alarms } = memory;
    let stream = streams.entry(capture.stream.clone()).or_insert_with(|| StreamMemory::new(capture.protocol));
    stream.last_capture_at = Some(now);
    let track = track_of(capture);
    if let Some(track) = &track {
        remember_track(stream, track, capture, policy, now);
    }
    stream.measure(capture, now);
    let tracks: Vec<TrackId> = stream.tracks.keys().cloned().collect();
    let about = About { capture, track: track.as_ref().map(|t| &t.id), tracks: &tracks };

    let body = body_kind(capture);
    let is_entry = is_entry(capture, policy);
    let entry_failed = stream.entry_failed && !is_entry;
    let share = remember_segment(stream, capture, track.as_ref());
    let host = host_of(&capture.exchange.origin);
    let host_memory = remember_host(hosts, &host, capture, now);
    let load = Load {
        capture,
        policy,
        body,
        is_entry,
        host_serves_entry: policy.streams.iter().any(|s| host_of(&s.url) == host),
        entry_failed,
        host_failed_recently: host_memory.failed_recently,
        host_failure_counted: host_memory.counted,
        recent_segments: share,
    };
    run.checks(alarms, &about, |check, params, out| match check {
        Run::Load(check) => {
            check(&load, params, out);
            true
        }
        _ => false,
    });
    remember_manifest(stream, &load, now);

    match capture.object {
        ObjectKind::Mvp | ObjectKind::MediaPlaylist if capture.protocol == Protocol::Hls => {
            playlist(stream, alarms, run, &about, &load, track.clone());
        }
        ObjectKind::Segment => segment(stream, alarms, run, &about),
        _ => {}
    }
}

/// The rendition of a capture. A media playlist that is the entry of its stream needs none: it is `main`.
fn track_of(capture: &Capture) -> Option<Track> {
    capture.track.clone().or_else(|| {
        (capture.object == ObjectKind::MediaPlaylist).then(|| Track {
            id: TrackId::from_text("main"),
            kind: TrackKind::Muxed,
            bandwidth: None,
            average_bandwidth: None,
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

/// Keeps the last segment loads; a retry replaces its first try.
fn remember_segment(stream: &mut StreamMemory, capture: &Capture, track: Option<&Track>) -> SegmentShare {
    if capture.object == ObjectKind::Segment && !capture.extra {
        let object = short_hash(&capture.exchange.url_without_query());
        let failed = response(capture).is_none_or(|r| r.status >= 400);
        let load = SegmentLoad { track: track.map(|t| t.id.clone()), object, failed };
        let first_try = stream.segments.iter_mut().find(|s| s.object == object && s.track == load.track);
        match first_try {
            Some(known) if capture.retry => *known = load,
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

fn playlist(
    stream: &mut StreamMemory,
    alarms: &mut crate::alarms::Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    load: &Load<'_>,
    track: Option<Track>,
) {
    let capture = about.capture;
    let not_modified = load.response().is_some_and(|r| r.status == 304);
    let readable = matches!(load.body, BodyKind::Playlist | BodyKind::Bom);
    if !readable && !not_modified {
        if let Some(memory) = track.and_then(|t| stream.tracks.get_mut(&t.id)) {
            memory.tracker.step(&observation(capture, ow_timeline::Outcome::Failed));
        }
        return;
    }
    let digest = load.response().and_then(|r| r.digest.as_deref());
    let same = not_modified || digest.is_some() && digest == stream.mvp_digest.as_deref();
    if capture.object == ObjectKind::Mvp && same {
        // The same document breaks the same rules again; one without a breach need not be looked at.
        if !stream.mvp_issues.is_empty() {
            let issues = std::mem::take(&mut stream.mvp_issues);
            let now = stream.mvp.clone().unwrap_or_default();
            run_mvp(run, alarms, about, &MvpLoad { capture, issues: &issues, now: &now, before: None });
            stream.mvp_issues = issues;
        }
        return;
    }
    let parsed = match &capture.body {
        Some(body) if readable => {
            Some(ow_hls::parse(body.text.as_bytes(), Variables::for_url(capture.exchange.base_url())))
        }
        _ => None,
    };
    if let (ObjectKind::Mvp, Some((Playlist::Multivariant(mvp), issues))) = (capture.object, &parsed) {
        let now = canonical::canonical(mvp);
        let before = stream.mvp.take();
        run_mvp(run, alarms, about, &MvpLoad { capture, issues, now: &now, before: before.as_ref() });
        let broken = issues.iter().any(|i| i.kind.family() == IssueFamily::Syntax);
        // A broken document is no state to compare with.
        stream.mvp = if broken { before } else { Some(now) };
        stream.mvp_digest = digest.map(str::to_owned);
        stream.mvp_issues = issues.iter().take(MAX_MVP_ISSUES).cloned().collect();
        stream.max_height =
            mvp.variants.iter().filter_map(|v| v.resolution.map(|r| r.height)).max().or(stream.max_height);
        return;
    }
    let main = track.or_else(|| {
        // A media playlist where the multivariant one was asked for (radio): its only rendition is `main`.
        let alone = Capture { object: ObjectKind::MediaPlaylist, ..capture.clone() };
        let track = track_of(&alone)?;
        remember_track(stream, &track, &alone, run.policy(), run.now());
        Some(track)
    });
    let Some(track) = main else { return };
    let (media, issues): (Option<&MediaPlaylist>, &[Issue]) = match &parsed {
        Some((Playlist::Media(media), issues)) => (Some(media), issues),
        Some((Playlist::Multivariant(_), issues)) => (None, issues),
        None => (None, &[]),
    };
    if parsed.is_some() {
        let is_only_of_kind = stream.tracks.values().filter(|t| t.track.kind == track.kind).count() <= 1;
        let input = PlaylistLoad { capture, playlist: media, issues, is_only_of_kind };
        let about = About { track: Some(&track.id), ..*about };
        run.checks(alarms, &about, |check, params, out| match check {
            Run::PlaylistLoad(check) => {
                check(&input, params, out);
                true
            }
            _ => false,
        });
    }
    let about = About { track: Some(&track.id), ..*about };
    step(stream, alarms, run, &about, &track.id, media, not_modified, issues);
}

fn run_mvp(run: &mut Runner<'_>, alarms: &mut crate::alarms::Alarms, about: &About<'_>, input: &MvpLoad<'_>) {
    run.checks(alarms, about, |check, params, out| match check {
        Run::MvpLoad(check) => {
            check(input, params, out);
            true
        }
        _ => false,
    });
}

/// Too broken to be compared with earlier ones.
fn is_unusable(media: &MediaPlaylist, issues: &[Issue]) -> bool {
    media.target_duration.is_none()
        || issues.iter().any(|issue| {
            matches!(
                issue.kind,
                IssueKind::MixedTags
                    | IssueKind::SegmentWithoutExtinf
                    | IssueKind::TagMisplaced
                    | IssueKind::LimitExceeded
            )
        })
}

fn observation<'a>(capture: &'a Capture, outcome: ow_timeline::Outcome<'a>) -> Observation<'a> {
    Observation {
        t_req: capture.exchange.t_req,
        t_end: capture.exchange.t_end,
        clock_uncertainty: Span::from_micros(capture.clock_uncertainty_us),
        final_url: capture.exchange.base_url(),
        age: capture.exchange.header("age").and_then(|v| v.trim().parse().ok()).map(Span::from_secs),
        outcome,
    }
}

#[expect(clippy::too_many_arguments, reason = "one call site; the parts are borrowed from three owners")]
fn step(
    stream: &mut StreamMemory,
    alarms: &mut crate::alarms::Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    id: &TrackId,
    media: Option<&MediaPlaylist>,
    not_modified: bool,
    issues: &[Issue],
) {
    let capture = about.capture;
    let now = run.now();
    let digest = response(capture).and_then(|r| r.digest.clone());
    let outcome = match media {
        _ if not_modified => ow_timeline::Outcome::NotModified,
        Some(media) if !is_unusable(media, issues) => {
            let digest = match (&digest, &capture.body) {
                (Some(digest), _) => BodyDigest::of(digest),
                (None, Some(body)) => BodyDigest::of(&body.text),
                (None, None) => return,
            };
            ow_timeline::Outcome::Ok { playlist: media, digest }
        }
        _ => ow_timeline::Outcome::Failed,
    };
    let ended_elsewhere = stream.tracks.iter().any(|(other, t)| other != id && t.ended);
    let Some(memory) = stream.tracks.get_mut(id) else { return };
    let step = memory.tracker.step(&observation(capture, outcome));
    if !step.has_playlist() {
        return;
    }
    let rewrites = rewrites(memory, &step, now);
    let wall_clock = wall_clock(memory, &step);
    let previous = memory.digest.take();
    let input = PlaylistStep {
        capture,
        policy: run.policy(),
        step: &step,
        playlist: media,
        previous_digest: previous.as_deref(),
        wall_clock,
        rewrites: &rewrites,
        ended_elsewhere,
    };
    run.checks(alarms, about, |check, params, out| match check {
        Run::PlaylistStep(check) => {
            check(&input, params, out);
            true
        }
        _ => false,
    });
    let accepted = step.is_accepted();
    memory.digest = if accepted { digest.or(previous) } else { previous };
    if step.is_new_epoch() {
        memory.latency = LatencyMemory::default();
        memory.digests.clear();
        memory.rewrites.clear();
    }
    if let WallClock::Known { latency, .. } = wall_clock {
        memory.latency.remember(now, latency);
        memory.window.latency = Some(latency);
    }
    if accepted {
        memory.target_duration = Some(step.target_duration).filter(|td| *td > Span::ZERO);
        memory.ended = step.end_list.is_present();
    }
    if memory.ended {
        memory.age = None;
        return;
    }
    let grew = step.freshness == Freshness::Grew;
    let (age, age_at_origin) = match step.freshness {
        Freshness::NotEvaluated => return,
        Freshness::Grew => (Span::ZERO, None),
        Freshness::Same { age, age_at_origin } => (age, age_at_origin),
    };
    let Some(newest) = &step.newest else { return };
    memory.age =
        Some(Age { at: now, first_seen_end: newest.first_seen_end, age, age_at_origin, newest_msn: newest.msn });
    let half = step.target_duration.mul_ratio(1, 2);
    let counts_as_growth = grew && stream.growth_at.is_none_or(|at| now - at >= half);
    if counts_as_growth {
        stream.growth_at = Some(now);
    }
    let ages = track_ages(stream, now);
    let input = Renditions { capture, at: now, tracks: &ages, track: id, counts_as_growth };
    run.checks(alarms, about, |check, params, out| match check {
        Run::Renditions(check) => {
            check(&input, params, out);
            true
        }
        _ => false,
    });
}

/// Renditions that answered lately and are live.
fn track_ages(stream: &StreamMemory, now: Time) -> BTreeMap<TrackId, TrackAge> {
    let mut ages = BTreeMap::new();
    for (id, memory) in &stream.tracks {
        let (Some(age), Some(target_duration)) = (memory.age, memory.target_duration) else { continue };
        if now - age.at > target_duration.mul_ratio(3, 1).max(Span::from_secs(15)) {
            continue;
        }
        let kind = memory.track.kind;
        let Age { first_seen_end, age, age_at_origin, newest_msn, .. } = age;
        ages.insert(id.clone(), TrackAge { kind, target_duration, first_seen_end, age, age_at_origin, newest_msn });
    }
    ages
}

fn wall_clock(memory: &mut TrackMemory, step: &ow_timeline::Step) -> WallClock {
    if step.freshness != Freshness::Grew {
        return WallClock::Unknown;
    }
    let Some(latency) = step.pdt_latency() else { return WallClock::Unknown };
    memory.latency.learn(step.t_end, latency, step.clock_uncertainty);
    WallClock::Known { latency, median: memory.latency.median(step.t_end), is_wall_clock: !memory.latency.unrelated }
}

/// Notes segments that are others now, and gives the verdict over those whose bytes will not come any more.
fn rewrites(memory: &mut TrackMemory, step: &ow_timeline::Step, now: Time) -> Vec<RewriteVerdict> {
    let mut verdicts = Vec::new();
    for change in step.changes.iter().filter(|c| c.is_new) {
        let ow_timeline::ChangedField::Uri { before, after } = &change.field else { continue };
        let verdict = RewriteVerdict {
            msn: change.msn,
            before: ow_domain::capture::printable_url(before),
            after: ow_domain::capture::printable_url(after),
            bytes_changed: None,
        };
        match memory.digests.iter().rev().find(|(msn, _)| *msn == change.msn) {
            Some(&(_, digest)) if memory.rewrites.len() < MAX_PENDING_REWRITES => {
                let RewriteVerdict { msn, before, after, .. } = verdict;
                memory.rewrites.push(PendingRewrite { msn, before, after, digest, seen_at: now, bytes_changed: None });
            }
            _ => verdicts.push(verdict),
        }
    }
    let patience = step.target_duration.max(Span::from_secs(1));
    memory.rewrites.retain(|pending| {
        let over = pending.bytes_changed.is_some() || now - pending.seen_at >= patience;
        if over {
            verdicts.push(RewriteVerdict {
                msn: pending.msn,
                before: pending.before.clone(),
                after: pending.after.clone(),
                bytes_changed: pending.bytes_changed,
            });
        }
        !over
    });
    verdicts
}

fn segment(stream: &mut StreamMemory, alarms: &mut crate::alarms::Alarms, run: &mut Runner<'_>, about: &About<'_>) {
    let capture = about.capture;
    let Some(response) = response(capture) else { return };
    let complete = matches!(response.status, 200 | 206) && response.body_end == BodyEnd::Complete;
    // Text where media was expected is the business of http-body-not-media alone.
    let is_text = capture.facts.as_ref().is_some_and(|f| f.container == ow_domain::facts::Container::Text);
    let is_text_track = capture.track.as_ref().is_some_and(|t| t.kind == TrackKind::Text);
    if !complete || (is_text && !is_text_track) {
        return;
    }
    let memory = about.track.and_then(|id| stream.tracks.get_mut(id));
    if let Some(memory) = memory {
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
    let input = MediaLoad { capture, response, facts: capture.facts.as_ref(), track: capture.track.as_ref() };
    run.checks(alarms, about, |check, params, out| match check {
        Run::MediaLoad(check) => {
            check(&input, params, out);
            true
        }
        _ => false,
    });
}
