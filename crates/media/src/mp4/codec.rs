//! Sample entries: decoder configurations and the RFC 6381 string that they make.

use crate::bits::{Bits, Fields};

/// What the boxes of a sample entry say of the codec.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) codec_string: Option<String>,
    /// Bytes of the length before each NAL unit, 0 when the samples hold none.
    pub(crate) nal_length_bytes: u8,
    pub(crate) channels: Option<u32>,
    /// First sequence parameter set, with its NAL header.
    pub(crate) sps: Option<Vec<u8>>,
}

/// Largest parameter set that is kept.
const MAX_SPS: usize = 512;

/// Short name of the codec of a sample entry.
pub(crate) fn name(entry: [u8; 4]) -> String {
    match &entry {
        b"avc1" | b"avc3" | b"avc2" | b"avc4" | b"dva1" | b"dvav" => "h264".to_owned(),
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "h265".to_owned(),
        b"av01" => "av1".to_owned(),
        b"vp08" => "vp8".to_owned(),
        b"vp09" => "vp9".to_owned(),
        b"mp4a" => "aac".to_owned(),
        b"ac-3" => "ac3".to_owned(),
        b"ec-3" => "eac3".to_owned(),
        b"ac-4" => "ac4".to_owned(),
        b"Opus" => "opus".to_owned(),
        b"fLaC" => "flac".to_owned(),
        other => super::boxes::name_of(*other),
    }
}

/// RFC 6381 strings that are the sample entry alone.
pub(crate) fn plain_string(entry: [u8; 4]) -> Option<&'static str> {
    Some(match &entry {
        b"ac-3" => "ac-3",
        b"ec-3" => "ec-3",
        b"Opus" => "opus",
        b"fLaC" => "flac",
        b"stpp" => "stpp",
        b"wvtt" => "wvtt",
        _ => return None,
    })
}

/// Whether `kind` is a decoder configuration: part of what a player's decoder is set up with.
pub(crate) fn is_config(kind: [u8; 4]) -> bool {
    const KNOWN: [&[u8; 4]; 13] = [
        b"avcC", b"hvcC", b"av1C", b"vpcC", b"esds", b"dac3", b"dec3", b"dac4", b"dOps", b"dfLa", b"dvcC", b"dvvC",
        b"vttC",
    ];
    KNOWN.iter().any(|known| **known == kind)
}

/// Reads one child box of the sample entry `entry` (the original format of a protected one).
pub(crate) fn read(config: &mut Config, entry: [u8; 4], kind: [u8; 4], body: &[u8]) {
    match &kind {
        b"avcC" => avc(config, entry, body),
        b"hvcC" => hevc(config, entry, body),
        b"av1C" => config.codec_string = av1(body),
        b"vpcC" => config.codec_string = vp(entry, body),
        b"esds" => {
            if let Some((string, channels)) = esds(body) {
                config.codec_string = Some(string);
                config.channels = channels;
            }
        }
        b"dac3" => config.channels = dac3(body),
        b"dec3" => config.channels = dec3(body),
        b"dOps" => config.channels = body.get(1).map(|n| u32::from(*n)),
        b"dac4" => config.codec_string = None,
        _ => {}
    }
}

fn text(entry: [u8; 4]) -> String {
    super::boxes::name_of(entry)
}

/// ISO/IEC 14496-15 5.3.3.1.
fn avc(config: &mut Config, entry: [u8; 4], body: &[u8]) {
    let [_, profile, constraints, level, lengths, n_sps, rest @ ..] = body else { return };
    config.codec_string = Some(format!("{}.{profile:02x}{constraints:02x}{level:02x}", text(entry)));
    config.nal_length_bytes = (lengths & 3) + 1;
    let mut f = Fields(rest);
    if n_sps & 0x1f > 0
        && let Some(n) = f.u16()
        && let Some(sps) = f.take(usize::from(n))
    {
        config.sps = Some(sps.iter().take(MAX_SPS).copied().collect());
    }
}

/// ISO/IEC 14496-15 8.3.3.1 and annex E.
fn hevc(config: &mut Config, entry: [u8; 4], body: &[u8]) {
    let mut f = Fields(body);
    let mut head = || {
        f.u8()?;
        Some((f.u8()?, f.u32()?, f.take(6)?, f.u8()?))
    };
    let Some((profile, compatibility, constraints, level)) = head() else { return };
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let tier = if profile & 0x20 != 0 { 'H' } else { 'L' };
    let mut string =
        format!("{}.{space}{}.{:X}.{tier}{level}", text(entry), profile & 0x1f, compatibility.reverse_bits());
    let last = constraints.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    for byte in &constraints[..last] {
        string += &format!(".{byte:X}");
    }
    config.codec_string = Some(string);
    let mut arrays = || {
        f.take(8)?;
        let lengths = f.u8()?;
        config.nal_length_bytes = (lengths & 3) + 1;
        let n_arrays = f.u8()?;
        for _ in 0..n_arrays {
            let is_sps = f.u8()? & 0x3f == 33;
            for _ in 0..f.u16()? {
                let n = f.u16()?;
                let nal = f.take(usize::from(n))?;
                if is_sps && config.sps.is_none() {
                    config.sps = Some(nal.iter().take(MAX_SPS).copied().collect());
                }
            }
        }
        Some(())
    };
    // What is cut off is simply not known.
    let _: Option<()> = arrays();
}

/// AV1 codec ISO media file format binding, section 5.
fn av1(body: &[u8]) -> Option<String> {
    let [_, profile_level, bits, ..] = body else { return None };
    let (profile, level) = (profile_level >> 5, profile_level & 0x1f);
    let tier = if bits & 0x80 != 0 { 'H' } else { 'M' };
    let depth = match (bits & 0x40 != 0, bits & 0x20 != 0) {
        (false, _) => 8,
        (true, true) if profile == 2 => 12,
        (true, _) => 10,
    };
    Some(format!("av01.{profile}.{level:02}{tier}.{depth:02}"))
}

