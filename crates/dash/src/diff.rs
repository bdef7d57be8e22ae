//! What changed between two MPDs, as people say it. Positions, order of attributes and layout do not matter.

use std::collections::BTreeMap;

use crate::{Mpd, Track, tracks, value};

/// Changes told at most; further ones are counted in the last line.
const MAX_CHANGES: usize = 200;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub kind: ChangeKind,
    /// What it is about: `MPD`, `Period p1`, `Representation v1 of Period p1`.
    pub subject: String,
    /// `publishTime was 10:00:00, is 10:00:02`, `3 segments added at the end, up to $Time$ 12000`.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    Added,
    Removed,
    Altered,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// Compares by Period id, AdaptationSet and Representation id; Periods without id by their place. Segments are
/// compared after expansion: another spelling of one timeline is no change.
pub fn diff(before: &Mpd, after: &Mpd) -> Vec<Change> {
    let mut out = Vec::new();
    altered(&mut out, "MPD", &mpd_values(before), &mpd_values(after));
    let (old, new) = (by_period(before), by_period(after));
    for (key, values) in &old {
        match new.get(key) {
            Some(now) => altered(&mut out, &format!("Period {key}"), values, now),
            None => push(&mut out, ChangeKind::Removed, format!("Period {key}"), "removed".to_owned()),
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        push(&mut out, ChangeKind::Added, format!("Period {key}"), "added".to_owned());
    }
    let (old_tracks, new_tracks) = (tracks(before, BASE), tracks(after, BASE));
    let (old, new) = (by_id(&old_tracks), by_id(&new_tracks));
    let mut budget = MAX_COMPARED;
    for (key, track) in &old {
        match new.get(key) {
            Some(now) => {
                altered(&mut out, key, &track_values(track), &track_values(now));
                segments(&mut out, key, track, now, &mut budget);
            }
            None => push(&mut out, ChangeKind::Removed, key.clone(), "removed".to_owned()),
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        push(&mut out, ChangeKind::Added, key.clone(), "added".to_owned());
    }
    if out.len() > MAX_CHANGES {
        let left = out.len() - MAX_CHANGES;
        out.truncate(MAX_CHANGES);
        out.push(Change { kind: ChangeKind::Altered, subject: "MPD".into(), text: format!("{left} further changes") });
    }
    out
}

/// Stands for the address of the MPD: relative addresses stay comparable.
const BASE: &str = "http://mpd.invalid/";

fn push(out: &mut Vec<Change>, kind: ChangeKind, subject: String, text: String) {
    out.push(Change { kind, subject, text });
}

type Values = BTreeMap<&'static str, String>;

fn altered(out: &mut Vec<Change>, subject: &str, before: &Values, after: &Values) {
    for (name, old) in before {
        match after.get(name) {
            Some(new) if new == old => {}
            Some(new) => push(out, ChangeKind::Altered, subject.into(), format!("{name} was {old}, is {new}")),
            None => push(out, ChangeKind::Removed, subject.into(), format!("{name} {old} removed")),
        }
    }
    for (name, new) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        push(out, ChangeKind::Added, subject.into(), format!("{name} {new} added"));
    }
}

fn put(values: &mut Values, name: &'static str, value: Option<String>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        values.insert(name, value);
    }
}

