//! MPEG-TS segments: built once per place in the loop with times relative to the segment, then patched per segment number.
//!
//! Patched are PCR, PTS, DTS (33 bit, so a wrap is only arithmetic) and the continuity counters, which run on over segments: the packets of
//! each PID in all segments before are known without making them.

use bytes::Bytes;

use crate::mark::Mark;
use crate::recording::{Audio, Picture, Pictures, Video};

const PACKET: usize = 188;
const PID_PMT: u16 = 0x1000;
const PID_VIDEO: u16 = 0x100;
const PID_AUDIO: u16 = 0x101;
/// Places of the PIDs in counters: PAT, PMT, video, audio.
const PIDS: [u16; 4] = [0, PID_PMT, PID_VIDEO, PID_AUDIO];
const WRAP: i64 = 1 << 33;
/// 90 kHz ticks of a picture.
pub(crate) const FRAME: i64 = 3_600;
/// 90 kHz ticks of an AAC frame: 1024 x 90000 / 48000, exact.
pub(crate) const AUDIO_FRAME: i64 = 1_920;
/// How long before its DTS a picture arrives by the PCR: 300 ms.
const MUX_DELAY: i64 = 27_000;
/// PAT and PMT again every 400 ms (TR 101 290 asks for 500 ms).
const PSI_FRAMES: usize = 10;
/// AAC frames in one PES packet: about 170 ms.
const AUDIO_GROUP: usize = 8;

/// A segment at one place of the loop, with times relative to its start.
#[derive(Debug)]
pub(crate) struct TsTemplate {
    bytes: Vec<u8>,
    /// Which of [`PIDS`] each packet is of.
    slots: Vec<u8>,
    /// Byte offset and 90 kHz time of each PCR.
    pcrs: Vec<(u32, i64)>,
    /// Byte offset and 90 kHz time of each PTS and DTS.
    stamps: Vec<(u32, i64)>,
    /// Byte offset of the mark in the first picture.
    mark_at: usize,
    /// Packets per PID.
    pub counts: [u64; 4],
}

/// AAC frames of a segment: the first one's place in the loop, how many, and the first one's time after the segment's start (90 kHz).
#[derive(Debug, Clone, Copy)]
pub(crate) struct AudioSpan {
    pub first: usize,
    pub count: usize,
    pub offset: i64,
}

impl TsTemplate {
    pub fn build(video: &Video, pictures: Pictures, audio: &Audio, span: AudioSpan) -> TsTemplate {
        let Pictures { count: n_frames, ticks, .. } = pictures;
        let sps = if ticks == FRAME { video.sps.clone() } else { video.sps_halved() };
        let mut mux = Mux { ticks, sps, ..Mux::default() };
        let mut next_audio = 0;
        let psi_every = PSI_FRAMES * FRAME as usize / ticks as usize;
        for (i, picture) in pictures.of(video).enumerate() {
            let dts = (i as i64 - 1) * ticks;
            if i % psi_every == 0 {
                mux.section(0, &pat());
                mux.section(1, &pmt());
            }
            // Audio goes out with the picture of the same decoding time; the rest with the last one.
            while next_audio < span.count
                && (span.offset + next_audio as i64 * AUDIO_FRAME <= dts + ticks || i + 1 == n_frames)
            {
                let count = AUDIO_GROUP.min(span.count - next_audio);
                let pts = span.offset + next_audio as i64 * AUDIO_FRAME;
                let frames = (0..count).map(|k| &audio.frames[(span.first + next_audio + k) % audio.frames.len()]);
                mux.audio(audio.config, frames, pts);
                next_audio += count;
            }
            mux.picture(video, picture, dts);
        }
        mux.out
    }

