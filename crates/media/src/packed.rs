//! Packed audio (RFC 8216 3.4): an ID3 tag with the timestamp of the first sample, then ADTS, AC-3 or E-AC-3 frames.

use ow_domain::facts::{ElementaryFacts, EsKind, SegmentFacts};

use crate::adts::AdtsWalker;
use crate::issues::Issues;

/// Bytes of an ID3 tag that are looked at.
const MAX_TAG: usize = 16 * 1024;
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";

#[derive(Default)]
pub(crate) struct PackedParser {
    head: Vec<u8>,
    /// Bytes of the tag still to come, once its length is known.
    tag_left: Option<usize>,
    adts: AdtsWalker,
    is_ac3: Option<bool>,
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
        let Some(first) = bytes.first() else { return };
        self.n_payload += bytes.len() as u64;
        if !*self.is_ac3.get_or_insert(*first == 0x0b) {
            self.adts.push(bytes);
        }
    }

    pub(crate) fn finish(&mut self, complete: bool, facts: &mut SegmentFacts, issues: &mut Issues) {
        if self.tag_left.is_none() && !self.head.starts_with(b"ID3") {
            let head = std::mem::take(&mut self.head);
            self.payload(&head);
        }
        let timestamp = self
            .head
            .windows(OWNER.len() + 8)
            .find(|w| w.starts_with(OWNER))
            .and_then(|w| Some(u64::from_be_bytes(w[OWNER.len()..].try_into().ok()?)))
            .and_then(|t| i64::try_from(t & ((1 << 33) - 1)).ok());
        if complete && self.adts.n_sync_errors > 0 {
            let n = self.adts.n_sync_errors;
            issues.add("adts-sync-lost", 0, || format!("{n} bytes between ADTS frames do not belong to any"));
        }
        facts.elementary.push(ElementaryFacts {
            kind: EsKind::Audio,
            codec: if self.is_ac3 == Some(true) { "ac3" } else { "aac" }.to_owned(),
            timescale: 90_000,
            first_pts: timestamp,
            first_dts: timestamp,
            duration: self.adts.duration_90k(),
            n_access_units: self.adts.n_frames,
            access_unit_duration: self.adts.frame_90k(),
            payload_bytes: self.n_payload,
            sample_rate: self.adts.sample_rate,
            channels: self.adts.channels,
            codec_string: self.adts.object_type.map(|t| format!("mp4a.40.{t}")),
            ..ElementaryFacts::default()
        });
    }
}
