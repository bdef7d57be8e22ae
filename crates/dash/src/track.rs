//! A Representation of a Period with everything that it inherits.

use crate::limits::MAX_TRACKS;
use crate::period::{PeriodTime, period_times};
use crate::segments::{Segment, Segments, Window};
use crate::template::{Values, expand};
use crate::uri::resolve;
use crate::{
    AdaptationSet, At, BaseUrl, ByteRange, Common, Mpd, Offset, Period, Representation, SegmentInfo, SegmentTimeline,
};

/// How segments are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// SegmentTemplate or SegmentList with SegmentTimeline.
    Timeline,
    /// SegmentTemplate with `@duration`: what exists follows from the clock.
    Duration,
    /// SegmentList with `@duration` (or one entry).
    List,
    /// SegmentBase, or only a BaseURL: one resource for the whole Period.
    Single,
    /// Nothing that segments could be derived from.
    Unknown,
}

/// One Representation in one Period, after inheritance.
#[derive(Debug, Clone)]
pub struct Track<'a> {
    pub period_index: usize,
    pub set_index: usize,
    pub representation_index: usize,
    pub period: &'a Period,
    pub set: &'a AdaptationSet,
    pub representation: &'a Representation,
    pub time: PeriodTime,
    pub mode: Mode,
    /// Ticks per second: 1 when absent; 0 as written gives no segments.
    pub timescale: u64,
    /// Ticks.
    pub presentation_time_offset: u64,
    /// Ticks by which the first sample lies before (below 0) or after the nominal start.
    pub ept_delta: i64,
    pub start_number: u64,
    pub end_number: Option<u64>,
    /// Ticks.
    pub duration: Option<u64>,
    pub timeline: Option<&'a SegmentTimeline>,
    /// SegmentTemplate `@media`.
    pub media: Option<&'a At<Box<str>>>,
    /// Sum of what the BaseURLs and the segment description say.
    pub availability_time_offset: Offset,
    /// False: segments are offered while they are made.
    pub availability_time_complete: bool,
    /// BaseURLs resolved through all levels, the first or best prioritised of each; `None` when it cannot be resolved.
    pub base_url: Option<Box<str>>,
    /// Innermost first: Representation, AdaptationSet, Period.
    pub(crate) levels: [Option<&'a SegmentInfo>; 3],
}

/// A resource to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub url: String,
    pub byte_range: Option<ByteRange>,
}

/// All Representations of all Periods, at most [`MAX_TRACKS`]. `mpd_url` is where the MPD came from, after redirects.
pub fn tracks<'a>(mpd: &'a Mpd, mpd_url: &str) -> Vec<Track<'a>> {
    let mut out = Vec::new();
    let base = Base { url: Some(mpd_url.into()), offset: Offset::Micros(0), complete: true };
    let base = base.with(&mpd.base_urls);
    for (period_index, (period, time)) in mpd.periods.iter().zip(period_times(mpd)).enumerate() {
        let base = base.with(&period.base_urls);
        for (set_index, set) in period.adaptation_sets.iter().enumerate() {
            let base = base.with(&set.base_urls);
            for (representation_index, representation) in set.representations.iter().enumerate() {
                if out.len() == MAX_TRACKS {
                    return out;
                }
                let base = base.with(&representation.base_urls);
                let place = (period_index, set_index, representation_index);
                out.push(track(place, period, set, representation, time, base));
            }
        }
    }
    out
}

/// Where to reload the MPD from: the first `Location`, or the URL it came from.
pub fn reload_url(mpd: &Mpd, mpd_url: &str) -> Option<String> {
    match mpd.locations.first() {
        Some(location) => resolve(mpd_url, location),
        None => Some(mpd_url.to_owned()),
    }
}

/// The sum so far.
#[derive(Clone)]
struct Base {
    url: Option<Box<str>>,
    offset: Offset,
    complete: bool,
}

impl Base {
    fn with(&self, urls: &[BaseUrl]) -> Self {
        // The first of the best priority (DVB: the lowest number; 1 when absent).
        let Some(chosen) = urls.iter().min_by_key(|url| url.priority.map_or(1, |p| p.value)) else {
            return self.clone();
        };
        Self {
            url: self.url.as_deref().and_then(|base| resolve(base, &chosen.url)).map(Into::into),
            offset: add(self.offset, chosen.availability_time_offset),
            complete: chosen.availability_time_complete.map_or(self.complete, |complete| complete.value),
        }
    }
}

fn add(a: Offset, b: Option<At<Offset>>) -> Offset {
    match (a, b.map(|b| b.value)) {
        (a, None) => a,
        (Offset::Micros(a), Some(Offset::Micros(b))) => Offset::Micros(a.saturating_add(b)),
        _ => Offset::Infinite,
    }
}

