//! Whether a segment that is encrypted as a whole can be decrypted: AES-128 in CBC mode with PKCS #7 padding (RFC 8216 4.3.2.4).
//!
//! A block needs only the one before it, so the first bytes and the last block are enough, and nothing else is kept.

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use ow_domain::Span;
use ow_domain::facts::{Container, DecryptFacts, DecryptedStart};

use crate::sniff::{SNIFF_BYTES, sniff};
use crate::ts::crc_is_right;

const BLOCK: usize = 16;
/// Types and words that stand soon behind the first block of fragments, packed audio and subtitles.
const MARKS: [&[u8]; 7] = [b"moof", b"mfhd", b"sidx", b"traf", b"com.apple.streaming", b"X-TIMESTAMP-MAP", b"-->"];

/// A key and the initialization vector of one segment. Not shown by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClearKey {
    pub key: [u8; 16],
    pub iv: [u8; 16],
}

impl std::fmt::Debug for ClearKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClearKey")
    }
}

/// Decrypts the begin and the end of one segment: [`Self::push`] the bytes as they come, then [`Self::finish`].
#[derive(Debug)]
pub struct Decryptor {
    with: ClearKey,
    head: Vec<u8>,
    /// The last two blocks.
    tail: Vec<u8>,
    n_bytes: u64,
}

impl Decryptor {
    pub fn new(with: ClearKey) -> Self {
        Self { with, head: Vec::with_capacity(SNIFF_BYTES), tail: Vec::with_capacity(2 * BLOCK), n_bytes: 0 }
    }

    /// The next bytes of the body, in order.
    pub fn push(&mut self, bytes: &[u8]) {
        let take = bytes.len().min(SNIFF_BYTES - self.head.len());
        self.head.extend_from_slice(bytes.get(..take).unwrap_or_default());
        let last = bytes.len().saturating_sub(2 * BLOCK);
        self.tail.extend_from_slice(bytes.get(last..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(2 * BLOCK));
        self.n_bytes += bytes.len() as u64;
    }

    /// Ends a complete body. `key_age`: how old the key was when the segment was asked for.
    pub fn finish(mut self, key_age: Span) -> DecryptFacts {
        let (iv, whole) = (self.with.iv, self.n_bytes > 0 && self.n_bytes.is_multiple_of(BLOCK as u64));
        let before = match self.tail.len() {
            n if n == 2 * BLOCK => self.tail.first_chunk::<BLOCK>().copied().unwrap_or(iv),
            _ => iv,
        };
        let start = self.tail.len().saturating_sub(BLOCK);
        let mut last = self.tail.split_off(start);
        self.decrypt(&mut last, before);
        let mut head = std::mem::take(&mut self.head);
        self.decrypt(&mut head, iv);
        DecryptFacts { start: start_of(&head), padding: whole && is_padded(&last), key_age_us: key_age.micros() }
    }

    /// What is no whole block is left as it is.
    fn decrypt(&self, data: &mut [u8], iv: [u8; BLOCK]) {
        let cipher = Aes128::new(&self.with.key.into());
        let mut before = iv;
        for chunk in data.chunks_exact_mut(BLOCK) {
            let mut block = aes::Block::default();
            block.copy_from_slice(chunk);
            let hidden: [u8; BLOCK] = block.into();
            cipher.decrypt_block(&mut block);
            for ((out, plain), mask) in chunk.iter_mut().zip(block).zip(before) {
                *out = plain ^ mask;
            }
            before = hidden;
        }
    }
}

fn is_padded(last: &[u8]) -> bool {
    let Some(n) = last.last().copied().filter(|n| (1..=BLOCK as u8).contains(n)) else { return false };
    last.len() == BLOCK && last.iter().rev().take(usize::from(n)).all(|byte| *byte == n)
}

fn start_of(head: &[u8]) -> DecryptedStart {
    match sniff(head) {
        // Three sync bytes, of which the first is missing, or all of them before a table that is damaged: a vector that is off by
        // little changes little.
        Container::MpegTs if head.first() != Some(&0x47) || has_wrong_table(head) => DecryptedStart::AllButFirstBlock,
        Container::MpegTs | Container::IsoBmff | Container::PackedAudio | Container::WebVtt => DecryptedStart::Media,
        Container::Text | Container::Empty | Container::Unknown => {
            let rest = head.get(BLOCK..).unwrap_or_default();
            let is_marked = MARKS.iter().any(|mark| rest.windows(mark.len()).any(|w| w == *mark));
            if is_marked { DecryptedStart::AllButFirstBlock } else { DecryptedStart::Unreadable }
        }
    }
}

/// The first packet holds a whole PAT (ISO/IEC 13818-1 2.4.4.3), and its CRC-32 is wrong.
fn has_wrong_table(head: &[u8]) -> bool {
    let section = || {
        let packet = head.get(..188)?;
        let is_pat = matches!(packet, [_, flags, 0, control, ..] if flags & 0x5f == 0x40 && control & 0x30 == 0x10);
        let pointer = usize::from(*packet.get(4).filter(|_| is_pat)?);
        let section = packet.get(5 + pointer..)?;
        let length = 3 + (usize::from(section.get(1)? & 0x0f) << 8 | usize::from(*section.get(2)?));
        section.get(..length)
    };
    section().is_some_and(|section| !crc_is_right(section))
}

#[cfg(test)]
mod tests {
    use aes::cipher::BlockCipherEncrypt;

