//! Channel metrics for Prometheus. Series come and go with what is watched.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ow_domain::verdict::{Measures, Position, Verdict};
use ow_domain::{ChannelId, Span, StreamId, Time, TrackId};
use ow_service::Ops;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

type Float = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    channel: String,
    stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RateLabels {
    channel: String,
    stream: String,
    rendition: String,
    kind: RateKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
enum RateKind {
    #[allow(non_camel_case_types, reason = "the label's value is the variant's name")]
    declared,
    #[allow(non_camel_case_types, reason = "the label's value is the variant's name")]
    measured,
}

/// Value name in [`Measures`] of each kind.
const RATES: [(RateKind, &str); 2] =
    [(RateKind::declared, "declared_bits_per_second"), (RateKind::measured, "measured_bits_per_second")];

/// What is exported of a channel by verdicts.
#[derive(Debug)]
struct ChannelSeen {
    at: Instant,
    position: Position,
    streams: BTreeSet<StreamId>,
}

/// What is exported of a stream by measures.
#[derive(Debug)]
struct StreamSeen {
    at: Instant,
    measured_at: Time,
    tracks: BTreeSet<TrackId>,
}

#[derive(Debug, Default)]
struct Seen {
    channels: HashMap<ChannelId, ChannelSeen>,
    streams: HashMap<(ChannelId, StreamId), StreamSeen>,
}

/// The exported series and when each was last written.
#[derive(Debug)]
pub struct Series {
    stale_after: Duration,
    seen: Mutex<Seen>,
    severity: Family<ChannelLabels, Gauge>,
    up: Family<StreamLabels, Gauge>,
    age: Family<StreamLabels, Float>,
    rates: Family<RateLabels, Float>,
}

impl Series {
    /// Registers `ottwatch_channel_severity`, `ottwatch_stream_up`, `ottwatch_stream_playlist_age_seconds` and
    /// `ottwatch_rendition_bits_per_second`.
    pub fn new(ops: &Ops, stale_after: Duration) -> Self {
        let series = Self {
            stale_after,
            seen: Mutex::default(),
            severity: Family::default(),
            up: Family::default(),
            age: Family::default(),
            rates: Family::default(),
        };
        ops.register(|r| {
            r.register(
                "channel_severity",
                "Worst severity now: 0 cleared, 1 info, 2 indeterminate, 3 warning, 4 minor, 5 major, 6 critical",
                series.severity.clone(),
            );
            r.register("stream_up", "1 when something of the stream was fetched lately", series.up.clone());
            r.register("stream_playlist_age_seconds", "Age of the newest content listed", series.age.clone());
            r.register("rendition_bits_per_second", "Declared and measured bit rate", series.rates.clone());
        });
        series
    }

    /// Older verdicts than the last one are passed over; a retired channel goes at once.
    pub fn verdict(&self, verdict: &Verdict) {
        if self.is_old(verdict.as_of) {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.channels.get(&verdict.channel);
        if before.is_some_and(|b| verdict.position < b.position) {
            return;
        }
        let streams: BTreeSet<StreamId> = match verdict.retired {
            Some(_) => BTreeSet::new(),
            None => verdict.streams.iter().map(|s| s.stream.clone()).collect(),
        };
        for gone in before.into_iter().flat_map(|b| b.streams.difference(&streams)) {
            self.up.remove(&stream_labels(&verdict.channel, gone));
        }
        if verdict.retired.is_some() {
            self.severity.remove(&channel_labels(&verdict.channel));
            seen.channels.remove(&verdict.channel);
            return;
        }
        self.severity.get_or_create(&channel_labels(&verdict.channel)).set(verdict.severity as i64);
        for state in &verdict.streams {
            self.up.get_or_create(&stream_labels(&verdict.channel, &state.stream)).set(i64::from(state.up));
        }
        let now = ChannelSeen { at: Instant::now(), position: verdict.position, streams };
        seen.channels.insert(verdict.channel.clone(), now);
    }

    /// Measures that are older than the last ones of the stream are passed over.
    pub fn measures(&self, measures: &Measures) {
        if self.is_old(measures.at) {
            return;
        }
        let key = (measures.channel.clone(), measures.stream.clone());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.streams.get(&key);
        if before.is_some_and(|b| measures.at < b.measured_at) {
            return;
        }
        let tracks: BTreeSet<TrackId> = measures.tracks.iter().map(|t| t.track.clone()).collect();
        for gone in before.into_iter().flat_map(|b| b.tracks.difference(&tracks)) {
            self.remove_rates(&key, gone);
        }
        let labels = stream_labels(&key.0, &key.1);
        match measures.values.get("playlist_age_seconds") {
            Some(age) => {
                self.age.get_or_create(&labels).set(*age);
            }
            None => {
                self.age.remove(&labels);
            }
        }
        for track in &measures.tracks {
            for (kind, name) in RATES {
                let labels = rate_labels(&key, &track.track, kind);
                match track.values.get(name) {
                    Some(rate) => {
                        self.rates.get_or_create(&labels).set(*rate);
                    }
                    None => {
                        self.rates.remove(&labels);
                    }
                }
            }
        }
        seen.streams.insert(key, StreamSeen { at: Instant::now(), measured_at: measures.at, tracks });
    }

    /// Takes away what was not written for [`crate::Config::stale_after`].
    pub fn sweep(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.channels.retain(|channel, last| {
            let fresh = last.at.elapsed() < self.stale_after;
            if !fresh {
                self.severity.remove(&channel_labels(channel));
                for stream in &last.streams {
                    self.up.remove(&stream_labels(channel, stream));
                }
            }
            fresh
        });
        seen.streams.retain(|key, last| {
            let fresh = last.at.elapsed() < self.stale_after;
            if !fresh {
                self.age.remove(&stream_labels(&key.0, &key.1));
                for track in &last.tracks {
                    self.remove_rates(key, track);
                }
            }
            fresh
        });
    }

    /// From a backlog: it says nothing of now.
    fn is_old(&self, at: Time) -> bool {
        let now = Time::from_unix_micros(jiff::Timestamp::now().as_microsecond());
        now.since(at) > Span::from_std(self.stale_after)
    }

    fn remove_rates(&self, key: &(ChannelId, StreamId), track: &TrackId) {
        for (kind, _) in RATES {
            self.rates.remove(&rate_labels(key, track, kind));
        }
    }
}

fn channel_labels(channel: &ChannelId) -> ChannelLabels {
    ChannelLabels { channel: channel.to_string() }
}

fn stream_labels(channel: &ChannelId, stream: &StreamId) -> StreamLabels {
    StreamLabels { channel: channel.to_string(), stream: stream.to_string() }
}

fn rate_labels(key: &(ChannelId, StreamId), track: &TrackId, kind: RateKind) -> RateLabels {
    RateLabels { channel: key.0.to_string(), stream: key.1.to_string(), rendition: track.to_string(), kind }
}