fn track<'a>(
    (period_index, set_index, representation_index): (usize, usize, usize),
    period: &'a Period,
    set: &'a AdaptationSet,
    representation: &'a Representation,
    time: PeriodTime,
    base: Base,
) -> Track<'a> {
    let levels = [&representation.addressing, &set.addressing, &period.addressing];
    // The innermost level that says something decides the kind; only its kind is inherited.
    let kind = levels.iter().find_map(|level| {
        let some: fn(&crate::Addressing) -> Option<&SegmentInfo> = if level.template.is_some() {
            |level| level.template.as_deref()
        } else if level.list.is_some() {
            |level| level.list.as_deref()
        } else if level.base.is_some() {
            |level| level.base.as_deref()
        } else {
            return None;
        };
        let is_template = level.template.is_some();
        let is_list = !is_template && level.list.is_some();
        Some((some, is_template, is_list))
    });
    let infos = kind.map_or([None; 3], |(of, _, _)| levels.map(of));
    let inherited = |of: fn(&SegmentInfo) -> Option<u64>| infos.iter().flatten().find_map(|info| of(info));
    // Whichever of the two stands further in, when levels differ.
    let how = infos.iter().flatten().find(|info| info.timeline.is_some() || info.duration.is_some());
    let timeline = how.and_then(|info| info.timeline.as_ref());
    let duration = how.filter(|_| timeline.is_none()).and_then(|info| info.duration).map(|d| d.value);
    let n_urls = infos.iter().flatten().find(|info| !info.segment_urls.is_empty()).map(|info| info.segment_urls.len());
    let mode = match kind {
        None | Some((_, false, false)) => Mode::Single,
        Some(_) if timeline.is_some() => Mode::Timeline,
        Some((_, true, _)) if duration.is_some() => Mode::Duration,
        // One segment for the whole Period needs no duration.
        Some((_, true, _)) => Mode::Single,
        Some(_) if n_urls.is_some() && (duration.is_some() || n_urls == Some(1)) => Mode::List,
        Some(_) => Mode::Unknown,
    };
    let stated = infos.iter().flatten();
    Track {
        period_index,
        set_index,
        representation_index,
        period,
        set,
        representation,
        time,
        mode,
        timescale: inherited(|info| Some(info.timescale?.value)).unwrap_or(1),
        presentation_time_offset: inherited(|info| Some(info.presentation_time_offset?.value)).unwrap_or(0),
        ept_delta: stated.clone().find_map(|info| info.ept_delta).map_or(0, |delta| delta.value),
        start_number: inherited(|info| Some(info.start_number?.value)).unwrap_or(1),
        end_number: inherited(|info| Some(info.end_number?.value)),
        duration,
        timeline,
        media: stated.clone().find_map(|info| info.media.as_ref()),
        availability_time_offset: add(base.offset, stated.clone().find_map(|info| info.availability_time_offset)),
        availability_time_complete: stated
            .clone()
            .find_map(|info| info.availability_time_complete)
            .map_or(base.complete, |complete| complete.value),
        base_url: base.url,
        levels: infos,
    }
}

