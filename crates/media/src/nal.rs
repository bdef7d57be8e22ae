//! A walk over the NAL units of an Annex B stream (H.264 Annex B, H.265 Annex B) across any cut of the bytes: random
//! access, parameter sets, sizes of slices. It keeps sequence parameter sets and the first SEI, never slices.

use crate::sps::{self, Sps};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VideoCodec {
    H264,
    H265,
}

/// Bytes kept of a parameter set or SEI.
const MAX_KEPT: usize = 512;
/// Access units whose SEI are read: HDR metadata stands with the first key frame.
const SEI_UNITS: u32 = 1;

/// What was found of one access unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The first slice is of an IDR (H.264) or IRAP (H.265) picture; `None`: no slice.
    pub random_access: Option<bool>,
    pub n_nals: u32,
    /// Bytes of slices: parameter sets, SEI and filler left out.
    pub slice_bytes: u64,
    /// `forbidden_zero_bit` was set.
    pub n_forbidden: u32,
}

#[derive(Debug)]
pub(crate) struct NalWalker {
    codec: VideoCodec,
    /// Zero bytes just before, at most 2.
    zeros: u8,
    expect_header: bool,
    /// Bytes seen of the stream.
    at: u64,
    /// Where the NAL unit under way begins, and whether it is a slice.
    nal: Option<(u64, bool)>,
    kept: Vec<u8>,
    keeping: Option<Kept>,
    n_units: u32,
    pub unit: Unit,
    pub sps: Option<Sps>,
    /// Access unit delimiters of the whole stream.
    pub n_delimiters: u32,
    has_sps: bool,
    has_pps: bool,
    has_vps: bool,
    /// All parameter sets came before the first slice; `None` before that slice.
    pub sets_first: Option<bool>,
    pub mastering_display: bool,
    pub content_light: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Sps,
    Sei,
}

enum Kind {
    Slice { random_access: bool },
    Sps,
    Pps,
    Vps,
    Sei,
    Delimiter,
    Other,
}

impl NalWalker {
    pub(crate) fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            zeros: 0,
            expect_header: false,
            at: 0,
            nal: None,
            kept: Vec::new(),
            keeping: None,
            n_units: 0,
            unit: Unit::default(),
            sps: None,
            n_delimiters: 0,
            has_sps: false,
            has_pps: false,
            has_vps: codec == VideoCodec::H264,
            sets_first: None,
            mastering_display: false,
            content_light: false,
        }
    }

    /// Ends the access unit in hand and tells what it was; the next byte begins another.
    pub(crate) fn end_unit(&mut self) -> Unit {
        self.end_nal(self.at);
        self.nal = None;
        self.zeros = 0;
        self.expect_header = false;
        self.n_units = self.n_units.saturating_add(1);
        std::mem::take(&mut self.unit)
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let mut i = 0;
        while let Some(rest) = bytes.get(i..).filter(|rest| !rest.is_empty()) {
            // Most bytes are neither headers nor next to a zero.
            if self.zeros == 0 && !self.expect_header && self.keeping.is_none() {
                let n = first_zero(rest);
                i += n;
                self.at += n as u64;
                if i == bytes.len() {
                    return;
                }
            }
            let Some(&byte) = bytes.get(i) else { return };
            if self.expect_header {
                self.expect_header = false;
                self.header(byte);
            } else if byte == 1 && self.zeros >= 2 {
                self.end_nal((self.at).saturating_sub(2));
                self.expect_header = true;
                self.zeros = 0;
                i += 1;
                self.at += 1;
                continue;
            }
            if self.keeping.is_some() {
                if self.kept.len() < MAX_KEPT {
                    self.kept.push(byte);
                } else {
                    self.end_kept();
                }
            }
            self.zeros = if byte == 0 { (self.zeros + 1).min(2) } else { 0 };
            i += 1;
            self.at += 1;
        }
    }

    fn kind(&self, header: u8) -> Kind {
        match self.codec {
            VideoCodec::H264 => match header & 0x1f {
                n @ 1..=5 => Kind::Slice { random_access: n == 5 },
                6 => Kind::Sei,
                7 => Kind::Sps,
                8 => Kind::Pps,
                9 => Kind::Delimiter,
                _ => Kind::Other,
            },
            VideoCodec::H265 => match header >> 1 & 0x3f {
                n @ 0..=31 => Kind::Slice { random_access: (16..=23).contains(&n) },
                32 => Kind::Vps,
                33 => Kind::Sps,
                34 => Kind::Pps,
                35 => Kind::Delimiter,
                39 => Kind::Sei,
                _ => Kind::Other,
            },
        }
    }

    fn header(&mut self, header: u8) {
        self.unit.n_nals = self.unit.n_nals.saturating_add(1);
        self.unit.n_forbidden = self.unit.n_forbidden.saturating_add(u32::from(header >> 7));
        let kind = self.kind(header);
        self.nal = Some((self.at, matches!(kind, Kind::Slice { .. })));
        match kind {
            Kind::Slice { random_access } => {
                self.unit.random_access.get_or_insert(random_access);
                self.sets_first.get_or_insert(self.has_sps && self.has_pps && self.has_vps);
            }
            Kind::Sps => {
                self.has_sps = true;
                self.keeping = self.sps.is_none().then_some(Kept::Sps);
            }
            Kind::Pps => self.has_pps = true,
            Kind::Vps => self.has_vps = true,
            Kind::Sei => self.keeping = (self.n_units < SEI_UNITS).then_some(Kept::Sei),
            Kind::Delimiter => self.n_delimiters = self.n_delimiters.saturating_add(1),
            Kind::Other => {}
        }
        self.kept.clear();
    }

    fn end_nal(&mut self, end: u64) {
        if let Some((start, true)) = self.nal {
            self.unit.slice_bytes += end.saturating_sub(start);
        }
        self.nal = None;
        self.end_kept();
    }

    fn end_kept(&mut self) {
        match (self.keeping.take(), self.codec) {
            (Some(Kept::Sps), VideoCodec::H264) => self.sps = sps::h264(&self.kept),
            (Some(Kept::Sps), VideoCodec::H265) => self.sps = sps::h265(&self.kept),
            (Some(Kept::Sei), codec) => {
                let body = self.kept.get(if codec == VideoCodec::H264 { 1 } else { 2 }..).unwrap_or_default();
                for kind in sei_kinds(body) {
                    self.mastering_display |= kind == 137;
                    self.content_light |= kind == 144;
                }
            }
            (None, _) => {}
        }
    }
}

