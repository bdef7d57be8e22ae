//! Low-latency HLS: blocking reloads, parts as listed, parts as read.

use ow_domain::capture::{BlockingReload, BodyEnd, Capture, FailureKind, ObjectKind, Outcome, Phase};
use ow_domain::{Span, Time, TrackId};
use ow_hls::{MediaPlaylist, Playlist, Variables};
use ow_timeline::{KeyRules, reaches};

use super::{response, short_hash};
use crate::alarms::Alarms;
use crate::input::{
    DeltaAnswer, DeltaLoad, EdgesLoad, HintAnswer, HintLoad, ListedPart, PartBytes, PartEdge, PartGone, PartLoad,
    PartSeen, PartsLoad, ReloadAnswer, ReloadLoad, ReportSeen, Share, WholeParts,
};
use crate::judge::memory::{
    AskedHint, DeltaSeen, HeldList, Look, PartMemory, SeenHint, StreamMemory, TrackMemory, note,
};
use crate::judge::run::{About, Runner};

/// Most parts of one playlist that are looked at.
const MAX_SETTLED: usize = 64;
/// A part is waited for in time when it is asked for so soon after the one before it came.
const IN_TIME: Span = Span::from_millis(100);
/// A server may count its three target durations a little differently.
const TIMING_SLACK: Span = Span::from_millis(500);
/// Longest playlist whose segments are held for delta updates.
const MAX_HELD: usize = 1_024;
/// The whole playlist comes so soon after a delta update, if it is to be compared with it.
const PAIR: Span = Span::from_secs(3);
/// Longest URL of a hint that is remembered.
const MAX_URL: usize = 1_024;
/// A rendition that was not seen for so long is none of the presentation any more.
const PRESENT: Span = Span::from_secs(180);
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
        // Its numbers follow from how much it says it skips.
        (Some(Playlist::Media(media)), _) if media.skip.is_some() => ReloadAnswer::Unsure,
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
    let media = parsed.as_ref().and_then(Playlist::as_media).filter(|media| media.target_duration.is_some());
    let is_delta = media.is_some_and(|media| media.skip.is_some());
    if let (Some(media), true) = (media, asked.skip) {
        delta(memory, alarms, run, about, media);
    }
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
    // By itself a delta update is no playlist: the whole one comes next.
    capture.exchange.is_complete_success() && !is_delta
}

/// Takes the answer to a request for a delta update.
fn delta(
    memory: &mut TrackMemory,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    media: &MediaPlaylist,
) {
    let capture = about.capture;
    memory.parts.delta = None;
    let Some(skip) = &media.skip else {
        let control = media.server_control.as_ref();
        let Some(skip_until) = control.and_then(|c| c.can_skip_until_us).map(Span::from_micros) else { return };
        let window = Span::from_micros(media.window_us());
        let has_old = window > skip_until + Span::from_micros(media.target_duration_us());
        if has_old && media.end_list.is_none() {
            run.checks(alarms, about, &DeltaLoad { capture, answer: DeltaAnswer::Whole { window, skip_until } });
        }
        return;
    };
    run.checks(alarms, about, &DeltaLoad { capture, answer: DeltaAnswer::Served });
    let Some(listed) = held(media) else { return };
    let text = capture.body.as_ref().map_or("", |body| body.text.as_str());
    memory.parts.delta = Some(DeltaSeen {
        at: capture.exchange.t_end,
        newest: newest_name(media),
        first: media.first_msn(),
        n_skipped: skip.skipped_segments,
        listed,
        version: media.version.map_or(1, |version| u64::from(version.value)),
        n_skips: text.lines().filter(|line| line.starts_with("#EXT-X-SKIP:")).count(),
    });
}

/// What the newest part is called, or the newest segment, without its query.
fn newest_name(media: &MediaPlaylist) -> Option<u64> {
    let last = media.trailing_parts.last().map(|part| &part.uri);
    let uri = last.or_else(|| media.segments.last().map(|segment| &segment.uri))?;
    Some(short_hash(uri.split(['?', '#']).next().unwrap_or_default()))
}

/// The segments of a playlist as hashes of what a client keeps of them.
fn held(media: &MediaPlaylist) -> Option<HeldList> {
    let first = media.segments.first()?.msn;
    let one = |segment: &ow_hls::Segment| {
        // Tokens may be others in each answer.
        let path = segment.uri.split(['?', '#']).next().unwrap_or_default();
        let date = segment.program_date_time.map(|date| date.unix_us);
        let range = segment.byte_range.map(|range| (range.offset, range.length));
        let (gap, seam) = (segment.gap.is_some(), segment.discontinuity.is_some());
        short_hash(&format!("{path} {} {date:?} {range:?} {gap} {seam}", segment.duration_us))
    };
    (media.segments.len() <= MAX_HELD).then(|| HeldList { first, segments: media.segments.iter().map(one).collect() })
}

