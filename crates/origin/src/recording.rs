//! Reads the embedded recording (fragmented MP4 made by `assets/record.sh`) into access units, once.
//!
//! The input is part of the program, so a fault in it is an error of the build, but it is read with the same care as foreign bytes.

use std::ops::Range;

/// 25 pictures/s in loops of 16 s.
pub(crate) const LOOP_FRAMES: usize = 400;
/// Pictures from an IDR to the next.
pub(crate) const GOP_FRAMES: usize = 50;
/// 1024-sample AAC frames at 48 kHz in 16 s.
pub(crate) const LOOP_AUDIO_FRAMES: usize = 750;
/// Frames that the AAC encoder needs to settle; left out.
const AUDIO_SKIP: usize = 4;

/// A run of pictures of a rendition's loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pictures {
    /// Place of the first in the loop.
    pub first: usize,
    pub count: usize,
    /// 90 kHz ticks of each.
    pub ticks: i64,
    /// How many of each [`GOP_FRAMES`] are taken, the first ones.
    pub of_gop: usize,
}

impl Pictures {
    pub fn of<'a>(&self, video: &'a Video) -> impl Iterator<Item = &'a Picture> + use<'a> {
        let Pictures { first, count, of_gop, .. } = *self;
        (0..count).map(move |i| &video.frames[(first + i / of_gop * GOP_FRAMES + i % of_gop) % video.frames.len()])
    }
}

/// One H.264 rendition.
#[derive(Debug)]
pub(crate) struct Video {
    /// `stsd` box as recorded (`avc1` with `avcC`).
    pub stsd: Vec<u8>,
    pub sps: Vec<u8>,
    pub pps: Vec<u8>,
    pub width: u16,
    pub height: u16,
    /// RFC 6381, for example `avc1.4d401e`.
    pub codecs: String,
    /// [`LOOP_FRAMES`] pictures in decoding order.
    pub frames: Vec<Picture>,
}

/// One coded picture: slice NAL units with 4-byte lengths.
#[derive(Debug)]
pub(crate) struct Picture {
    pub nals: Vec<u8>,
    /// Display time minus decoding time in pictures, minus the first picture's: 0 for IDR, negative for B.
    pub display_offset: i32,
    pub is_idr: bool,
}

/// The AAC rendition.
#[derive(Debug)]
pub(crate) struct Audio {
    /// `stsd` box as recorded (`mp4a` with `esds`).
    pub stsd: Vec<u8>,
    /// AudioSpecificConfig: the first two bytes of it.
    pub config: [u8; 2],
    /// [`LOOP_AUDIO_FRAMES`] raw AAC frames.
    pub frames: Vec<Vec<u8>>,
}

impl Video {
    pub fn read(file: &[u8]) -> Result<Video, String> {
        let raw = Raw::read(file)?;
        let entry = child(&raw.stsd[16..], b"avc1").ok_or("no avc1")?;
        let header = entry.get(..78).ok_or("avc1 is short")?;
        let avcc = child(&entry[78..], b"avcC").ok_or("no avcC")?;
        let sps_len = be(avcc, 6, 2)?;
        let sps = avcc.get(8..8 + sps_len).ok_or("avcC is short")?.to_vec();
        let pps_len = be(avcc, 9 + sps_len, 2)?;
        let pps = avcc.get(11 + sps_len..11 + sps_len + pps_len).ok_or("avcC is short")?.to_vec();
        let codecs = format!("avc1.{:02x}{:02x}{:02x}", avcc[1], avcc[2], avcc[3]);
        let frame_ticks = raw.samples.first().map_or(1, |s| s.duration.max(1));
        let first = raw.samples.first().map_or(0, |s| s.display_offset);
        let mut frames = Vec::with_capacity(LOOP_FRAMES);
        for sample in &raw.samples {
            let (nals, is_idr) = slices(file.get(sample.bytes.clone()).ok_or("sample outside the file")?)?;
            frames.push(Picture { nals, display_offset: (sample.display_offset - first) / frame_ticks, is_idr });
        }
        if frames.len() != LOOP_FRAMES || frames.iter().enumerate().any(|(i, f)| f.is_idr != (i % GOP_FRAMES == 0)) {
            return Err(format!("{} pictures, expected {LOOP_FRAMES} with an IDR every 50", frames.len()));
        }
        let (width, height) = (be(header, 24, 2)? as u16, be(header, 26, 2)? as u16);
        Ok(Video { stsd: raw.stsd, sps, pps, width, height, codecs, frames })
    }
}

