//! What a stream offers, and what came of each of its renditions.

use std::collections::VecDeque;

use ow_domain::capture::{BodyEnd, Capture, ObjectKind, Outcome};
use ow_domain::facts::EsKind;
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

use crate::offer::{Ladder, Protection};

/// Changes of the set of renditions remembered.
const MAX_CHANGES: usize = 16;

/// The offer of the last manifest that could be read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OfferMemory {
    pub ladder: Option<Ladder>,
    identity: Option<u64>,
    /// First manifest of this stream.
    since: Option<Time>,
    changes: VecDeque<Time>,
    /// Newest request of the last burst that was compared.
    pub burst_at: Option<Time>,
    pub edges: super::EdgeMemory,
}

impl OfferMemory {
    pub fn take(&mut self, ladder: Ladder, now: Time) {
        self.since.get_or_insert(now);
        let identity = ladder.identity();
        if self.identity.is_some_and(|before| before != identity) {
            if self.changes.len() == MAX_CHANGES {
                self.changes.pop_front();
            }
            self.changes.push_back(now);
        }
        self.identity = Some(identity);
        self.ladder = Some(ladder);
    }

    pub fn watched_for(&self, now: Time) -> Span {
        self.since.map_or(Span::ZERO, |since| now - since)
    }

    /// Changes within `span` before now.
    pub fn changes_within(&self, span: Span, now: Time) -> u32 {
        u32::try_from(self.changes.iter().filter(|at| now - **at <= span).count()).unwrap_or(u32::MAX)
    }
}

/// Segments of one rendition, as they came.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Delivery {
    /// Since when no segment came though they were asked for.
    pub failing_since: Option<Time>,
    pub n_failed: u32,
    /// Keys in force at the newest segment of the playlist.
    pub protection: Option<Protection>,
    pub picture: Option<Picture>,
    pub align: super::AlignMemory,
}

/// What the bytes of a video segment showed last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Picture {
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// `SDR`, `PQ` or `HLG`.
    pub range: Option<String>,
    pub codec: Option<String>,
    pub codec_string: Option<String>,
    pub frame_rate_milli: Option<u32>,
}

impl Delivery {
    /// Takes the load of a segment or of an initialization section in.
    pub fn take(&mut self, capture: &Capture) {
        let got = match &capture.exchange.outcome {
            Outcome::Response(r) => {
                matches!(r.status, 200 | 206) && r.body_end == BodyEnd::Complete && r.body_bytes > 0
            }
            Outcome::Failed(_) => false,
        };
        if capture.object == ObjectKind::Segment && !capture.extra {
            if got {
                self.failing_since = None;
                self.n_failed = 0;
            } else {
                self.failing_since.get_or_insert(capture.exchange.t_req);
                self.n_failed = self.n_failed.saturating_add(1);
            }
        }
        if got && capture.object == ObjectKind::Segment {
            self.align.segment(capture);
        }
        let facts = capture.facts.as_ref().filter(|_| got);
        let Some(video) = facts.and_then(|f| f.elementary.iter().find(|e| e.kind == EsKind::Video)) else { return };
        let picture = self.picture.get_or_insert_default();
        picture.width = video.width.or(picture.width);
        picture.height = video.height.or(picture.height);
        let range = video.video.as_ref().and_then(|v| v.range()).map(str::to_owned);
        picture.range = range.or(picture.range.take());
        picture.codec = Some(video.codec.clone());
        picture.codec_string = video.codec_string.clone().or(picture.codec_string.take());
        if let (Some(unit), true) = (video.access_unit_duration.filter(|d| *d > 0), video.timescale > 0) {
            let milli = i64::from(video.timescale).saturating_mul(1000) / unit;
            picture.frame_rate_milli = u32::try_from(milli).ok();
        }
    }
}
