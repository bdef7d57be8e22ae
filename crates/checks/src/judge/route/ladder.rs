//! The offer of a stream against the contract of its channel.

use ow_domain::capture::Protocol;
use ow_domain::{Span, Time};

use crate::alarms::Alarms;
use crate::input::{Agreed, Delivered, DeliveryState, FLAPPING_SPAN, LadderLoad};
use crate::judge::memory::{StreamMemory, TrackMemory};
use crate::judge::run::{About, Runner};
use crate::offer::{Matched, Protection, VideoTrack};

/// Judges the offer that was read last. Called for every answer for the entry manifest that can be trusted.
pub(super) fn ladder(stream: &StreamMemory, alarms: &mut Alarms, run: &mut Runner<'_>, about: &About<'_>) {
    let Some(offer) = &stream.offer.ladder else { return };
    let now = run.now();
    let policy = run.policy();
    let contract = policy.ladder.as_ref();
    let matched = contract.map(|contract| Matched::new(contract, offer));
    let has_dash = policy.streams.iter().any(|s| s.protocol == Protocol::Dash);
    let agreed = contract.zip(matched.as_ref()).map(|(contract, matched)| Agreed { contract, matched, has_dash });
    let delivered: Vec<Delivered> = offer.video.iter().map(|video| delivered(stream, video, now)).collect();
    let input = LadderLoad {
        capture: about.capture,
        offer,
        agreed,
        watched_for: stream.offer.watched_for(now),
        n_changes: stream.offer.changes_within(FLAPPING_SPAN, now),
        delivered: &delivered,
        protections: &protections(stream),
    };
    run.checks(alarms, about, &input);
}

fn track_of<'a>(stream: &'a StreamMemory, video: &VideoTrack) -> Option<&'a TrackMemory> {
    let same = |t: &&TrackMemory| {
        t.track.bandwidth.is_some() && t.track.bandwidth == video.bandwidth && t.track.height == video.height
    };
    stream.tracks.values().find(same)
}

fn delivered(stream: &StreamMemory, video: &VideoTrack, now: Time) -> Delivered {
    let Some(memory) = track_of(stream, video) else { return Delivered::default() };
    let picture = memory.delivery.picture.clone();
    let patience = memory.target_duration.unwrap_or(Span::ZERO).mul_ratio(3, 1).max(Span::from_secs(15));
    let answers = stream.protocol == Protocol::Dash || memory.age.is_some_and(|age| now - age.at <= patience);
    let all_gap = || {
        let mut listed = memory.tracker.records().filter(|r| r.removed_at.is_none()).peekable();
        let first = listed.peek().map(|r| r.first_seen_end);
        let gap = listed.all(|r| r.now().gap);
        first.filter(|_| gap)
    };
    let failing = memory.delivery.failing_since.filter(|_| memory.delivery.n_failed >= 3);
    let state = match failing.or_else(all_gap) {
        _ if !answers => DeliveryState::NoPlaylist,
        Some(since) => DeliveryState::Dead(now - since),
        None => DeliveryState::Fine,
    };
    Delivered { state, picture }
}

/// From the manifest where it tells of each track (DASH), else from the playlists read so far, else of the whole.
pub(super) fn protections(stream: &StreamMemory) -> Vec<(String, Protection)> {
    let Some(offer) = &stream.offer.ladder else { return Vec::new() };
    let video = offer.video.iter().map(|t| (&t.name, &t.protection));
    let audio = offer.audio.iter().map(|t| (&t.name, &t.protection));
    let own: Vec<(String, Protection)> =
        video.chain(audio).filter_map(|(name, p)| Some((name.clone(), p.clone()?))).collect();
    if !own.is_empty() {
        return own;
    }
    let media = stream.tracks.iter().filter(|(_, t)| {
        use ow_domain::capture::TrackKind;
        matches!(t.track.kind, TrackKind::Video | TrackKind::Muxed | TrackKind::Audio)
    });
    let listed: Vec<(String, Protection)> =
        media.filter_map(|(id, t)| Some((id.to_string(), t.delivery.protection.clone()?))).collect();
    if listed.is_empty() && offer.protection.encrypted {
        return vec![("the presentation".to_owned(), offer.protection.clone())];
    }
    listed
}
