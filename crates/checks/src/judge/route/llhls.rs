//! Low-latency HLS: blocking reloads, parts as listed, parts as read.

use ow_domain::Span;
use ow_domain::capture::{BlockingReload, BodyEnd, Capture, FailureKind, ObjectKind, Outcome, Phase};
use ow_hls::{MediaPlaylist, Playlist, Variables};
use ow_timeline::reaches;

use super::response;
use crate::alarms::Alarms;
use crate::input::{ListedPart, PartBytes, PartEdge, PartLoad, PartSeen, PartsLoad, ReloadAnswer, ReloadLoad};
use crate::judge::memory::{PartMemory, StreamMemory};
use crate::judge::run::{About, Runner};

/// Most parts of one playlist that are looked at.
const MAX_SETTLED: usize = 64;
/// A part is waited for in time when it is asked for so soon after the one before it came.
const IN_TIME: Span = Span::from_millis(100);
/// A server may count its three target durations a little differently.
const TIMING_SLACK: Span = Span::from_millis(500);
/// Numbers that are so much lower are those of another timeline.
const OTHER_TIMELINE: u64 = 10;

/// Judges how a blocking reload was answered. True: the answer is a playlist, to be judged as any other.
pub(super) fn reload(
    stream: &mut StreamMemory,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    asked: BlockingReload,
) -> bool {
    let capture = about.capture;
    let Some(memory) = about.track.and_then(|id| stream.tracks.get_mut(id)) else { return false };
    let target_duration = memory.target_duration;
    let took = capture.exchange.took();
    let parsed = capture
        .body
        .as_ref()
        .filter(|_| capture.exchange.is_complete_success())
        .map(|body| ow_hls::parse(body.text.as_bytes(), Variables::for_url(capture.exchange.base_url())).0);
    let answer = match (&parsed, &capture.exchange.outcome) {
        (Some(Playlist::Media(media)), _) if media.target_duration.is_some() => answer_of(media, asked),
        (_, Outcome::Response(r)) if r.status >= 400 => ReloadAnswer::Status(r.status),
        (_, outcome) => {
            let timed_out = match outcome {
                Outcome::Failed(f) => f.phase == Phase::Request && f.kind == FailureKind::TimedOut,
                Outcome::Response(r) => r.body_end == BodyEnd::TimedOut,
            };
            if timed_out {
                memory.parts.no_answer = Some((asked, took));
            }
            ReloadAnswer::Unsure
        }
    };
    run.checks(alarms, about, &ReloadLoad { capture, asked, answer, took, target_duration });
    let waited = target_duration.is_some_and(|td| took + TIMING_SLACK >= td.mul_ratio(3, 1));
    let edge = match (&parsed, answer) {
        (_, ReloadAnswer::Status(503 | 504)) if waited => {
            memory.parts.newest.map(|(_, seen)| capture.exchange.t_end - seen)
        }
        (Some(Playlist::Media(media)), ReloadAnswer::Reached) if asked.part.is_some() => {
            let known = memory.parts.newest.filter(|(place, _)| newest(media).is_some_and(|now| now > *place));
            let part_target = memory.parts.part_target.unwrap_or(Span::ZERO);
            let in_time = known.filter(|(_, seen)| capture.exchange.t_req - *seen <= part_target + IN_TIME);
            in_time.map(|(_, seen)| capture.exchange.t_end - seen)
        }
        _ => None,
    };
    let (part_target, td) = (memory.parts.part_target, target_duration);
    if let (Some(age), Some(part_target), Some(target_duration)) = (edge, part_target, td) {
        run.checks(alarms, about, &PartEdge { capture, age, part_target, target_duration });
    }
    capture.exchange.is_complete_success()
}

fn answer_of(media: &MediaPlaylist, asked: BlockingReload) -> ReloadAnswer {
    let newest = media.last_msn().unwrap_or(media.first_msn());
    if media.end_list.is_some() || newest.saturating_add(OTHER_TIMELINE) < asked.msn {
        ReloadAnswer::Unsure
    } else if reaches(media, asked) {
        ReloadAnswer::Reached
    } else {
        ReloadAnswer::Older { newest, n_parts: media.trailing_parts.len() }
    }
}

/// Every part with its place.
fn places(media: &MediaPlaylist) -> impl Iterator<Item = (u64, u32, &ow_hls::Part)> {
    let mut last = (None, 0);
    media.parts().map(move |(number, part)| {
        last = if last.0 == Some(number) { (last.0, last.1 + 1) } else { (Some(number), 0) };
        (number, last.1, part)
    })
}

/// Segment and place of the newest part.
fn newest(media: &MediaPlaylist) -> Option<(u64, u32)> {
    places(media).last().map(|(number, index, _)| (number, index))
}

