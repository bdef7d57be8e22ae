//! Rules that need the document as a whole (CHECKS 3.6).

mod addressing;
mod attributes;

use std::collections::{BTreeMap, BTreeSet};

use crate::{Issue, IssueKind, Mpd, Position, Track, period_times, tracks};

/// Issues of one kind that are kept: a mistake in a template repeats in every Representation.
const MAX_OF_KIND: usize = 16;
/// Inband events that announce a new MPD take the place of `@minimumUpdatePeriod` (§5.10.4).
const MPD_EVENTS: &str = "urn:mpeg:dash:event:2012";
/// Schemes that players know (§5.8.5.7).
const UTC_SCHEMES: &[&str] = &["http-head", "http-xsdate", "http-iso", "direct", "ntp", "sntp"];

/// Collects, each breach of a kind at a place once.
pub(crate) struct Audit<'a> {
    out: &'a mut dyn FnMut(Issue),
    seen: BTreeSet<(IssueKind, Position)>,
    counts: BTreeMap<IssueKind, usize>,
}

impl Audit<'_> {
    fn issue(
        &mut self,
        at: Position,
        kind: IssueKind,
        subject: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let count = self.counts.entry(kind).or_default();
        if *count < MAX_OF_KIND && self.seen.insert((kind, at)) {
            *count += 1;
            (self.out)(Issue::new(at, kind, subject, found, expected));
        }
    }
}

pub(crate) fn audit(mpd: &Mpd, out: &mut dyn FnMut(Issue)) {
    let mut audit = Audit { out, seen: BTreeSet::new(), counts: BTreeMap::new() };
    if mpd.periods.is_empty() {
        audit.issue(mpd.at, IssueKind::NoPeriod, "Period", "", "at least one");
        return;
    }
    // URLs do not matter here.
    let tracks = tracks(mpd, "http://mpd.invalid/");
    addressing::addressing(&mut audit, mpd, &tracks);
    ids(&mut audit, mpd);
    if mpd.is_dynamic() {
        live(&mut audit, mpd, &tracks);
    }
    durations(&mut audit, mpd, &tracks);
    attributes::attributes(&mut audit, mpd, &tracks);
}

fn ids(audit: &mut Audit<'_>, mpd: &Mpd) {
    let mut periods = BTreeSet::new();
    let times = period_times(mpd);
    for (index, period) in mpd.periods.iter().enumerate() {
        let at = period.at;
        let n = index + 1;
        match &period.id {
            Some(id) if !periods.insert(&id.value) => {
                audit.issue(
                    id.at,
                    IssueKind::PeriodIdDuplicate,
                    "Period@id",
                    format!("{:?} again", id.value),
                    "another id",
                );
            }
            None if mpd.is_dynamic() && period.href.is_none() => {
                audit.issue(at, IssueKind::PeriodIdMissing, format!("@id of Period {n}"), "", "an id in a dynamic MPD");
            }
            _ => {}
        }
        let timed = times.get(index).is_some_and(|time| time.start_us.is_some());
        // The last Period may be announced early; the first one must start at some time.
        if !timed && period.href.is_none() && (index == 0 || n < mpd.periods.len()) {
            let subject = format!("@start of Period {n}");
            audit.issue(at, IssueKind::PeriodStartMissing, subject, "", "a start, or a duration of the Period before");
        }
        let mut representations = BTreeSet::new();
        for set in &period.adaptation_sets {
            if set.id.is_none() && mpd.is_dynamic() && mpd.minimum_update_period.is_some() && set.href.is_none() {
                let subject = format!("AdaptationSet@id in Period {n}");
                audit.issue(set.at, IssueKind::SetIdMissing, subject, "", "an id in an MPD that is updated");
            }
            for id in set.representations.iter().filter_map(|r| r.id.as_ref()) {
                if !representations.insert(&id.value) {
                    let found = format!("{:?} again", id.value);
                    let expected = format!("another id in Period {n}");
                    audit.issue(id.at, IssueKind::RepresentationIdDuplicate, "Representation@id", found, expected);
                }
                if id.value.contains(char::is_whitespace) {
                    let found = format!("{:?}", id.value);
                    audit.issue(id.at, IssueKind::RepresentationIdSpace, "Representation@id", found, "no white space");
                }
            }
        }
    }
}

