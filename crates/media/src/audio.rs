//! The frame chain of an audio stream across any cut of the bytes: ADTS AAC (ISO/IEC 13818-7 6.2), AC-3 and E-AC-3
//! (ETSI TS 102 366 4.4.1, E.1.3.1), MPEG audio (ISO/IEC 11172-3 2.4.1.3).

/// Bytes that tell the length of a frame of any kind.
const HEADER: usize = 7;

/// What one frame header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Bytes with the header.
    length: usize,
    /// Samples that it adds to the programme; 0 for dependent substreams.
    samples: u32,
    rate: u32,
    channels: u32,
    /// AAC audio object type; 2 is AAC-LC.
    object_type: Option<u32>,
    codec: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum AudioCodec {
    #[default]
    Adts,
    /// AC-3 or E-AC-3: each frame tells which.
    Ac3,
    Mpeg,
}

#[derive(Debug, Default)]
pub(crate) struct FrameWalker {
    codec: AudioCodec,
    header: [u8; HEADER],
    n_header: usize,
    skip: usize,
    n_samples: u64,
    first: Option<Frame>,
    pub(crate) n_frames: u32,
    /// Places where a frame should begin and none did; a run of such bytes is one.
    pub(crate) n_sync_errors: u32,
    lost: bool,
}

impl FrameWalker {
    pub(crate) fn new(codec: AudioCodec) -> Self {
        Self { codec, ..Self::default() }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                self.skip -= n;
                bytes = &bytes[n..];
                continue;
            }
            let n = (HEADER - self.n_header).min(bytes.len());
            self.header[self.n_header..self.n_header + n].copy_from_slice(&bytes[..n]);
            self.n_header += n;
            bytes = &bytes[n..];
            if self.n_header == HEADER {
                self.frame();
            }
        }
    }

    fn frame(&mut self) {
        let frame = match self.codec {
            AudioCodec::Adts => adts(&self.header),
            AudioCodec::Ac3 => ac3(&self.header),
            AudioCodec::Mpeg => mpeg(&self.header),
        };
        let Some(frame) = frame.filter(|f| f.length >= HEADER) else {
            if !self.lost {
                self.n_sync_errors = self.n_sync_errors.saturating_add(1);
            }
            self.lost = true;
            // Look for the next sync byte by byte.
            self.header.copy_within(1.., 0);
            self.n_header = HEADER - 1;
            return;
        };
        self.lost = false;
        self.n_header = 0;
        self.skip = frame.length - HEADER;
        if frame.samples > 0 {
            self.n_frames = self.n_frames.saturating_add(1);
            self.n_samples += u64::from(frame.samples);
        }
        self.first.get_or_insert(frame);
    }

    pub(crate) fn sample_rate(&self) -> Option<u32> {
        Some(self.first?.rate)
    }
    pub(crate) fn channels(&self) -> Option<u32> {
        Some(self.first?.channels)
    }
    /// `aac`, `ac3`, `eac3` or `mpa`, by the first frame.
    pub(crate) fn codec(&self) -> Option<&'static str> {
        Some(self.first?.codec)
    }
    /// RFC 6381.
    pub(crate) fn codec_string(&self) -> Option<String> {
        let first = self.first?;
        Some(match (first.codec, first.object_type) {
            ("aac", Some(kind)) => format!("mp4a.40.{kind}"),
            ("ac3", _) => "ac-3".to_owned(),
            ("eac3", _) => "ec-3".to_owned(),
            _ => "mp4a.40.34".to_owned(),
        })
    }
    /// Duration of all frames at 90 kHz.
    pub(crate) fn duration_90k(&self) -> Option<i64> {
        let rate = u64::from(self.first?.rate);
        i64::try_from((self.n_samples * 90_000 + rate / 2) / rate).ok()
    }
    /// Duration of one frame at 90 kHz.
    pub(crate) fn frame_90k(&self) -> Option<i64> {
        let first = self.first.filter(|f| f.samples > 0)?;
        let rate = u64::from(first.rate);
        i64::try_from((u64::from(first.samples) * 90_000 + rate / 2) / rate).ok()
    }
}