/// Compares a delta update, merged with the copy held, with the whole playlist that came right after it.
fn merged(parts: &mut PartMemory, media: &MediaPlaylist, now: Time) -> Option<DeltaAnswer> {
    let delta = parts.delta.take()?;
    if delta.version < 9 || delta.n_skips != 1 {
        return Some(DeltaAnswer::Malformed { version: delta.version, n_skips: delta.n_skips });
    }
    let (before, whole) = (parts.held.as_ref()?, held(media)?);
    // What was published in between is no fault.
    if now - delta.at > PAIR || newest_name(media) != delta.newest || media.first_msn() != delta.first {
        return None;
    }
    let n_skipped = usize::try_from(delta.n_skipped).ok()?;
    let end = delta.first.saturating_add(delta.n_skipped);
    // A server may skip what this client never had only to those who asked too late.
    let is_held = (delta.first..end.min(delta.first.saturating_add(MAX_HELD as u64))).all(|n| before.get(n).is_some());
    if !is_held && n_skipped <= whole.segments.len() {
        return None;
    }
    let get = |number: u64| if number < end { before.get(number) } else { delta.listed.get(number) };
    let n_merged = n_skipped.saturating_add(delta.listed.segments.len());
    let n_listed = whole.segments.len();
    let other = (0..n_listed as u64).map(|i| delta.first.saturating_add(i)).find(|n| get(*n) != whole.get(*n));
    match other.or((n_merged != n_listed).then_some(end)) {
        Some(number) => Some(DeltaAnswer::Other { number, n_merged, n_listed }),
        None => Some(DeltaAnswer::Same),
    }
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
    if media.skip.is_some() {
        return;
    }
    let others = others(stream, about);
    let Some(memory) = about.track.and_then(|id| stream.tracks.get_mut(id)) else { return };
    let target_duration = memory.target_duration;
    let access_unit = memory.media.past().last().and_then(|segment| {
        let main = segment.facts.main().filter(|main| main.timescale > 0)?;
        Some(Span::from_secs(1).mul_ratio(main.access_unit_duration?, i64::from(main.timescale)))
    });
    let is_wall_clock = memory.latency.since.is_some() && !memory.latency.unrelated;
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
    for listed in &settled {
        note(&mut parts.gaps, listed.part.gap);
    }
    let share =
        |ring: &std::collections::VecDeque<bool>| Share { n: ring.iter().filter(|is| **is).count(), of: ring.len() };
    let gaps = (!settled.is_empty()).then(|| share(&parts.gaps));
    let completed = completed(media, &mut parts.summed);
    let is_newer = now_newest.is_some_and(|now| parts.newest.is_some_and(|(known, _)| now > known));
    let next = parts.newest.and_then(|(known, _)| places(media).find(|(number, index, _)| (*number, *index) > known));
    // A part that is lost was hinted in vain.
    let hints = match (parts.hint, next.filter(|(_, _, part)| is_newer && !part.gap)) {
        (Some(hint), Some((_, _, part))) => {
            note(&mut parts.strayed, hint.resource != resource(&part.uri, part.byte_range.map_or(0, |r| r.offset)));
            Some(share(&parts.strayed))
        }
        _ => None,
    };
    let hint = media.preload_hints.iter().find(|hint| &*hint.hint_type == "PART");
    parts.hint = hint.map(|hint| SeenHint { resource: resource(&hint.uri, hint.byte_range_start) });
    let in_vain = hint_in_vain(parts, media, now_newest);
    if capture.blocking.is_none()
        && let Some(answer) = merged(parts, media, capture.exchange.t_end)
    {
        run.checks(alarms, about, &DeltaLoad { capture, answer });
    }
    let can_skip = media.server_control.as_ref().is_some_and(|control| control.can_skip_until_us.is_some());
    parts.held = if can_skip { held(media) } else { None };
    if let Some((asked, answer)) = in_vain {
        let ((number, index), took) = (asked.place, asked.took);
        run.checks(alarms, about, &HintLoad { capture, number, index, answer, took });
    }
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
        &PartsLoad {
            capture,
            policy: run.policy(),
            playlist: media,
            settled: &settled,
            without_parts,
            completed: &completed,
            access_unit,
            hints,
            gaps,
        },
    );
    if let Some(part_target) = part_target.filter(|_| now_newest.is_some() && media.end_list.is_none()) {
        let look = look(media, capture.exchange.t_end, part_target);
        let is_new = parts.newest.is_some_and(|(_, seen)| seen == capture.exchange.t_end);
        let latency = look.edge.filter(|_| is_wall_clock && is_new).map(|edge| capture.exchange.t_end - edge);
        parts.look = Some(look);
        let beside = beside(&others, media, &look, capture);
        let input = EdgesLoad {
            capture,
            policy: run.policy(),
            playlist: media,
            part_target,
            latency,
            reported: beside.reported.as_deref(),
            reports: &beside.reports,
            behind: beside.behind,
        };
        run.checks(alarms, about, &input);
    } else {
        parts.look = part_target.map(|target| look(media, capture.exchange.t_end, target));
    }
    let Some((asked, took)) = no_answer else { return };
    if reaches(media, asked) {
        run.checks(alarms, about, &ReloadLoad { capture, asked, answer: ReloadAnswer::None, took, target_duration });
    } else if let (Some(age), Some(part_target), Some(target_duration)) = (age, part_target, target_duration) {
        run.checks(alarms, about, &PartEdge { capture, age, part_target, target_duration });
    }
}

