//! The model as text: everything that is in the model, one element per line.

use std::fmt::{Display, Write};

use crate::value::{write_date_time, write_duration, write_seconds};
use crate::xml::NS_DASH;
use crate::*;

/// An MPD that reads as `mpd`, positions and size apart. Dates are written in UTC.
pub fn write(mpd: &Mpd) -> String {
    let mut w = Writer { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), depth: 0 };
    w.mpd(mpd);
    w.out
}

struct Writer {
    out: String,
    depth: usize,
}

/// Attributes under construction.
#[derive(Default)]
struct Attributes(String);

impl Attributes {
    fn put(&mut self, name: &str, value: impl Display) -> &mut Self {
        let _ = write!(self.0, " {name}=\"{}\"", escaped(&value.to_string()));
        self
    }
    fn some<T>(&mut self, name: &str, value: Option<&At<T>>, text: impl Fn(&T) -> String) -> &mut Self {
        match value {
            Some(at) => self.put(name, text(&at.value)),
            None => self,
        }
    }
    fn show<T: Display>(&mut self, name: &str, value: &Option<At<T>>) -> &mut Self {
        self.some(name, value.as_ref(), T::to_string)
    }
    fn duration(&mut self, name: &str, value: &Option<At<Duration>>) -> &mut Self {
        self.some(name, value.as_ref(), |d| write_duration(d.micros))
    }
    fn date(&mut self, name: &str, value: &Option<At<DateTime>>) -> &mut Self {
        self.some(name, value.as_ref(), |d| write_date_time(d.unix_us))
    }
    fn ratio(&mut self, name: &str, value: &Option<At<Ratio>>) -> &mut Self {
        self.some(name, value.as_ref(), |r| format!("{}/{}", r.numerator, r.denominator))
    }
    fn offset(&mut self, value: &Option<At<Offset>>) -> &mut Self {
        self.some("availabilityTimeOffset", value.as_ref(), |offset| match offset {
            Offset::Micros(us) => write_seconds(*us),
            Offset::Infinite => "INF".to_owned(),
        })
    }
    fn range(&mut self, name: &str, value: Option<ByteRange>) -> &mut Self {
        match value {
            Some(range) => {
                let last = range.last.map_or(String::new(), |last| last.to_string());
                self.put(name, format!("{}-{last}", range.first))
            }
            None => self,
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

impl Writer {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{:width$}{text}", "", width = self.depth * 2);
    }
    fn empty(&mut self, name: &str, attributes: &Attributes) {
        self.line(&format!("<{name}{}/>", attributes.0));
    }
    fn text(&mut self, name: &str, attributes: &Attributes, text: &str) {
        self.line(&format!("<{name}{}>{}</{name}>", attributes.0, escaped(text)));
    }
    fn element(&mut self, name: &str, attributes: &Attributes, inside: impl FnOnce(&mut Self)) {
        self.line(&format!("<{name}{}>", attributes.0));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    fn mpd(&mut self, mpd: &Mpd) {
        let mut a = Attributes::default();
        a.put("xmlns", NS_DASH)
            .put("xmlns:xlink", "http://www.w3.org/1999/xlink")
            .put("xmlns:cenc", "urn:mpeg:cenc:2013");
        a.put("xmlns:mspr", "urn:microsoft:playready").put("xmlns:dvb", "urn:dvb:dash:dash-extensions:2014-1");
        a.show("id", &mpd.id).show("profiles", &mpd.profiles);
        a.some("type", mpd.presentation_type.as_ref(), |t| match t {
            PresentationType::Static => "static".to_owned(),
            PresentationType::Dynamic => "dynamic".to_owned(),
        });
        a.date("availabilityStartTime", &mpd.availability_start_time);
        a.date("availabilityEndTime", &mpd.availability_end_time).date("publishTime", &mpd.publish_time);
        a.duration("mediaPresentationDuration", &mpd.media_presentation_duration);
        a.duration("minimumUpdatePeriod", &mpd.minimum_update_period).duration("minBufferTime", &mpd.min_buffer_time);
        a.duration("timeShiftBufferDepth", &mpd.time_shift_buffer_depth);
        a.duration("suggestedPresentationDelay", &mpd.suggested_presentation_delay);
        a.duration("maxSegmentDuration", &mpd.max_segment_duration);
        a.duration("maxSubsegmentDuration", &mpd.max_subsegment_duration);
        self.element("MPD", &a, |w| {
            w.base_urls(&mpd.base_urls);
            for location in &mpd.locations {
                w.text("Location", &Attributes::default(), location);
            }
            for location in &mpd.patch_locations {
                let mut a = Attributes::default();
                a.some("ttl", location.ttl_us.as_ref(), |ttl| write_seconds(*ttl));
                w.text("PatchLocation", &a, &location.url);
            }
            if let Some(steering) = &mpd.content_steering {
                let mut a = Attributes::default();
                a.show("defaultServiceLocation", &steering.default_service_location);
                a.show("queryBeforeStart", &steering.query_before_start);
                w.text("ContentSteering", &a, &steering.url);
            }
            w.service_descriptions(&mpd.service_descriptions);
            mpd.periods.iter().for_each(|period| w.period(period));
            w.descriptors("UTCTiming", &mpd.utc_timings);
            w.descriptors("EssentialProperty", &mpd.essential_properties);
            w.descriptors("SupplementalProperty", &mpd.supplemental_properties);
        });
    }

    fn base_urls(&mut self, urls: &[BaseUrl]) {
        for url in urls {
            let mut a = Attributes::default();
            a.show("serviceLocation", &url.service_location).show("byteRange", &url.byte_range);
            a.offset(&url.availability_time_offset).show("availabilityTimeComplete", &url.availability_time_complete);
            a.show("dvb:priority", &url.priority).show("dvb:weight", &url.weight);
            self.text("BaseURL", &a, &url.url);
        }
    }

    fn service_descriptions(&mut self, descriptions: &[ServiceDescription]) {
        for description in descriptions {
            let mut a = Attributes::default();
            a.show("id", &description.id);
            self.element("ServiceDescription", &a, |w| {
                if let Some(latency) = &description.latency {
                    let mut a = Attributes::default();
                    a.show("target", &latency.target_ms).show("min", &latency.min_ms).show("max", &latency.max_ms);
                    a.show("referenceId", &latency.reference_id);
                    w.empty("Latency", &a);
                }
                if let Some(rate) = &description.playback_rate {
                    let mut a = Attributes::default();
                    a.show("min", &rate.min).show("max", &rate.max);
                    w.empty("PlaybackRate", &a);
                }
            });
        }
    }

    fn descriptors(&mut self, name: &str, descriptors: &[Descriptor]) {
        for descriptor in descriptors {
            let a = descriptor_attributes(descriptor);
            self.empty(name, &a);
        }
    }

    fn content_protections(&mut self, protections: &[ContentProtection]) {
        for protection in protections {
            let mut a = descriptor_attributes(&protection.descriptor);
            a.show("cenc:default_KID", &protection.default_kid).show("robustness", &protection.robustness);
            a.show("refId", &protection.ref_id).show("ref", &protection.reference);
            self.element("ContentProtection", &a, |w| {
                protection.pssh.iter().for_each(|pssh| w.text("cenc:pssh", &Attributes::default(), pssh));
                protection.pro.iter().for_each(|pro| w.text("mspr:pro", &Attributes::default(), pro));
            });
        }
    }

    fn period(&mut self, period: &Period) {
        let mut a = Attributes::default();
        a.show("id", &period.id).duration("start", &period.start).duration("duration", &period.duration);
        a.show("bitstreamSwitching", &period.bitstream_switching).show("xlink:href", &period.href);
        self.element("Period", &a, |w| {
            w.base_urls(&period.base_urls);
            w.addressing(&period.addressing);
            w.descriptors("AssetIdentifier", period.asset_identifier.as_slice());
            for stream in &period.event_streams {
                let mut a = descriptor_attributes(&stream.descriptor);
                a.show("xlink:href", &stream.href).show("timescale", &stream.timescale);
                a.show("presentationTimeOffset", &stream.presentation_time_offset);
                w.element("EventStream", &a, |w| {
                    for event in &stream.events {
                        let mut a = Attributes::default();
                        a.show("id", &event.id).show("presentationTime", &event.presentation_time);
                        a.show("duration", &event.duration).show("messageData", &event.message_data);
                        w.line(&format!("<Event{}>{}</Event>", a.0, event.body));
                    }
                });
            }
            w.service_descriptions(&period.service_descriptions);
            w.content_protections(&period.content_protections);
            w.descriptors("SupplementalProperty", &period.supplemental_properties);
            period.adaptation_sets.iter().for_each(|set| w.adaptation_set(set));
            (0..period.n_others).for_each(|_| w.empty("Subset", &Attributes::default()));
        });
    }

    fn addressing(&mut self, addressing: &Addressing) {
        let infos = [
            ("SegmentBase", &addressing.base),
            ("SegmentList", &addressing.list),
            ("SegmentTemplate", &addressing.template),
        ];
        for (name, info) in infos {
            if let Some(info) = info {
                self.segment_info(name, info);
            }
        }
    }

    fn segment_info(&mut self, name: &str, info: &SegmentInfo) {
        let mut a = Attributes::default();
        a.show("timescale", &info.timescale).show("presentationTimeOffset", &info.presentation_time_offset);
        a.show("presentationDuration", &info.presentation_duration).show("eptDelta", &info.ept_delta);
        a.show("pdDelta", &info.pd_delta).duration("timeShiftBufferDepth", &info.time_shift_buffer_depth);
        a.range("indexRange", info.index_range.map(|range| range.value));
        a.show("indexRangeExact", &info.index_range_exact).offset(&info.availability_time_offset);
        a.show("availabilityTimeComplete", &info.availability_time_complete).show("duration", &info.duration);
        a.show("startNumber", &info.start_number).show("endNumber", &info.end_number);
        a.show("media", &info.media).show("index", &info.index).show("initialization", &info.initialization_template);
        a.show("xlink:href", &info.href);
        self.element(name, &a, |w| {
            let resources =
                [("Initialization", &info.initialization), ("RepresentationIndex", &info.representation_index)];
            for (name, resource) in resources {
                if let Some(resource) = resource {
                    let mut a = Attributes::default();
                    a.show("sourceURL", &resource.source_url).range("range", resource.range.map(|range| range.value));
                    w.empty(name, &a);
                }
            }
            if let Some(timeline) = &info.timeline {
                w.element("SegmentTimeline", &Attributes::default(), |w| {
                    for s in &timeline.entries {
                        let mut a = Attributes::default();
                        s.t.iter().for_each(|t| _ = a.put("t", t));
                        s.n.iter().for_each(|n| _ = a.put("n", n));
                        a.put("d", s.d).put("r", s.r).put("k", s.k);
                        w.empty("S", &a);
                    }
                });
            }
            for url in &info.segment_urls {
                let mut a = Attributes::default();
                url.media.iter().for_each(|media| _ = a.put("media", media));
                a.range("mediaRange", url.media_range);
                url.index.iter().for_each(|index| _ = a.put("index", index));
                a.range("indexRange", url.index_range);
                w.empty("SegmentURL", &a);
            }
        });
    }

    fn adaptation_set(&mut self, set: &AdaptationSet) {
        let mut a = Attributes::default();
        a.show("id", &set.id).show("group", &set.group).show("lang", &set.lang);
        a.show("contentType", &set.content_type).show("par", &set.par).show("minBandwidth", &set.min_bandwidth);
        a.show("maxBandwidth", &set.max_bandwidth).show("minWidth", &set.min_width).show("maxWidth", &set.max_width);
        a.show("minHeight", &set.min_height).show("maxHeight", &set.max_height);
        a.ratio("minFrameRate", &set.min_frame_rate).ratio("maxFrameRate", &set.max_frame_rate);
        a.show("segmentAlignment", &set.segment_alignment).show("subsegmentAlignment", &set.subsegment_alignment);
        a.show("subsegmentStartsWithSAP", &set.subsegment_starts_with_sap);
        a.show("bitstreamSwitching", &set.bitstream_switching).show("xlink:href", &set.href);
        common_attributes(&mut a, &set.common);
        self.element("AdaptationSet", &a, |w| {
            w.common(&set.common);
            w.descriptors("Accessibility", &set.accessibilities);
            w.descriptors("Role", &set.roles);
            w.descriptors("Rating", &set.ratings);
            w.descriptors("Viewpoint", &set.viewpoints);
            set.labels.iter().for_each(|label| w.text("Label", &Attributes::default(), label));
            w.base_urls(&set.base_urls);
            w.addressing(&set.addressing);
            for representation in &set.representations {
                let mut a = Attributes::default();
                a.show("id", &representation.id).show("bandwidth", &representation.bandwidth);
                a.show("qualityRanking", &representation.quality_ranking);
                a.show("dependencyId", &representation.dependency_id);
                a.show("mediaStreamStructureId", &representation.media_stream_structure_id);
                common_attributes(&mut a, &representation.common);
                w.element("Representation", &a, |w| {
                    w.common(&representation.common);
                    w.base_urls(&representation.base_urls);
                    let n = representation.n_sub_representations;
                    (0..n).for_each(|_| w.empty("SubRepresentation", &Attributes::default()));
                    w.addressing(&representation.addressing);
                });
            }
        });
    }

    fn common(&mut self, common: &Common) {
        self.descriptors("FramePacking", &common.frame_packings);
        self.descriptors("AudioChannelConfiguration", &common.audio_channel_configurations);
        self.content_protections(&common.content_protections);
        self.descriptors("EssentialProperty", &common.essential_properties);
        self.descriptors("SupplementalProperty", &common.supplemental_properties);
        self.descriptors("InbandEventStream", &common.inband_event_streams);
        for time in &common.producer_reference_times {
            let mut a = Attributes::default();
            a.show("id", &time.id).show("inband", &time.inband).show("type", &time.reference_type);
            a.show("wallClockTime", &time.wall_clock_time).show("presentationTime", &time.presentation_time);
            self.element("ProducerReferenceTime", &a, |w| w.descriptors("UTCTiming", time.utc_timing.as_slice()));
        }
    }
}

fn descriptor_attributes(descriptor: &Descriptor) -> Attributes {
    let mut a = Attributes::default();
    a.put("schemeIdUri", &descriptor.scheme_id_uri).show("value", &descriptor.value).show("id", &descriptor.id);
    a
}

fn common_attributes(a: &mut Attributes, common: &Common) {
    a.show("profiles", &common.profiles).show("width", &common.width).show("height", &common.height);
    a.show("sar", &common.sar).ratio("frameRate", &common.frame_rate);
    a.show("audioSamplingRate", &common.audio_sampling_rate).show("mimeType", &common.mime_type);
    a.show("segmentProfiles", &common.segment_profiles).show("codecs", &common.codecs);
    a.show("maxPlayoutRate", &common.max_playout_rate).show("codingDependency", &common.coding_dependency);
    a.show("scanType", &common.scan_type).show("startWithSAP", &common.start_with_sap);
    a.show("selectionPriority", &common.selection_priority).show("tag", &common.tag);
}
