//! From the model of an MPD to [`Presentation`].

use ow_dash::{Mode, Mpd, Offset, Target, Window};
use ow_domain::capture::{Track, TrackKind};
use ow_domain::track_name::{Unnamed, name_tracks};
use ow_domain::{Span, Time, TrackId};

use super::view::{Address, Listed, Listing, PeriodView, Presentation, Resource, TimeSource, TrackView, runs};

/// Representations looked at per Period.
pub const MAX_TRACKS: usize = 64;
/// Periods looked at, the newest.
pub const MAX_PERIODS: usize = 64;
/// Time sources looked at.
const MAX_TIME_SOURCES: usize = 8;

impl Presentation {
    /// What `mpd`, loaded from `url` (after redirects), says at `now`. An open repeat (`r="-1"`) is listed as far as it
    /// is available at `now`.
    pub fn read(mpd: &Mpd, url: &str, now: Time) -> Self {
        let span = |d: &Option<ow_dash::At<ow_dash::Duration>>| d.map(|d| Span::from_micros(d.value.micros));
        let time = |t: &Option<ow_dash::At<ow_dash::DateTime>>| t.map(|t| Time::from_unix_micros(t.value.unix_us));
        let ast = time(&mpd.availability_start_time);
        let location = mpd.locations.first().and_then(|_| ow_dash::reload_url(mpd, url)).filter(|to| to != url);
        let times = ow_dash::period_times(mpd);
        let first = mpd.periods.len().saturating_sub(MAX_PERIODS);
        let mut periods: Vec<PeriodView> = mpd
            .periods
            .iter()
            .zip(times)
            .enumerate()
            .skip(first)
            .map(|(index, (period, time))| PeriodView {
                key: match &period.id {
                    Some(id) => id.value.clone(),
                    None => format!("#{index}").into(),
                },
                start: time.start_us.map(Span::from_micros),
                duration: time.duration_us.map(Span::from_micros),
                asset: period.asset_identifier.as_ref().map(|asset| {
                    let value = asset.value.as_ref().map_or("", |value| &**value);
                    format!("{} {value}", asset.scheme_id_uri).into()
                }),
                tracks: Vec::new(),
            })
            .collect();
        let mut found: Vec<Vec<TrackView>> = periods.iter().map(|_| Vec::new()).collect();
        for track in ow_dash::tracks(mpd, url) {
            let Some(of_period) = track.period_index.checked_sub(first).and_then(|i| found.get_mut(i)) else {
                continue;
            };
            if of_period.len() < MAX_TRACKS
                && let Some(named) = view(&track, ast, now)
            {
                of_period.push(named);
            }
        }
        for (period, found) in periods.iter_mut().zip(found) {
            period.tracks = with_names(found);
        }
        Self {
            dynamic: mpd.is_dynamic(),
            ast,
            publish_time: time(&mpd.publish_time),
            update_period: span(&mpd.minimum_update_period),
            time_shift: span(&mpd.time_shift_buffer_depth),
            duration: span(&mpd.media_presentation_duration),
            location,
            time_sources: mpd.utc_timings.iter().filter_map(|t| time_source(t, url)).take(MAX_TIME_SOURCES).collect(),
            periods,
        }
    }
}

