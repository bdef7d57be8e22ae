//! Packed audio (RFC 8216 3.4): an ID3 tag with the timestamp of the first sample, then ADTS, AC-3, E-AC-3 or MPEG
//! audio frames.

use ow_domain::facts::{ElementaryFacts, EsKind, PackedFacts, SegmentFacts};

use crate::audio::{self, AudioCodec, FrameWalker};
use crate::digest::Digest;
use crate::issues::Issues;

/// Bytes of an ID3 tag that are looked at.
const MAX_TAG: usize = 16 * 1024;
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";

#[derive(Default)]
pub(crate) struct PackedParser {
    head: Vec<u8>,
    /// Bytes of the tag still to come, once its length is known.
    tag_left: Option<usize>,
    /// First bytes of the audio, until its kind is known.
    start: Vec<u8>,
    frames: Option<FrameWalker>,
    digest: Digest,
    n_payload: u64,
}

impl PackedParser {
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while self.tag_left.is_none() && !bytes.is_empty() {
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if self.head.len() >= 3 && !self.head.starts_with(b"ID3") {
                self.tag_left = Some(0);
                let head = std::mem::take(&mut self.head);
                self.payload(&head);
            } else if self.head.len() == 10 {
                let size = self.head[6..10].iter().fold(0_usize, |n, b| n << 7 | usize::from(b & 0x7f));
                self.tag_left = Some(size);
            }
        }
        if let Some(left) = self.tag_left
            && left > 0
        {
            let n = left.min(bytes.len());
            let keep = n.min(MAX_TAG.saturating_sub(self.head.len()));
            self.head.extend_from_slice(&bytes[..keep]);
            self.tag_left = Some(left - n);
            bytes = &bytes[n..];
        }
        self.payload(bytes);
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.n_payload += bytes.len() as u64;
        self.digest.push(bytes);
        if let Some(frames) = &mut self.frames {
            frames.push(bytes);
            return;
        }
        // Six bytes tell AC-3 from the others.
        self.start.extend_from_slice(bytes);
        if self.start.len() >= 6 {
            self.decide();
        }
    }

    fn decide(&mut self) {
        let codec = match audio::begins_like(&self.start) {
            Some("ac3" | "eac3") => AudioCodec::Ac3,
            Some("mpa") => AudioCodec::Mpeg,
            _ => AudioCodec::Adts,
        };
        let mut frames = FrameWalker::new(codec);
        frames.push(&std::mem::take(&mut self.start));
        self.frames = Some(frames);
    }

    pub(crate) fn finish(&mut self, complete: bool, facts: &mut SegmentFacts, issues: &mut Issues) {
        if self.tag_left.is_none() && !self.head.starts_with(b"ID3") {
            let head = std::mem::take(&mut self.head);
            self.payload(&head);
        }
        if self.frames.is_none() {
            self.decide();
        }
        let Some(frames) = &self.frames else { return };
        let timestamp = self
            .head
            .windows(OWNER.len() + 8)
            .find(|w| w.starts_with(OWNER))
            .and_then(|w| Some(u64::from_be_bytes(w[OWNER.len()..].try_into().ok()?)));
        facts.packed = Some(PackedFacts { has_id3: self.head.starts_with(b"ID3"), timestamp });
        let timestamp = timestamp.and_then(|t| i64::try_from(t & ((1 << 33) - 1)).ok());
        if complete && frames.n_sync_errors > 0 {
            let n = frames.n_sync_errors;
            issues.add("adts-sync-lost", 0, || format!("{n} times no audio frame begins where one should"));
        }
        let duration = frames.duration_90k();
        let end = timestamp.zip(duration).map(|(start, duration)| (start + duration) & ((1 << 33) - 1));
        facts.elementary.push(ElementaryFacts {
            kind: EsKind::Audio,
            codec: frames.codec().unwrap_or("aac").to_owned(),
            timescale: 90_000,
            first_pts: timestamp,
            first_dts: timestamp,
            end_dts: end,
            duration,
            n_access_units: frames.n_frames,
            access_unit_duration: frames.frame_90k(),
            payload_bytes: self.n_payload,
            sample_rate: frames.sample_rate(),
            channels: frames.channels(),
            codec_string: frames.codec_string(),
            n_walk_errors: frames.n_sync_errors,
            payload_digest: std::mem::take(&mut self.digest).finish(),
            ..ElementaryFacts::default()
        });
    }
}
