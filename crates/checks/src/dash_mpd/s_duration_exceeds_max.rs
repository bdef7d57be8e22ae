use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A segment in a SegmentTimeline that is longer than maxSegmentDuration by more than a frame.
    /// Matters:       Players size their buffers and their patience by maxSegmentDuration.
    /// Usual causes:  An encoder that missed a key frame, a value configured once and never changed.
    /// Stays quiet:   Up to one frame above, without the attribute, and for one copy.
    id: "dash-mpd-s-duration-exceeds-max", title: "Segment longer than maxSegmentDuration", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.1.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::SegmentDuration, Severity::Minor, out);
}
