//! Windows over the traffic of one host, and who was turned away. All bounded.

use std::collections::{BTreeMap, VecDeque};

use ow_domain::capture::{BodyEnd, Capture, ObjectKind, Outcome, Response};
use ow_domain::{Span, Time, TrackId};
use serde::{Deserialize, Serialize};

use crate::headers;
use crate::input::{HostWindows, Rejected};

const N_CONNECTS: usize = 50;
const N_TTFB: usize = 20;
const N_DATES: usize = 10;
const N_CORS: usize = 20;
const ERRORS_OVER: Span = Span::from_secs(300);
const BUCKET_S: i64 = 10;
const MAX_FAILING: usize = 256;

/// What one host did lately.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Traffic {
    connects: Vec<i64>,
    ttfb: BTreeMap<String, Vec<i64>>,
    dates: Vec<i64>,
    /// Bucket of ten seconds, requests, failed ones.
    buckets: VecDeque<(i64, u32, u32)>,
    /// Kinds of objects whose last answers were failures, and how many: one that lasts counts once.
    failing: VecDeque<(u64, u8)>,
    cors: BTreeMap<String, VecDeque<bool>>,
}

/// p95 by the nearest rank.
fn p95(values: &mut [i64]) -> Option<Span> {
    values.sort_unstable();
    let index = (values.len() * 95).div_ceil(100).saturating_sub(1);
    values.get(index).copied().map(Span::from_micros)
}

/// Takes a value; the percentile comes once per full window.
fn window(values: &mut Vec<i64>, value: i64, n: usize) -> Option<Span> {
    values.push(value);
    (values.len() >= n).then(|| p95(&mut std::mem::take(values))).flatten()
}

impl Traffic {
    /// Takes an answer; `identity` is the kind of object (stream, rendition, kind), `wants_cors` that an Origin was sent.
    pub fn take(&mut self, capture: &Capture, now: Time, identity: u64, wants_cors: bool) -> HostWindows {
        let mut windows = HostWindows::default();
        let exchange = &capture.exchange;
        let timings = exchange.timings;
        let direct = exchange.redirects.is_empty();
        if let Some(connect) = timings.connect_us.filter(|_| direct && !timings.reused) {
            windows.connect_p95 = window(&mut self.connects, connect, N_CONNECTS);
        }
        let response = match &exchange.outcome {
            Outcome::Response(response) => Some(response),
            Outcome::Failed(_) => None,
        };
        let good = response.filter(|r| matches!(r.status, 200 | 206 | 304));
        if let (Some(_), Some(ttfb), Some(series)) = (good, timings.ttfb_us, series(capture))
            && direct
            && !headers::is_blocking(exchange)
        {
            let full = window(self.ttfb.entry(series.to_owned()).or_default(), ttfb, N_TTFB);
            windows.ttfb_p95 = full.map(|p95| (series, p95));
        }
        let uncached = headers::age(exchange).is_none_or(|age| age == Span::ZERO);
        if let Some(date) = headers::date(exchange).filter(|_| uncached && direct) {
            let head = exchange.t_end + Span::from_micros(-timings.body_us.unwrap_or(0));
            // A Date is cut to the second: its middle.
            self.dates.push((date + Span::from_millis(500) - head).micros());
            if self.dates.len() >= N_DATES {
                let mut dates = std::mem::take(&mut self.dates);
                dates.sort_unstable();
                windows.date_offset = dates.get(dates.len() / 2).copied().map(Span::from_micros);
            }
        }
        windows.errors = self.count(capture, response, now, identity);
        if let Some(response) = good.filter(|_| wants_cors) {
            let has = response.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("access-control-allow-origin"));
            let seen = self.cors.entry(capture.object.as_str().to_owned()).or_default();
            if seen.len() == N_CORS {
                seen.pop_front();
            }
            seen.push_back(has);
            if seen.len() == N_CORS {
                windows.cors = Some((seen.iter().filter(|has| **has).count(), N_CORS));
            }
        }
        windows
    }

    fn count(
        &mut self,
        capture: &Capture,
        response: Option<&Response>,
        now: Time,
        identity: u64,
    ) -> Option<(u32, u32)> {
        let failed = match response {
            // Who is turned away has alarms of its own; so has a rate limit.
            Some(r) if matches!(r.status, 401 | 403 | 429) => return None,
            Some(r) => r.status >= 400 || matches!(r.body_end, BodyEnd::Short | BodyEnd::Reset | BodyEnd::TimedOut),
            None => true,
        };
        let is_ours = matches!(&capture.exchange.outcome, Outcome::Failed(f) if crate::http::is_ours(f.kind));
        let will_be_asked_again = matches!(capture.object, ObjectKind::Segment | ObjectKind::Init) && !capture.retry;
        if is_ours || capture.extra || failed && will_be_asked_again {
            return None;
        }
        // The second try of a playlist is its next poll.
        let needed = if capture.object.is_manifest() { 2 } else { 1 };
        let known = self.failing.iter().position(|(key, _)| *key == identity);
        let mut counts = false;
        match (failed, known.and_then(|at| self.failing.get_mut(at))) {
            (true, Some((_, n))) => {
                *n = n.saturating_add(1);
                counts = *n == needed;
                // It lasts: the check of its kind tells it.
                if *n > needed {
                    return None;
                }
            }
            (true, None) => {
                if self.failing.len() == MAX_FAILING {
                    self.failing.pop_front();
                }
                self.failing.push_back((identity, 1));
                counts = needed == 1;
            }
            (false, _) => {
                known.map(|at| self.failing.remove(at));
            }
        }
        let bucket = now.unix_seconds().div_euclid(BUCKET_S);
        if self.buckets.back().is_none_or(|(last, _, _)| *last < bucket) {
            self.buckets.push_back((bucket, 0, 0));
        }
        if let Some((_, n, n_failed)) = self.buckets.back_mut() {
            *n = n.saturating_add(1);
            *n_failed = n_failed.saturating_add(u32::from(counts));
        }
        let oldest = (now + -ERRORS_OVER).unix_seconds().div_euclid(BUCKET_S);
        while self.buckets.front().is_some_and(|(first, _, _)| *first <= oldest) {
            self.buckets.pop_front();
        }
        let sum = |of: fn(&(i64, u32, u32)) -> u32| self.buckets.iter().map(of).fold(0, u32::saturating_add);
        Some((sum(|b| b.2), sum(|b| b.1)))
    }
}