impl Video {
    /// The sequence parameter set with another rate: `time_scale` halved where `timing_info` tells 25 pictures/s (ITU-T H.264 E.1.1).
    pub fn sps_halved(&self) -> Vec<u8> {
        let bits: Vec<bool> =
            unescaped(&self.sps).iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1 == 1)).collect();
        let pattern: Vec<bool> = (0..64).rev().map(|i| 0x1_0000_0032_u64 >> i & 1 == 1).collect();
        let Some(at) = bits.windows(64).position(|w| w == pattern) else { return self.sps.clone() };
        let mut bits = bits;
        for i in 0..32 {
            bits[at + 32 + i] = 25_u32 >> (31 - i) & 1 == 1;
        }
        escaped(&bits.chunks(8).map(|c| c.iter().fold(0, |n, b| n << 1 | u8::from(*b))).collect::<Vec<u8>>())
    }
}

/// Without emulation prevention bytes (ITU-T H.264 7.4.1.1).
fn unescaped(nal: &[u8]) -> Vec<u8> {
    let (mut out, mut zeros) = (Vec::with_capacity(nal.len()), 0);
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

fn escaped(rbsp: &[u8]) -> Vec<u8> {
    let (mut out, mut zeros) = (Vec::with_capacity(rbsp.len() + 4), 0);
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

impl Audio {
    pub fn read(file: &[u8]) -> Result<Audio, String> {
        let raw = Raw::read(file)?;
        let entry = child(&raw.stsd[16..], b"mp4a").ok_or("no mp4a")?;
        let esds = child(entry.get(28..).ok_or("mp4a is short")?, b"esds").ok_or("no esds")?;
        let config = decoder_specific_info(esds).ok_or("no AudioSpecificConfig")?;
        let take = raw.samples.iter().skip(AUDIO_SKIP).take(LOOP_AUDIO_FRAMES);
        let frames = take
            .map(|s| file.get(s.bytes.clone()).map(<[u8]>::to_vec).ok_or("sample outside the file"))
            .collect::<Result<Vec<_>, _>>()?;
        if frames.len() != LOOP_AUDIO_FRAMES {
            return Err(format!("{} audio frames, expected {LOOP_AUDIO_FRAMES}", frames.len()));
        }
        Ok(Audio { stsd: raw.stsd, config, frames })
    }
}

/// Slice NAL units only: parameter sets, delimiters and SEI are written by the muxers where they belong.
fn slices(sample: &[u8]) -> Result<(Vec<u8>, bool), String> {
    let (mut out, mut is_idr, mut at) = (Vec::with_capacity(sample.len()), false, 0);
    while at < sample.len() {
        let len = be(sample, at, 4)?;
        let nal = sample.get(at + 4..at + 4 + len).ok_or("NAL unit longer than its sample")?;
        let kind = nal.first().ok_or("empty NAL unit")? & 0x1f;
        if matches!(kind, 1 | 5) {
            out.extend_from_slice(&sample[at..at + 4 + len]);
            is_idr |= kind == 5;
        }
        at += 4 + len;
    }
    Ok((out, is_idr))
}

/// The first track's sample description and the place of each sample.
struct Raw {
    stsd: Vec<u8>,
    samples: Vec<Sample>,
}

struct Sample {
    bytes: Range<usize>,
    duration: i32,
    display_offset: i32,
}

impl Raw {
    fn read(file: &[u8]) -> Result<Raw, String> {
        let mut stsd = None;
        let mut samples = Vec::new();
        for (kind, range) in boxes(file) {
            let body = &file[range.clone()];
            match &kind {
                b"moov" => {
                    let stbl = [b"trak", b"mdia", b"minf", b"stbl"].iter().try_fold(body, |b, k| child(b, k));
                    let body = stbl.and_then(|b| child(b, b"stsd")).ok_or("no stsd")?;
                    stsd = Some([&(body.len() as u32 + 8).to_be_bytes()[..], b"stsd", body].concat());
                }
                b"moof" => fragment(body, range.start - 8, &mut samples)?,
                _ => {}
            }
        }
        let stsd = stsd.filter(|b| b.len() > 16).ok_or("no moov")?;
        Ok(Raw { stsd, samples })
    }
}

/// ISO/IEC 14496-12 §8.8.7 and §8.8.8, as ffmpeg writes them.
fn fragment(moof: &[u8], moof_at: usize, out: &mut Vec<Sample>) -> Result<(), String> {
    let traf = child(moof, b"traf").ok_or("no traf")?;
    let tfhd = child(traf, b"tfhd").ok_or("no tfhd")?;
    let trun = child(traf, b"trun").ok_or("no trun")?;
    // With default-base-is-moof, default duration and default size, and nothing in front of them.
    if be(tfhd, 0, 4)? != 0x02_0038 {
        return Err("unexpected tfhd flags".into());
    }
    let (duration, size) = (be(tfhd, 8, 4)?, be(tfhd, 12, 4)?);
    let flags = be(trun, 0, 4)? & 0xff_ffff;
    let count = be(trun, 4, 4)?;
    let mut at = 8;
    let mut next = |present: usize, default: usize| -> Result<usize, String> {
        if flags & present == 0 {
            return Ok(default);
        }
        at += 4;
        be(trun, at - 4, 4)
    };
    let mut data_at = moof_at + next(0x1, 0)?;
    next(0x4, 0)?;
    if count > 10_000 {
        return Err("too many samples".into());
    }
    for _ in 0..count {
        let duration = next(0x100, duration)? as i32;
        let size = next(0x200, size)?;
        next(0x400, 0)?;
        let display_offset = next(0x800, 0)? as u32 as i32;
        out.push(Sample { bytes: data_at..data_at + size, duration, display_offset });
        data_at += size;
    }
    Ok(())
}

/// The DecoderSpecificInfo (tag 5) in an `esds`, ISO/IEC 14496-1 §7.2.6.
fn decoder_specific_info(esds: &[u8]) -> Option<[u8; 2]> {
    let mut at = 4;
    loop {
        let tag = *esds.get(at)?;
        at += 1;
        while esds.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
        // What stands between a descriptor's head and its children.
        at += match tag {
            3 => 3,
            4 => 13,
            5 => return Some([*esds.get(at)?, *esds.get(at + 1)?]),
            _ => return None,
        };
    }
}

fn boxes(data: &[u8]) -> Vec<([u8; 4], Range<usize>)> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let (Ok(size), Some(kind)) = (be(data, at, 4), data.get(at + 4..at + 8)) {
        if size < 8 || at + size > data.len() {
            break;
        }
        out.push(([kind[0], kind[1], kind[2], kind[3]], at + 8..at + size));
        at += size;
    }
    out
}

fn child<'a>(data: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(data).into_iter().find(|(k, _)| k == kind).map(|(_, range)| &data[range])
}

fn be(data: &[u8], at: usize, len: usize) -> Result<usize, String> {
    let bytes = data.get(at..at + len).ok_or("the box is short")?;
    Ok(bytes.iter().fold(0, |n, &b| n << 8 | usize::from(b)))
}
