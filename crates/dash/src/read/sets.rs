//! AdaptationSet, Representation, and the descriptors in them.

use crate::xml::{Attribute, Element, Space, Walker};
use crate::{AdaptationSet, Common, ContentProtection, Descriptor, IssueKind, ProducerReferenceTime, Representation};

impl<'a> Walker<'a> {
    pub(super) fn adaptation_set(&mut self, e: &Element<'a>) -> AdaptationSet {
        let mut set = AdaptationSet { at: e.at, ..AdaptationSet::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "id") => set.id = w.text(a),
            (Space::Ours, "group") => set.group = w.plain(e, a),
            (Space::Ours, "lang") => set.lang = w.text(a),
            (Space::Ours, "contentType") => set.content_type = w.text(a),
            (Space::Ours, "par") => set.par = w.text(a),
            (Space::Ours, "minBandwidth") => set.min_bandwidth = w.plain(e, a),
            (Space::Ours, "maxBandwidth") => set.max_bandwidth = w.plain(e, a),
            (Space::Ours, "minWidth") => set.min_width = w.plain(e, a),
            (Space::Ours, "maxWidth") => set.max_width = w.plain(e, a),
            (Space::Ours, "minHeight") => set.min_height = w.plain(e, a),
            (Space::Ours, "maxHeight") => set.max_height = w.plain(e, a),
            (Space::Ours, "minFrameRate") => set.min_frame_rate = w.ratio(e, a),
            (Space::Ours, "maxFrameRate") => set.max_frame_rate = w.ratio(e, a),
            (Space::Ours, "segmentAlignment") => set.segment_alignment = w.text(a),
            (Space::Ours, "subsegmentAlignment") => set.subsegment_alignment = w.text(a),
            (Space::Ours, "subsegmentStartsWithSAP") => set.subsegment_starts_with_sap = w.plain(e, a),
            (Space::Ours, "bitstreamSwitching") => set.bitstream_switching = w.boolean(e, a),
            (Space::Xlink, "href") => set.href = w.href(e, a),
            _ => w.common_attribute(e, a, space, &mut set.common),
        });
        self.children(|w, child| match child.name {
            "Role" => set.roles.push(w.descriptor(&child)),
            "Accessibility" => set.accessibilities.push(w.descriptor(&child)),
            "Rating" => set.ratings.push(w.descriptor(&child)),
            "Viewpoint" => set.viewpoints.push(w.descriptor(&child)),
            "Label" => set.labels.push(crate::At { at: child.at, value: w.content() }),
            "BaseURL" => set.base_urls.push(w.base_url(&child)),
            "Representation" => set.representations.push(w.representation(&child)),
            _ if w.addressing(&child, &mut set.addressing) => {}
            _ if w.common_child(&child, &mut set.common) => {}
            _ => w.skip(),
        });
        set
    }

    fn representation(&mut self, e: &Element<'a>) -> Representation {
        let mut representation = Representation { at: e.at, ..Representation::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "id") => representation.id = w.text(a),
            (Space::Ours, "bandwidth") => representation.bandwidth = w.plain_positive(e, a),
            (Space::Ours, "qualityRanking") => representation.quality_ranking = w.plain(e, a),
            (Space::Ours, "dependencyId") => representation.dependency_id = w.text(a),
            (Space::Ours, "mediaStreamStructureId") => representation.media_stream_structure_id = w.text(a),
            _ => w.common_attribute(e, a, space, &mut representation.common),
        });
        for (name, missing) in [("id", representation.id.is_none()), ("bandwidth", representation.bandwidth.is_none())]
        {
            if missing {
                self.missing(e, name);
            }
        }
        self.children(|w, child| match child.name {
            "BaseURL" => representation.base_urls.push(w.base_url(&child)),
            "SubRepresentation" => {
                representation.n_sub_representations += 1;
                w.skip();
            }
            _ if w.addressing(&child, &mut representation.addressing) => {}
            _ if w.common_child(&child, &mut representation.common) => {}
            _ => w.skip(),
        });
        representation
    }

    /// A required attribute that is absent.
    pub(super) fn missing(&mut self, e: &Element<'a>, attribute: &str) {
        self.issue(e.at, IssueKind::AttributeMissing, format!("{}@{attribute}", e.name), "", "a value");
    }

    fn common_attribute(&mut self, e: &Element<'a>, a: &Attribute<'a>, space: Space, common: &mut Common) {
        if space != Space::Ours {
            return;
        }
        match a.name {
            "profiles" => common.profiles = self.text(a),
            "width" => common.width = self.plain_positive(e, a),
            "height" => common.height = self.plain_positive(e, a),
            "sar" => common.sar = self.text(a),
            "frameRate" => common.frame_rate = self.ratio(e, a),
            "audioSamplingRate" => common.audio_sampling_rate = self.text(a),
            "mimeType" => common.mime_type = self.text(a),
            "segmentProfiles" => common.segment_profiles = self.text(a),
            "codecs" => common.codecs = self.text(a),
            "maxPlayoutRate" => common.max_playout_rate = self.text(a),
            "codingDependency" => common.coding_dependency = self.boolean(e, a),
            "scanType" => common.scan_type = self.text(a),
            "startWithSAP" => common.start_with_sap = self.plain(e, a),
            "selectionPriority" => common.selection_priority = self.plain(e, a),
            "tag" => common.tag = self.text(a),
            _ => {}
        }
    }

    fn common_child(&mut self, child: &Element<'a>, common: &mut Common) -> bool {
        match child.name {
            "AudioChannelConfiguration" => common.audio_channel_configurations.push(self.descriptor(child)),
            "ContentProtection" => common.content_protections.push(self.content_protection(child)),
            "EssentialProperty" => common.essential_properties.push(self.descriptor(child)),
            "SupplementalProperty" => common.supplemental_properties.push(self.descriptor(child)),
            "InbandEventStream" => common.inband_event_streams.push(self.descriptor(child)),
            "FramePacking" => common.frame_packings.push(self.descriptor(child)),
            "ProducerReferenceTime" => common.producer_reference_times.push(self.producer_reference_time(child)),
            "SegmentSequenceProperties" | "Resync" => {
                self.not_covered(child);
                self.skip();
            }
            _ => return false,
        }
        true
    }

    pub(super) fn descriptor_attribute(&mut self, a: &Attribute<'a>, space: Space, descriptor: &mut Descriptor) {
        match (space, a.name) {
            (Space::Ours, "schemeIdUri") => descriptor.scheme_id_uri = a.value.trim().into(),
            (Space::Ours, "value") => descriptor.value = self.text(a),
            (Space::Ours, "id") => descriptor.id = self.text(a),
            _ => {}
        }
    }

    /// Reads to the end of the element; what stands in it is left out.
    pub(super) fn descriptor(&mut self, e: &Element<'a>) -> Descriptor {
        let mut descriptor = Descriptor { at: e.at, ..Descriptor::default() };
        self.each_attribute(e, |w, a, space| w.descriptor_attribute(a, space, &mut descriptor));
        if descriptor.scheme_id_uri.is_empty() {
            self.missing(e, "schemeIdUri");
        }
        self.skip();
        descriptor
    }

    pub(super) fn content_protection(&mut self, e: &Element<'a>) -> ContentProtection {
        let mut protection = ContentProtection::default();
        protection.descriptor.at = e.at;
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Cenc, "default_KID") => protection.default_kid = w.text(a),
            (Space::Ours, "robustness") => protection.robustness = w.text(a),
            (Space::Ours, "refId") => protection.ref_id = w.text(a),
            (Space::Ours, "ref") => protection.reference = w.text(a),
            _ => w.descriptor_attribute(a, space, &mut protection.descriptor),
        });
        if protection.descriptor.scheme_id_uri.is_empty() && protection.reference.is_none() {
            self.missing(e, "schemeIdUri");
        }
        self.children(|w, child| match (child.space, child.name) {
            (Space::Cenc, "pssh") => {
                let value = without_space(&w.content());
                protection.pssh.push(crate::At { value, at: child.at });
            }
            (Space::PlayReady, "pro") => {
                let value = without_space(&w.content());
                protection.pro = Some(crate::At { value, at: child.at });
            }
            _ => w.skip(),
        });
        protection
    }

    fn producer_reference_time(&mut self, e: &Element<'a>) -> ProducerReferenceTime {
        let mut time = ProducerReferenceTime { at: e.at, ..ProducerReferenceTime::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "id") => time.id = w.plain(e, a),
            (Space::Ours, "inband") => time.inband = w.boolean(e, a),
            (Space::Ours, "type") => time.reference_type = w.text(a),
            (Space::Ours, "wallClockTime") => time.wall_clock_time = w.text(a),
            (Space::Ours, "presentationTime") => time.presentation_time = w.number(e, a),
            _ => {}
        });
        self.children(|w, child| match child.name {
            "UTCTiming" => time.utc_timing = Some(w.descriptor(&child)),
            _ => w.skip(),
        });
        time
    }
}

fn without_space(text: &str) -> Box<str> {
    text.split_ascii_whitespace().collect::<String>().into()
}
