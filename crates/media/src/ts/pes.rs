//! PES packets of one stream (ISO/IEC 13818-1 2.4.3.6): timestamps, access units, random access, payload size.

use ow_domain::facts::ElementaryFacts;

use super::psi::StreamInfo;
use crate::adts::AdtsWalker;
use crate::nal::{self, VideoCodec};

const WRAP: i64 = 1 << 33;
/// Bytes of the first access unit that are searched for its first slice: parameter sets and SEI come before it.
const FIRST_LOOK: usize = 32 * 1024;
/// The same of every later one.
const LATER_LOOK: usize = 512;
/// Longest PES header: 9 bytes and 255 of options.
const MAX_HEADER: usize = 9 + 255;
/// Distances between timestamps that are told apart.
const MAX_DISTANCES: usize = 32;

pub(crate) struct Stream {
    video: Option<VideoCodec>,
    adts: Option<AdtsWalker>,
    header: Vec<u8>,
    in_header: bool,
    /// First bytes of the access unit in hand.
    look: Vec<u8>,
    looking: bool,
    random_access_flag: bool,
    n_pes: u32,
    n_keyframes: u32,
    first_is_keyframe: Option<bool>,
    sps: Option<crate::sps::Sps>,
    n_payload: u64,
    encrypted: bool,
    /// Timestamps relative to the first DTS, without wrap.
    base: Option<i64>,
    first_dts: Option<i64>,
    last_dts: Option<i64>,
    min_pts: Option<i64>,
    max_pts: Option<i64>,
    distances: Vec<(i64, u32)>,
}

impl Stream {
    pub(crate) fn new(info: &StreamInfo) -> Self {
        Self {
            video: info.video,
            adts: info.is_adts.then(AdtsWalker::default),
            header: Vec::new(),
            in_header: false,
            look: Vec::new(),
            looking: false,
            random_access_flag: false,
            n_pes: 0,
            n_keyframes: 0,
            first_is_keyframe: None,
            sps: None,
            n_payload: 0,
            encrypted: info.encrypted,
            base: None,
            first_dts: None,
            last_dts: None,
            min_pts: None,
            max_pts: None,
            distances: Vec::new(),
        }
    }

    pub(crate) fn n_pes(&self) -> u32 {
        self.n_pes
    }

    pub(crate) fn push(&mut self, unit_start: bool, random_access: bool, scrambled: bool, payload: &[u8]) {
        if scrambled {
            // The PES header is scrambled with the rest: nothing can be read but the size.
            self.encrypted = true;
            self.n_payload += payload.len() as u64;
            if unit_start {
                self.n_pes = self.n_pes.saturating_add(1);
            }
            return;
        }
        if unit_start {
            self.end_access_unit();
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
        self.looking = self.video.is_some();
        self.timestamps();
        let start = std::mem::take(&mut self.header);
        self.data(&start[length..]);
        self.header = start;
        self.data(&payload[take..]);
    }

    /// `None` until enough is there, or when it is no PES header with optional fields.
    fn header_length(&self) -> Option<usize> {
        let h = &self.header;
        (h.len() >= 9 && h.starts_with(&[0, 0, 1]) && h[6] & 0xc0 == 0x80).then(|| 9 + usize::from(h[8]))
    }

    fn timestamps(&mut self) {
        let h = &self.header;
        self.encrypted |= h[6] & 0x30 != 0;
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
        let flags = h[7] >> 6;
        let Some(pts) = (flags >= 2).then(|| stamp(9)).flatten() else { return };
        let dts = (flags == 3).then(|| stamp(14)).flatten().unwrap_or(pts);
        let base = *self.base.get_or_insert(dts);
        let relative = |t: i64, near: i64| near + ((t - base - near + WRAP / 2).rem_euclid(WRAP) - WRAP / 2);
        let dts = relative(dts, self.last_dts.unwrap_or(0));
        let pts = relative(pts, dts);
        self.first_dts.get_or_insert(dts);
        if let Some(last) = self.last_dts.replace(dts) {
            self.distance(dts - last);
        }
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
        self.n_payload += bytes.len() as u64;
        if let Some(adts) = &mut self.adts {
            adts.push(bytes);
        }
        if self.looking {
            let limit = if self.first_is_keyframe.is_none() { FIRST_LOOK } else { LATER_LOOK };
            let take = bytes.len().min(limit.saturating_sub(self.look.len()));
            self.look.extend_from_slice(&bytes[..take]);
            if self.look.len() >= limit {
                self.end_access_unit();
            }
        }
    }

    fn end_access_unit(&mut self) {
        let (true, Some(codec)) = (self.looking, self.video) else { return };
        self.looking = false;
        let found = nal::look(codec, &self.look);
        self.look.clear();
        let keyframe = found.random_access.unwrap_or(self.random_access_flag);
        self.n_keyframes += u32::from(keyframe);
        self.first_is_keyframe.get_or_insert(keyframe);
        if self.sps.is_none() {
            self.sps = found.sps;
        }
    }

    pub(crate) fn facts(&mut self, info: &StreamInfo) -> ElementaryFacts {
        self.end_access_unit();
        let wrapped = |relative: Option<i64>| Some((relative? + self.base?).rem_euclid(WRAP));
        let adts = self.adts.as_ref().filter(|a| a.n_frames > 0);
        let unit = adts.and_then(AdtsWalker::frame_90k).or_else(|| self.median_distance());
        let span = match (self.min_pts, self.max_pts) {
            (Some(min), Some(max)) => Some(max - min + self.median_distance().unwrap_or(0)),
            _ => None,
        };
        ElementaryFacts {
            id: u32::from(info.pid),
            kind: info.kind,
            codec: info.codec.clone(),
            timescale: 90_000,
            first_pts: wrapped(self.min_pts),
            first_dts: wrapped(self.first_dts),
            last_dts: wrapped(self.last_dts),
            duration: adts.and_then(AdtsWalker::duration_90k).filter(|_| !self.encrypted).or(span),
            n_access_units: adts.map_or(self.n_pes, |a| a.n_frames),
            access_unit_duration: unit,
            starts_with_keyframe: self.first_is_keyframe.filter(|_| self.video.is_some() && !self.encrypted),
            n_keyframes: self.n_keyframes,
            payload_bytes: self.n_payload,
            width: self.sps.as_ref().map(|s| s.width),
            height: self.sps.as_ref().map(|s| s.height),
            sample_rate: adts.and_then(|a| a.sample_rate),
            channels: adts.and_then(|a| a.channels),
            codec_string: self
                .sps
                .as_ref()
                .map(|s| s.codec_string.clone())
                .or_else(|| adts.and_then(|a| a.object_type).map(|t| format!("mp4a.40.{t}"))),
            encrypted: self.encrypted,
            ..ElementaryFacts::default()
        }
    }
}