/// Rules of a dynamic MPD.
fn live(audit: &mut Audit<'_>, mpd: &Mpd, tracks: &[Track<'_>]) {
    let at = mpd.at;
    if mpd.availability_start_time.is_none() {
        let subject = "MPD@availabilityStartTime";
        audit.issue(at, IssueKind::AvailabilityStartMissing, subject, "", "a date in a dynamic MPD");
    }
    if mpd.publish_time.is_none() {
        audit.issue(at, IssueKind::PublishTimeMissing, "MPD@publishTime", "", "a date in a dynamic MPD");
    }
    let ends = mpd.media_presentation_duration.is_some() || mpd.periods.last().is_some_and(|p| p.duration.is_some());
    let explicit = tracks.iter().find(|track| track.timeline.is_some() || track.mode == crate::Mode::List);
    let announced = tracks.iter().any(|track| {
        let streams =
            track.set.common.inband_event_streams.iter().chain(&track.representation.common.inband_event_streams);
        streams.into_iter().any(|stream| &*stream.scheme_id_uri == MPD_EVENTS)
    });
    match (mpd.minimum_update_period, explicit) {
        (None, Some(_)) if !ends && !announced => {
            let subject = "MPD@minimumUpdatePeriod";
            audit.issue(at, IssueKind::UpdatePeriodMissing, subject, "", "a period with a list of segments that grows");
        }
        (Some(period), _) if (1..1_000_000).contains(&period.micros) => {
            let found = format!("{} ms", period.micros / 1_000);
            audit.issue(period.at, IssueKind::UpdatePeriodTiny, "MPD@minimumUpdatePeriod", found, "0 or at least 1 s");
        }
        _ => {}
    }
    let longest = tracks.iter().filter_map(longest_segment_us).max();
    if let (Some(depth), Some(longest)) = (mpd.time_shift_buffer_depth, longest)
        && depth.micros < longest.saturating_mul(3)
    {
        let expected = format!("at least {}, three segments", seconds(longest.saturating_mul(3)));
        let subject = "MPD@timeShiftBufferDepth";
        audit.issue(depth.at, IssueKind::TimeShiftBufferShort, subject, seconds(depth.micros), expected);
    }
    match mpd.suggested_presentation_delay {
        None => {
            let subject = "MPD@suggestedPresentationDelay";
            audit.issue(at, IssueKind::PresentationDelayMissing, subject, "", "a delay in a dynamic MPD");
        }
        Some(delay) => {
            let subject = "MPD@suggestedPresentationDelay";
            let found = seconds(delay.micros);
            if let Some(buffer) = mpd.min_buffer_time.filter(|buffer| delay.micros < buffer.micros) {
                let expected = format!("at least minBufferTime, {}", seconds(buffer.micros));
                audit.issue(delay.at, IssueKind::PresentationDelayShort, subject, &*found, expected);
            }
            if let Some(depth) = mpd.time_shift_buffer_depth.filter(|depth| delay.micros > depth.micros) {
                let expected = format!("at most timeShiftBufferDepth, {}", seconds(depth.micros));
                audit.issue(delay.at, IssueKind::PresentationDelayLong, subject, found, expected);
            }
        }
    }
    if mpd.utc_timings.is_empty() {
        audit.issue(at, IssueKind::UtcTimingMissing, "UTCTiming", "", "a time source in a dynamic MPD");
    } else if !mpd.utc_timings.iter().any(|timing| {
        let scheme = timing.scheme_id_uri.strip_prefix("urn:mpeg:dash:utc:");
        scheme.and_then(|s| s.split(':').next()).is_some_and(|s| UTC_SCHEMES.contains(&s))
    }) {
        let first = mpd.utc_timings.first().map_or("", |timing| &timing.scheme_id_uri);
        let expected = "http-head, http-xsdate, http-iso or direct";
        audit.issue(at, IssueKind::UtcTimingScheme, "UTCTiming@schemeIdUri", first, expected);
    }
}

/// The longest segment that a description names, microseconds.
fn longest_segment_us(track: &Track<'_>) -> Option<i64> {
    let ticks = match track.timeline {
        Some(timeline) => timeline.entries.iter().map(|s| s.d).max()?,
        None => track.duration?,
    };
    to_us(ticks, track.timescale)
}

fn to_us(ticks: u64, timescale: u64) -> Option<i64> {
    i64::try_from((u128::from(ticks) * 1_000_000).checked_div(u128::from(timescale))?).ok()
}

fn durations(audit: &mut Audit<'_>, mpd: &Mpd, tracks: &[Track<'_>]) {
    for track in tracks {
        let Some(timeline) = track.timeline else { continue };
        let Some(longest) = timeline.entries.iter().max_by_key(|s| s.d) else { continue };
        // One frame of tolerance; 40 ms where no rate is declared.
        let frame_us = track.common(|c| c.frame_rate.as_ref()).and_then(|rate| to_us(rate.denominator, rate.numerator));
        if let (Some(max), Some(found)) = (mpd.max_segment_duration, to_us(longest.d, track.timescale))
            && found > max.micros.saturating_add(frame_us.unwrap_or(40_000))
        {
            let subject = format!("S@d of Representation {}", track.id());
            let expected = format!("at most maxSegmentDuration, {}", seconds(max.micros));
            audit.issue(longest.at, IssueKind::SegmentAboveMax, subject, seconds(found), expected);
        }
        if let Some(s) = timeline.entries.iter().find(|s| s.t.is_some_and(|t| t >= 1 << 53)) {
            let found = s.t.unwrap_or_default().to_string();
            audit.issue(s.at, IssueKind::TimeNotExact, "S@t", found, "below 9007199254740992, exact in a double");
        }
    }
}

/// Seconds for people: no more digits than needed.
fn seconds(us: i64) -> String {
    format!("{} s", crate::value::write_seconds(us))
}