    use super::*;

    const KEY: [u8; 16] = *b"0123456789abcdef";
    const IV: [u8; 16] = [7; 16];

    fn encrypted(clear: &[u8]) -> Vec<u8> {
        let cipher = Aes128::new(&KEY.into());
        let pad = BLOCK - clear.len() % BLOCK;
        let mut out = clear.to_vec();
        out.resize(clear.len() + pad, pad as u8);
        let mut before = IV;
        for chunk in out.chunks_exact_mut(BLOCK) {
            chunk.iter_mut().zip(before).for_each(|(byte, mask)| *byte ^= mask);
            let mut block = aes::Block::default();
            block.copy_from_slice(chunk);
            cipher.encrypt_block(&mut block);
            chunk.copy_from_slice(&block);
            before = block.into();
        }
        out
    }

    fn ts() -> Vec<u8> {
        (0..8u8).flat_map(|i| [vec![0x47], vec![i.wrapping_mul(31) | 0x80; 187]].concat()).collect()
    }

    /// A PAT of one program, then packets.
    fn pat() -> Vec<u8> {
        let section = [0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
        assert!(crc_is_right(&section));
        let mut packet = [&[0x47, 0x40, 0, 0x10, 0], &section[..]].concat();
        packet.resize(188, 0xff);
        [packet, ts()].concat()
    }

    fn fragment() -> Vec<u8> {
        [b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix\0\0\0\x20moof\0\0\0\x10mfhd\0\0\0\0\0\0\0\x09".as_slice(), &[0xee; 300]]
            .concat()
    }

    fn vtt() -> Vec<u8> {
        b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n00:01.000 --> 00:02.000\nyes\n".to_vec()
    }

    #[track_caller]
    fn check(body: &[u8], key: [u8; 16], iv: [u8; 16], expected: (DecryptedStart, bool)) {
        for cut in [1, 7, 16, 33, 1_000] {
            let mut decryptor = Decryptor::new(ClearKey { key, iv });
            body.chunks(cut).for_each(|chunk| decryptor.push(chunk));
            let facts = decryptor.finish(Span::from_secs(3));
            assert_eq!(((facts.start, facts.padding), facts.key_age_us), (expected, 3_000_000), "by {cut}");
        }
    }

    #[test]
    fn key_and_vector_are_told_apart() {
        for clear in [ts(), fragment(), vtt()] {
            let body = encrypted(&clear);
            check(&body, KEY, IV, (DecryptedStart::Media, true));
            check(&body, KEY, [0xa8; 16], (DecryptedStart::AllButFirstBlock, true));
            check(&body, [1; 16], IV, (DecryptedStart::Unreadable, false));
            check(&body[..body.len() - 3], KEY, IV, (DecryptedStart::Media, false));
        }
        let body = encrypted(&pat());
        check(&body, KEY, IV, (DecryptedStart::Media, true));
        // Off by one in the last byte, as where numbers are the vectors.
        let mut next = IV;
        next[15] += 1;
        check(&body, KEY, next, (DecryptedStart::AllButFirstBlock, true));
        check(&[], KEY, IV, (DecryptedStart::Unreadable, false));
        check(&ts(), KEY, IV, (DecryptedStart::Unreadable, false));
    }
}