/// Payload types of an SEI message chain (H.264 7.3.2.3.1), at most 16. Emulation prevention only lengthens payloads of
/// kinds that nobody asks for here.
fn sei_kinds(mut body: &[u8]) -> Vec<u32> {
    let mut kinds = Vec::new();
    let number = |body: &mut &[u8]| {
        let mut value = 0_u32;
        while let Some((&byte, rest)) = body.split_first() {
            *body = rest;
            value += u32::from(byte);
            if byte != 0xff {
                return Some(value);
            }
        }
        None
    };
    while kinds.len() < 16 && body.len() > 2 {
        let (Some(kind), Some(size)) = (number(&mut body), number(&mut body)) else { break };
        kinds.push(kind);
        let Some(rest) = body.get(size as usize..) else { break };
        body = rest;
    }
    kinds
}

/// Number of bytes before the first zero, eight at a time.
fn first_zero(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut n = 0;
    let words = bytes.chunks_exact(8);
    for word in words {
        let word = u64::from_le_bytes(word.try_into().unwrap_or([0; 8]));
        let zero = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zero != 0 {
            return n + zero.trailing_zeros() as usize / 8;
        }
        n += 8;
    }
    n + bytes[n..].iter().position(|b| *b == 0).unwrap_or(bytes.len() - n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(codec: VideoCodec, bytes: &[u8], step: usize) -> (Unit, Option<bool>) {
        let mut walker = NalWalker::new(codec);
        bytes.chunks(step).for_each(|piece| walker.push(piece));
        (walker.end_unit(), walker.sets_first)
    }

    #[test]
    fn random_access_is_told_by_the_first_slice() {
        for (codec, bytes, expected) in [
            (VideoCodec::H264, &[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88][..], Some(true)),
            (VideoCodec::H264, &[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x41, 0x9a, 0, 0, 1, 0x65], Some(false)),
            (VideoCodec::H264, &[0, 0, 0, 1, 9, 0xf0], None),
            (VideoCodec::H264, &[], None),
            (VideoCodec::H265, &[0, 0, 1, 0x46, 1, 0x50, 0, 0, 1, 0x26, 1], Some(true)),
            (VideoCodec::H265, &[0, 0, 1, 0x02, 1], Some(false)),
            (VideoCodec::H265, &[0, 0, 1], None),
        ] {
            for step in 1..=bytes.len().max(1) {
                assert_eq!(unit(codec, bytes, step).0.random_access, expected, "{bytes:?}");
            }
        }
    }

    #[test]
    fn sizes_are_of_slices_and_sets_are_told() {
        let mut bytes = vec![0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 6, 5, 1, 9, 0x80];
        bytes.extend([0, 0, 1, 0x65]);
        bytes.extend([7; 99]);
        // Filler data counts for nothing.
        bytes.extend([0, 0, 1, 12]);
        bytes.extend([0xff; 50]);
        for step in [1, 2, 3, 7, 500] {
            let (unit, sets_first) = unit(VideoCodec::H264, &bytes, step);
            assert_eq!((unit.slice_bytes, unit.n_nals, unit.n_forbidden, sets_first), (100, 5, 0, Some(true)));
        }
        let (unit, sets_first) = unit(VideoCodec::H264, &[0, 0, 1, 0xe5, 0, 0, 1, 0x67, 0], 4);
        assert_eq!((unit.n_forbidden, sets_first), (1, Some(false)));
    }

    #[test]
    fn zeros_are_found_wherever_they_are() {
        for n in 0..40 {
            for at in 0..n {
                let mut bytes = vec![0xff; n];
                bytes[at] = 0;
                assert_eq!(first_zero(&bytes), at);
            }
            assert_eq!(first_zero(&vec![1; n]), n);
        }
        assert_eq!(sei_kinds(&[5, 1, 0, 137, 2, 1, 1, 144, 0, 0x80]), [5, 137, 144]);
        assert_eq!(sei_kinds(&[0xff, 5, 200, 1]), [260]);
    }
}