    /// The segment that starts at `start` (90 kHz, unwrapped), with this many packets per PID before it.
    pub fn segment(&self, start: i64, before: [u64; 4], mark: Mark) -> Bytes {
        let mut out = self.bytes.clone();
        mark.write(&mut out, self.mark_at);
        let add = before.map(|n| (n & 15) as u8);
        for (packet, &slot) in out.chunks_exact_mut(PACKET).zip(&self.slots) {
            packet[3] = packet[3] & 0xf0 | packet[3].wrapping_add(add[usize::from(slot)]) & 0x0f;
        }
        for &(at, time) in &self.pcrs {
            let base = (start + time).rem_euclid(WRAP) as u64;
            // 33 bits base, 6 bits reserved, 9 bits extension 0.
            let field = base << 15 | 0x7e00;
            out[at as usize..at as usize + 6].copy_from_slice(&field.to_be_bytes()[2..]);
        }
        for &(at, time) in &self.stamps {
            write_stamp(&mut out[at as usize..at as usize + 5], (start + time).rem_euclid(WRAP) as u64);
        }
        Bytes::from(out)
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Which of [`PIDS`] the packet at this byte is of.
    fn slot_of(&self, at: u32) -> usize {
        self.slots.get(at as usize / PACKET).map_or(0, |slot| usize::from(*slot))
    }
}

/// Writes a 33-bit time into 5 bytes, keeping the four prefix bits (ISO/IEC 13818-1 §2.4.3.7).
fn write_stamp(field: &mut [u8], time: u64) {
    field[0] = field[0] & 0xf0 | (time >> 29) as u8 & 0x0e | 1;
    field[1] = (time >> 22) as u8;
    field[2] = (time >> 14) as u8 | 1;
    field[3] = (time >> 7) as u8;
    field[4] = (time << 1) as u8 | 1;
}

struct Mux {
    out: TsTemplate,
    pes: Vec<u8>,
    /// 90 kHz ticks of a picture.
    ticks: i64,
    sps: Vec<u8>,
}

impl Default for Mux {
    fn default() -> Mux {
        let (bytes, slots, pcrs, stamps) = Default::default();
        Mux {
            out: TsTemplate { bytes, slots, pcrs, stamps, mark_at: 0, counts: [0; 4] },
            pes: Vec::new(),
            ticks: FRAME,
            sps: Vec::new(),
        }
    }
}

impl Mux {
    fn section(&mut self, slot: usize, section: &[u8]) {
        let mut payload = [0xff; PACKET - 4];
        payload[0] = 0; // pointer_field
        payload[1..=section.len()].copy_from_slice(section);
        self.packet(slot, true, &[], &payload);
    }

    fn picture(&mut self, video: &Video, picture: &Picture, dts: i64) {
        let pts = dts + i64::from(picture.display_offset + 1) * self.ticks;
        self.pes.clear();
        self.pes.extend_from_slice(&[0, 0, 0, 1, 9, 0xf0]);
        if picture.is_idr {
            for set in [&self.sps, &video.pps] {
                self.pes.extend_from_slice(&[0, 0, 0, 1]);
                self.pes.extend_from_slice(set);
            }
        }
        // Of the first picture; parameter sets are short, so that its bytes lie in one packet.
        let marked = self.out.stamps.iter().all(|(at, _)| self.out.slot_of(*at) != 2).then_some(self.pes.len() + 4);
        if marked.is_some() {
            self.pes.extend_from_slice(&[0, 0, 0, 1]);
            self.pes.extend_from_slice(&Mark::nal());
        }
        let mut rest = &picture.nals[..];
        while let Some((head, tail)) = rest.split_first_chunk::<4>() {
            let (nal, tail) = tail.split_at(u32::from_be_bytes(*head) as usize);
            self.pes.extend_from_slice(&[0, 0, 0, 1]);
            self.pes.extend_from_slice(nal);
            rest = tail;
        }
        let times: &[i64] = if pts == dts { &[pts] } else { &[pts, dts] };
        let flags = if picture.is_idr { 0x50 } else { 0x10 };
        // PES_packet_length 0: unbounded, allowed for video in a transport stream.
        self.pes(2, 0xe0, 0, times, Some((flags, dts - MUX_DELAY)));
        if let Some(at) = marked {
            // Behind the last stamp of the PES head.
            let head_end = self.out.stamps.last().map_or(0, |(stamp, _)| *stamp as usize + 5);
            self.out.mark_at = head_end + at;
        }
    }

    fn audio<'a>(&mut self, config: [u8; 2], frames: impl Iterator<Item = &'a Vec<u8>>, pts: i64) {
        self.pes.clear();
        for frame in frames {
            self.pes.extend_from_slice(&adts(config, frame.len()));
            self.pes.extend_from_slice(frame);
        }
        self.pes(3, 0xc0, self.pes.len() as u16 + 8, &[pts], None);
    }

