//! Encryption of segments: AES-128 of whole TS segments (RFC 8216 §4.3.2.4), `cbcs` of CMAF samples (ISO/IEC 23001-7 §10.4), and what
//! playlists, MPDs and boxes say about it. The keys are a function of channel and generation: they protect nothing.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use bytes::Bytes;

use crate::cmaf::{Writer, be32, find};
use crate::fault::{FaultKind, Hit, Rotation};
use crate::timeline::Timeline;

/// Widevine.
pub(crate) const WIDEVINE: [u8; 16] =
    [0xed, 0xef, 0x8b, 0xa9, 0x79, 0xd6, 0x4a, 0xce, 0xa3, 0xc8, 0x27, 0xdc, 0xd5, 0x1d, 0x21, 0xed];
/// The common system of the W3C: a list of key ids.
pub(crate) const COMMON: [u8; 16] =
    [0x10, 0x77, 0xef, 0xec, 0xc0, 0xb2, 0x4d, 0x02, 0xac, 0xe3, 0x3c, 0x1e, 0x52, 0xe2, 0xfb, 0x4b];

const BLOCK: usize = 16;
/// Of each slice, length and headers stay in the clear.
const CLEAR_HEAD: usize = 4 + 32;
/// Of ten blocks one is encrypted.
const PATTERN: usize = 10;

/// What is around the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Dress {
    #[default]
    Plain,
    /// Whole segments are encrypted; TS.
    Aes128,
    /// Samples are encrypted by `cbcs`; CMAF and DASH.
    Drm,
    /// WebVTT subtitles beside the TS.
    Subtitles,
}

/// The key of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub id: [u8; 16],
    pub key: [u8; 16],
    iv: [u8; 16],
}

impl Key {
    /// Of one channel; generation 0 is in force until keys rotate.
    pub fn of(channel: &str, generation: i64) -> Key {
        let bytes = |label: &str| {
            let text = format!("{label} {channel} {generation}");
            let hash = |salt: u64| {
                let start = 0xcbf2_9ce4_8422_2325_u64 ^ salt;
                let hash = text.bytes().fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
                // The last letters shall tell everywhere.
                (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31)
            };
            let both = u128::from(hash(0)) << 64 | u128::from(hash(0x9e37_79b9_7f4a_7c15));
            both.to_be_bytes()
        };
        Key { id: bytes("id"), key: bytes("key"), iv: bytes("iv") }
    }

    /// 32 hex digits.
    pub fn hex_id(&self) -> String {
        hex(&self.id)
    }

    /// As an UUID.
    pub fn uuid(&self) -> String {
        let text = self.hex_id();
        [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
    }

    /// Headers of the DRM systems; `other`: as of another configuration.
    pub fn headers(&self, other: bool) -> Vec<Vec<u8>> {
        vec![self.widevine(other), pssh(&COMMON, Some(&self.id), &[])]
    }

    /// Algorithm and key id as protobuf; another configuration has a content id too.
    pub fn widevine(&self, other: bool) -> Vec<u8> {
        let mut data = vec![0x08, 1, 0x12, 16];
        data.extend_from_slice(&self.id);
        if other {
            data.extend_from_slice(b"\x22\x05other");
        }
        pssh(&WIDEVINE, None, &data)
    }
}

/// Which key is in force for which segment of a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyring<'a> {
    channel: &'a str,
    /// First segment with another key, and for how many segments it is in force.
    rotation: Option<(i64, i64, Rotation)>,
}

