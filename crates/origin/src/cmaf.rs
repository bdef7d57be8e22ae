//! CMAF: initialization segments, and media segments built once per place in the loop and patched per number (sequence, `tfdt`).

use bytes::Bytes;

use crate::mark::Mark;
use crate::recording::{Audio, Pictures, Video};

/// Timescale of the video track.
pub(crate) const VIDEO_SCALE: u32 = 90_000;
/// Timescale of the audio track: its sampling rate.
pub(crate) const AUDIO_SCALE: u32 = 48_000;
/// Level 2.
const LOWER_LEVEL: u8 = 20;
const AUDIO_SAMPLE: u32 = 1_024;
/// sample_depends_on 2, sync sample (ISO/IEC 14496-12 §8.8.3.1).
const SYNC: u32 = 0x0200_0000;
/// sample_depends_on 1, non-sync sample.
const NON_SYNC: u32 = 0x0101_0000;

/// A media segment with places to patch.
#[derive(Debug)]
pub(crate) struct CmafTemplate {
    bytes: Vec<u8>,
    sequence_at: usize,
    decode_time_at: usize,
    /// Byte offset of the mark in the first picture; sound has none.
    mark_at: Option<usize>,
}

impl CmafTemplate {
    /// Times of display begin at `tfdt`: composition offsets are signed (`trun` version 1), no edit list is needed.
    pub fn video(video: &Video, pictures: Pictures) -> CmafTemplate {
        let Pictures { count, ticks, .. } = pictures;
        let mut samples = Vec::new();
        let mut data = Vec::new();
        for (i, frame) in pictures.of(video).enumerate() {
            let begin = data.len();
            if i == 0 {
                let mark = Mark::nal();
                data.extend_from_slice(&(mark.len() as u32).to_be_bytes());
                data.extend_from_slice(&mark);
            }
            data.extend_from_slice(&frame.nals);
            samples.extend(((data.len() - begin) as u32).to_be_bytes());
            samples.extend(if frame.is_idr { SYNC } else { NON_SYNC }.to_be_bytes());
            samples.extend((frame.display_offset * ticks as i32).to_be_bytes());
        }
        // data-offset, sizes, flags, composition offsets.
        let template = CmafTemplate::build(0x0100_0e01, ticks as u32, NON_SYNC, count, &samples, &data);
        CmafTemplate { mark_at: Some(template.bytes.len() - data.len() + 4), ..template }
    }

    pub fn audio(audio: &Audio, first: usize, count: usize) -> CmafTemplate {
        let frames = (first..first + count).map(|i| &audio.frames[i % audio.frames.len()]);
        let mut samples = Vec::new();
        let mut data = Vec::new();
        for frame in frames {
            samples.extend((frame.len() as u32).to_be_bytes());
            data.extend_from_slice(frame);
        }
        CmafTemplate::build(0x0100_0201, AUDIO_SAMPLE, SYNC, count, &samples, &data)
    }

    fn build(trun: u32, duration: u32, flags: u32, count: usize, samples: &[u8], data: &[u8]) -> CmafTemplate {
        let mut w = Writer::default();
        w.boxed(b"styp", |w| w.put(b"msdh\0\0\0\0msdhmsixcmfs"));
        let moof_at = w.out.len();
        let (mut sequence_at, mut decode_time_at, mut data_offset_at) = (0, 0, 0);
        w.boxed(b"moof", |w| {
            w.boxed(b"mfhd", |w| {
                w.words(&[0]);
                sequence_at = w.out.len();
                w.words(&[0]);
            });
            w.boxed(b"traf", |w| {
                // default-base-is-moof, default duration and flags.
                w.boxed(b"tfhd", |w| w.words(&[0x02_0028, 1, duration, flags]));
                w.boxed(b"tfdt", |w| {
                    w.words(&[0x0100_0000]);
                    decode_time_at = w.out.len();
                    w.words(&[0, 0]);
                });
                w.boxed(b"trun", |w| {
                    w.words(&[trun, count as u32]);
                    data_offset_at = w.out.len();
                    w.words(&[0]);
                    w.put(samples);
                });
            });
        });
        let data_offset = (w.out.len() - moof_at + 8) as u32;
        w.out[data_offset_at..data_offset_at + 4].copy_from_slice(&data_offset.to_be_bytes());
        w.boxed(b"mdat", |w| w.put(data));
        CmafTemplate { bytes: w.out, sequence_at, decode_time_at, mark_at: None }
    }