    /// `self.pes` as one PES packet; `clock`: adaptation field flags and PCR for its first packet.
    fn pes(&mut self, slot: usize, stream_id: u8, length: u16, times: &[i64], clock: Option<(u8, i64)>) {
        let mut head = Vec::with_capacity(24);
        head.extend_from_slice(&[0, 0, 1, stream_id]);
        head.extend_from_slice(&length.to_be_bytes());
        // Marker bits and data_alignment_indicator; PTS or PTS and DTS; header length.
        head.extend_from_slice(&[0x84, if times.len() == 2 { 0xc0 } else { 0x80 }, times.len() as u8 * 5]);
        let stamps_at = head.len();
        let prefixes: &[u8] = if times.len() == 2 { &[0x30, 0x10] } else { &[0x20] };
        for prefix in prefixes {
            head.extend_from_slice(&[*prefix, 0, 0, 0, 0]);
        }
        let adaptation: Vec<u8> = match clock {
            Some((flags, _)) => vec![7, flags, 0, 0, 0, 0, 0, 0],
            None => Vec::new(),
        };
        let packet_at = self.out.bytes.len() as u32;
        if let Some((_, pcr)) = clock {
            self.out.pcrs.push((packet_at + 6, pcr));
        }
        let body = std::mem::take(&mut self.pes);
        head.extend_from_slice(&body);
        let (first, rest) = head.split_at(head.len().min(PACKET - 4 - adaptation.len()));
        // The payload ends with the packet: a short one starts later, after a stretched adaptation field.
        let payload_at = packet_at as usize + PACKET - first.len();
        for (i, time) in times.iter().enumerate() {
            self.out.stamps.push(((payload_at + stamps_at + 5 * i) as u32, *time));
        }
        self.packet(slot, true, &adaptation, first);
        for payload in rest.chunks(PACKET - 4) {
            self.packet(slot, false, &[], payload);
        }
        self.pes = body;
    }

    /// One packet; an adaptation field is stretched (or made) so that the payload ends with the packet.
    fn packet(&mut self, slot: usize, starts: bool, adaptation: &[u8], payload: &[u8]) {
        let pid = PIDS[slot];
        let counter = self.out.counts[slot] as u8 & 0x0f;
        self.out.counts[slot] += 1;
        self.out.slots.push(slot as u8);
        let room = PACKET - 4 - payload.len();
        let control = if room > 0 { 0x30 } else { 0x10 };
        let bytes = &mut self.out.bytes;
        bytes.extend_from_slice(&[0x47, u8::from(starts) << 6 | (pid >> 8) as u8, pid as u8, control | counter]);
        if room > 0 {
            let at = bytes.len();
            bytes.resize(at + room, 0xff);
            bytes[at] = room as u8 - 1;
            if let Some(flags) = bytes.get_mut(at + 1).filter(|_| room > 1) {
                *flags = 0;
            }
            if adaptation.len() > 1 {
                bytes[at + 1..at + adaptation.len()].copy_from_slice(&adaptation[1..]);
            }
        }
        bytes.extend_from_slice(payload);
    }
}

/// ISO/IEC 13818-7 §6.2, without CRC.
fn adts(config: [u8; 2], frame: usize) -> [u8; 7] {
    let object_type = config[0] >> 3;
    let rate = (config[0] & 7) << 1 | config[1] >> 7;
    let channels = config[1] >> 3 & 0x0f;
    let len = frame + 7;
    [
        0xff,
        0xf1,
        (object_type - 1) << 6 | rate << 2 | channels >> 2,
        channels << 6 | (len >> 11) as u8,
        (len >> 3) as u8,
        (len << 5) as u8 | 0x1f,
        0xfc,
    ]
}

fn pat() -> Vec<u8> {
    // Transport stream 1, version 0: programme 1 at the PMT's PID.
    with_crc(vec![0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | (PID_PMT >> 8) as u8, PID_PMT as u8])
}

fn pmt() -> Vec<u8> {
    let (v, a) = (PID_VIDEO, PID_AUDIO);
    let mut section = vec![0x02, 0xb0, 0, 0, 1, 0xc1, 0, 0, 0xe0 | (v >> 8) as u8, v as u8, 0xf0, 0];
    section.extend_from_slice(&[0x1b, 0xe0 | (v >> 8) as u8, v as u8, 0xf0, 0]);
    section.extend_from_slice(&[0x0f, 0xe0 | (a >> 8) as u8, a as u8, 0xf0, 6, 0x0a, 4, b'e', b'n', b'g', 0]);
    section[2] = section.len() as u8 + 4 - 3;
    with_crc(section)
}

/// CRC-32/MPEG-2.
pub(crate) fn with_crc(mut section: Vec<u8>) -> Vec<u8> {
    let mut crc = u32::MAX;
    for &byte in &section {
        crc ^= u32::from(byte) << 24;
        for _ in 0..8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
        }
    }
    section.extend_from_slice(&crc.to_be_bytes());
    section
}
