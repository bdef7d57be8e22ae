//! The MPD of a stream across polls.

use std::collections::VecDeque;

use ow_dash::{IssueFamily, IssueKind};
use ow_domain::{Span, Time, TrackId};
use ow_timeline::dash::DashTracker;
use serde::{Deserialize, Serialize};

/// Longest MPD whose text is kept for answers of 304.
pub(crate) const MAX_MPD_BYTES: usize = 512 << 10;
/// Tracks of which the segments are remembered.
const MAX_TRACKS: usize = 64;

/// What is known of one MPD.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DashMemory {
    pub tracker: DashTracker,
    /// The last one that was read, and the URL against which it resolves.
    pub text: Option<(String, String)>,
    /// Digest of the last accepted body.
    pub digest: Option<String>,
    pub segments: DashSegments,
}

/// Newest proof of segments per rendition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DashSegments {
    proven: VecDeque<Proven>,
}

/// The newest segment of a rendition that answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proven {
    pub track: TrackId,
    /// When it was asked for.
    pub at: Time,
    /// Its end on the MPD timeline.
    pub end: Span,
}

impl DashSegments {
    pub(crate) fn remember(&mut self, track: &TrackId, at: Time, end: Span) {
        match self.proven.iter_mut().find(|p| p.track == *track) {
            Some(known) if end >= known.end || known.end - end > Span::from_secs(600) => {
                known.at = at;
                known.end = end;
            }
            Some(_) => {}
            None => {
                if self.proven.len() == MAX_TRACKS {
                    self.proven.pop_front();
                }
                self.proven.push_back(Proven { track: track.clone(), at, end });
            }
        }
    }

    pub(crate) fn newest(&self, track: &TrackId) -> Option<&Proven> {
        self.proven.iter().find(|p| p.track == *track)
    }
}

/// A breach after which the model may lack what the document says: it is not compared with earlier ones.
pub(crate) fn breaks_model(kind: IssueKind) -> bool {
    match kind.family() {
        IssueFamily::Limit => true,
        // These leave one value out at most, and it is not used.
        IssueFamily::Parse => !matches!(kind, IssueKind::Namespace | IssueKind::Doctype | IssueKind::Entity),
        _ => false,
    }
}
