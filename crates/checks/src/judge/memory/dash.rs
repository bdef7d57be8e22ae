//! The MPD of a stream across polls.

use std::collections::VecDeque;

use ow_dash::{IssueFamily, IssueKind};
use ow_domain::capture::{Capture, Outcome, Phase};
use ow_domain::{Span, Time, TrackId};
use ow_timeline::dash::DashTracker;
use serde::{Deserialize, Serialize};

use super::ads::DashAds;

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
    pub ads: DashAds,
    pub location: LocationMemory,
}

/// `Location` across polls, without queries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LocationMemory {
    /// The last one that was told.
    pub last: Option<String>,
    /// It was followed and failed, and how.
    pub failed: Option<(String, String)>,
}

impl LocationMemory {
    /// Takes an answer to a request for the MPD in. Gives the `Location` that failed before, once another address answers.
    pub fn answered(&mut self, capture: &Capture) -> Option<(String, String)> {
        let asked = capture.exchange.url_without_query();
        let of_location = self.last.as_ref() == Some(&asked);
        let how = match &capture.exchange.outcome {
            Outcome::Response(r) if r.status == 304 || capture.exchange.is_complete_success() => None,
            // The host means us, not players.
            Outcome::Response(r) if r.status == 429 => return None,
            Outcome::Response(r) if r.status >= 400 => Some(r.status.to_string()),
            Outcome::Response(_) => Some("a body that is not complete".to_owned()),
            Outcome::Failed(f) if matches!(f.phase, Phase::Policy) => return None,
            Outcome::Failed(f) => Some(f.kind.as_str().to_owned()),
        };
        match (how, of_location) {
            (Some(how), true) => {
                self.failed = Some((asked, how));
                None
            }
            (None, true) => {
                self.failed = None;
                None
            }
            (Some(_), false) => None,
            (None, false) => self.failed.take(),
        }
    }
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
