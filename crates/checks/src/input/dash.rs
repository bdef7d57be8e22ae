//! What checks of DASH are given.

use ow_dash::{Issue, Mpd};
use ow_domain::capture::Capture;
use ow_domain::policy::ChannelPolicy;
use ow_timeline::dash::{DashStep, Presentation};

use super::DashBreaks;

/// One MPD that was read, also when the answer was 304: then it is the one read before.
pub struct MpdLoad<'a> {
    pub capture: &'a Capture,
    pub policy: &'a ChannelPolicy,
    /// `None` when the document is no MPD.
    pub mpd: Option<&'a Mpd>,
    pub issues: &'a [Issue],
}

/// An MPD judged against those before. Only for documents without a breach that makes them unreadable.
pub struct MpdStep<'a> {
    pub capture: &'a Capture,
    pub policy: &'a ChannelPolicy,
    pub step: &'a DashStep,
    pub mpd: &'a Mpd,
    pub presentation: &'a Presentation,
    /// Digest of the last accepted body.
    pub previous_digest: Option<&'a str>,
    /// SCTE-35 sections that it shows for the first time: line, and what is wrong with each.
    pub sections: &'a [(u32, Option<&'static str>)],
    /// Breaks of its events and those of its segments.
    pub breaks: DashBreaks,
    pub location: LocationStep<'a>,
}

/// Where the MPD sends its readers (ISO/IEC 23009-1 5.15), without queries.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocationStep<'a> {
    /// `Location` that was followed so far.
    pub before: Option<&'a str>,
    pub now: Option<&'a str>,
    /// A followed one that failed, and how, where the entry answers now.
    pub failed: Option<(&'a str, &'a str)>,
}

impl MpdLoad<'_> {
    /// The model is all that the document says: nothing was unreadable or left out.
    pub fn is_complete(&self) -> bool {
        self.mpd.is_some() && !self.issues.iter().any(|issue| crate::judge::memory::breaks_model(issue.kind))
    }
}
