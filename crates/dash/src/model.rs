//! The MPD model (ISO/IEC 23009-1). Everything is owned. Times of the presentation are integer microseconds; media
//! times are ticks of the `@timescale` in force. Names follow the schema: `@mimeType` is `mime_type`.
//! What is inherited is not copied down: see [`crate::tracks`] for values after inheritance.

use crate::{At, DateTime, Duration, Position};

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    Mpd(Box<Mpd>),
    /// An MPD patch (§5.15): recognised, not applied.
    Patch(Patch),
    /// Neither: no XML, or another root.
    Other,
}

impl Document {
    pub fn as_mpd(&self) -> Option<&Mpd> {
        match self {
            Self::Mpd(mpd) => Some(mpd),
            Self::Patch(_) | Self::Other => None,
        }
    }
}

pub type Text = Box<str>;

/// `MPD` (§5.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mpd {
    pub at: Position,
    pub id: Option<At<Text>>,
    pub profiles: Option<At<Text>>,
    /// `@type`; absent means static.
    pub presentation_type: Option<At<PresentationType>>,
    pub availability_start_time: Option<At<DateTime>>,
    pub availability_end_time: Option<At<DateTime>>,
    pub publish_time: Option<At<DateTime>>,
    pub media_presentation_duration: Option<At<Duration>>,
    pub minimum_update_period: Option<At<Duration>>,
    pub min_buffer_time: Option<At<Duration>>,
    pub time_shift_buffer_depth: Option<At<Duration>>,
    pub suggested_presentation_delay: Option<At<Duration>>,
    pub max_segment_duration: Option<At<Duration>>,
    pub max_subsegment_duration: Option<At<Duration>>,
    pub base_urls: Vec<BaseUrl>,
    pub locations: Vec<At<Text>>,
    pub patch_locations: Vec<PatchLocation>,
    pub content_steering: Option<ContentSteering>,
    pub service_descriptions: Vec<ServiceDescription>,
    pub periods: Vec<Period>,
    pub utc_timings: Vec<Descriptor>,
    pub essential_properties: Vec<Descriptor>,
    pub supplemental_properties: Vec<Descriptor>,
    /// Bytes of the document as received.
    pub n_bytes: usize,
}

impl Mpd {
    pub fn is_dynamic(&self) -> bool {
        self.presentation_type.is_some_and(|t| t.value == PresentationType::Dynamic)
    }

    /// Claims this profile URI (`@profiles` is a comma-separated list).
    pub fn claims(&self, profile: &str) -> bool {
        self.profiles.as_ref().is_some_and(|p| p.split(',').any(|p| p.trim() == profile))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PresentationType {
    #[default]
    Static,
    Dynamic,
}

/// `Patch` (§5.15.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    pub at: Position,
    pub mpd_id: Option<At<Text>>,
    pub original_publish_time: Option<At<DateTime>>,
    pub publish_time: Option<At<DateTime>>,
    /// `add`, `replace` and `remove` elements.
    pub n_operations: u32,
}

/// `BaseURL` (§5.6).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseUrl {
    pub at: Position,
    /// Trimmed, as written.
    pub url: Text,
    pub service_location: Option<At<Text>>,
    pub byte_range: Option<At<Text>>,
    pub availability_time_offset: Option<At<Offset>>,
    pub availability_time_complete: Option<At<bool>>,
    /// `dvb:priority` (ETSI TS 103 285 §10.8.2.1).
    pub priority: Option<At<u64>>,
    /// `dvb:weight`.
    pub weight: Option<At<u64>>,
}

/// `@availabilityTimeOffset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    Micros(i64),
    /// `INF`: no upper bound from the clock.
    Infinite,
}

/// `PatchLocation` (§5.15.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatchLocation {
    pub at: Position,
    pub url: Text,
    /// `@ttl`, microseconds.
    pub ttl_us: Option<At<i64>>,
}

/// `ContentSteering` (§K).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentSteering {
    pub at: Position,
    pub url: Text,
    pub default_service_location: Option<At<Text>>,
    pub query_before_start: Option<At<bool>>,
}

/// A descriptor: `@schemeIdUri`, `@value`, `@id` (§5.8.2). Also `UTCTiming` and `InbandEventStream`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Descriptor {
    pub at: Position,
    /// Empty when it is missing.
    pub scheme_id_uri: Text,
    pub value: Option<At<Text>>,
    pub id: Option<At<Text>>,
}

/// `ContentProtection` (§5.8.4.1; ISO/IEC 23001-7 §11).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentProtection {
    pub descriptor: Descriptor,
    /// `cenc:default_KID`, as written: one or several UUIDs.
    pub default_kid: Option<At<Text>>,
    /// `cenc:pssh`: base64 text without white space.
    pub pssh: Vec<At<Text>>,
    /// `mspr:pro`: base64 text without white space.
    pub pro: Option<At<Text>>,
    pub robustness: Option<At<Text>>,
    pub ref_id: Option<At<Text>>,
    pub reference: Option<At<Text>>,
}