/// VP codec ISO media file format binding.
fn vp(entry: [u8; 4], body: &[u8]) -> Option<String> {
    let [_, _, _, _, profile, level, bits, ..] = body else { return None };
    Some(format!("{}.{profile:02}.{level:02}.{:02}", text(entry), bits >> 4))
}

/// Full-range channels by `acmod`, ETSI TS 102 366 table 4.3.
const AC3_CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// ETSI TS 102 366 F.4.
fn dac3(body: &[u8]) -> Option<u32> {
    let [a, b, ..] = body else { return None };
    let bits = u32::from(*a) << 8 | u32::from(*b);
    // fscod 2, bsid 5, bsmod 3, acmod 3, lfeon 1.
    Some(AC3_CHANNELS[(bits >> 3 & 7) as usize] + (bits >> 2 & 1))
}

/// ETSI TS 102 366 F.6, first independent substream.
fn dec3(body: &[u8]) -> Option<u32> {
    let mut f = Fields(body);
    f.u16()?;
    // fscod 2, bsid 5, reserved 1, asvc 1, bsmod 3, acmod 3, lfeon 1.
    let bits = u32::from(f.u16()?);
    Some(AC3_CHANNELS[(bits >> 1 & 7) as usize] + (bits & 1))
}

/// MPEG-4 elementary stream descriptor: audio object type, and channels where it tells them (ISO/IEC 14496-1 7.2.6, 14496-3 1.6).
fn esds(body: &[u8]) -> Option<(String, Option<u32>)> {
    fn descriptor<'b>(f: &mut Fields<'b>) -> Option<(u8, &'b [u8])> {
        let tag = f.u8()?;
        let mut length = 0_usize;
        for _ in 0..4 {
            let byte = f.u8()?;
            length = length << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let length = length.min(f.0.len());
        Some((tag, f.take(length)?))
    }
    let mut f = Fields(body.get(4..)?);
    let (_, es) = descriptor(&mut f).filter(|(tag, _)| *tag == 3)?;
    let mut es = Fields(es);
    es.u16()?;
    let flags = es.u8()?;
    es.take(if flags & 0x80 != 0 { 2 } else { 0 })?;
    if flags & 0x40 != 0 {
        let url = es.u8()?;
        es.take(usize::from(url))?;
    }
    es.take(if flags & 0x20 != 0 { 2 } else { 0 })?;
    let (_, config) = descriptor(&mut es).filter(|(tag, _)| *tag == 4)?;
    let mut config = Fields(config);
    let object = config.u8()?;
    config.take(12)?;
    if object != 0x40 {
        return Some((format!("mp4a.{object:02x}"), None));
    }
    let (_, specific) = descriptor(&mut config).filter(|(tag, _)| *tag == 5)?;
    let mut bits = Bits::new(specific);
    let audio = match bits.bits(5)? {
        31 => 32 + bits.bits(6)?,
        short => short,
    };
    let mut channels = || {
        if bits.bits(4)? == 15 {
            bits.bits(24)?;
        }
        match bits.bits(4)? {
            // Parametric stereo makes two of one.
            1 if audio == 29 => Some(2),
            n @ 1..=6 => Some(n),
            7 => Some(8),
            _ => None,
        }
    };
    let channels = channels();
    Some((format!("mp4a.40.{audio}"), channels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codec_strings() {
        let hvcc: Vec<u8> = [
            &[1, 0x01, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93][..],
            &[0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 1, 0xa1, 0, 1, 0, 3, 0x42, 1, 1],
        ]
        .concat();
        for (entry, kind, body, expected) in [
            (b"avc1", b"avcC", &[1, 0x64, 0, 0x28, 0xff, 0xe1, 0, 2, 0x67, 0x64][..], "avc1.640028"),
            (b"avc3", b"avcC", &[1, 0x4d, 0x40, 0x1f], ""),
            (b"avc3", b"avcC", &[1, 0x4d, 0x40, 0x1f, 0xff, 0xe0], "avc3.4d401f"),
            (b"hev1", b"hvcC", &hvcc, "hev1.1.6.L93.90"),
            (b"av01", b"av1C", &[0x81, 0x0d, 0x0c, 0], "av01.0.13M.08"),
            (b"av01", b"av1C", &[0x81, 0x4c, 0xe0, 0], "av01.2.12H.12"),
            (b"vp09", b"vpcC", &[1, 0, 0, 0, 2, 10, 0xa0, 2, 2, 2], "vp09.02.10.10"),
        ] {
            let mut config = Config::default();
            read(&mut config, *entry, *kind, body);
            assert_eq!(config.codec_string.as_deref().unwrap_or(""), expected);
            for cut in 0..body.len() {
                read(&mut Config::default(), *entry, *kind, &body[..cut]);
            }
        }
        let mut config = Config::default();
        read(&mut config, *b"hvc1", *b"hvcC", &hvcc);
        assert_eq!((config.nal_length_bytes, config.sps.as_deref()), (4, Some(&[0x42, 1, 1][..])));
    }

    #[test]
    fn dolby_channels() {
        // 48 kHz, bsid 8, bsmod 0, acmod 7 (3/2), lfe on.
        assert_eq!(dac3(&[0x10, 0x3d, 0x40]), Some(6));
        // Stereo.
        assert_eq!(dac3(&[0x10, 0x11, 0x40]), Some(2));
        // 192 kbit/s, one substream, bsid 16, acmod 7, lfe on.
        assert_eq!(dec3(&[0x06, 0x00, 0x20, 0x0f, 0x00]), Some(6));
    }
}