impl<'a> Track<'a> {
    /// Representation `@id`; empty when it is missing.
    pub fn id(&self) -> &'a str {
        self.representation.id.as_ref().map_or("", |id| &id.value)
    }

    /// An attribute of the Representation, else of its AdaptationSet.
    pub fn common<T>(&self, of: impl Fn(&'a Common) -> Option<&'a At<T>>) -> Option<&'a T> {
        of(&self.representation.common).or_else(|| of(&self.set.common)).map(|at| &at.value)
    }

    pub fn mime_type(&self) -> Option<&'a str> {
        self.common(|c| c.mime_type.as_ref()).map(|text| &**text)
    }

    pub fn codecs(&self) -> Option<&'a str> {
        self.common(|c| c.codecs.as_ref()).map(|text| &**text)
    }

    pub fn lang(&self) -> Option<&'a str> {
        self.set.lang.as_ref().map(|lang| &*lang.value)
    }

    /// `video`, `audio`, `text`, `image`, `application`: `@contentType`, else by `@mimeType`, else by `@codecs`.
    pub fn content_type(&self) -> Option<&'a str> {
        if let Some(content_type) = &self.set.content_type {
            return Some(&content_type.value);
        }
        let codecs = self.codecs().unwrap_or_default();
        if ["stpp", "wvtt"].iter().any(|text| codecs.starts_with(text)) {
            return Some("text");
        }
        self.mime_type().and_then(|mime| mime.split('/').next()).filter(|kind| !kind.is_empty())
    }

    /// The innermost description of segments: where it stands is where it can be mended.
    pub fn segment_info(&self) -> Option<&'a SegmentInfo> {
        self.levels.iter().flatten().next().copied()
    }

    /// Where the kind of information wanted is stated, innermost first.
    pub fn stated<T>(&self, of: impl Fn(&'a SegmentInfo) -> Option<T>) -> Option<T> {
        self.levels.iter().flatten().find_map(|info| of(info))
    }

    /// Ticks relative to the presentation time offset, as microseconds from the start of the presentation, rounded down.
    /// `None` when the Period has no timing yet or the timescale is 0.
    pub fn presentation_us(&self, ticks: u64) -> Option<i64> {
        if self.timescale == 0 {
            return None;
        }
        let relative = i128::from(ticks) - i128::from(self.presentation_time_offset);
        let micros = (relative * 1_000_000).div_euclid(i128::from(self.timescale));
        clamp(micros + i128::from(self.time.start_us?))
    }

    /// The segments that overlap the window, in the order of the description, at most [`crate::MAX_SEGMENTS`].
    pub fn segments(&self, window: Window) -> Segments<'_> {
        Segments::new(self, window)
    }

    /// UTC microseconds from which a segment may be asked for: AST + Period start + segment end - ATO (§5.3.9.5.3).
    /// `None` when the clock sets no bound (`INF`).
    pub fn available_at_us(&self, segment: &Segment, availability_start_us: i64) -> Option<i64> {
        match self.availability_time_offset {
            Offset::Infinite => None,
            Offset::Micros(offset) => Some(availability_start_us.saturating_add(segment.end_us).saturating_sub(offset)),
        }
    }

    /// Where a segment is. `None` when a template or URL cannot be resolved.
    pub fn target(&self, segment: &Segment) -> Option<Target> {
        let base = self.base_url.as_deref()?;
        if let Some(url) = segment.url_index.and_then(|index| self.segment_urls()?.get(index)) {
            let media = url.media.as_deref().unwrap_or_default();
            return Some(Target { url: resolve(base, media)?, byte_range: url.media_range });
        }
        match self.media {
            Some(media) => {
                Some(Target { url: resolve(base, &expand(media, &self.values(segment))?)?, byte_range: None })
            }
            None if self.mode == Mode::Single => Some(Target { url: base.to_owned(), byte_range: None }),
            None => None,
        }
    }

    fn values(&self, segment: &Segment) -> Values<'_> {
        Values {
            representation_id: self.representation.id.as_ref().map(|id| &*id.value),
            number: Some(segment.number),
            bandwidth: self.representation.bandwidth.map(|b| b.value),
            time: Some(segment.time),
            sub_number: Some(segment.sub_number.into()),
        }
    }

    pub(crate) fn segment_urls(&self) -> Option<&'a [crate::SegmentUrl]> {
        self.stated(|info| Some(info.segment_urls.as_slice()).filter(|urls| !urls.is_empty()))
    }

    /// The initialization segment: `@initialization`, else the `Initialization` element. `None` when there is none, or
    /// when it cannot be resolved.
    pub fn initialization(&self) -> Option<Target> {
        let base = self.base_url.as_deref()?;
        if let Some(template) = self.stated(|info| info.initialization_template.as_ref()) {
            let values = Values { number: None, time: None, sub_number: None, ..self.values(&Segment::default()) };
            return Some(Target { url: resolve(base, &expand(template, &values)?)?, byte_range: None });
        }
        let resource = self.stated(|info| info.initialization.as_ref())?;
        let url = match &resource.source_url {
            Some(source) => resolve(base, source)?,
            None => base.to_owned(),
        };
        Some(Target { url, byte_range: resource.range.map(|range| range.value) })
    }

    /// The segment index (`sidx`) of SegmentBase: `@indexRange` of the one resource, or the `RepresentationIndex`.
    pub fn index(&self) -> Option<Target> {
        let base = self.base_url.as_deref()?;
        if let Some(resource) = self.stated(|info| info.representation_index.as_ref()) {
            let url = match &resource.source_url {
                Some(source) => resolve(base, source)?,
                None => base.to_owned(),
            };
            return Some(Target { url, byte_range: resource.range.map(|range| range.value) });
        }
        let range = self.stated(|info| info.index_range)?;
        Some(Target { url: base.to_owned(), byte_range: Some(range.value) })
    }
}

pub(crate) fn clamp(value: i128) -> Option<i64> {
    i64::try_from(value).ok()
}