/// Identity of a part within one playlist and the next: its URI as written, and its first byte.
fn resource(uri: &str, from: u64) -> (u64, u64) {
    (short_hash(uri), from)
}

/// A hint that was refused, once the part is listed under the URI that was asked for. One that was taken back is forgotten.
fn hint_in_vain(
    parts: &mut PartMemory,
    media: &MediaPlaylist,
    newest: Option<(u64, u32)>,
) -> Option<(AskedHint, HintAnswer)> {
    let asked = parts.in_vain.take_if(|asked| newest.is_some_and(|now| now >= asked.place))?;
    let came = places(media).any(|(_, _, part)| {
        let name = part.uri.trim_start_matches("./").trim_start_matches("../");
        !part.gap && !name.is_empty() && asked.url.ends_with(name)
    });
    let answer = asked.status.map_or(HintAnswer::Silent, HintAnswer::Refused);
    came.then_some((asked, answer))
}

/// Segments complete since the last look, where the one before has parts too: so none of theirs was taken out.
fn completed(media: &MediaPlaylist, summed: &mut Option<u64>) -> Vec<WholeParts> {
    let pairs = media.segments.iter().zip(media.segments.iter().skip(1));
    let whole = pairs.filter(|(before, segment)| !before.parts.is_empty() && !segment.parts.is_empty());
    let new: Vec<_> = whole.map(|(_, segment)| segment).filter(|s| summed.is_none_or(|known| s.msn > known)).collect();
    *summed = media.last_msn().or(*summed);
    let one = |segment: &&ow_hls::Segment| WholeParts {
        number: segment.msn,
        sum: Span::from_micros(segment.parts.iter().fold(0, |sum, part| sum.saturating_add(part.duration_us))),
        declared: Span::from_micros(segment.duration_us),
        line: segment.extinf_line,
    };
    new.iter().map(one).collect()
}

fn look(media: &MediaPlaylist, at: Time, part_target: Span) -> Look {
    let part = newest(media).filter(|(number, _)| media.last_msn().is_none_or(|last| *number >= last));
    let newest = part.map_or((media.last_msn().unwrap_or(media.first_msn()), None), |(n, index)| (n, Some(index)));
    let dated = media.segments.iter().rposition(|segment| segment.program_date_time.is_some());
    let edge = dated.and_then(|i| {
        let start = media.segments.get(i)?.program_date_time?.unix_us;
        let rest = media.segments.iter().skip(i).map(|segment| segment.duration_us);
        let trailing = media.trailing_parts.iter().map(|part| part.duration_us);
        Some(Time::from_unix_micros(rest.chain(trailing).fold(start, i64::saturating_add)))
    });
    Look { at, newest, edge, part_target }
}

/// Another rendition of the stream.
struct Other {
    track: TrackId,
    url: String,
    look: Option<Look>,
}

fn others(stream: &StreamMemory, about: &About<'_>) -> Vec<Other> {
    let now = about.capture.exchange.t_end;
    let is_there = |memory: &TrackMemory| now - memory.last_seen < PRESENT && !memory.url.is_empty();
    let others = stream.tracks.iter().filter(|(id, memory)| Some(*id) != about.track && is_there(memory));
    others.map(|(id, m)| Other { track: id.clone(), url: m.url.clone(), look: m.parts.look }).collect()
}

