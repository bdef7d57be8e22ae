//! The same answers as another reader, where that one is right.
//!
//! Left out, because the other holds them as floating point or drops them: `@availabilityTimeOffset`, durations below a
//! microsecond, positions, namespaces other than by fixed prefix.

mod common;

use std::path::PathBuf;

use ow_dash::{Mpd, SegmentInfo, parse};
use proptest::prelude::*;

/// Everything that both read, one fact per line.
type Facts = Vec<String>;

fn fact<T: std::fmt::Display>(out: &mut Facts, name: &str, value: Option<T>) {
    if let Some(value) = value {
        out.push(format!("{name}={value}"));
    }
}

fn ours(mpd: &Mpd) -> Facts {
    let mut out = Facts::new();
    let us = |d: &Option<ow_dash::At<ow_dash::Duration>>| d.map(|d| d.micros);
    fact(&mut out, "dynamic", Some(mpd.is_dynamic()));
    fact(&mut out, "profiles", mpd.profiles.as_ref().map(|p| &p.value));
    fact(&mut out, "ast", mpd.availability_start_time.map(|d| d.unix_us));
    fact(&mut out, "publish", mpd.publish_time.map(|d| d.unix_us));
    fact(&mut out, "duration", us(&mpd.media_presentation_duration));
    fact(&mut out, "mup", us(&mpd.minimum_update_period));
    fact(&mut out, "buffer", us(&mpd.min_buffer_time));
    fact(&mut out, "tsbd", us(&mpd.time_shift_buffer_depth));
    fact(&mut out, "spd", us(&mpd.suggested_presentation_delay));
    fact(&mut out, "max", us(&mpd.max_segment_duration));
    mpd.base_urls.iter().for_each(|url| fact(&mut out, "base", Some(&url.url)));
    mpd.utc_timings.iter().for_each(|timing| fact(&mut out, "utc", Some(&timing.scheme_id_uri)));
    for period in &mpd.periods {
        fact(&mut out, "period", period.id.as_ref().map(|id| &id.value));
        fact(&mut out, "start", us(&period.start));
        fact(&mut out, "length", us(&period.duration));
        our_template(&mut out, period.addressing.template.as_deref());
        fact(&mut out, "events", Some(period.event_streams.iter().map(|s| s.events.len()).sum::<usize>()));
        for set in &period.adaptation_sets {
            fact(&mut out, "set", Some(set.id.as_ref().map_or("", |id| &id.value)));
            fact(&mut out, "lang", set.lang.as_ref().map(|l| &l.value));
            fact(&mut out, "mime", set.common.mime_type.as_ref().map(|m| &m.value));
            fact(&mut out, "codecs", set.common.codecs.as_ref().map(|c| &c.value));
            fact(&mut out, "roles", Some(set.roles.len()));
            for protection in &set.common.content_protections {
                fact(&mut out, "kid", protection.default_kid.as_ref().map(|kid| &kid.value));
            }
            our_template(&mut out, set.addressing.template.as_deref());
            set.base_urls.iter().for_each(|url| fact(&mut out, "base", Some(&url.url)));
            for representation in &set.representations {
                fact(&mut out, "representation", representation.id.as_ref().map(|id| &id.value));
                fact(&mut out, "bandwidth", representation.bandwidth.map(|b| b.value));
                fact(&mut out, "width", representation.common.width.map(|w| w.value));
                fact(&mut out, "height", representation.common.height.map(|h| h.value));
                let rate = representation.common.frame_rate.map(|r| format!("{}/{}", r.numerator, r.denominator));
                fact(&mut out, "rate", rate);
                our_template(&mut out, representation.addressing.template.as_deref());
                if let Some(list) = &representation.addressing.list {
                    list.segment_urls.iter().for_each(|url| fact(&mut out, "url", url.media.as_ref()));
                }
            }
        }
    }
    out
}

fn our_template(out: &mut Facts, template: Option<&SegmentInfo>) {
    let Some(template) = template else { return };
    fact(out, "media", template.media.as_ref().map(|m| &m.value));
    fact(out, "initialization", template.initialization_template.as_ref().map(|m| &m.value));
    fact(out, "timescale", template.timescale.map(|t| t.value));
    fact(out, "pto", template.presentation_time_offset.map(|t| t.value));
    fact(out, "first", template.start_number.map(|t| t.value));
    fact(out, "ept", template.ept_delta.map(|t| t.value));
    fact(out, "d", template.duration.map(|t| t.value));
    for s in template.timeline.iter().flat_map(|t| &t.entries) {
        fact(out, "S", Some(format!("{:?} {:?} {} {} {}", s.t, s.n, s.d, s.r, s.k)));
    }
}

