//! Playlists: parse, structure, timeline, renditions.

use std::collections::BTreeMap;

use ow_domain::capture::{Capture, ObjectKind, Track};
use ow_domain::policy::ChannelPolicy;
use ow_domain::{Span, Time, TrackId};
use ow_hls::{Issue, IssueFamily, IssueKind, MediaPlaylist, Playlist, Variables};
use ow_timeline::{BodyDigest, Freshness, Observation};

use super::{remember_track, response, track_of};
use crate::alarms::Alarms;
use crate::canonical;
use crate::input::{
    BodyKind, LiveManifest, Load, MvpDocument, MvpLoad, OriginHeader, PlaylistLoad, PlaylistStep, Renditions, TrackAge,
    WallClock,
};
use crate::judge::memory::{
    Age, LatencyMemory, MAX_KEYS, MAX_MVP_ISSUES, MAX_MVP_TEXT, MAX_PENDING_REWRITES, PendingRewrite, RewriteVerdict,
    StreamMemory, TrackMemory,
};
use crate::judge::run::{About, Runner};

pub(super) fn playlist(
    stream: &mut StreamMemory,
    alarms: &mut Alarms,
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
    if capture.object == ObjectKind::Mvp {
        document(stream, alarms, run, about, not_modified);
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
        super::ladder::ladder(stream, alarms, run, about);
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
        if !broken {
            stream.offer.take(crate::offer::of_hls(mvp), run.now());
        }
        stream.mvp_digest = digest.map(str::to_owned);
        stream.mvp_issues = issues.iter().take(MAX_MVP_ISSUES).cloned().collect();
        stream.max_height =
            mvp.variants.iter().filter_map(|v| v.resolution.map(|r| r.height)).max().or(stream.max_height);
        if !broken {
            super::ladder::ladder(stream, alarms, run, about);
        }
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
        run.checks(alarms, &about, &input);
        let live = media.filter(|p| p.end_list.is_none()).map(|p| Span::from_micros(p.target_duration_us()));
        let rhythm = live.filter(|td| *td > Span::ZERO);
        run.checks(alarms, &about, &LiveManifest { capture, rhythm });
    }
    let about = About { track: Some(&track.id), ..*about };
    step(stream, alarms, run, &about, &track.id, media, not_modified, issues);
    if let Some(media) = media.filter(|media| !is_unusable(media, issues)) {
        super::llhls::playlist(stream, alarms, run, &about, media);
    }
    super::align::burst(stream, alarms, run, &about);
}

/// Judges the multivariant playlist as it stands; after 304 the one before.
fn document(
    stream: &mut StreamMemory,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    not_modified: bool,
) {
    let capture = about.capture;
    if let Some(body) = capture.body.as_ref().filter(|_| !not_modified) {
        stream.mvp_text = (body.text.len() <= MAX_MVP_TEXT).then(|| body.text.clone());
    }
    let text = match &capture.body {
        Some(body) if !not_modified => Some(&body.text),
        _ => stream.mvp_text.as_ref(),
    };
    let Some(text) = text else { return };
    let parsed = ow_hls::parse(text.as_bytes(), Variables::for_url(capture.exchange.base_url()));
    let (Playlist::Multivariant(playlist), issues) = parsed else { return };
    let media_keys = stream.tracks.values().flat_map(|t| t.key_hashes.iter().copied()).collect();
    let input =
        MvpDocument { capture, policy: run.policy(), playlist: &playlist, issues: &issues, media_keys: &media_keys };
    run.checks(alarms, about, &input);
}

fn run_mvp(run: &mut Runner<'_>, alarms: &mut Alarms, about: &About<'_>, input: &MvpLoad<'_>) {
    run.checks(alarms, about, input);
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
    alarms: &mut Alarms,
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
    if let Some(newest) = media.and_then(|m| m.segments.last()) {
        let keys = newest.keys.as_deref().unwrap_or_default();
        memory.delivery.protection = Some(crate::offer::protection_of_keys(keys.iter()));
    }
    let rewrites = rewrites(memory, &step, now);
    let wall_clock = wall_clock(memory, &step);
    let origin_header = origin_header(memory, capture, &step, run.policy(), now);
    let previous = memory.digest.take();
    memory.history.update(&step, media);
    memory.ads.update(&step, media);
    if let Some(media) = media {
        let keys = media.segments.iter().flat_map(|s| s.keys.as_deref().unwrap_or_default());
        memory.key_hashes = keys.map(crate::hls_mvp::key_hash).take(MAX_KEYS * 64).collect();
        while memory.key_hashes.len() > MAX_KEYS {
            memory.key_hashes.pop_first();
        }
    }
    let settings = run.settings_arc();
    if let Some(body) = capture.body.as_ref().filter(|_| step.is_accepted()) {
        memory.tags.take(&settings.tag_rules, &body.text, step.t_end);
    }
    let input = PlaylistStep {
        capture,
        policy: run.policy(),
        step: &step,
        playlist: media,
        previous_digest: previous.as_deref(),
        wall_clock,
        rewrites: &rewrites,
        ended_elsewhere,
        issues,
        history: &memory.history,
        ads: &memory.ads,
        origin_header,
        tag_rules: &settings.tag_rules,
        tags: &memory.tags,
    };
    run.checks(alarms, about, &input);
    let accepted = step.is_accepted();
    memory.digest = if accepted { digest.or(previous) } else { previous };
    if step.is_new_epoch() {
        memory.latency = LatencyMemory::default();
        memory.digests.clear();
        memory.rewrites.clear();
        memory.media.forget_segments();
        memory.parts.forget();
        memory.delivery.align.media.clear();
    }
    if let WallClock::Known { latency, is_wall_clock: true, .. } = wall_clock {
        stream.offer.edges.grew(now, latency);
    }
    if let WallClock::Known { latency, .. } = wall_clock {
        memory.latency.remember(now, latency);
        memory.window.latency = Some(latency);
    }
    if let Some(before) = step.previous_t_end.filter(|_| accepted) {
        for segment in step.new_segments.iter().filter(|s| !s.seen_late && !s.after_unseen) {
            memory.media.clock.listed(segment.msn, before, step.t_end);
        }
    }
    if accepted {
        memory.delivery.align.take(media, capture.exchange.t_req);
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
    run.checks(alarms, about, &input);
}

/// How long the freshness header of the packager stands still, and the playlist.
fn origin_header<'p>(
    memory: &mut TrackMemory,
    capture: &Capture,
    step: &ow_timeline::Step,
    policy: &'p ChannelPolicy,
    now: Time,
) -> Option<OriginHeader<'p>> {
    let names = policy.checks.origin_headers.iter();
    let (name, value) = names.into_iter().find_map(|n| Some((n.as_str(), capture.exchange.header(n)?)))?;
    let value = super::short_hash(value);
    let since = match memory.origin_header {
        Some((known, since)) if known == value => since,
        _ => now,
    };
    memory.origin_header = Some((value, since));
    let body_unchanged_for = match step.freshness {
        Freshness::Same { age, .. } => age,
        Freshness::Grew | Freshness::NotEvaluated => Span::ZERO,
    };
    Some(OriginHeader { name, unchanged_for: now - since, body_unchanged_for })
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
