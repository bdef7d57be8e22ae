//! What a judge remembers of hosts, streams and renditions. All of it is bounded and part of snapshots.

mod ads;
mod align;
mod clock;
mod dash;
pub(crate) mod drift;
mod edge;
mod history;
mod host;
mod keys;
mod llhls;
mod media;
mod objects;
mod offer;
mod own;
mod playlist;
mod tags;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ow_domain::capture::{Protocol, Track};
use ow_domain::{Span, Time, TrackId};
use ow_timeline::HlsTracker;
use serde::{Deserialize, Serialize};

pub use ads::{AdEvent, AdHistory, ContFault, DashBreaks, MarkPair, Placed, StillOpen};
pub(crate) use ads::{compare_breaks, section_of_message};
pub(crate) use align::AlignMemory;
pub use align::{MediaStart, PlaylistShape};
pub use clock::{ClockDrift, MediaClock};
pub(crate) use dash::{DashMemory, MAX_MPD_BYTES, breaks_model};
pub use drift::NumberDrift;
pub(crate) use edge::EdgeMemory;
pub use history::{History, Sample};
pub(crate) use host::{Access, Traffic};
pub use keys::KeyMemory;
pub use llhls::PartSeen;
pub(crate) use llhls::{AskedHint, DeltaSeen, HeldList, Look, PartMemory, SeenHint, as_if_plain, note};
pub(crate) use media::MediaMemory;
pub use media::{Drift, PastInit, PastSegment};
pub(crate) use objects::{SeenObject, SeenObjects};
pub use offer::Picture;
pub(crate) use offer::{Delivery, OfferMemory};
pub(crate) use own::Reports;
pub use playlist::{DateRangeFault, PlaylistHistory};
pub use tags::TagMemory;

use crate::judge::measures::{StreamWindow, TrackWindow};