/// Judges the parts that a playlist lists, whatever it answered.
pub(super) fn playlist(
    stream: &mut StreamMemory,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    media: &MediaPlaylist,
) {
    let capture = about.capture;
    let Some(memory) = about.track.and_then(|id| stream.tracks.get_mut(id)) else { return };
    let target_duration = memory.target_duration;
    let parts = &mut memory.parts;
    let now_newest = newest(media);
    if media.part_inf.is_none() && now_newest.is_none() {
        *parts = PartMemory::default();
        return;
    }
    let went_back = now_newest.zip(parts.newest).is_some_and(|(now, (known, _))| now.0 + OTHER_TIMELINE < known.0);
    if went_back {
        parts.forget();
    }
    parts.part_target = media.part_inf.map(|inf| Span::from_micros(inf.part_target_us)).filter(|t| *t > Span::ZERO);
    let no_parts = now_newest.is_none() && media.end_list.is_none();
    parts.without_parts = no_parts.then(|| parts.without_parts.unwrap_or(capture.exchange.t_req));
    let mut settled = settled(media);
    settled.retain(|listed| parts.settled.is_none_or(|known| (listed.number, listed.index) > known));
    let skipped = settled.len().saturating_sub(MAX_SETTLED);
    let settled = settled.split_off(skipped);
    parts.settled = settled.last().map(|listed| (listed.number, listed.index)).or(parts.settled);
    let without_parts = parts.without_parts.map(|since| capture.exchange.t_req - since);
    let age =
        parts.newest.filter(|(place, _)| Some(*place) == now_newest).map(|(_, seen)| capture.exchange.t_req - seen);
    if now_newest.is_some_and(|now| parts.newest.is_none_or(|(known, _)| now > known)) {
        parts.newest = now_newest.map(|place| (place, capture.exchange.t_end));
    }
    let no_answer = parts.no_answer.take_if(|_| capture.blocking.is_none());
    let part_target = parts.part_target;
    run.checks(
        alarms,
        about,
        &PartsLoad { capture, policy: run.policy(), playlist: media, settled: &settled, without_parts },
    );
    let Some((asked, took)) = no_answer else { return };
    if reaches(media, asked) {
        run.checks(alarms, about, &ReloadLoad { capture, asked, answer: ReloadAnswer::None, took, target_duration });
    } else if let (Some(age), Some(part_target), Some(target_duration)) = (age, part_target, target_duration) {
        run.checks(alarms, about, &PartEdge { capture, age, part_target, target_duration });
    }
}

/// Parts behind which something is listed.
fn settled(media: &MediaPlaylist) -> Vec<ListedPart<'_>> {
    let all: Vec<_> = places(media).collect();
    let complete = media.last_msn();
    let one = |(i, &(number, index, part)): (usize, &(u64, u32, _))| {
        let next: Option<&(u64, u32, &ow_hls::Part)> = all.get(i + 1);
        let is_complete = complete.is_some_and(|last| number <= last);
        (next.is_some() || is_complete).then(|| ListedPart {
            number,
            index,
            part,
            is_last: next.is_none_or(|next| next.0 != number),
            before_gap: next.is_some_and(|next| next.2.gap),
        })
    };
    all.iter().enumerate().filter_map(one).collect()
}

/// Judges a part that was read, and remembers it for its segment.
pub(super) fn part(stream: &mut StreamMemory, alarms: &mut Alarms, run: &mut Runner<'_>, about: &About<'_>) {
    let capture = about.capture;
    let Some(memory) = about.track.and_then(|id| stream.tracks.get_mut(id)) else { return };
    let place = capture.promised.as_ref().and_then(|promised| promised.part);
    let complete = capture.exchange.is_complete_success();
    let (Some(place), Some(facts), true) = (place, &capture.facts, complete) else { return };
    let part_target = memory.parts.part_target;
    run.checks(alarms, about, &PartLoad { capture, facts, place, part_target });
    let Some(part) = PartSeen::of(capture) else { return };
    let number = part.number;
    memory.parts.remember(part.clone());
    // The segment is there already: a part that is still listed and was asked for later.
    if let Some(parent) = memory.media.past().find(|segment| segment.number == number) {
        let (parent, declared) = (&parent.facts, parent.declared);
        run.checks(alarms, about, &PartBytes { capture, number, parent, declared, parts: &[part] });
    }
}

/// Judges a segment beside its parts.
pub(super) fn segment(stream: &mut StreamMemory, alarms: &mut Alarms, run: &mut Runner<'_>, about: &About<'_>) {
    let capture = about.capture;
    let is_whole = capture.object == ObjectKind::Segment && response(capture).is_some_and(|r| r.status == 200);
    let Some(memory) = about.track.and_then(|id| stream.tracks.get(id)).filter(|_| is_whole) else { return };
    let Some((number, promised)) = number_of(capture).filter(|_| capture.exchange.is_complete_success()) else {
        return;
    };
    let parts = memory.parts.of_segment(number);
    let Some(parent) = capture.facts.as_ref().filter(|_| !parts.is_empty()) else { return };
    let declared = promised.duration_us.map(Span::from_micros);
    run.checks(alarms, about, &PartBytes { capture, number, parent, declared, parts: &parts });
}

fn number_of(capture: &Capture) -> Option<(u64, &ow_domain::capture::Promised)> {
    let promised = capture.promised.as_ref()?;
    Some((promised.number?, promised))
}