fn theirs(mpd: &dash_mpd_core::MPD) -> Facts {
    let mut out = Facts::new();
    let us = |d: Option<std::time::Duration>| d.map(|d| d.as_micros());
    fact(&mut out, "dynamic", Some(mpd.mpdtype.as_deref() == Some("dynamic")));
    fact(&mut out, "profiles", mpd.profiles.as_ref());
    fact(&mut out, "ast", mpd.availabilityStartTime.map(|d| d.timestamp_micros()));
    fact(&mut out, "publish", mpd.publishTime.map(|d| d.timestamp_micros()));
    fact(&mut out, "duration", us(mpd.mediaPresentationDuration));
    fact(&mut out, "mup", us(mpd.minimumUpdatePeriod));
    fact(&mut out, "buffer", us(mpd.minBufferTime));
    fact(&mut out, "tsbd", us(mpd.timeShiftBufferDepth));
    fact(&mut out, "spd", us(mpd.suggestedPresentationDelay));
    fact(&mut out, "max", us(mpd.maxSegmentDuration));
    mpd.base_url.iter().for_each(|url| fact(&mut out, "base", Some(&url.base)));
    mpd.UTCTiming.iter().for_each(|timing| fact(&mut out, "utc", Some(&timing.schemeIdUri)));
    for period in &mpd.periods {
        fact(&mut out, "period", period.id.as_ref());
        fact(&mut out, "start", us(period.start));
        fact(&mut out, "length", us(period.duration));
        their_template(&mut out, period.SegmentTemplate.as_ref());
        fact(&mut out, "events", Some(period.event_streams.iter().map(|s| s.event.len()).sum::<usize>()));
        for set in &period.adaptations {
            fact(&mut out, "set", Some(set.id.as_deref().unwrap_or_default()));
            fact(&mut out, "lang", set.lang.as_ref());
            fact(&mut out, "mime", set.mimeType.as_ref());
            fact(&mut out, "codecs", set.codecs.as_ref());
            fact(&mut out, "roles", Some(set.Role.len()));
            set.ContentProtection.iter().for_each(|p| fact(&mut out, "kid", p.default_KID.as_ref()));
            their_template(&mut out, set.SegmentTemplate.as_ref());
            set.BaseURL.iter().for_each(|url| fact(&mut out, "base", Some(&url.base)));
            for representation in &set.representations {
                fact(&mut out, "representation", representation.id.as_ref());
                fact(&mut out, "bandwidth", representation.bandwidth);
                fact(&mut out, "width", representation.width);
                fact(&mut out, "height", representation.height);
                let rate = representation.frameRate.as_ref();
                fact(&mut out, "rate", rate.map(|r| if r.contains('/') { r.clone() } else { format!("{r}/1") }));
                their_template(&mut out, representation.SegmentTemplate.as_ref());
                if let Some(list) = &representation.SegmentList {
                    list.segment_urls.iter().for_each(|url| fact(&mut out, "url", url.media.as_ref()));
                }
            }
        }
    }
    out
}

fn their_template(out: &mut Facts, template: Option<&dash_mpd_core::SegmentTemplate>) {
    let Some(template) = template else { return };
    fact(out, "media", template.media.as_ref());
    fact(out, "initialization", template.initialization.as_ref());
    fact(out, "timescale", template.timescale);
    fact(out, "pto", template.presentationTimeOffset);
    fact(out, "first", template.startNumber);
    fact(out, "ept", template.eptDelta);
    fact(out, "d", template.duration.map(|d| d as u64));
    for s in template.SegmentTimeline.iter().flat_map(|t| &t.segments) {
        let line = format!("{:?} {:?} {} {} {}", s.t, s.n, s.d, s.r.unwrap_or(0), s.k.unwrap_or(1));
        fact(out, "S", Some(line));
    }
}

fn same(body: &str) -> Result<(), String> {
    let other = dash_mpd_core::parse(body).map_err(|error| format!("the other refuses it: {error}\n{body}"))?;
    let (document, issues) = parse(body.as_bytes());
    let mpd = document.as_mpd().ok_or_else(|| format!("{issues:?}"))?;
    let (ours, theirs) = (ours(mpd), theirs(&other));
    match ours.iter().zip(&theirs).find(|(a, b)| a != b) {
        Some((a, b)) => Err(format!("{a} here, {b} there\n{body}")),
        None if ours.len() != theirs.len() => Err(format!("{} and {} facts\n{body}", ours.len(), theirs.len())),
        None => Ok(()),
    }
}

#[test]
fn the_corpus_reads_alike() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut n = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("good-") {
            same(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            n += 1;
        }
    }
    assert!(n >= 5);
}

proptest! {
    #[test]
    fn generated_mpds_read_alike(body in common::any_mpd()) {
        same(&body).map_err(TestCaseError::fail)?;
    }
}