    /// The segment with this sequence number and decode time (of its first sample, in the track's timescale).
    pub fn segment(&self, sequence: u32, decode_time: u64, mark: Mark) -> Bytes {
        let mut out = self.bytes.clone();
        if let Some(at) = self.mark_at {
            mark.write(&mut out, at);
        }
        out[self.sequence_at..self.sequence_at + 4].copy_from_slice(&sequence.to_be_bytes());
        out[self.decode_time_at..self.decode_time_at + 8].copy_from_slice(&decode_time.to_be_bytes());
        Bytes::from(out)
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The initialization segment of another encoder: its H.264 level is a lower one, in `avcC` and in the parameter set.
pub(crate) fn with_lower_level(init: &[u8]) -> Bytes {
    let mut out = init.to_vec();
    if let Some(at) = find(init, b"avcC").map(|at| at + 4) {
        // avcC: version, profile, compatibility, level, two bytes, length of the SPS; SPS: head, profile, compatibility, level.
        for at in [at + 3, at + 11] {
            if let Some(level) = out.get_mut(at) {
                *level = LOWER_LEVEL.min(*level);
            }
        }
    }
    Bytes::from(out)
}

/// The media segment with `tfdt` of version 0: its time modulo 2^32 (ISO/IEC 14496-12 §8.8.12).
pub(crate) fn with_tfdt32(segment: &[u8]) -> Bytes {
    let Some(at) = find(segment, b"tfdt") else { return Bytes::copy_from_slice(segment) };
    let mut out = segment[..at + 8].to_vec();
    out[at + 4] = 0;
    // Low half of the time; what follows moves up by four bytes.
    out.extend_from_slice(&segment[at + 12..]);
    for kind in [b"tfdt", b"traf", b"moof"] {
        if let Some(at) = find(&out, kind) {
            let size = be32(&out, at - 4) - 4;
            out[at - 4..at].copy_from_slice(&size.to_be_bytes());
        }
    }
    if let Some(at) = find(&out, b"trun") {
        let offset = be32(&out, at + 12) - 4;
        out[at + 12..at + 16].copy_from_slice(&offset.to_be_bytes());
    }
    Bytes::from(out)
}

/// The media segment with this `tfdt`.
pub(crate) fn with_tfdt(segment: &[u8], change: impl Fn(u64) -> u64) -> Bytes {
    let mut out = segment.to_vec();
    if let Some(at) = find(segment, b"tfdt") {
        let time = u64::from(be32(segment, at + 8)) << 32 | u64::from(be32(segment, at + 12));
        out[at + 8..at + 16].copy_from_slice(&change(time).to_be_bytes());
    }
    Bytes::from(out)
}

/// Where the first box of this type has its type; ours stand before any media.
pub(crate) fn find(data: &[u8], kind: &[u8; 4]) -> Option<usize> {
    data.windows(4).position(|w| w == kind)
}

pub(crate) fn be32(data: &[u8], at: usize) -> u32 {
    data.get(at..at + 4).map_or(0, |b| b.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
}

/// Initialization segment of a video rendition.
pub(crate) fn video_init(video: &Video) -> Bytes {
    let header = |w: &mut Writer| w.boxed(b"vmhd", |w| w.words(&[1, 0, 0]));
    let size = [u32::from(video.width) << 16, u32::from(video.height) << 16];
    init(*b"vide", VIDEO_SCALE, 0, size, &video.stsd, header)
}

/// Initialization segment of the audio rendition.
pub(crate) fn audio_init(audio: &Audio) -> Bytes {
    let header = |w: &mut Writer| w.boxed(b"smhd", |w| w.words(&[0, 0]));
    init(*b"soun", AUDIO_SCALE, 0x0100_0000, [0, 0], &audio.stsd, header)
}

fn init(handler: [u8; 4], scale: u32, volume: u32, size: [u32; 2], stsd: &[u8], header: impl Fn(&mut Writer)) -> Bytes {
    /// Identity of ISO/IEC 14496-12 §6.2.2.
    const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
    let mut w = Writer::default();
    w.boxed(b"ftyp", |w| w.put(b"cmfc\0\0\0\0cmfccmf2iso6mp41"));
    w.boxed(b"moov", |w| {
        w.boxed(b"mvhd", |w| {
            w.words(&[0, 0, 0, 1_000, 0, 0x1_0000, 0x0100_0000, 0, 0]);
            w.words(&MATRIX);
            w.words(&[0, 0, 0, 0, 0, 0, 2]);
        });
        w.boxed(b"trak", |w| {
            w.boxed(b"tkhd", |w| {
                // Enabled, in movie, in preview; track 1.
                w.words(&[7, 0, 0, 1, 0, 0, 0, 0, 0, volume]);
                w.words(&MATRIX);
                w.words(&size);
            });
            w.boxed(b"mdia", |w| {
                // Language und (video) or eng (audio), ISO 639-2/T in 5-bit letters.
                let language = if handler == *b"soun" { 0x15c7 } else { 0x55c4 };
                w.boxed(b"mdhd", |w| w.words(&[0, 0, 0, scale, 0, language << 16]));
                w.boxed(b"hdlr", |w| {
                    w.words(&[0, 0, u32::from_be_bytes(handler), 0, 0, 0]);
                    w.put(b"ottwatch\0");
                });
                w.boxed(b"minf", |w| {
                    header(w);
                    w.boxed(b"dinf", |w| {
                        w.boxed(b"dref", |w| {
                            w.words(&[0, 1]);
                            w.boxed(b"url ", |w| w.words(&[1]));
                        });
                    });
                    w.boxed(b"stbl", |w| {
                        w.put(stsd);
                        w.boxed(b"stts", |w| w.words(&[0, 0]));
                        w.boxed(b"stsc", |w| w.words(&[0, 0]));
                        w.boxed(b"stsz", |w| w.words(&[0, 0, 0]));
                        w.boxed(b"stco", |w| w.words(&[0, 0]));
                    });
                });
            });
        });
        w.boxed(b"mvex", |w| w.boxed(b"trex", |w| w.words(&[0, 1, 1, 0, 0, 0])));
    });
    Bytes::from(w.out)
}

/// Writes boxes, sizes filled in at their end.
#[derive(Default)]
pub(crate) struct Writer {
    pub out: Vec<u8>,
}

impl Writer {
    pub fn boxed(&mut self, kind: &[u8; 4], body: impl FnOnce(&mut Writer)) {
        let at = self.out.len();
        self.words(&[0]);
        self.put(kind);
        body(self);
        let size = (self.out.len() - at) as u32;
        self.out[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }

    pub fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub fn words(&mut self, words: &[u32]) {
        for word in words {
            self.put(&word.to_be_bytes());
        }
    }
}