const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

fn adts(h: &[u8; HEADER]) -> Option<Frame> {
    if h[0] != 0xff || h[1] & 0xf6 != 0xf0 {
        return None;
    }
    let config = u32::from(h[2] & 1) << 2 | u32::from(h[3] >> 6);
    Some(Frame {
        length: usize::from(h[3] & 3) << 11 | usize::from(h[4]) << 3 | usize::from(h[5] >> 5),
        samples: 1_024 * (u32::from(h[6] & 3) + 1),
        rate: *AAC_RATES.get(usize::from(h[2] >> 2 & 0xf))?,
        channels: if config == 7 { 8 } else { config },
        object_type: Some(u32::from(h[2] >> 6) + 1),
        codec: "aac",
    })
}

/// kbit/s of `frmsizecod` / 2.
const AC3_KBITS: [usize; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
const AC3_RATES: [u32; 3] = [48_000, 44_100, 32_000];
/// Full-range channels of `acmod`.
const AC3_CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

fn ac3(h: &[u8; HEADER]) -> Option<Frame> {
    if h[0] != 0x0b || h[1] != 0x77 {
        return None;
    }
    if h[5] >> 3 > 10 {
        return (h[5] >> 3 <= 16).then(|| eac3(h)).flatten();
    }
    let (rate_code, size_code) = (h[4] >> 6, usize::from(h[4] & 0x3f));
    let rate = *AC3_RATES.get(usize::from(rate_code))?;
    let kbits = *AC3_KBITS.get(size_code / 2)?;
    let length = match rate_code {
        0 => kbits * 4,
        1 => (kbits * 320 / 147 + size_code % 2) * 2,
        _ => kbits * 6,
    };
    let mode = h[6] >> 5;
    // Mix levels stand before the bit of the low frequency channel.
    let before = 3
        + if mode & 1 == 1 && mode != 1 { 2 } else { 0 }
        + if mode & 4 != 0 { 2 } else { 0 }
        + if mode == 2 { 2 } else { 0 };
    let lfe = u32::from(h[6] >> (7 - before) & 1);
    let channels = AC3_CHANNELS[usize::from(mode)] + lfe;
    Some(Frame { length, samples: 1_536, rate, channels, object_type: None, codec: "ac3" })
}

fn eac3(h: &[u8; HEADER]) -> Option<Frame> {
    let (kind, substream) = (h[2] >> 6, h[2] >> 3 & 7);
    let length = (usize::from(h[2] & 7) << 8 | usize::from(h[3])) * 2 + 2;
    let (rate, blocks) = match h[4] >> 6 {
        3 => (AC3_RATES.get(usize::from(h[4] >> 4 & 3))? / 2, 6),
        code => (*AC3_RATES.get(usize::from(code))?, [1, 2, 3, 6][usize::from(h[4] >> 4 & 3)]),
    };
    let channels = AC3_CHANNELS[usize::from(h[4] >> 1 & 7)] + u32::from(h[4] & 1);
    // Only the first independent substream carries the programme's time.
    let samples = if kind != 1 && substream == 0 { 256 * blocks } else { 0 };
    Some(Frame { length, samples, rate, channels, object_type: None, codec: "eac3" })
}

/// kbit/s: MPEG-1 layers II and III, MPEG-2 layers II and III.
const MPEG_KBITS: [[usize; 15]; 4] = [
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

fn mpeg(h: &[u8; HEADER]) -> Option<Frame> {
    if h[0] != 0xff || h[1] & 0xe0 != 0xe0 {
        return None;
    }
    // 3 MPEG-1, 2 MPEG-2, 0 MPEG-2.5; 2 layer II, 1 layer III.
    let (version, layer) = (h[1] >> 3 & 3, h[1] >> 1 & 3);
    if version == 1 || !matches!(layer, 1 | 2) {
        return None;
    }
    let table = usize::from(version != 3) * 2 + usize::from(layer == 1);
    let kbits = MPEG_KBITS[table].get(usize::from(h[2] >> 4)).copied().filter(|k| *k > 0)?;
    let rate = *[44_100_u32, 48_000, 32_000].get(usize::from(h[2] >> 2 & 3))?
        >> match version {
            3 => 0,
            2 => 1,
            _ => 2,
        };
    let samples = if layer == 1 && version != 3 { 576 } else { 1_152 };
    let length = samples as usize / 8 * kbits * 1_000 / rate as usize + usize::from(h[2] >> 1 & 1);
    let channels = if h[3] >> 6 == 3 { 1 } else { 2 };
    Some(Frame { length, samples, rate, channels, object_type: None, codec: "mpa" })
}

/// The codec that audio bytes begin like.
pub(crate) fn begins_like(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, b, ..] if b & 0xf6 == 0xf0 => Some("aac"),
        [0xff, b, ..] if b & 0xe0 == 0xe0 && b >> 1 & 3 != 0 => Some("mpa"),
        [0x0b, 0x77, _, _, _, b, ..] => Some(if b >> 3 > 10 { "eac3" } else { "ac3" }),
        [0x56, b, ..] if b & 0xe0 == 0xe0 => Some("aac-latm"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(codec: AudioCodec, bytes: &[u8], step: usize) -> FrameWalker {
        let mut walker = FrameWalker::new(codec);
        bytes.chunks(step).for_each(|piece| walker.push(piece));
        walker
    }

    fn framed(header: &[u8], length: usize, n: usize) -> Vec<u8> {
        let mut frame = header.to_vec();
        frame.resize(length, 0);
        frame.repeat(n)
    }

    #[test]
    fn frames_of_every_kind_are_walked_at_any_cut() {
        // AC-3 48 kHz 192 kbit/s 2.0; AC-3 44.1 kHz 128 kbit/s; E-AC-3 5.1 48 kHz of 768 bytes; MP3 44.1 kHz 128 kbit/s.
        for (codec, header, length, expected) in [
            (AudioCodec::Adts, &[0xff, 0xf1, 0x4c, 0x80, 0x02, 0x00, 0xfc][..], 16, ("aac", 48_000, 2, 1_920)),
            (AudioCodec::Ac3, &[0x0b, 0x77, 0, 0, 20, 0x40, 0x40][..], 768, ("ac3", 48_000, 2, 2_880)),
            (AudioCodec::Ac3, &[0x0b, 0x77, 0, 0, 0x50, 0x40, 0xe1][..], 556, ("ac3", 44_100, 6, 3_135)),
            (AudioCodec::Ac3, &[0x0b, 0x77, 0x01, 0x7f, 0x3f, 0x80, 0][..], 768, ("eac3", 48_000, 6, 2_880)),
            (AudioCodec::Mpeg, &[0xff, 0xfb, 0x90, 0x00, 0, 0, 0][..], 417, ("mpa", 44_100, 2, 2_351)),
        ] {
            let bytes = framed(header, length, 5);
            for step in [1, 3, 7, 500, 10_000] {
                let walker = walk(codec, &bytes, step);
                let (name, rate, channels, unit) = expected;
                assert_eq!((walker.n_frames, walker.n_sync_errors), (5, 0), "{name}");
                assert_eq!(walker.codec(), Some(name));
                assert_eq!((walker.sample_rate(), walker.channels()), (Some(rate), Some(channels)), "{name}");
                assert_eq!(walker.frame_90k(), Some(unit), "{name}");
                assert!((walker.duration_90k().unwrap() - 5 * unit).abs() <= 2, "{name}");
            }
        }
    }

    #[test]
    fn a_hole_is_one_error_and_the_chain_goes_on() {
        let header = [0xff, 0xf1, 0x4c, 0x80, 0x02, 0x00, 0xfc];
        let bytes = [framed(&header, 16, 2), vec![0x55; 30], framed(&header, 16, 2)].concat();
        let walker = walk(AudioCodec::Adts, &bytes, 5);
        assert_eq!((walker.n_frames, walker.n_sync_errors), (4, 1));
        assert_eq!(walk(AudioCodec::Ac3, &bytes, 5).n_frames, 0);
    }
}
