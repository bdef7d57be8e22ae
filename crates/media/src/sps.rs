//! Picture size and RFC 6381 codec string from H.264 and H.265 sequence parameter sets.

use crate::bits::Bits;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `avc1.640028`, `hvc1.1.6.L93.B0`.
    pub(crate) codec_string: String,
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

fn sized(width: u32, height: u32, codec_string: String) -> Option<Sps> {
    ((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height)).then_some(Sps { width, height, codec_string })
}

/// H.264 7.3.2.1.1; `nal` with its one-byte header.
pub(crate) fn h264(nal: &[u8]) -> Option<Sps> {
    let data = rbsp(nal.get(1..)?);
    let mut r = Bits::new(&data);
    let (profile, constraints, level) = (r.bits(8)?, r.bits(8)?, r.bits(8)?);
    r.ue()?;
    let mut chroma = 1;
    let mut separate_planes = 0;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma = r.ue()?;
        if chroma == 3 {
            separate_planes = r.bit()?;
        }
        r.ue()?;
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
    sized(width, height, format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
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
    sized(width, height, text)
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
        for cut in 0..nal.len() {
            let _ = h265(&nal[..cut]);
        }
    }
}
