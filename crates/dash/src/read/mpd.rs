//! MPD, Period, and what stands directly in them.

use crate::xml::{Element, Space, Walker};
use crate::{
    At, BaseUrl, ContentSteering, Event, EventStream, IssueKind, Latency, Mpd, Patch, PatchLocation, Period,
    PlaybackRate, PresentationType, ServiceDescription,
};

impl<'a> Walker<'a> {
    pub(super) fn mpd(&mut self, e: &Element<'a>) -> Mpd {
        let mut mpd = Mpd { at: e.at, ..Mpd::default() };
        let mut n_buffer_times = 0;
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "id") => mpd.id = w.text(a),
            (Space::Ours, "profiles") => mpd.profiles = w.text(a),
            (Space::Ours, "type") => {
                let value = match a.value.trim() {
                    "static" => PresentationType::Static,
                    "dynamic" => PresentationType::Dynamic,
                    other => {
                        let found = format!("{other:?}");
                        w.issue(a.at, IssueKind::AttributeValue, "MPD@type", found, "static or dynamic");
                        return;
                    }
                };
                mpd.presentation_type = Some(At { value, at: a.at });
            }
            (Space::Ours, "availabilityStartTime") => mpd.availability_start_time = w.date_time(e, a),
            (Space::Ours, "availabilityEndTime") => mpd.availability_end_time = w.date_time(e, a),
            (Space::Ours, "publishTime") => mpd.publish_time = w.date_time(e, a),
            (Space::Ours, "mediaPresentationDuration") => mpd.media_presentation_duration = w.duration(e, a),
            (Space::Ours, "minimumUpdatePeriod") => mpd.minimum_update_period = w.duration(e, a),
            (Space::Ours, "minBufferTime") => {
                n_buffer_times += 1;
                mpd.min_buffer_time = w.duration(e, a);
            }
            (Space::Ours, "timeShiftBufferDepth") => mpd.time_shift_buffer_depth = w.duration(e, a),
            (Space::Ours, "suggestedPresentationDelay") => mpd.suggested_presentation_delay = w.duration(e, a),
            (Space::Ours, "maxSegmentDuration") => mpd.max_segment_duration = w.duration(e, a),
            (Space::Ours, "maxSubsegmentDuration") => mpd.max_subsegment_duration = w.duration(e, a),
            _ => {}
        });
        for (name, missing) in [("profiles", mpd.profiles.is_none()), ("minBufferTime", n_buffer_times == 0)] {
            if missing {
                self.missing(e, name);
            }
        }
        self.children(|w, child| match child.name {
            "BaseURL" => mpd.base_urls.push(w.base_url(&child)),
            "Location" => mpd.locations.push(At { at: child.at, value: w.content() }),
            "PatchLocation" => mpd.patch_locations.push(w.patch_location(&child)),
            "ContentSteering" => mpd.content_steering = Some(w.content_steering(&child)),
            "ServiceDescription" => mpd.service_descriptions.push(w.service_description(&child)),
            "Period" => mpd.periods.push(w.period(&child)),
            "UTCTiming" => mpd.utc_timings.push(w.descriptor(&child)),
            "EssentialProperty" => mpd.essential_properties.push(w.descriptor(&child)),
            "SupplementalProperty" => mpd.supplemental_properties.push(w.descriptor(&child)),
            "InitializationSet" | "InitializationGroup" | "InitializationPresentation" => {
                w.not_covered(&child);
                w.skip();
            }
            _ => w.skip(),
        });
        mpd
    }

    pub(super) fn patch(&mut self, e: &Element<'a>) -> Patch {
        let mut patch = Patch { at: e.at, ..Patch::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "mpdId") => patch.mpd_id = w.text(a),
            (Space::Ours, "originalPublishTime") => patch.original_publish_time = w.date_time(e, a),
            (Space::Ours, "publishTime") => patch.publish_time = w.date_time(e, a),
            _ => {}
        });
        self.children(|w, child| {
            if matches!(child.name, "add" | "replace" | "remove") {
                patch.n_operations += 1;
            }
            w.skip();
        });
        patch
    }

    pub(super) fn base_url(&mut self, e: &Element<'a>) -> BaseUrl {
        let mut base = BaseUrl { at: e.at, ..BaseUrl::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "serviceLocation") => base.service_location = w.text(a),
            (Space::Ours, "byteRange") => {
                base.byte_range = w.text(a);
                w.not_covered(e);
            }
            (Space::Ours, "availabilityTimeOffset") => base.availability_time_offset = w.offset(e, a),
            (Space::Ours, "availabilityTimeComplete") => base.availability_time_complete = w.boolean(e, a),
            (Space::Dvb, "priority") => base.priority = w.plain(e, a),
            (Space::Dvb, "weight") => base.weight = w.plain(e, a),
            _ => {}
        });
        base.url = self.content();
        base
    }

    fn patch_location(&mut self, e: &Element<'a>) -> PatchLocation {
        let mut location = PatchLocation { at: e.at, ..PatchLocation::default() };
        self.each_attribute(e, |w, a, space| {
            if (space, a.name) == (Space::Ours, "ttl") {
                location.ttl_us = w.seconds(e, a);
            }
        });
        location.url = self.content();
        location
    }

    fn content_steering(&mut self, e: &Element<'a>) -> ContentSteering {
        let mut steering = ContentSteering { at: e.at, ..ContentSteering::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "defaultServiceLocation") => steering.default_service_location = w.text(a),
            (Space::Ours, "queryBeforeStart") => steering.query_before_start = w.boolean(e, a),
            _ => {}
        });
        steering.url = self.content();
        steering
    }

    fn service_description(&mut self, e: &Element<'a>) -> ServiceDescription {
        let mut description = ServiceDescription { at: e.at, ..ServiceDescription::default() };
        self.each_attribute(e, |w, a, space| {
            if (space, a.name) == (Space::Ours, "id") {
                description.id = w.text(a);
            }
        });
        self.children(|w, child| {
            match child.name {
                "Latency" => {
                    let mut latency = Latency { at: child.at, ..Latency::default() };
                    w.each_attribute(&child, |w, a, space| match (space, a.name) {
                        (Space::Ours, "target") => latency.target_ms = w.plain(&child, a),
                        (Space::Ours, "min") => latency.min_ms = w.plain(&child, a),
                        (Space::Ours, "max") => latency.max_ms = w.plain(&child, a),
                        (Space::Ours, "referenceId") => latency.reference_id = w.plain(&child, a),
                        _ => {}
                    });
                    description.latency = Some(latency);
                }
                "PlaybackRate" => {
                    let mut rate = PlaybackRate { at: child.at, ..PlaybackRate::default() };
                    w.each_attribute(&child, |w, a, space| match (space, a.name) {
                        (Space::Ours, "min") => rate.min = w.text(a),
                        (Space::Ours, "max") => rate.max = w.text(a),
                        _ => {}
                    });
                    description.playback_rate = Some(rate);
                }
                _ => {}
            }
            w.skip();
        });
        description
    }

    fn period(&mut self, e: &Element<'a>) -> Period {
        let mut period = Period { at: e.at, ..Period::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "id") => period.id = w.text(a),
            (Space::Ours, "start") => period.start = w.duration(e, a),
            (Space::Ours, "duration") => {
                period.duration = w.duration(e, a);
                if period.duration.is_some_and(|d| d.micros == 0) {
                    w.issue(a.at, IssueKind::ZeroValue, "Period@duration", "0", "above 0");
                }
            }
            (Space::Ours, "bitstreamSwitching") => period.bitstream_switching = w.boolean(e, a),
            (Space::Xlink, "href") => period.href = w.href(e, a),
            _ => {}
        });
        self.children(|w, child| match child.name {
            "BaseURL" => period.base_urls.push(w.base_url(&child)),
            "AssetIdentifier" => period.asset_identifier = Some(w.descriptor(&child)),
            "EventStream" => period.event_streams.push(w.event_stream(&child)),
            "ServiceDescription" => period.service_descriptions.push(w.service_description(&child)),
            "ContentProtection" => period.content_protections.push(w.content_protection(&child)),
            "SupplementalProperty" => period.supplemental_properties.push(w.descriptor(&child)),
            "AdaptationSet" => period.adaptation_sets.push(w.adaptation_set(&child)),
            "EmptyAdaptationSet" | "Subset" | "Preselection" => {
                period.n_others += 1;
                w.skip();
            }
            _ if w.addressing(&child, &mut period.addressing) => {}
            _ => w.skip(),
        });
        period
    }

    fn event_stream(&mut self, e: &Element<'a>) -> EventStream {
        let mut stream = EventStream::default();
        stream.descriptor.at = e.at;
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "timescale") => stream.timescale = w.positive(e, a),
            (Space::Ours, "presentationTimeOffset") => stream.presentation_time_offset = w.number(e, a),
            (Space::Xlink, "href") => stream.href = w.href(e, a),
            _ => w.descriptor_attribute(a, space, &mut stream.descriptor),
        });
        if stream.descriptor.scheme_id_uri.is_empty() && stream.href.is_none() {
            self.missing(e, "schemeIdUri");
        }
        self.children(|w, child| match child.name {
            "Event" => {
                let mut event = Event { at: child.at, ..Event::default() };
                w.each_attribute(&child, |w, a, space| match (space, a.name) {
                    (Space::Ours, "id") => event.id = w.plain(&child, a),
                    (Space::Ours, "presentationTime") => event.presentation_time = w.number(&child, a),
                    (Space::Ours, "duration") => event.duration = w.number(&child, a),
                    (Space::Ours, "messageData") => event.message_data = w.text(a),
                    _ => {}
                });
                event.body = w.inner();
                stream.events.push(event);
            }
            _ => w.skip(),
        });
        stream
    }
}
