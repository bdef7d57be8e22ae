//! `SegmentBase`, `SegmentList`, `SegmentTemplate` and what stands in them.

use crate::xml::{Element, Space, Walker};
use crate::{Addressing, IssueKind, Resource, S, SegmentInfo, SegmentTimeline, SegmentUrl};

impl<'a> Walker<'a> {
    /// Reads the element if it is one of the three.
    pub(super) fn addressing(&mut self, e: &Element<'a>, addressing: &mut Addressing) -> bool {
        let slot = match e.name {
            "SegmentBase" => &mut addressing.base,
            "SegmentList" => &mut addressing.list,
            "SegmentTemplate" => &mut addressing.template,
            _ => return false,
        };
        if slot.is_some() {
            self.issue(e.at, IssueKind::AddressingSeveral, e.name, "a second one", "one per level");
        }
        *slot = Some(Box::new(self.segment_info(e)));
        true
    }

    fn segment_info(&mut self, e: &Element<'a>) -> SegmentInfo {
        let mut info = SegmentInfo { at: e.at, ..SegmentInfo::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "timescale") => info.timescale = w.positive(e, a),
            (Space::Ours, "presentationTimeOffset") => info.presentation_time_offset = w.number(e, a),
            (Space::Ours, "presentationDuration") => info.presentation_duration = w.number(e, a),
            (Space::Ours, "eptDelta") => info.ept_delta = w.signed(e, a),
            (Space::Ours, "pdDelta") => info.pd_delta = w.signed(e, a),
            (Space::Ours, "timeShiftBufferDepth") => info.time_shift_buffer_depth = w.duration(e, a),
            (Space::Ours, "indexRange") => info.index_range = w.range(e, a),
            (Space::Ours, "indexRangeExact") => info.index_range_exact = w.boolean(e, a),
            (Space::Ours, "availabilityTimeOffset") => info.availability_time_offset = w.offset(e, a),
            (Space::Ours, "availabilityTimeComplete") => info.availability_time_complete = w.boolean(e, a),
            (Space::Ours, "duration") => info.duration = w.positive(e, a),
            (Space::Ours, "startNumber") => info.start_number = w.number(e, a),
            (Space::Ours, "endNumber") => info.end_number = w.number(e, a),
            (Space::Ours, "media") => info.media = w.text(a),
            (Space::Ours, "index") => info.index = w.text(a),
            (Space::Ours, "initialization") => info.initialization_template = w.text(a),
            (Space::Xlink, "href") => info.href = w.href(e, a),
            _ => {}
        });
        self.children(|w, child| match child.name {
            "Initialization" | "Initialisation" => info.initialization = Some(w.resource(&child)),
            "RepresentationIndex" => info.representation_index = Some(w.resource(&child)),
            "SegmentTimeline" => info.timeline = Some(w.timeline(&child)),
            "SegmentURL" => info.segment_urls.push(w.segment_url(&child)),
            "FailoverContent" => {
                w.not_covered(&child);
                w.skip();
            }
            _ => w.skip(),
        });
        info
    }

    pub(super) fn not_covered(&mut self, e: &Element<'a>) {
        self.issue(e.at, IssueKind::NotCovered, e.name, "present", "nothing; it is not judged");
    }

    fn resource(&mut self, e: &Element<'a>) -> Resource {
        let mut resource = Resource { at: e.at, ..Resource::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "sourceURL") => resource.source_url = w.text(a),
            (Space::Ours, "range") => resource.range = w.range(e, a),
            _ => {}
        });
        self.skip();
        resource
    }

    fn segment_url(&mut self, e: &Element<'a>) -> SegmentUrl {
        let mut url = SegmentUrl { at: e.at, ..SegmentUrl::default() };
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "media") => url.media = w.text(a).map(|text| text.value),
            (Space::Ours, "mediaRange") => url.media_range = w.range(e, a).map(|range| range.value),
            (Space::Ours, "index") => url.index = w.text(a).map(|text| text.value),
            (Space::Ours, "indexRange") => url.index_range = w.range(e, a).map(|range| range.value),
            _ => {}
        });
        self.skip();
        url
    }

    fn timeline(&mut self, e: &Element<'a>) -> SegmentTimeline {
        let mut timeline = SegmentTimeline { at: e.at, entries: Vec::new() };
        self.children(|w, child| {
            match child.name {
                "S" => {
                    let entry = w.entry(&child);
                    timeline.entries.push(entry);
                }
                "Pattern" => w.not_covered(&child),
                _ => {}
            }
            w.skip();
        });
        timeline
    }

    fn entry(&mut self, e: &Element<'a>) -> S {
        let mut s = S { at: e.at, ..S::default() };
        let mut has_d = false;
        self.each_attribute(e, |w, a, space| match (space, a.name) {
            (Space::Ours, "t") => s.t = w.number(e, a).map(|t| t.value),
            (Space::Ours, "d") => {
                has_d = true;
                s.d = w.positive(e, a).map_or(0, |d| d.value);
            }
            (Space::Ours, "r") => s.r = w.signed(e, a).map_or(0, |r| r.value),
            (Space::Ours, "n") => s.n = w.number(e, a).map(|n| n.value),
            (Space::Ours, "k") => s.k = w.positive(e, a).map_or(1, |k| k.value.max(1)),
            (Space::Ours, "p") => w.not_covered(e),
            _ => {}
        });
        if !has_d {
            self.issue(e.at, IssueKind::NumberInvalid, "S@d", "", "ticks of this segment");
        }
        s
    }
}