impl ContentProtection {
    /// Key ids of `cenc:default_KID` in the order of the text's digits; `None` for one that is no UUID.
    pub fn key_ids(&self) -> impl Iterator<Item = Option<[u8; 16]>> + '_ {
        self.default_kid.iter().flat_map(|kid| kid.value.split_whitespace()).map(read_uuid)
    }
}

fn read_uuid(text: &str) -> Option<[u8; 16]> {
    let mut out = [0; 16];
    let mut n = 0;
    for b in text.bytes().filter(|b| *b != b'-') {
        let digit = char::from(b).to_digit(16)? as u8;
        let slot = out.get_mut(n / 2)?;
        *slot = *slot << 4 | digit;
        n += 1;
    }
    (n == 32).then_some(out)
}

/// `ServiceDescription` (§K.4): the parts that say something of latency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceDescription {
    pub at: Position,
    pub id: Option<At<Text>>,
    pub latency: Option<Latency>,
    pub playback_rate: Option<PlaybackRate>,
}

/// `Latency`, milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latency {
    pub at: Position,
    pub target_ms: Option<At<u64>>,
    pub min_ms: Option<At<u64>>,
    pub max_ms: Option<At<u64>>,
    pub reference_id: Option<At<u64>>,
}

/// `PlaybackRate`: decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaybackRate {
    pub at: Position,
    pub min: Option<At<Text>>,
    pub max: Option<At<Text>>,
}

/// `ProducerReferenceTime` (§5.12).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProducerReferenceTime {
    pub at: Position,
    pub id: Option<At<u64>>,
    pub inband: Option<At<bool>>,
    /// `encoder`, `captured` or `application`.
    pub reference_type: Option<At<Text>>,
    pub wall_clock_time: Option<At<Text>>,
    /// Ticks of the Representation's timescale.
    pub presentation_time: Option<At<u64>>,
    pub utc_timing: Option<Descriptor>,
}

/// `Period` (§5.3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Period {
    pub at: Position,
    pub id: Option<At<Text>>,
    pub start: Option<At<Duration>>,
    pub duration: Option<At<Duration>>,
    pub bitstream_switching: Option<At<bool>>,
    /// `@xlink:href`: a remote element, not fetched.
    pub href: Option<At<Text>>,
    pub base_urls: Vec<BaseUrl>,
    pub addressing: Addressing,
    pub asset_identifier: Option<Descriptor>,
    pub event_streams: Vec<EventStream>,
    pub service_descriptions: Vec<ServiceDescription>,
    pub content_protections: Vec<ContentProtection>,
    pub supplemental_properties: Vec<Descriptor>,
    pub adaptation_sets: Vec<AdaptationSet>,
    /// `EmptyAdaptationSet`, `Subset`, `Preselection`: only counted.
    pub n_others: u32,
}

/// `EventStream` (§5.10.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventStream {
    pub descriptor: Descriptor,
    pub href: Option<At<Text>>,
    /// Absent means 1.
    pub timescale: Option<At<u64>>,
    pub presentation_time_offset: Option<At<u64>>,
    pub events: Vec<Event>,
}

/// `Event`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    pub at: Position,
    pub id: Option<At<u64>>,
    /// Ticks of the stream's timescale; absent means 0.
    pub presentation_time: Option<At<u64>>,
    pub duration: Option<At<u64>>,
    pub message_data: Option<At<Text>>,
    /// What stands inside the element, as written, trimmed.
    pub body: Text,
}

/// What one level says of segments (§5.3.9). More than one is a fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addressing {
    pub base: Option<Box<SegmentInfo>>,
    pub list: Option<Box<SegmentInfo>>,
    pub template: Option<Box<SegmentInfo>>,
}

/// `SegmentBase`, `SegmentList` or `SegmentTemplate`: one shape, because attributes are inherited one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentInfo {
    pub at: Position,
    pub timescale: Option<At<u64>>,
    pub presentation_time_offset: Option<At<u64>>,
    pub presentation_duration: Option<At<u64>>,
    pub ept_delta: Option<At<i64>>,
    pub pd_delta: Option<At<i64>>,
    pub time_shift_buffer_depth: Option<At<Duration>>,
    pub index_range: Option<At<ByteRange>>,
    pub index_range_exact: Option<At<bool>>,
    pub availability_time_offset: Option<At<Offset>>,
    pub availability_time_complete: Option<At<bool>>,
    /// The `Initialization` element.
    pub initialization: Option<Resource>,
    /// The `RepresentationIndex` element.
    pub representation_index: Option<Resource>,
    /// Ticks.
    pub duration: Option<At<u64>>,
    /// Absent means 1.
    pub start_number: Option<At<u64>>,
    pub end_number: Option<At<u64>>,
    pub timeline: Option<SegmentTimeline>,
    /// SegmentTemplate `@media`.
    pub media: Option<At<Text>>,
    /// SegmentTemplate `@index`.
    pub index: Option<At<Text>>,
    /// SegmentTemplate `@initialization`.
    pub initialization_template: Option<At<Text>>,
    /// SegmentList `SegmentURL`.
    pub segment_urls: Vec<SegmentUrl>,
    /// SegmentList `@xlink:href`.
    pub href: Option<At<Text>>,
}

