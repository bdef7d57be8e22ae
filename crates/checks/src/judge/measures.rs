//! Numbers over about ten seconds, whether or not anything is wrong.

use std::collections::BTreeMap;

use ow_domain::capture::{Capture, ObjectKind, Outcome};
use ow_domain::facts::SegmentFacts;
use ow_domain::verdict::{Measures, TrackMeasures};
use ow_domain::{ChannelId, ProbeId, Span, StreamId, Time};
use serde::{Deserialize, Serialize};

use super::memory::StreamMemory;

pub(crate) const WINDOW: Span = Span::from_secs(10);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct StreamWindow {
    pub since: Option<Time>,
    pub responses: BTreeMap<String, u64>,
    pub playlist_ttfb: Mean,
    pub segment_ttfb: Mean,
    pub connect: Mean,
    pub body_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct TrackWindow {
    pub segment_duration: Mean,
    pub download: Mean,
    pub ttfb: Mean,
    /// Bytes and media time of complete segments.
    pub bytes: u64,
    pub media: Span,
    pub latency: Option<Span>,
}

/// Mean and maximum of spans, in whole microseconds: a sum of fractions is not the same after a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Mean {
    n: u32,
    sum: Span,
    max: Span,
}

impl Mean {
    fn add(&mut self, value: Span) {
        self.n = self.n.saturating_add(1);
        self.sum += value;
        self.max = self.max.max(value);
    }
    fn put(&self, into: &mut BTreeMap<String, f64>, name: &str) {
        if self.n > 0 {
            into.insert(name.to_owned(), self.sum.secs_f64() / f64::from(self.n));
        }
    }
    fn put_max(&self, into: &mut BTreeMap<String, f64>, name: &str) {
        if self.n > 0 {
            into.insert(name.to_owned(), self.max.secs_f64());
        }
    }
}

/// Media duration of a segment in seconds, by its main elementary stream.
pub(crate) fn media_seconds(facts: &SegmentFacts) -> Option<f64> {
    let main = facts.main()?;
    let duration = main.duration.filter(|d| *d > 0)?;
    (main.timescale > 0).then(|| duration as f64 / f64::from(main.timescale))
}

impl StreamMemory {
    /// Adds one capture to the numbers.
    pub(crate) fn measure(&mut self, capture: &Capture, at: Time) {
        self.window.since.get_or_insert(at);
        let exchange = &capture.exchange;
        let class = match &exchange.outcome {
            Outcome::Failed(_) => "failed",
            Outcome::Response(r) => match r.status {
                200..=299 => "2xx",
                300..=399 => "3xx",
                400..=499 => "4xx",
                500..=599 => "5xx",
                _ => "failed",
            },
        };
        match self.window.responses.get_mut(class) {
            Some(n) => *n += 1,
            None => {
                self.window.responses.insert(class.to_owned(), 1);
            }
        }
        if let Some(connect) = exchange.timings.connect_us.map(Span::from_micros) {
            self.window.connect.add(connect);
        }
        let ttfb = exchange.timings.ttfb_us.map(Span::from_micros);
        if let Outcome::Response(response) = &exchange.outcome {
            self.window.body_bytes = self.window.body_bytes.saturating_add(response.body_bytes);
        }
        if let Some(ttfb) = ttfb {
            let mean = if capture.object.is_manifest() {
                &mut self.window.playlist_ttfb
            } else {
                &mut self.window.segment_ttfb
            };
            mean.add(ttfb);
        }
        if capture.object != ObjectKind::Segment || !exchange.is_complete_success() {
            return;
        }
        let Some(track) = capture.track.as_ref().and_then(|t| self.tracks.get_mut(&t.id)) else { return };
        let window = &mut track.window;
        window.download.add(exchange.took());
        if let Some(ttfb) = ttfb {
            window.ttfb.add(ttfb);
        }
        let declared = capture.promised.as_ref().and_then(|p| p.duration_us).map(Span::from_micros);
        let measured = capture.facts.as_ref().and_then(media_seconds).map(Span::from_secs_f64);
        if let Some(duration) = measured.or(declared) {
            window.segment_duration.add(duration);
            // A range request (depth `head`) says nothing about the bit rate.
            if let Outcome::Response(response) = &exchange.outcome
                && (response.status == 200 || capture.promised.as_ref().is_some_and(|p| p.byte_range.is_some()))
            {
                window.bytes = window.bytes.saturating_add(response.body_bytes);
                window.media += duration;
            }
        }
    }

    /// The numbers of the window when it is over; starts the next one.
    pub(crate) fn flush(
        &mut self,
        channel: &ChannelId,
        stream: &StreamId,
        probe: &ProbeId,
        at: Time,
    ) -> Option<Measures> {
        let since = self.window.since?;
        if at - since < WINDOW {
            return None;
        }
        let window = std::mem::replace(&mut self.window, StreamWindow { since: Some(at), ..StreamWindow::default() });
        let window_s = (at - since).secs_f64();
        let mut values = BTreeMap::new();
        if let Some(age) = self.newest_age(at) {
            values.insert("playlist_age_seconds".to_owned(), age.secs_f64());
        }
        let latencies = self.tracks.values().filter_map(|t| t.window.latency);
        if let Some(latency) = latencies.max() {
            values.insert("live_latency_seconds".to_owned(), latency.secs_f64());
        }
        window.playlist_ttfb.put(&mut values, "playlist_ttfb_seconds");
        window.segment_ttfb.put(&mut values, "segment_ttfb_seconds");
        window.connect.put(&mut values, "connect_seconds");
        values.insert("received_bits_per_second".to_owned(), window.body_bytes as f64 * 8.0 / window_s);
        values.insert("tracks".to_owned(), self.tracks.len() as f64);
        let tracks = self.tracks.iter_mut().map(|(id, memory)| {
            let window = std::mem::take(&mut memory.window);
            let mut values = BTreeMap::new();
            if let Some(bandwidth) = memory.track.bandwidth {
                values.insert("declared_bits_per_second".to_owned(), bandwidth as f64);
            }
            if window.media > Span::ZERO {
                values
                    .insert("measured_bits_per_second".to_owned(), window.bytes as f64 * 8.0 / window.media.secs_f64());
            }
            window.segment_duration.put(&mut values, "segment_duration_seconds");
            window.download.put(&mut values, "download_seconds");
            window.download.put_max(&mut values, "download_seconds_max");
            window.ttfb.put(&mut values, "ttfb_seconds");
            if let Some(latency) = window.latency {
                values.insert("live_latency_seconds".to_owned(), latency.secs_f64());
            }
            if let Some(age) = memory.age {
                values.insert("playlist_age_seconds".to_owned(), (at - age.first_seen_end).secs_f64());
            }
            TrackMeasures { track: id.clone(), values }
        });
        Some(Measures {
            channel: channel.clone(),
            stream: stream.clone(),
            protocol: self.protocol,
            probe: Some(probe.clone()),
            at,
            window_s,
            values,
            responses: window.responses,
            tracks: tracks.collect(),
        })
    }

    /// Age of the newest content of the freshest rendition.
    pub(crate) fn newest_age(&self, at: Time) -> Option<Span> {
        self.tracks.values().filter_map(|t| t.age).map(|age| at - age.first_seen_end).min()
    }
}
