//! PES packets of one stream (ISO/IEC 13818-1 2.4.3.6): timestamps, access units, random access, payload.

use ow_domain::facts::{ElementaryFacts, EsKind, KeyframeFacts, SizeFacts, StampFacts};

use super::psi::StreamInfo;
use crate::audio::{self, FrameWalker};
use crate::digest::Digest;
use crate::nal::{NalWalker, VideoCodec};

const WRAP: i64 = 1 << 33;
/// Longest PES header: 9 bytes and 255 of options.
const MAX_HEADER: usize = 9 + 255;
/// Distances between timestamps that are told apart.
const MAX_DISTANCES: usize = 32;
/// First payload bytes that tell the codec.
const LOOK: usize = 16;

pub(crate) struct Stream {
    kind: EsKind,
    nals: Option<NalWalker>,
    audio: Option<FrameWalker>,
    digest: Digest,
    header: Vec<u8>,
    in_header: bool,
    /// First payload bytes of the stream.
    look: Vec<u8>,
    random_access_flag: bool,
    in_unit: bool,
    n_pes: u32,
    n_units: u32,
    n_scrambled_pes: u32,
    n_keyframes: u32,
    first_is_keyframe: Option<bool>,
    keyframes: Option<KeyframeFacts>,
    sizes: Sizes,
    n_walk_errors: u32,
    n_payload: u64,
    encrypted: bool,
    /// Timestamps relative to the first DTS, without wrap.
    base: Option<i64>,
    first_dts: Option<i64>,
    last_dts: Option<i64>,
    min_pts: Option<i64>,
    max_pts: Option<i64>,
    /// Audio frames begun before the PES packet of `last_dts`.
    n_frames_before: u32,
    distances: Vec<(i64, u32)>,
    stamps: StampFacts,
}

/// Sum and sum of squares of sizes.
#[derive(Debug, Default)]
struct Sizes {
    n: u32,
    sum: u64,
    squares: u128,
}

impl Sizes {
    fn add(&mut self, size: u64) {
        self.n = self.n.saturating_add(1);
        self.sum = self.sum.saturating_add(size);
        self.squares = self.squares.saturating_add(u128::from(size) * u128::from(size));
    }

    fn facts(&self) -> Option<SizeFacts> {
        let n = u64::from(self.n);
        let mean = self.sum.checked_div(n)?;
        let variance = (self.squares / u128::from(n)).saturating_sub(u128::from(mean) * u128::from(mean));
        Some(SizeFacts { n: self.n, mean, deviation: u64::try_from(variance.isqrt()).unwrap_or(u64::MAX) })
    }
}

impl Stream {
    pub(crate) fn new(info: &StreamInfo) -> Self {
        Self {
            kind: info.kind,
            nals: info.video.map(NalWalker::new),
            audio: info.audio.map(FrameWalker::new),
            digest: Digest::default(),
            header: Vec::new(),
            in_header: false,
            look: Vec::new(),
            random_access_flag: false,
            in_unit: false,
            n_pes: 0,
            n_units: 0,
            n_scrambled_pes: 0,
            n_keyframes: 0,
            first_is_keyframe: None,
            keyframes: None,
            sizes: Sizes::default(),
            n_walk_errors: 0,
            n_payload: 0,
            encrypted: info.encrypted,
            base: None,
            first_dts: None,
            last_dts: None,
            min_pts: None,
            max_pts: None,
            n_frames_before: 0,
            distances: Vec::new(),
            stamps: StampFacts::default(),
        }
    }

    pub(crate) fn n_pes(&self) -> u32 {
        self.n_pes
    }

    pub(crate) fn n_scrambled_pes(&self) -> u32 {
        self.n_scrambled_pes
    }

    /// The last DTS relative to the first.
    pub(crate) fn last_dts(&self) -> Option<i64> {
        self.last_dts
    }

    pub(crate) fn push(&mut self, unit_start: bool, random_access: bool, scrambled: bool, payload: &[u8]) {
        if scrambled {
            // The PES header is scrambled with the rest: nothing can be read but the size.
            self.encrypted = true;
            self.n_payload += payload.len() as u64;
            if unit_start {
                self.n_pes = self.n_pes.saturating_add(1);
                self.n_units = self.n_units.saturating_add(1);
            }
            return;
        }
        if unit_start {
            self.header.clear();
            self.in_header = true;
            self.random_access_flag = random_access;
        }
        if !self.in_header {
            self.data(payload);
            return;
        }
        let take = payload.len().min(MAX_HEADER - self.header.len().min(MAX_HEADER));
        self.header.extend_from_slice(&payload[..take]);
        let Some(length) = self.header_length() else {
            if self.header.len() >= MAX_HEADER || (self.header.len() >= 3 && !self.header.starts_with(&[0, 0, 1])) {
                self.in_header = false;
            }
            return;
        };
        if self.header.len() < length {
            return;
        }
        self.in_header = false;
        self.n_pes = self.n_pes.saturating_add(1);
        let start = std::mem::take(&mut self.header);
        self.pes(&start, &start[length..], payload.get(take..).unwrap_or_default());
        self.header = start;
    }