/// `first-last`, both inclusive (RFC 9110 §14.1.2); `last` absent means to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    pub first: u64,
    pub last: Option<u64>,
}

/// `Initialization`, `RepresentationIndex` (URLType).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resource {
    pub at: Position,
    pub source_url: Option<At<Text>>,
    pub range: Option<At<ByteRange>>,
}

/// `SegmentURL` (§5.3.9.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentUrl {
    pub at: Position,
    pub media: Option<Text>,
    pub media_range: Option<ByteRange>,
    pub index: Option<Text>,
    pub index_range: Option<ByteRange>,
}

/// `SegmentTimeline` (§5.3.9.6).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentTimeline {
    pub at: Position,
    pub entries: Vec<S>,
}

/// `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct S {
    pub at: Position,
    pub t: Option<u64>,
    /// 0 when it is missing or cannot be read.
    pub d: u64,
    /// Further segments of this duration; below 0: up to the next `S@t`, or the end of the Period.
    pub r: i64,
    pub n: Option<u64>,
    /// Segments of a Segment Sequence; 1 when absent.
    pub k: u64,
}

impl Default for S {
    fn default() -> Self {
        Self { at: Position::default(), t: None, d: 0, r: 0, n: None, k: 1 }
    }
}

/// Attributes and elements that AdaptationSet, Representation and SubRepresentation share (§5.3.7).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Common {
    pub profiles: Option<At<Text>>,
    pub width: Option<At<u64>>,
    pub height: Option<At<u64>>,
    pub sar: Option<At<Text>>,
    pub frame_rate: Option<At<Ratio>>,
    /// One number, or two: as written.
    pub audio_sampling_rate: Option<At<Text>>,
    pub mime_type: Option<At<Text>>,
    pub segment_profiles: Option<At<Text>>,
    pub codecs: Option<At<Text>>,
    pub max_playout_rate: Option<At<Text>>,
    pub coding_dependency: Option<At<bool>>,
    pub scan_type: Option<At<Text>>,
    pub start_with_sap: Option<At<u64>>,
    pub selection_priority: Option<At<u64>>,
    pub tag: Option<At<Text>>,
    pub audio_channel_configurations: Vec<Descriptor>,
    pub content_protections: Vec<ContentProtection>,
    pub essential_properties: Vec<Descriptor>,
    pub supplemental_properties: Vec<Descriptor>,
    pub inband_event_streams: Vec<Descriptor>,
    pub frame_packings: Vec<Descriptor>,
    pub producer_reference_times: Vec<ProducerReferenceTime>,
}

/// `n` or `n/d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    pub numerator: u64,
    pub denominator: u64,
}

impl Ratio {
    /// Thousandths, rounded to the nearest; `None` with a denominator of 0.
    pub fn milli(&self) -> Option<u32> {
        let denominator = u128::from(self.denominator);
        let milli = (u128::from(self.numerator) * 1000 + denominator / 2).checked_div(denominator)?;
        Some(u32::try_from(milli).unwrap_or(u32::MAX))
    }
}

/// `AdaptationSet` (§5.3.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdaptationSet {
    pub at: Position,
    pub id: Option<At<Text>>,
    pub group: Option<At<u64>>,
    pub lang: Option<At<Text>>,
    pub content_type: Option<At<Text>>,
    pub par: Option<At<Text>>,
    pub min_bandwidth: Option<At<u64>>,
    pub max_bandwidth: Option<At<u64>>,
    pub min_width: Option<At<u64>>,
    pub max_width: Option<At<u64>>,
    pub min_height: Option<At<u64>>,
    pub max_height: Option<At<u64>>,
    pub min_frame_rate: Option<At<Ratio>>,
    pub max_frame_rate: Option<At<Ratio>>,
    /// `true`, `false` or a number, as written.
    pub segment_alignment: Option<At<Text>>,
    pub subsegment_alignment: Option<At<Text>>,
    pub subsegment_starts_with_sap: Option<At<u64>>,
    pub bitstream_switching: Option<At<bool>>,
    pub href: Option<At<Text>>,
    pub common: Common,
    pub roles: Vec<Descriptor>,
    pub accessibilities: Vec<Descriptor>,
    pub ratings: Vec<Descriptor>,
    pub viewpoints: Vec<Descriptor>,
    pub labels: Vec<At<Text>>,
    pub base_urls: Vec<BaseUrl>,
    pub addressing: Addressing,
    pub representations: Vec<Representation>,
}

/// `Representation` (§5.3.5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Representation {
    pub at: Position,
    pub id: Option<At<Text>>,
    /// Bits per second.
    pub bandwidth: Option<At<u64>>,
    pub quality_ranking: Option<At<u64>>,
    pub dependency_id: Option<At<Text>>,
    pub media_stream_structure_id: Option<At<Text>>,
    pub common: Common,
    pub base_urls: Vec<BaseUrl>,
    pub addressing: Addressing,
    /// `SubRepresentation` elements: only counted.
    pub n_sub_representations: u32,
}
