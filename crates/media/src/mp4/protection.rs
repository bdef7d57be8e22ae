//! Common encryption (ISO/IEC 23001-7): `sinf`, `pssh`, `senc`, and the sample groups that change keys.

use ow_domain::facts::{Mp4Protection, Pssh};

use super::boxes::{children, digest, full, hex, name_of};
use crate::bits::Fields;

/// Most KIDs told of one box or run.
pub(crate) const MAX_KIDS: usize = 16;
/// Most samples believed of one `senc`.
const MAX_SENC_SAMPLES: u32 = 100_000;

/// `sinf`: gives the original format too.
pub(crate) fn sinf(body: &[u8]) -> (Option<[u8; 4]>, Mp4Protection) {
    let mut original = None;
    let mut found = Mp4Protection::default();
    children(body, &mut |kind, body| match &kind {
        b"frma" => original = Fields(body).four(),
        b"schm" => found.scheme = full(body).and_then(|(_, _, mut f)| f.four()).map(name_of),
        b"schi" => {
            children(body, &mut |kind, body| {
                if &kind == b"tenc" {
                    tenc(body, &mut found);
                }
            });
        }
        _ => {}
    });
    (original, found)
}

/// 8.2.2; what is cut off stays unknown.
fn tenc(body: &[u8], found: &mut Mp4Protection) -> Option<()> {
    let (version, _, mut f) = full(body)?;
    f.u8()?;
    let pattern = f.u8()?;
    let is_protected = f.u8()?;
    let iv_bytes = f.u8()?;
    let kid = f.take(16)?;
    found.is_protected = Some(is_protected == 1);
    found.iv_bytes = iv_bytes;
    found.kid = Some(hex(kid));
    found.pattern = (version > 0).then_some((pattern >> 4, pattern & 15)).filter(|p| *p != (0, 0));
    if is_protected == 1 && iv_bytes == 0 {
        found.constant_iv_bytes = f.u8();
    }
    Some(())
}

/// 8.1; `None` when the box ends before its header does.
pub(crate) fn pssh(body: &[u8], in_fragment: bool) -> Option<Pssh> {
    let (version, _, mut f) = full(body)?;
    let system = hex(f.take(16)?);
    let mut kids = Vec::new();
    if version > 0 {
        let n = f.u32()?;
        for _ in 0..n {
            let kid = f.take(16)?;
            if kids.len() < MAX_KIDS {
                kids.push(hex(kid));
            }
        }
    }
    let data_bytes = f.u32()?;
    f.take(data_bytes as usize)?;
    Some(Pssh { system, version, kids, data_bytes, digest: digest([body]), in_fragment })
}

/// `senc`: how many samples it describes, and how many bytes each covers (`None` where there are no subsamples).
pub(crate) struct Senc {
    pub(crate) n: u32,
    /// Clear and protected bytes of the samples, at most 100,000.
    pub(crate) covered: Option<Vec<u64>>,
}

/// 7.2. `iv_bytes` as `tenc` or the sample group says. `None` when it ends too early.
pub(crate) fn senc(body: &[u8], iv_bytes: u8) -> Option<Senc> {
    let (_, flags, mut f) = full(body)?;
    let n = f.u32()?;
    if flags & 2 == 0 {
        let all = u64::from(n).checked_mul(u64::from(iv_bytes))?;
        return (f.0.len() as u64 >= all).then_some(Senc { n, covered: None });
    }
    if n > MAX_SENC_SAMPLES {
        return None;
    }
    let mut covered = Vec::new();
    for _ in 0..n {
        f.take(usize::from(iv_bytes))?;
        let mut sum = 0_u64;
        for _ in 0..f.u16()? {
            sum += u64::from(f.u16()?) + u64::from(f.u32()?);
        }
        covered.push(sum);
    }
    Some(Senc { n, covered: Some(covered) })
}

/// One entry of a `seig` group description (6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyGroup {
    pub(crate) is_protected: bool,
    pub(crate) iv_bytes: u8,
    pub(crate) kid: String,
}

/// Entries of a `sgpd` of type `seig`; nothing for other types.
pub(crate) fn sgpd(body: &[u8]) -> Vec<KeyGroup> {
    let mut groups = Vec::new();
    let mut read = || {
        let (version, _, mut f) = full(body)?;
        (&f.four()? == b"seig").then_some(())?;
        let length = if version >= 1 { f.u32()? } else { 0 };
        if version >= 2 {
            f.u32()?;
        }
        let n = f.u32()?;
        for _ in 0..n.min(64) {
            let length = if version >= 1 && length == 0 { f.u32()? } else { length };
            let mut entry = if length > 0 { Fields(f.take(length as usize)?) } else { Fields(f.0) };
            entry.u16()?;
            let (is_protected, iv_bytes) = (entry.u8()? == 1, entry.u8()?);
            groups.push(KeyGroup { is_protected, iv_bytes, kid: hex(entry.take(16)?) });
            if length == 0 {
                f.take(20)?;
            }
        }
        Some(())
    };
    let _: Option<()> = read();
    groups
}

