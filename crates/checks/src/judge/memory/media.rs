//! The segments of a rendition that were read last.

use std::collections::VecDeque;

use ow_domain::capture::{Capture, ObjectKind, Response};
use ow_domain::facts::SegmentFacts;
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

use super::history::{History, Sample};

/// Renditions are fetched in bursts and out of order; more than this apart is no neighbour.
const MAX_PAST: usize = 4;

/// What a rendition's bytes were so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MediaMemory {
    pub init: Option<PastInit>,
    past: VecDeque<PastSegment>,
    pub history: History,
}

/// The initialization section read last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastInit {
    /// Without query.
    pub url: String,
    pub digest: Option<String>,
    pub at: Time,
    pub facts: SegmentFacts,
}

/// A segment that was read completely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastSegment {
    /// Media sequence number or segment number.
    pub number: u64,
    /// End of its transfer.
    pub at: Time,
    /// `EXTINF` or `S@d`.
    pub declared: Option<Span>,
    pub bytes: u64,
    pub discontinuity: bool,
    pub digest: Option<String>,
    pub facts: SegmentFacts,
}

impl MediaMemory {
    /// The segment just before `number`, if its bytes are known.
    pub fn before(&self, number: u64) -> Option<&PastSegment> {
        let before = number.checked_sub(1)?;
        self.past.iter().rev().find(|s| s.number == before)
    }

    /// Another timeline began: numbers mean other segments.
    pub fn forget_segments(&mut self) {
        self.past.clear();
        self.history.forget_segments();
    }

    /// The segments read last, at most four.
    pub fn past(&self) -> impl DoubleEndedIterator<Item = &PastSegment> {
        self.past.iter()
    }

    /// Adds a whole segment to the sums, before it is judged.
    pub fn count(&mut self, capture: &Capture, bytes: u64, media: Span) {
        let Some((promised, number)) = capture.promised.as_ref().and_then(|p| Some((p, p.number?))) else { return };
        let main = capture.facts.as_ref().and_then(SegmentFacts::main);
        let payload = main.and_then(|m| u64::from_str_radix(m.payload_digest.as_deref()?, 16).ok());
        let sample = Sample { number, discontinuity: promised.discontinuity, bytes, media, payload };
        let inter = main.and_then(|m| m.inter_frames).filter(|s| s.n > 0).map(|s| s.mean);
        self.history.add(capture.exchange.t_end, sample, inter);
    }

    pub fn remember(&mut self, capture: &Capture, response: &Response) {
        let Some(facts) = capture.facts.clone() else { return };
        let at = capture.exchange.t_end;
        let digest = response.digest.clone();
        if capture.object == ObjectKind::Init {
            self.init = Some(PastInit { url: capture.exchange.url_without_query(), digest, at, facts });
            return;
        }
        let Some(promised) = &capture.promised else { return };
        let Some(number) = promised.number else { return };
        self.past.retain(|s| s.number != number);
        if self.past.len() == MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back(PastSegment {
            number,
            at,
            declared: promised.duration_us.map(Span::from_micros),
            bytes: response.body_bytes,
            discontinuity: promised.discontinuity,
            digest,
            facts,
        });
    }
}