impl<'a> Keyring<'a> {
    pub fn new(channel: &'a str, timeline: &Timeline, hits: &[Hit]) -> Keyring<'a> {
        let rotation = hits.iter().find_map(|hit| match *hit.kind() {
            FaultKind::KeyRotation { every_segments, how } => {
                Some((timeline.edge(hit.since_us) + 1, i64::from(every_segments), how))
            }
            _ => None,
        });
        Keyring { channel, rotation }
    }

    pub fn generation(&self, n: i64) -> i64 {
        self.rotation.map_or(0, |(since, every, _)| if n < since { 0 } else { 1 + (n - since) / every })
    }

    pub fn key(&self, generation: i64) -> Key {
        Key::of(self.channel, generation)
    }

    /// Each key has an initialization segment of its own.
    pub fn has_maps(&self) -> bool {
        self.rotation.is_some_and(|(.., how)| how == Rotation::Map)
    }

    /// The segments themselves tell of keys after the first.
    pub fn is_in_band(&self, generation: i64) -> bool {
        generation > 0 && !self.has_maps()
    }
}

/// A whole segment by AES-128 in CBC mode with PKCS #7 padding; the IV is the media sequence number.
pub(crate) fn whole(clear: &[u8], key: &Key, number: i64) -> Bytes {
    let pad = BLOCK - clear.len() % BLOCK;
    let mut out = clear.to_vec();
    out.resize(clear.len() + pad, pad as u8);
    let mut iv = [0; BLOCK];
    iv[8..].copy_from_slice(&number.to_be_bytes());
    let whole = out.len();
    cbc(&mut out[..whole], &key.key, iv, 1);
    Bytes::from(out)
}

/// Encrypts the first of every `pattern` blocks; what is no whole block stays.
fn cbc(data: &mut [u8], key: &[u8; 16], iv: [u8; BLOCK], pattern: usize) {
    let cipher = Aes128::new(&(*key).into());
    let mut last = iv;
    for chunk in data.chunks_exact_mut(BLOCK).step_by(pattern) {
        for (byte, before) in chunk.iter_mut().zip(last) {
            *byte ^= before;
        }
        let mut block = aes::Block::default();
        block.copy_from_slice(chunk);
        cipher.encrypt_block(&mut block);
        chunk.copy_from_slice(&block);
        last.copy_from_slice(&block);
    }
}

/// The initialization segment of a protected track.
pub(crate) fn init(clear: &[u8], key: &Key) -> Bytes {
    let (at, entry, pattern) = match (find(clear, b"avc1"), find(clear, b"mp4a")) {
        (Some(at), _) => (at, b"encv", 0x19),
        (None, Some(at)) => (at, b"enca", 0),
        (None, None) => return Bytes::copy_from_slice(clear),
    };
    let mut out = clear.to_vec();
    let original = clear[at..at + 4].to_vec();
    out[at..at + 4].copy_from_slice(entry);
    let mut w = Writer::default();
    w.boxed(b"sinf", |w| {
        w.boxed(b"frma", |w| w.put(&original));
        w.boxed(b"schm", |w| {
            w.words(&[0]);
            w.put(b"cbcs");
            w.words(&[0x1_0000]);
        });
        w.boxed(b"schi", |w| {
            w.boxed(b"tenc", |w| {
                // Version 1: pattern, protected, no IV per sample, a constant one.
                w.words(&[0x0100_0000]);
                w.put(&[0, pattern, 1, 0]);
                w.put(&key.id);
                w.put(&[BLOCK as u8]);
                w.put(&key.iv);
            });
        });
    });
    append(&mut out, &[b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry], &w.out);
    for header in key.headers(false) {
        append(&mut out, &[b"moov"], &header);
    }
    Bytes::from(out)
}

/// How a media segment is protected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protection {
    pub key: Key,
    /// The fragment names the key itself (`seig`).
    pub in_band: bool,
    /// Headers of DRM systems in the fragment: `Some(true)` those of another configuration.
    pub headers: Option<bool>,
}

/// The media segment with its samples encrypted; of video each slice behind its head.
pub(crate) fn segment(clear: &[u8], is_video: bool, protection: &Protection) -> Bytes {
    let (Some(moof_at), Some(trun)) = (find(clear, b"moof").map(|at| at - 4), find(clear, b"trun")) else {
        return Bytes::copy_from_slice(clear);
    };
    let (count, offset) = (be32(clear, trun + 8) as usize, be32(clear, trun + 12) as usize);
    let words = if is_video { 3 } else { 1 };
    let mut out = clear.to_vec();
    let mut at = moof_at + offset;
    let mut subsamples = Vec::with_capacity(count);
    for i in 0..count {
        let size = be32(clear, trun + 16 + i * words * 4) as usize;
        let Some(sample) = out.get_mut(at..at + size) else { break };
        match is_video {
            true => subsamples.push(slices(sample, &protection.key)),
            false => cbc(sample, &protection.key.key, protection.key.iv, 1),
        }
        at += size;
    }
    let mut boxes = Writer::default();
    if protection.in_band {
        groups(&mut boxes, count, is_video, &protection.key);
    }
    let headers: Vec<u8> = protection.headers.map(|other| protection.key.headers(other).concat()).unwrap_or_default();
    if is_video {
        let sizes: Vec<u8> = subsamples.iter().map(|of| (2 + 6 * of.len()) as u8).collect();
        boxes.boxed(b"saiz", |w| {
            w.words(&[0]);
            w.put(&[0]);
            w.words(&[sizes.len() as u32]);
            w.put(&sizes);
        });
        // The traf is the last box of the moof; behind saio (20 bytes) come 16 bytes of senc before its first entry.
        let moof_end = be32(clear, moof_at) as usize;
        let first = (moof_end + boxes.out.len() + 20 + 16) as u32;
        boxes.boxed(b"saio", |w| w.words(&[0, 1, first]));
        boxes.boxed(b"senc", |w| {
            w.words(&[2, subsamples.len() as u32]);
            for of in &subsamples {
                w.put(&(of.len() as u16).to_be_bytes());
                for (clear, hidden) in of {
                    w.put(&clear.to_be_bytes());
                    w.put(&hidden.to_be_bytes());
                }
            }
        });
    }
    append(&mut out, &[b"moof", b"traf"], &boxes.out);
    append(&mut out, &[b"moof"], &headers);
    let moved = offset + boxes.out.len() + headers.len();
    out[trun + 12..trun + 16].copy_from_slice(&(moved as u32).to_be_bytes());
    Bytes::from(out)
}

