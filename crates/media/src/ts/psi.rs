//! Program specific information: PAT and PMT (ISO/IEC 13818-1 2.4.4).

use ow_domain::facts::EsKind;

use crate::audio::AudioCodec;
use crate::nal::VideoCodec;

/// Longest section: 4093 bytes after the length field (private sections; PAT and PMT are shorter).
const MAX_SECTION: usize = 4096;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(crate) struct Section {
    buffer: Vec<u8>,
    collecting: bool,
}

impl Section {
    pub(crate) fn push(&mut self, unit_start: bool, payload: &[u8], on_table: &mut dyn FnMut(&[u8])) {
        if unit_start {
            let Some((&pointer, rest)) = payload.split_first() else { return };
            let pointer = usize::from(pointer);
            if pointer > rest.len() {
                self.collecting = false;
                return;
            }
            if self.collecting {
                self.add(&rest[..pointer], on_table);
            }
            self.buffer.clear();
            self.collecting = true;
            self.add(&rest[pointer..], on_table);
        } else if self.collecting {
            self.add(payload, on_table);
        }
    }

    fn add(&mut self, bytes: &[u8], on_table: &mut dyn FnMut(&[u8])) {
        self.buffer.extend_from_slice(bytes);
        loop {
            if self.buffer.len() < 3 {
                return;
            }
            let length = 3 + (usize::from(self.buffer[1] & 0x0f) << 8 | usize::from(self.buffer[2]));
            // 0xff is stuffing: no further section in this packet.
            if self.buffer[0] == 0xff || length > MAX_SECTION {
                self.collecting = false;
                self.buffer.clear();
                return;
            }
            if self.buffer.len() < length {
                return;
            }
            on_table(&self.buffer[..length]);
            self.buffer.drain(..length);
        }
    }
}

/// CRC-32 over a whole section with its CRC is 0 (13818-1 Annex A).
pub(crate) fn crc_is_right(section: &[u8]) -> bool {
    let crc = section.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
        }
        crc
    });
    crc == 0
}

/// `version_number` of a table that is in force (`current_next_indicator` 1).
pub(crate) fn version(table: &[u8]) -> Option<u8> {
    let byte = table.get(5)?;
    (byte & 1 == 1).then_some(byte >> 1 & 0x1f)
}

/// PIDs of the PMTs that a PAT names (the network PID left out).
pub(crate) fn pat_pmt_pids(table: &[u8]) -> Vec<u16> {
    let Some(body) = table.len().checked_sub(4).and_then(|end| table.get(8..end)) else { return Vec::new() };
    if table[0] != 0 {
        return Vec::new();
    }
    body.chunks_exact(4)
        .filter(|entry| entry[0] != 0 || entry[1] != 0)
        .map(|entry| u16::from(entry[2] & 0x1f) << 8 | u16::from(entry[3]))
        .take(8)
        .collect()
}

/// One stream of a PMT.
#[derive(Debug, Clone)]
pub(crate) struct StreamInfo {
    pub(crate) pid: u16,
    pub(crate) stream_type: u8,
    pub(crate) kind: EsKind,
    pub(crate) codec: String,
    pub(crate) video: Option<VideoCodec>,
    pub(crate) audio: Option<AudioCodec>,
    /// The PID carries sections, not PES packets (SCTE-35).
    pub(crate) is_sections: bool,
    pub(crate) language: Option<String>,
    /// The stream type says SAMPLE-AES.
    pub(crate) encrypted: bool,
}

/// PCR PID and streams.
pub(crate) fn pmt_streams(table: &[u8]) -> Option<(u16, Vec<StreamInfo>)> {
    if *table.first()? != 2 {
        return None;
    }
    let end = table.len().checked_sub(4)?;
    let pcr_pid = u16::from(table.get(8)? & 0x1f) << 8 | u16::from(*table.get(9)?);
    let info_length = usize::from(table.get(10)? & 0x0f) << 8 | usize::from(*table.get(11)?);
    let mut at = 12 + info_length;
    let mut streams = Vec::new();
    while at + 5 <= end && streams.len() < crate::MAX_ELEMENTARY {
        let stream_type = table[at];
        let pid = u16::from(table[at + 1] & 0x1f) << 8 | u16::from(table[at + 2]);
        let length = usize::from(table[at + 3] & 0x0f) << 8 | usize::from(table[at + 4]);
        let descriptors = table.get(at + 5..(at + 5 + length).min(end)).unwrap_or_default();
        streams.push(stream_info(stream_type, pid, descriptors));
        at += 5 + length;
    }
    Some((pcr_pid, streams))
}

fn stream_info(stream_type: u8, pid: u16, descriptors: &[u8]) -> StreamInfo {
    let info = |kind, codec: &str| StreamInfo {
        pid,
        stream_type,
        kind,
        codec: codec.to_owned(),
        video: None,
        audio: None,
        is_sections: false,
        language: language(descriptors),
        encrypted: false,
    };
    let video = |codec, name| StreamInfo { video: Some(codec), ..info(EsKind::Video, name) };
    let audio = |codec, name| StreamInfo { audio: Some(codec), ..info(EsKind::Audio, name) };
    let sample_aes = |clear: StreamInfo| StreamInfo { encrypted: true, audio: None, ..clear };
    let has = |tag: u8| descriptor(descriptors, tag).is_some();
    match stream_type {
        0x1b => video(VideoCodec::H264, "h264"),
        0xdb => sample_aes(video(VideoCodec::H264, "h264")),
        0x24 => video(VideoCodec::H265, "h265"),
        0x01 | 0x02 => info(EsKind::Video, "mpeg2"),
        0x0f => audio(AudioCodec::Adts, "aac"),
        0xcf => sample_aes(info(EsKind::Audio, "aac")),
        0x11 => info(EsKind::Audio, "aac-latm"),
        0x03 | 0x04 => audio(AudioCodec::Mpeg, "mpa"),
        0x81 => audio(AudioCodec::Ac3, "ac3"),
        0xc1 => sample_aes(info(EsKind::Audio, "ac3")),
        0x87 => audio(AudioCodec::Ac3, "eac3"),
        0xc2 => sample_aes(info(EsKind::Audio, "eac3")),
        0x15 => info(EsKind::Data, "id3"),
        0x86 => StreamInfo { is_sections: true, ..info(EsKind::Data, "scte35") },
        // Private data: DVB descriptors tell.
        0x06 if has(0x6a) => audio(AudioCodec::Ac3, "ac3"),
        0x06 if has(0x7a) => audio(AudioCodec::Ac3, "eac3"),
        0x06 if has(0x59) => info(EsKind::Text, "dvbsub"),
        0x06 if has(0x56) => info(EsKind::Text, "teletext"),
        other => info(EsKind::Other, &format!("0x{other:02x}")),
    }
}

/// The first language of an ISO 639 descriptor.
fn language(descriptors: &[u8]) -> Option<String> {
    let code = descriptor(descriptors, 0x0a)?.get(..3)?;
    let text = std::str::from_utf8(code).ok().filter(|t| t.bytes().all(|b| b.is_ascii_alphabetic()))?;
    Some(text.to_ascii_lowercase()).filter(|t| t != "und")
}

fn descriptor(mut all: &[u8], tag: u8) -> Option<&[u8]> {
    while let [found, length, rest @ ..] = all {
        let body = rest.get(..usize::from(*length))?;
        if *found == tag {
            return Some(body);
        }
        all = &rest[usize::from(*length)..];
    }
    None
}