fn view(track: &ow_dash::Track<'_>, ast: Option<Time>, now: Time) -> Option<TrackView> {
    let kind = match track.content_type()? {
        "video" => TrackKind::Video,
        "audio" => TrackKind::Audio,
        "text" => TrackKind::Text,
        // fMP4 subtitles are often declared as application/mp4.
        "application" => TrackKind::Text,
        _ => return None,
    };
    let ato = match track.availability_time_offset {
        Offset::Micros(us) => Some(Span::from_micros(us)),
        Offset::Infinite => None,
    };
    let listing = match track.mode {
        Mode::Timeline | Mode::List => Listing::Explicit(runs(explicit(track, ast, ato, now))),
        Mode::Duration => match track.duration {
            Some(duration) if duration > 0 => Listing::Every { duration, end_number: track.end_number },
            _ => Listing::Nothing,
        },
        Mode::Single => Listing::Single {
            index: track.stated(|info| info.index_range).and_then(|range| Some((range.value.first, range.value.last?))),
        },
        Mode::Unknown => Listing::Nothing,
    };
    let trick = track.set.common.essential_properties.iter().any(|p| p.scheme_id_uri.contains("trickmode"));
    let track_info = Track {
        // Replaced by the name.
        id: TrackId::from_text("track"),
        kind: if trick { TrackKind::Trick } else { kind },
        bandwidth: track.representation.bandwidth.map(|b| b.value),
        average_bandwidth: None,
        frame_rate_milli: track.common(|c| c.frame_rate.as_ref()).and_then(|rate| rate.milli()),
        video_range: None,
        channels: channels(track).map(|n| n.to_string()),
        width: track.common(|c| c.width.as_ref()).and_then(|w| u32::try_from(*w).ok()),
        height: track.common(|c| c.height.as_ref()).and_then(|h| u32::try_from(*h).ok()),
        codecs: track.codecs().map(Into::into),
        language: track.lang().map(Into::into),
    };
    Some(TrackView {
        track: track_info,
        set: u32::try_from(track.set_index).unwrap_or(u32::MAX),
        representation: track.id().into(),
        timescale: track.timescale.max(1),
        pto: track.presentation_time_offset,
        ato,
        start_number: track.start_number,
        listing: if track.timescale == 0 { Listing::Nothing } else { listing },
        init: track.initialization().map(resource),
        address: address(track),
    })
}

/// Of the Representation, else of its set.
fn channels(track: &ow_dash::Track<'_>) -> Option<u32> {
    [&track.representation.common, &track.set.common]
        .into_iter()
        .find_map(|common| ow_dash::channel_count(&common.audio_channel_configurations))
}

/// Listed segments; an open repeat ends with what is available now.
fn explicit(track: &ow_dash::Track<'_>, ast: Option<Time>, ato: Option<Span>, now: Time) -> Vec<Listed> {
    let open = track.time.duration_us.is_none()
        && track.timeline.is_some_and(|timeline| timeline.entries.last().is_some_and(|s| s.r < 0));
    let until_us = open.then(|| ast.map_or(0, |ast| (now - ast + ato.unwrap_or(Span::ZERO)).micros()));
    track
        .segments(Window { from_us: None, until_us })
        .filter(|s| s.sub_number <= 1 && until_us.is_none_or(|until| s.end_us <= until))
        .map(|s| Listed { number: s.number, time: s.time, duration: s.duration })
        .collect()
}

fn address(track: &ow_dash::Track<'_>) -> Address {
    let bandwidth = track.representation.bandwidth.map(|b| b.value);
    match (track.mode, track.media, &track.base_url) {
        (Mode::Timeline | Mode::Duration, Some(media), Some(base)) => {
            Address::Template { base: base.to_string(), media: media.value.to_string(), bandwidth }
        }
        (Mode::Timeline | Mode::List, None, Some(_)) => {
            let segments = track.segments(Window::default());
            Address::List(segments.map_while(|s| track.target(&s)).map(resource).collect())
        }
        (Mode::Single, _, Some(base)) => Address::Single(Resource { url: base.to_string(), range: None }),
        _ => Address::Nothing,
    }
}

fn resource(target: Target) -> Resource {
    Resource { url: target.url, range: target.byte_range.map(|range| (range.first, range.last)) }
}

fn time_source(timing: &ow_dash::Descriptor, url: &str) -> Option<TimeSource> {
    let scheme = timing.scheme_id_uri.strip_prefix("urn:mpeg:dash:utc:")?;
    let value = timing.value.as_ref()?.trim();
    let first = || ow_dash::resolve(url, value.split_whitespace().next()?);
    match scheme.split(':').next()? {
        "direct" => ow_dash::parse_date_time(value).map(|t| TimeSource::Direct(Time::from_unix_micros(t.unix_us))),
        "http-head" => first().map(TimeSource::HttpHead),
        "http-xsdate" | "http-iso" => first().map(TimeSource::HttpText),
        _ => None,
    }
}

/// The same names in every Period, and after a restart of the packager.
fn with_names(found: Vec<TrackView>) -> Vec<TrackView> {
    let unnamed = |view: &TrackView| Unnamed { track: view.track.clone(), label: view.representation.to_string() };
    let named = name_tracks(found.iter().map(unnamed).collect());
    found.into_iter().zip(named).map(|(view, track)| TrackView { track, ..view }).collect()
}