/// Segment loads remembered per stream.
pub(crate) const MAX_SEGMENT_LOADS: usize = 10;
/// Segment digests remembered per rendition.
pub(crate) const MAX_DIGESTS: usize = 64;
pub(crate) const MAX_PENDING_REWRITES: usize = 16;
/// Renditions per stream.
pub(crate) const MAX_TRACKS: usize = 256;
/// Lines of a canonical multivariant playlist.
pub(crate) const MAX_MVP_LINES: usize = 512;
/// Breaches remembered of a multivariant playlist.
pub(crate) const MAX_MVP_ISSUES: usize = 16;
/// Bytes of a multivariant playlist that is kept.
pub(crate) const MAX_MVP_TEXT: usize = 32 << 10;
/// Keys remembered of a rendition.
pub(crate) const MAX_KEYS: usize = 32;
/// Latency samples: one each ten seconds over ten minutes.
const MAX_LATENCIES: usize = 60;
const LATENCY_EVERY: Span = Span::from_secs(10);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct HostMemory {
    /// Last request of any kind.
    pub asked_at: Option<Time>,
    /// Last failure to make a connection.
    pub failed_at: Option<Time>,
    /// Failure that counted last: others within a second are the same burst.
    pub counted_at: Option<Time>,
    #[serde(default)]
    pub traffic: Traffic,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StreamMemory {
    pub protocol: Protocol,
    pub tracks: BTreeMap<TrackId, TrackMemory>,
    /// The entry failed when it was last asked for.
    pub entry_failed: bool,
    pub entry_ok_at: Option<Time>,
    pub mvp: Option<MvpMemory>,
    /// Digest of the last multivariant playlist, so that an unchanged one is not read again.
    pub mvp_digest: Option<String>,
    pub mvp_issues: Vec<ow_hls::Issue>,
    /// The last multivariant playlist itself, up to [`MAX_MVP_TEXT`]: 304 says that it stands.
    #[serde(default)]
    pub mvp_text: Option<String>,
    pub segments: VecDeque<SegmentLoad>,
    /// Keys asked for lately.
    #[serde(default)]
    pub keys: KeyMemory,
    /// Who was turned away.
    #[serde(default)]
    pub access: Access,
    pub last_capture_at: Option<Time>,
    /// Manifest loads that failed since the last that worked.
    pub n_failed: u32,
    pub ever_ok: bool,
    pub growth_at: Option<Time>,
    pub max_height: Option<u32>,
    #[serde(default)]
    pub dash: Box<DashMemory>,
    #[serde(default)]
    pub offer: OfferMemory,
    #[serde(default)]
    pub objects: SeenObjects,
    pub window: StreamWindow,
}

impl StreamMemory {
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            tracks: BTreeMap::new(),
            entry_failed: false,
            entry_ok_at: None,
            mvp: None,
            mvp_digest: None,
            mvp_issues: Vec::new(),
            mvp_text: None,
            segments: VecDeque::new(),
            keys: KeyMemory::default(),
            access: Access::default(),
            last_capture_at: None,
            n_failed: 0,
            ever_ok: false,
            growth_at: None,
            max_height: None,
            dash: Box::default(),
            offer: OfferMemory::default(),
            objects: SeenObjects::default(),
            window: StreamWindow::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SegmentLoad {
    pub track: Option<TrackId>,
    /// Hash of the URL without query.
    pub object: u64,
    pub failed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TrackMemory {
    pub track: Track,
    /// URL of its playlist without query: another one is another timeline.
    pub url: String,
    pub tracker: HlsTracker,
    pub last_seen: Time,
    pub digest: Option<String>,
    pub age: Option<Age>,
    pub target_duration: Option<Span>,
    pub ended: bool,
    pub latency: LatencyMemory,
    /// Media sequence number and shortened digest of segments read.
    pub digests: VecDeque<(u64, u64)>,
    pub rewrites: Vec<PendingRewrite>,
    #[serde(default)]
    pub media: MediaMemory,
    #[serde(default)]
    pub history: PlaylistHistory,
    #[serde(default)]
    pub ads: AdHistory,
    #[serde(default)]
    pub delivery: Delivery,
    /// Keys that its last playlist names, as hashes.
    #[serde(default)]
    pub key_hashes: BTreeSet<u64>,
    /// Download rates of segments, bit/s, until there are ten.
    #[serde(default)]
    pub rates: Vec<u64>,
    /// Freshness header of the packager as it was last, and since when.
    #[serde(default)]
    pub origin_header: Option<(u64, Time)>,
    /// Parts of low-latency HLS.
    #[serde(default)]
    pub parts: PartMemory,
    #[serde(default)]
    pub tags: TagMemory,
    pub window: TrackWindow,
}

/// Age of the newest content at the last answer that told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Age {
    pub at: Time,
    pub first_seen_end: Time,
    pub age: Span,
    pub age_at_origin: Option<Span>,
    pub newest_msn: u64,
}

/// A segment that is another one under the same number; waits for its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PendingRewrite {
    pub msn: u64,
    pub before: String,
    pub after: String,
    /// Shortened digest of the bytes before.
    pub digest: u64,
    pub seen_at: Time,
    /// Known once the new bytes were read.
    pub bytes_changed: Option<bool>,
}

/// What became of a rewritten segment.
#[derive(Debug, Clone, PartialEq)]
pub struct RewriteVerdict {
    pub msn: u64,
    pub before: String,
    pub after: String,
    /// Whether the bytes are others; `None` when one of the two was not read.
    pub bytes_changed: Option<bool>,
}

/// What PDT of a rendition has to do with wall clock.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct LatencyMemory {
    pub since: Option<Time>,
    /// PDT is no wall clock (replay of an archive, for example).
    pub unrelated: bool,
    /// Time and latency, both in microseconds.
    pub samples: VecDeque<(i64, i64)>,
}

impl LatencyMemory {
    /// Learns during the first hour: more than a day, or more than a second of future, is no wall clock.
    pub fn learn(&mut self, at: Time, latency: Span, uncertainty: Span) {
        let since = *self.since.get_or_insert(at);
        let strange = latency.abs() > Span::from_secs(86_400) || latency < -(Span::from_secs(1) + uncertainty);
        if strange && at - since < Span::from_secs(3600) {
            self.unrelated = true;
        }
    }

    pub fn median(&self, at: Time) -> Option<Span> {
        let oldest = (at + Span::from_secs(-600)).unix_micros();
        let mut values: Vec<i64> =
            self.samples.iter().filter(|(when, _)| *when >= oldest).map(|(_, latency)| *latency).collect();
        values.sort_unstable();
        (values.len() >= 12).then(|| Span::from_micros(values[values.len() / 2]))
    }

    pub fn remember(&mut self, at: Time, latency: Span) {
        let due = self.samples.back().is_none_or(|(when, _)| at.unix_micros() - when >= LATENCY_EVERY.micros());
        if due {
            if self.samples.len() == MAX_LATENCIES {
                self.samples.pop_front();
            }
            self.samples.push_back((at.unix_micros(), latency.micros()));
        }
    }
}

/// Canonical form of a multivariant playlist: what is offered, without order, host and query.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MvpMemory {
    /// Name of the entry -> its attributes.
    pub entries: BTreeMap<String, BTreeSet<String>>,
}