/// Answers that a cache had to fetch first are a series of their own.
fn series(capture: &Capture) -> Option<&'static str> {
    let cache = capture.exchange.header("x-cache").unwrap_or_default().to_ascii_lowercase();
    match (capture.object, cache.contains("miss")) {
        (ObjectKind::Mvp | ObjectKind::MediaPlaylist | ObjectKind::Mpd, false) => Some("manifest"),
        (ObjectKind::Mvp | ObjectKind::MediaPlaylist | ObjectKind::Mpd, true) => Some("manifest-miss"),
        (ObjectKind::Segment, false) => Some("segment"),
        (ObjectKind::Segment, true) => Some("segment-miss"),
        _ => None,
    }
}

/// Who was turned away with 401 or 403 when it was last asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Access {
    entry: bool,
    playlists: BTreeMap<TrackId, bool>,
    /// Segments in a row.
    segments: BTreeMap<TrackId, u8>,
}

impl Access {
    pub fn take(&mut self, capture: &Capture, is_entry: bool, track: Option<&TrackId>) -> Rejected {
        let status = capture.exchange.status();
        let rejected = matches!(status, Some(401 | 403));
        let Some(status) = status.filter(|_| !capture.extra) else { return Rejected::No };
        if is_entry {
            self.entry = rejected;
            return if rejected { Rejected::Everywhere("entry") } else { Rejected::No };
        }
        let Some(track) = track else { return Rejected::No };
        match capture.object {
            ObjectKind::MediaPlaylist => {
                if !rejected && status >= 400 {
                    return Rejected::No;
                }
                self.playlists.insert(track.clone(), rejected);
                match rejected {
                    false => Rejected::No,
                    true if self.playlists.values().all(|r| *r) => Rejected::Everywhere("playlists"),
                    true => Rejected::Here,
                }
            }
            ObjectKind::Segment | ObjectKind::Init => {
                let known = self.segments.get(track).copied().unwrap_or(0);
                if !rejected {
                    if status < 400 && capture.object == ObjectKind::Segment {
                        self.segments.insert(track.clone(), 0);
                    }
                    return Rejected::No;
                }
                if !capture.retry {
                    return Rejected::Unsure;
                }
                self.segments.insert(track.clone(), known.saturating_add(1));
                // Whether the others are turned away too is known once each was asked.
                match self.segments.values().all(|n| *n > 0) {
                    true => Rejected::Everywhere("segments"),
                    false if known == 0 => Rejected::Unsure,
                    false => Rejected::Here,
                }
            }
            _ => Rejected::No,
        }
    }

    /// Forgets renditions that are gone.
    pub fn retain(&mut self, is_known: impl Fn(&TrackId) -> bool) {
        self.playlists.retain(|track, _| is_known(track));
        self.segments.retain(|track, _| is_known(track));
    }
}