/// Encrypts the slices of a picture; bytes in the clear and hidden bytes after them.
fn slices(sample: &mut [u8], key: &Key) -> Vec<(u16, u32)> {
    let (mut out, mut clear, mut at) = (Vec::new(), 0usize, 0);
    while at + 4 < sample.len() {
        let len = 4 + be32(sample, at) as usize;
        let end = (at + len).min(sample.len());
        let is_slice = matches!(sample[at + 4] & 0x1f, 1 | 5);
        let head = if is_slice { (at + CLEAR_HEAD).min(end) } else { end };
        cbc(&mut sample[head..end], &key.key, key.iv, PATTERN);
        clear += head - at;
        if end > head {
            out.push((clear as u16, (end - head) as u32));
            clear = 0;
        }
        at = end;
    }
    if clear > 0 {
        out.push((clear as u16, 0));
    }
    out
}

/// One group with a key of its own for all samples of the fragment.
fn groups(w: &mut Writer, count: usize, is_video: bool, key: &Key) {
    w.boxed(b"sgpd", |w| {
        w.words(&[0x0100_0000]);
        w.put(b"seig");
        // Length of an entry, number of entries.
        w.words(&[37, 1]);
        w.put(&[0, if is_video { 0x19 } else { 0 }, 1, 0]);
        w.put(&key.id);
        w.put(&[BLOCK as u8]);
        w.put(&key.iv);
    });
    w.boxed(b"sbgp", |w| {
        w.words(&[0]);
        w.put(b"seig");
        // The first description of this fragment.
        w.words(&[1, count as u32, 0x1_0001]);
    });
}

/// Puts bytes at the end of the innermost of nested boxes.
fn append(out: &mut Vec<u8>, path: &[&[u8; 4]], bytes: &[u8]) {
    let places: Vec<usize> = path.iter().filter_map(|kind| find(out, kind)).map(|at| at - 4).collect();
    let Some(inner) = places.last().filter(|_| places.len() == path.len()) else { return };
    let end = inner + be32(out, *inner) as usize;
    for at in &places {
        let size = be32(out, *at) + bytes.len() as u32;
        out[*at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    out.splice(end..end, bytes.iter().copied());
}

/// A `pssh` box: of version 1 where it lists a key id.
fn pssh(system: &[u8; 16], id: Option<&[u8; 16]>, data: &[u8]) -> Vec<u8> {
    let mut w = Writer::default();
    w.boxed(b"pssh", |w| {
        w.words(&[if id.is_some() { 0x0100_0000 } else { 0 }]);
        w.put(system);
        if let Some(id) = id {
            w.words(&[1]);
            w.put(id);
        }
        w.words(&[data.len() as u32]);
        w.put(data);
    });
    w.out
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// RFC 4648 §4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(n >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(base64(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn cbc_of_nist_sp_800_38a() {
        // F.2.1.
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let iv = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.to_be_bytes();
        let mut data = [
            0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a_u128.to_be_bytes(),
            0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51_u128.to_be_bytes(),
        ]
        .concat();
        cbc(&mut data, &key, iv, 1);
        assert_eq!(hex(&data), "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
    }

    #[test]
    fn keys_differ_by_channel_and_generation() {
        let keys = [Key::of("a", 0), Key::of("a", 1), Key::of("b", 0)];
        for (i, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|other| other.id != key.id && other.key != key.key));
            assert_ne!(key.id, key.key);
        }
    }
}