    /// `None` until enough is there, or when it is no PES header with optional fields.
    fn header_length(&self) -> Option<usize> {
        let h = &self.header;
        (h.len() >= 9 && h.starts_with(&[0, 0, 1]) && h[6] & 0xc0 == 0x80).then(|| 9 + usize::from(h[8]))
    }

    /// A whole header and the payload bytes that came with it.
    fn pes(&mut self, header: &[u8], head: &[u8], more: &[u8]) {
        let control = header[6] & 0x30;
        self.encrypted |= control != 0;
        self.n_scrambled_pes = self.n_scrambled_pes.saturating_add(u32::from(control != 0));
        let stamps = stamps(header);
        // A video PES packet without PTS that does not begin a NAL unit goes on with the access unit before.
        let begins = head.starts_with(&[0, 0, 1]) || head.starts_with(&[0, 0, 0, 1]);
        if stamps.is_some() || begins || self.nals.is_none() {
            self.end_unit();
            self.in_unit = true;
            self.n_units = self.n_units.saturating_add(1);
            if stamps.is_none() && self.kind != EsKind::Data {
                self.stamps.n_without_pts = self.stamps.n_without_pts.saturating_add(1);
            }
        }
        if let Some((pts, dts)) = stamps {
            self.timestamps(pts, dts);
            self.n_frames_before = self.audio.as_ref().map_or(0, |a| a.n_frames);
        }
        self.data(head);
        self.data(more);
    }

    fn timestamps(&mut self, pts: i64, dts: i64) {
        let base = *self.base.get_or_insert(dts);
        let relative = |t: i64, near: i64| near + ((t - base - near + WRAP / 2).rem_euclid(WRAP) - WRAP / 2);
        let dts = relative(dts, self.last_dts.unwrap_or(0));
        let pts = relative(pts, dts);
        self.first_dts.get_or_insert(dts);
        if let Some(last) = self.last_dts.replace(dts) {
            let step = dts - last;
            self.distance(step);
            self.stamps.max_step = self.stamps.max_step.max(step);
            self.stamps.n_backward = self.stamps.n_backward.saturating_add(u32::from(step <= 0));
        }
        self.stamps.n_pts_before_dts = self.stamps.n_pts_before_dts.saturating_add(u32::from(pts < dts));
        self.stamps.max_reorder = self.stamps.max_reorder.max(pts - dts);
        self.min_pts = Some(self.min_pts.map_or(pts, |m| m.min(pts)));
        self.max_pts = Some(self.max_pts.map_or(pts, |m| m.max(pts)));
    }

    fn distance(&mut self, ticks: i64) {
        if let Some((_, n)) = self.distances.iter_mut().find(|(d, _)| *d == ticks) {
            *n += 1;
        } else if self.distances.len() < MAX_DISTANCES {
            self.distances.push((ticks, 1));
        }
    }

    fn median_distance(&self) -> Option<i64> {
        let mut all = self.distances.clone();
        all.sort_unstable();
        let total: u32 = all.iter().map(|(_, n)| n).sum();
        let mut seen = 0;
        all.into_iter().find_map(|(distance, n)| {
            seen += n;
            (seen * 2 > total).then_some(distance)
        })
    }

    fn data(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.n_payload += bytes.len() as u64;
        self.digest.push(bytes);
        if self.look.len() < LOOK {
            let take = bytes.len().min(LOOK - self.look.len());
            self.look.extend_from_slice(&bytes[..take]);
        }
        if let Some(audio) = &mut self.audio {
            audio.push(bytes);
        }
        if let Some(nals) = &mut self.nals {
            nals.push(bytes);
        }
    }

    fn end_unit(&mut self) {
        let (true, Some(nals)) = (std::mem::take(&mut self.in_unit), &mut self.nals) else { return };
        let unit = nals.end_unit();
        let keyframe = unit.random_access.unwrap_or(self.random_access_flag);
        self.first_is_keyframe.get_or_insert(keyframe);
        self.n_walk_errors = self.n_walk_errors.saturating_add(unit.n_forbidden + u32::from(unit.n_nals == 0));
        if !keyframe {
            self.sizes.add(unit.slice_bytes);
            return;
        }
        self.n_keyframes = self.n_keyframes.saturating_add(1);
        let at = self.last_dts.unwrap_or(0);
        let keyframes = self.keyframes.get_or_insert(KeyframeFacts { first: at, last: at, max_distance: None });
        if self.n_keyframes > 1 {
            let distance = at - keyframes.last;
            keyframes.max_distance = Some(keyframes.max_distance.map_or(distance, |d| d.max(distance)));
            keyframes.last = at;
        }
    }