/// Group of each run of samples of a `sbgp` of type `seig`: number of samples and index.
pub(crate) fn sbgp(body: &[u8]) -> Vec<(u32, u32)> {
    let mut runs = Vec::new();
    let mut read = || {
        let (version, _, mut f) = full(body)?;
        (&f.four()? == b"seig").then_some(())?;
        if version == 1 {
            f.u32()?;
        }
        let n = f.u32()?;
        for _ in 0..n.min(4096) {
            runs.push((f.u32()?, f.u32()?));
        }
        Some(())
    };
    let _: Option<()> = read();
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    #[test]
    fn protected_sample_entries() {
        let kid: Vec<u8> = (0..16).collect();
        let cenc = [&[0, 0, 0, 0, 0, 0, 1, 8][..], &kid].concat();
        let cbcs = [&[1, 0, 0, 0, 0, 0x19, 1, 0][..], &kid, &[16], &[7; 16]].concat();
        for (scheme, tenc, iv, constant, pattern) in
            [(b"cenc", &cenc, 8, None, None), (b"cbcs", &cbcs, 0, Some(16), Some((1, 9)))]
        {
            let body = [
                boxed(b"frma", b"avc1"),
                boxed(b"schm", &[&[0; 4][..], scheme, &[0, 1, 0, 0]].concat()),
                boxed(b"schi", &boxed(b"tenc", tenc)),
            ]
            .concat();
            let (original, found) = sinf(&body);
            assert_eq!(original.as_ref(), Some(b"avc1"));
            assert_eq!(found.scheme.as_deref().map(str::as_bytes), Some(&scheme[..]));
            assert_eq!((found.is_protected, found.iv_bytes), (Some(true), iv));
            assert_eq!((found.constant_iv_bytes, found.pattern), (constant, pattern));
            assert_eq!(found.kid.as_deref(), Some("000102030405060708090a0b0c0d0e0f"));
        }
    }

    #[test]
    fn headers_of_protection_systems() {
        let v0 = [&[0; 4][..], &[0xed; 16], &[0, 0, 0, 2], b"ab"].concat();
        let found = pssh(&v0, false).unwrap();
        assert_eq!((found.system.as_str(), found.version, found.data_bytes), ("ed".repeat(16).as_str(), 0, 2));
        let v1 = [&[1, 0, 0, 0][..], &[0x10; 16], &[0, 0, 0, 1], &[5; 16], &[0; 4]].concat();
        assert_eq!(pssh(&v1, true).unwrap().kids, ["05".repeat(16)]);
        assert!(pssh(&v1[..v1.len() - 1], true).is_none() && pssh(&[], true).is_none());
    }

    #[test]
    fn auxiliary_data_of_samples() {
        let with_subsamples =
            [&[0, 0, 0, 2, 0, 0, 0, 2][..], &[9; 8], &[0, 1, 0, 5, 0, 0, 0, 100], &[9; 8], &[0, 0]].concat();
        let found = senc(&with_subsamples, 8).unwrap();
        assert_eq!((found.n, found.covered), (2, Some(vec![105, 0])));
        assert!(senc(&with_subsamples, 16).is_none());
        assert_eq!(senc(&[0, 0, 0, 0, 0, 0, 0, 3], 0).unwrap().n, 3);
        assert!(senc(&[0, 0, 0, 0, 0, 0, 0, 3], 8).is_none());
    }

    #[test]
    fn key_groups() {
        let entry = [&[0, 0, 1, 8][..], &[3; 16]].concat();
        let expected = [KeyGroup { is_protected: true, iv_bytes: 8, kid: "03".repeat(16) }];
        let fixed = [&[1, 0, 0, 0][..], b"seig", &[0, 0, 0, 20, 0, 0, 0, 1], &entry].concat();
        assert_eq!(sgpd(&fixed), expected);
        let variable = [&[1, 0, 0, 0][..], b"seig", &[0; 4], &[0, 0, 0, 1, 0, 0, 0, 20], &entry].concat();
        assert_eq!(sgpd(&variable), expected);
        assert!(sgpd(&[&[1, 0, 0, 0][..], b"roll", &[0; 12]].concat()).is_empty());
        let groups = [&[0; 4][..], b"seig", &[0, 0, 0, 1, 0, 0, 0, 5, 0, 1, 0, 1]].concat();
        assert_eq!(sbgp(&groups), [(5, 0x10001)]);
    }
}