struct Beside {
    reported: Option<Vec<(TrackId, bool)>>,
    reports: Vec<ReportSeen>,
    behind: Option<(TrackId, Span)>,
}

/// What a playlist says of the other renditions, and how it stands beside those of the same burst.
fn beside(others: &[Other], media: &MediaPlaylist, own: &Look, capture: &Capture) -> Beside {
    let rules = KeyRules::default();
    let base = capture.exchange.base_url();
    let reported: Vec<_> = media.rendition_reports.iter().map(|r| (rules.uri_key(base, &r.uri), r)).collect();
    let report_of = |other: &Other| {
        let key = rules.uri_key(base, &other.url);
        reported.iter().find(|(of, _)| *of == key).map(|(_, report)| *report)
    };
    // Behind a redirect the paths are others than those asked for.
    let is_moved = capture.exchange.final_url.is_some();
    let all = others.iter().map(|other| (other.track.clone(), report_of(other).is_some())).collect();
    let burst = own.part_target.mul_ratio(1, 2);
    let in_burst = |look: &Look| own.at >= look.at && own.at - look.at <= burst;
    let per_segment = media.segments.iter().rev().map(|s| s.parts.len()).find(|n| *n > 0).map(|n| n as i64);
    let mut reports = Vec::new();
    let mut behind: Option<(TrackId, Span)> = None;
    for other in others {
        let Some(look) = other.look.filter(in_burst) else { continue };
        if let (Some(edge), Some(theirs)) = (own.edge, look.edge) {
            let late = theirs - edge;
            if behind.as_ref().is_none_or(|(_, most)| late > *most) {
                behind = Some((other.track.clone(), late));
            }
        }
        let Some(report) = report_of(other) else { continue };
        // Attributes that are as in this playlist may be left out (4.4.5.4).
        let msn = report.last_msn.unwrap_or(own.newest.0);
        let part = match report.last_part {
            Some(part) => u32::try_from(part).ok(),
            None if report.last_msn.is_none() => own.newest.1,
            None => None,
        };
        let place = |(msn, part): (u64, Option<u32>), n: i64| {
            i64::try_from(msn).unwrap_or(i64::MAX / 2_048).saturating_mul(n).saturating_add(part.map_or(0, i64::from))
        };
        let (told, listed) = ((msn, part), look.newest);
        let ahead = match (part, look.newest.1, per_segment) {
            (Some(_), Some(_), Some(n)) => place(told, n) - place(listed, n),
            _ => place((msn, None), 1) - place((listed.0, None), 1),
        };
        reports.push(ReportSeen { track: other.track.clone(), line: report.line, told, listed, ahead });
    }
    Beside { reported: (!is_moved).then_some(all), reports, behind }
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
    if let Some(place) = place.filter(|place| place.hinted) {
        return hinted(&mut memory.parts, alarms, run, about, place.index);
    }
    let number = capture.promised.as_ref().and_then(|promised| promised.number);
    if let (Some(place), Some(number), Some(response)) = (place, number, response(capture)) {
        let (index, status) = (place.index, response.status);
        run.checks(alarms, about, &PartGone { capture, number, index, status });
    }
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

/// A hinted part came, or did not: that is judged once it is listed.
fn hinted(parts: &mut PartMemory, alarms: &mut Alarms, run: &mut Runner<'_>, about: &About<'_>, index: u32) {
    let capture = about.capture;
    let (Some(number), took) = (capture.promised.as_ref().and_then(|p| p.number), capture.exchange.took()) else {
        return;
    };
    if capture.exchange.is_complete_success() {
        parts.in_vain = None;
        run.checks(alarms, about, &HintLoad { capture, number, index, answer: HintAnswer::Came, took });
        return;
    }
    let status = match &capture.exchange.outcome {
        // Those are about this client, or about the whole server.
        Outcome::Response(r) if (400..500).contains(&r.status) && !matches!(r.status, 401 | 403 | 429) => {
            Some(r.status)
        }
        Outcome::Failed(f) if f.phase == Phase::Request && f.kind == FailureKind::TimedOut => None,
        _ => return,
    };
    let url = capture.exchange.url.clone();
    if url.len() <= MAX_URL {
        parts.in_vain = Some(AskedHint { place: (number, index), url, at: capture.exchange.t_end, took, status });
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