fn mpd_values(mpd: &Mpd) -> Values {
    let mut values = Values::new();
    let duration = |d: &Option<crate::At<crate::Duration>>| d.map(|d| format!("{} s", value::write_seconds(d.micros)));
    let date = |d: &Option<crate::At<crate::DateTime>>| d.map(|d| value::write_date_time(d.unix_us));
    put(&mut values, "type", Some(if mpd.is_dynamic() { "dynamic" } else { "static" }.to_owned()));
    put(&mut values, "profiles", mpd.profiles.as_ref().map(|p| p.value.to_string()));
    put(&mut values, "availabilityStartTime", date(&mpd.availability_start_time));
    put(&mut values, "availabilityEndTime", date(&mpd.availability_end_time));
    put(&mut values, "publishTime", date(&mpd.publish_time));
    put(&mut values, "mediaPresentationDuration", duration(&mpd.media_presentation_duration));
    put(&mut values, "minimumUpdatePeriod", duration(&mpd.minimum_update_period));
    put(&mut values, "minBufferTime", duration(&mpd.min_buffer_time));
    put(&mut values, "timeShiftBufferDepth", duration(&mpd.time_shift_buffer_depth));
    put(&mut values, "suggestedPresentationDelay", duration(&mpd.suggested_presentation_delay));
    put(&mut values, "maxSegmentDuration", duration(&mpd.max_segment_duration));
    put(&mut values, "Location", mpd.locations.first().map(|l| l.value.to_string()));
    put(&mut values, "PatchLocation", mpd.patch_locations.first().map(|l| l.url.to_string()));
    put(&mut values, "BaseURL", Some(join(mpd.base_urls.iter().map(|url| &*url.url))));
    put(&mut values, "UTCTiming", Some(join(mpd.utc_timings.iter().map(|timing| &*timing.scheme_id_uri))));
    values
}

fn join<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn period_key(mpd: &Mpd, index: usize) -> String {
    match mpd.periods.get(index).and_then(|period| period.id.as_ref()) {
        Some(id) => id.value.to_string(),
        None => format!("number {}", index + 1),
    }
}

fn by_period(mpd: &Mpd) -> BTreeMap<String, Values> {
    let times = crate::period_times(mpd);
    let describe = |(index, period): (usize, &crate::Period)| {
        let mut values = Values::new();
        let time = times.get(index);
        let seconds = |us: Option<i64>| us.map(|us| format!("{} s", value::write_seconds(us)));
        put(&mut values, "start", seconds(time.and_then(|time| time.start_us)));
        put(&mut values, "duration", seconds(time.and_then(|time| time.duration_us)));
        let asset = period.asset_identifier.as_ref();
        put(&mut values, "AssetIdentifier", asset.map(|a| format!("{} {}", a.scheme_id_uri, text(&a.value))));
        put(&mut values, "xlink:href", period.href.as_ref().map(|href| href.value.to_string()));
        let events: usize = period.event_streams.iter().map(|stream| stream.events.len()).sum();
        put(&mut values, "events", (events > 0).then(|| events.to_string()));
        (period_key(mpd, index), values)
    };
    mpd.periods.iter().enumerate().map(describe).collect()
}

fn text(value: &Option<crate::At<Box<str>>>) -> &str {
    value.as_ref().map_or("", |value| &value.value)
}

fn by_id<'t, 'a>(tracks: &'t [Track<'a>]) -> BTreeMap<String, &'t Track<'a>> {
    let key = |track: &'t Track<'a>| {
        let period = match &track.period.id {
            Some(id) => id.value.to_string(),
            None => format!("number {}", track.period_index + 1),
        };
        (format!("Representation {} of Period {period}", track.id()), track)
    };
    tracks.iter().map(key).collect()
}

