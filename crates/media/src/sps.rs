//! Picture size, configuration and RFC 6381 codec string from H.264 and H.265 sequence parameter sets.

use ow_domain::facts::VideoFacts;

use crate::bits::Bits;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `avc1.640028`, `hvc1.1.6.L93.B0`.
    pub(crate) codec_string: String,
    pub(crate) video: VideoFacts,
}

/// Largest side that is believed.
const MAX_SIDE: u32 = 16_384;

/// Removes emulation prevention bytes (H.264 7.4.1).
fn rbsp(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len().min(512));
    let mut zeros = 0;
    for &byte in nal.iter().take(512) {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

fn sized(width: u32, height: u32, codec_string: String, video: VideoFacts) -> Option<Sps> {
    ((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height)).then_some(Sps {
        width,
        height,
        codec_string,
        video,
    })
}

fn small(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// Sample aspect ratios of `aspect_ratio_idc` 1 to 16 (H.264 table E-1, H.265 table E-1).
const ASPECTS: [(u32, u32); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// The part of the VUI that both codecs share: aspect, overscan, colour, chroma location.
fn vui_colour(r: &mut Bits<'_>, video: &mut VideoFacts) -> Option<()> {
    if r.bit()? == 1 {
        video.sample_aspect = match r.bits(8)? {
            255 => Some((r.bits(16)?, r.bits(16)?)).filter(|(w, h)| *w > 0 && *h > 0),
            idc => ASPECTS.get((idc as usize).wrapping_sub(1)).copied(),
        };
    }
    if r.bit()? == 1 {
        r.bit()?;
    }
    if r.bit()? == 1 {
        r.bits(4)?;
        if r.bit()? == 1 {
            video.primaries = Some(small(r.bits(8)?));
            video.transfer = Some(small(r.bits(8)?));
            video.matrix = Some(small(r.bits(8)?));
        }
    }
    if r.bit()? == 1 {
        r.ue()?;
        r.ue()?;
    }
    Some(())
}

/// Frames per second of the timing information; `ticks_per_frame` is 2 for H.264, whose ticks are fields.
fn vui_timing(r: &mut Bits<'_>, ticks_per_frame: u32, video: &mut VideoFacts) -> Option<()> {
    if r.bit()? == 1 {
        let (units, scale) = (r.bits(32)?, r.bits(32)?);
        let per_frame = units.checked_mul(ticks_per_frame).filter(|n| *n > 0);
        video.frame_rate = per_frame.filter(|_| scale > 0).map(|per_frame| {
            let common = gcd(scale, per_frame);
            (scale / common, per_frame / common)
        });
    }
    Some(())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// H.264 7.3.2.1.1; `nal` with its one-byte header.
pub(crate) fn h264(nal: &[u8]) -> Option<Sps> {
    let data = rbsp(nal.get(1..)?);
    let mut r = Bits::new(&data);
    let (profile, constraints, level) = (r.bits(8)?, r.bits(8)?, r.bits(8)?);
    r.ue()?;
    let mut chroma = 1;
    let mut separate_planes = 0;
    let mut bit_depth = 8;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma = r.ue()?;
        if chroma == 3 {
            separate_planes = r.bit()?;
        }
        bit_depth = r.ue()?.checked_add(8)?;
        r.ue()?;
        r.bit()?;
        if r.bit()? == 1 {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if r.bit()? == 1 {
                    scaling_list(&mut r, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    r.ue()?;
    match r.ue()? {
        0 => {
            r.ue()?;
        }
        1 => {
            r.bit()?;
            r.se()?;
            r.se()?;
            let n = r.ue()?;
            for _ in 0..n.min(255) {
                r.se()?;
            }
        }
        _ => {}
    }
    r.ue()?;
    r.bit()?;
    let width_mbs = r.ue()?.checked_add(1)?;
    let height_units = r.ue()?.checked_add(1)?;
    let frame_mbs_only = r.bit()?;
    if frame_mbs_only == 0 {
        r.bit()?;
    }
    r.bit()?;
    let mut crop = [0_u32; 4];
    if r.bit()? == 1 {
        for side in &mut crop {
            *side = r.ue()?;
        }
    }
    let (sub_w, sub_h) = match (chroma, separate_planes) {
        (1, _) => (2, 2),
        (2, _) => (2, 1),
        _ => (1, 1),
    };
    let unit_y = sub_h * (2 - frame_mbs_only);
    let width = width_mbs.checked_mul(16)?.checked_sub(crop[0].checked_add(crop[1])?.checked_mul(sub_w)?)?;
    let height = height_units
        .checked_mul(16)?
        .checked_mul(2 - frame_mbs_only)?
        .checked_sub(crop[2].checked_add(crop[3])?.checked_mul(unit_y)?)?;
    let mut video = VideoFacts {
        profile: small(profile),
        level: small(level),
        chroma_format: small(chroma),
        bit_depth: small(bit_depth),
        interlaced: frame_mbs_only == 0,
        ..VideoFacts::default()
    };
    // A VUI that is cut off tells what it holds.
    let _ =
        (r.bit() == Some(1)).then(|| vui_colour(&mut r, &mut video).and_then(|()| vui_timing(&mut r, 2, &mut video)));
    sized(width, height, format!("avc1.{profile:02x}{constraints:02x}{level:02x}"), video)
}

fn scaling_list(r: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = (last + r.se()? % 256 + 256) % 256;
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// H.265 7.3.2.2; `nal` with its two-byte header.
pub(crate) fn h265(nal: &[u8]) -> Option<Sps> {
    let data = rbsp(nal.get(2..)?);
    let mut r = Bits::new(&data);
    r.skip(4)?;
    let max_sub_layers = r.bits(3)?;
    r.bit()?;
    let (space, tier, profile) = (r.bits(2)?, r.bit()?, r.bits(5)?);
    let compatibility = r.bits(32)?;
    let mut constraints = [0_u32; 6];
    for byte in &mut constraints {
        *byte = r.bits(8)?;
    }
    let level = r.bits(8)?;
    let mut present = Vec::new();
    for _ in 0..max_sub_layers {
        present.push((r.bit()?, r.bit()?));
    }
    if max_sub_layers > 0 {
        r.skip(2 * (8 - max_sub_layers as usize))?;
    }
    for (has_profile, has_level) in present {
        r.skip(if has_profile == 1 { 88 } else { 0 } + if has_level == 1 { 8 } else { 0 })?;
    }
    r.ue()?;
    let chroma = r.ue()?;
    if chroma == 3 {
        r.bit()?;
    }
    let (mut width, mut height) = (r.ue()?, r.ue()?);
    if r.bit()? == 1 {
        let (sub_w, sub_h) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let (left, right, top, bottom) = (r.ue()?, r.ue()?, r.ue()?, r.ue()?);
        width = width.checked_sub(left.checked_add(right)?.checked_mul(sub_w)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(sub_h)?)?;
    }
    let mut text = format!(
        "hvc1.{}{profile}.{:X}.{}{level}",
        ["", "A", "B", "C"][space as usize & 3],
        compatibility.reverse_bits(),
        if tier == 1 { 'H' } else { 'L' }
    );
    let last = constraints.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    for byte in &constraints[..last] {
        text += &format!(".{byte:X}");
    }
    let mut video = VideoFacts {
        profile: small(profile),
        level: small(level),
        chroma_format: small(chroma),
        bit_depth: 8,
        ..VideoFacts::default()
    };
    let _ = h265_rest(&mut r, max_sub_layers, &mut video);
    sized(width, height, text, video)
}

/// From the bit depths to the VUI (H.265 7.3.2.2.1, E.2.1). `None` where it ends early: what came before stays.
fn h265_rest(r: &mut Bits<'_>, max_sub_layers: u32, video: &mut VideoFacts) -> Option<()> {
    video.bit_depth = small(r.ue()?.checked_add(8)?);
    r.ue()?;
    let poc_bits = r.ue()?.checked_add(4).filter(|n| *n <= 16)?;
    let first = if r.bit()? == 1 { 0 } else { max_sub_layers };
    for _ in first..=max_sub_layers {
        r.ue()?;
        r.ue()?;
        r.ue()?;
    }
    for _ in 0..6 {
        r.ue()?;
    }
    if r.bit()? == 1 && r.bit()? == 1 {
        h265_scaling_lists(r)?;
    }
    r.bits(2)?;
    if r.bit()? == 1 {
        r.bits(8)?;
        r.ue()?;
        r.ue()?;
        r.bit()?;
    }
    let n_sets = r.ue().filter(|n| *n <= 64)?;
    let mut n_deltas = 0;
    for index in 0..n_sets {
        n_deltas = h265_reference_set(r, index, n_deltas)?;
    }
    if r.bit()? == 1 {
        for _ in 0..r.ue().filter(|n| *n <= 32)? {
            r.bits(poc_bits + 1)?;
        }
    }
    r.bits(2)?;
    if r.bit()? == 0 {
        return Some(());
    }
    vui_colour(r, video)?;
    r.bit()?;
    video.interlaced = r.bit()? == 1;
    r.bit()?;
    if r.bit()? == 1 {
        for _ in 0..4 {
            r.ue()?;
        }
    }
    vui_timing(r, 1, video)
}

fn h265_scaling_lists(r: &mut Bits<'_>) -> Option<()> {
    for size in 0..4_u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if r.bit()? == 0 {
                r.ue()?;
                continue;
            }
            if size > 1 {
                r.se()?;
            }
            for _ in 0..(1_u32 << (4 + (size << 1))).min(64) {
                r.se()?;
            }
        }
    }
    Some(())
}

/// `st_ref_pic_set` (H.265 7.3.7): gives its number of pictures, which the next one may build on.
fn h265_reference_set(r: &mut Bits<'_>, index: u32, n_before: u32) -> Option<u32> {
    if index > 0 && r.bit()? == 1 {
        r.bit()?;
        r.ue()?;
        let mut n = 0;
        for _ in 0..=n_before {
            let used = r.bit()? == 1;
            n += u32::from(used || r.bit()? == 1);
        }
        return Some(n);
    }
    let n = r.ue().filter(|n| *n <= 16)? + r.ue().filter(|n| *n <= 16)?;
    for _ in 0..n {
        r.ue()?;
        r.bit()?;
    }
    Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h265_sizes() {
        // Main profile level 3.1, 1280x720, as x265 writes it.
        let nal = [
            0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5d,
            0xa0, 0x02, 0x80, 0x80, 0x2d, 0x16, 0x59, 0x59, 0xa4, 0x93, 0x2b, 0xc0, 0x5a, 0x02,
        ];
        let sps = h265(&nal).unwrap();
        assert_eq!((sps.width, sps.height), (1280, 720));
        assert_eq!(sps.codec_string, "hvc1.1.6.L93.90");
        assert_eq!((sps.video.profile, sps.video.level, sps.video.bit_depth), (1, 93, 8));
        for cut in 0..nal.len() {
            let _ = h265(&nal[..cut]);
        }
    }
}