    /// What the payload is where it is not what the PMT says.
    fn found_codec(&self, info: &StreamInfo) -> Option<String> {
        if self.encrypted || self.look.len() < 6 {
            return None;
        }
        let found = audio::begins_like(&self.look).or_else(|| video_begins_like(&self.look))?;
        let known = matches!(info.kind, EsKind::Video | EsKind::Audio) && !info.codec.starts_with("0x");
        (known && found != info.codec).then(|| found.to_owned())
    }

    pub(crate) fn facts(&mut self, info: &StreamInfo) -> ElementaryFacts {
        self.end_unit();
        let wrapped = |relative: Option<i64>| Some((relative? + self.base?).rem_euclid(WRAP));
        let audio = self.audio.as_ref().filter(|a| a.n_frames > 0);
        let nals = self.nals.as_ref();
        let unit = audio.and_then(FrameWalker::frame_90k).or_else(|| self.median_distance());
        let span = match (self.min_pts, self.max_pts) {
            (Some(min), Some(max)) => Some(max - min + self.median_distance().unwrap_or(0)),
            _ => None,
        };
        // The last PES packet of audio holds several frames.
        let n_last = audio.map_or(1, |a| a.n_frames.saturating_sub(self.n_frames_before).max(1));
        let end = self.last_dts.zip(unit).map(|(last, unit)| last + unit * i64::from(n_last));
        let sps = nals.and_then(|n| n.sps.as_ref());
        let is_video = self.nals.is_some();
        let found_codec = self.found_codec(info);
        // Of two access units in one PES packet only the delimiter of the second tells.
        let n_units = self.n_units.max(nals.map_or(0, |n| n.n_delimiters));
        ElementaryFacts {
            id: u32::from(info.pid),
            kind: info.kind,
            codec: audio.and_then(FrameWalker::codec).map_or_else(|| info.codec.clone(), str::to_owned),
            timescale: 90_000,
            first_pts: wrapped(self.min_pts),
            first_dts: wrapped(self.first_dts),
            last_dts: wrapped(self.last_dts),
            end_dts: wrapped(end),
            duration: audio.and_then(FrameWalker::duration_90k).filter(|_| !self.encrypted).or(span),
            n_access_units: audio.map_or(n_units, |a| a.n_frames),
            access_unit_duration: unit,
            starts_with_keyframe: self.first_is_keyframe.filter(|_| is_video && !self.encrypted),
            n_keyframes: self.n_keyframes,
            payload_bytes: self.n_payload,
            width: sps.map(|s| s.width),
            height: sps.map(|s| s.height),
            sample_rate: audio.and_then(FrameWalker::sample_rate),
            channels: audio.and_then(FrameWalker::channels),
            codec_string: sps.map(|s| s.codec_string.clone()).or_else(|| audio.and_then(FrameWalker::codec_string)),
            encrypted: self.encrypted,
            language: info.language.clone(),
            video: nals.and_then(|n| {
                let mut video = n.sps.as_ref()?.video.clone();
                (video.mastering_display, video.content_light) = (n.mastering_display, n.content_light);
                Some(video)
            }),
            parameter_sets_first: nals.filter(|_| !self.encrypted).and_then(|n| n.sets_first),
            found_codec,
            keyframes: self.keyframes,
            stamps: self.base.is_some().then_some(self.stamps),
            inter_frames: self.sizes.facts(),
            n_walk_errors: if self.encrypted {
                0
            } else {
                self.n_walk_errors.saturating_add(self.audio.as_ref().map_or(0, |a| a.n_sync_errors))
            },
            payload_digest: std::mem::take(&mut self.digest).finish(),
        }
    }
}

/// PTS and DTS of a whole header.
fn stamps(h: &[u8]) -> Option<(i64, i64)> {
    let stamp = |at: usize| {
        let b = h.get(at..at + 5)?;
        Some(
            i64::from(b[0] >> 1 & 7) << 30
                | i64::from(b[1]) << 22
                | i64::from(b[2] >> 1) << 15
                | i64::from(b[3]) << 7
                | i64::from(b[4] >> 1),
        )
    };
    let flags = h.get(7)? >> 6;
    let pts = (flags >= 2).then(|| stamp(9)).flatten()?;
    Some((pts, (flags == 3).then(|| stamp(14)).flatten().unwrap_or(pts)))
}

/// The codec that Annex B bytes begin like, by headers that the other codec does not have.
fn video_begins_like(bytes: &[u8]) -> Option<&'static str> {
    let nal = bytes.strip_prefix(&[0, 0, 0, 1]).or_else(|| bytes.strip_prefix(&[0, 0, 1]))?;
    match nal {
        [0x40 | 0x42 | 0x46, 1, ..] => Some(name(VideoCodec::H265)),
        [0x09 | 0x67 | 0x27 | 0x47, ..] => Some(name(VideoCodec::H264)),
        _ => None,
    }
}

fn name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "h264",
        VideoCodec::H265 => "h265",
    }
}