fn track_values(track: &Track<'_>) -> Values {
    let mut values = Values::new();
    put(&mut values, "bandwidth", track.representation.bandwidth.map(|b| format!("{} b/s", b.value)));
    put(&mut values, "contentType", track.content_type().map(str::to_owned));
    put(&mut values, "mimeType", track.mime_type().map(str::to_owned));
    put(&mut values, "codecs", track.codecs().map(str::to_owned));
    put(&mut values, "lang", track.lang().map(str::to_owned));
    let size = track.common(|c| c.width.as_ref()).zip(track.common(|c| c.height.as_ref()));
    put(&mut values, "size", size.map(|(width, height)| format!("{width}x{height}")));
    let rate = track.common(|c| c.frame_rate.as_ref());
    put(&mut values, "frameRate", rate.map(|rate| format!("{}/{}", rate.numerator, rate.denominator)));
    put(&mut values, "audioSamplingRate", track.common(|c| c.audio_sampling_rate.as_ref()).map(|r| r.to_string()));
    put(&mut values, "roles", Some(join(track.set.roles.iter().map(|role| text(&role.value)))));
    let protections =
        || track.set.common.content_protections.iter().chain(&track.representation.common.content_protections);
    put(&mut values, "ContentProtection", Some(join(protections().map(|p| &*p.descriptor.scheme_id_uri))));
    put(
        &mut values,
        "default_KID",
        Some(join(protections().filter_map(|p| p.default_kid.as_ref()).map(|kid| &*kid.value))),
    );
    put(&mut values, "addressing", Some(format!("{:?}", track.mode).to_lowercase()));
    put(&mut values, "timescale", Some(track.timescale.to_string()));
    put(&mut values, "presentationTimeOffset", Some(track.presentation_time_offset.to_string()));
    put(&mut values, "segment duration", track.duration.map(|d| format!("{d} ticks")));
    put(&mut values, "media", track.media.map(|media| media.value.to_string()));
    put(&mut values, "initialization", track.initialization().map(|target| target.url.replacen(BASE, "", 1)));
    put(&mut values, "base", track.base_url.as_ref().map(|url| url.replacen(BASE, "", 1)));
    put(
        &mut values,
        "availabilityTimeOffset",
        match track.availability_time_offset {
            crate::Offset::Micros(0) => None,
            crate::Offset::Micros(us) => Some(format!("{} s", value::write_seconds(us))),
            crate::Offset::Infinite => Some("INF".to_owned()),
        },
    );
    // With a timeline the number of the first segment follows from what was removed.
    if track.timeline.is_none() {
        put(&mut values, "startNumber", Some(track.start_number.to_string()));
    }
    values
}

/// Explicit segments by media time.
fn segments(out: &mut Vec<Change>, key: &str, before: &Track<'_>, after: &Track<'_>, budget: &mut usize) {
    if before.timescale != after.timescale {
        return;
    }
    let (Some(old), Some(new)) = (listed(before, budget), listed(after, budget)) else { return };
    let first_new = new.keys().next().copied();
    let last_old = old.keys().next_back().copied();
    let mut trimmed = 0;
    for (time, (number, duration)) in &old {
        match new.get(time) {
            Some((now_number, now)) => {
                if now != duration {
                    let text = format!("segment at {time}: duration was {duration}, is {now} ticks");
                    push(out, ChangeKind::Altered, key.into(), text);
                }
                if now_number != number {
                    let text = format!("segment at {time}: number was {number}, is {now_number}");
                    push(out, ChangeKind::Altered, key.into(), text);
                }
            }
            None if first_new.is_none_or(|first| *time < first) => trimmed += 1,
            None => push(out, ChangeKind::Removed, key.into(), format!("segment at {time} removed")),
        }
    }
    if trimmed > 0 {
        let text = format!("{} removed at the start", count(trimmed));
        push(out, ChangeKind::Removed, key.into(), text);
    }
    let mut appended = 0;
    for time in new.keys().filter(|time| !old.contains_key(*time)) {
        if last_old.is_none_or(|last| *time > last) {
            appended += 1;
        } else {
            push(out, ChangeKind::Added, key.into(), format!("segment at {time} added"));
        }
    }
    if let Some(last) = new.keys().next_back().filter(|_| appended > 0) {
        let text = format!("{} added at the end, up to {last}", count(appended));
        push(out, ChangeKind::Added, key.into(), text);
    }
}

fn count(n: usize) -> String {
    if n == 1 { "1 segment".to_owned() } else { format!("{n} segments") }
}

/// Media time to number and duration, of a track that lists its segments; `None` when that would exceed the budget.
fn listed(track: &Track<'_>, budget: &mut usize) -> Option<BTreeMap<u64, (u64, u64)>> {
    let timeline = track.timeline?;
    if track.time.duration_us.is_none() && timeline.entries.last().is_some_and(|s| s.r < 0) {
        // Without end: what is listed follows from the clock.
        return None;
    }
    let segments = track.segments(crate::Window::default()).take(*budget + 1);
    let mut out = BTreeMap::new();
    for segment in segments {
        *budget = budget.checked_sub(1)?;
        out.insert(segment.time, (segment.number, segment.duration));
    }
    Some(out)
}

/// Segments that one comparison expands at most, over all Representations.
const MAX_COMPARED: usize = 500_000;
