//! A fast digest to tell whether two payloads are the same: no cryptography, the same for any cut of the bytes.

#[derive(Debug, Default)]
pub(crate) struct Digest {
    state: u64,
    carry: [u8; 8],
    n_carry: usize,
    n: u64,
}

/// An odd constant with well spread bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Digest {
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        self.n += bytes.len() as u64;
        if self.n_carry > 0 {
            let take = bytes.len().min(8 - self.n_carry);
            self.carry[self.n_carry..self.n_carry + take].copy_from_slice(&bytes[..take]);
            self.n_carry += take;
            bytes = &bytes[take..];
            if self.n_carry < 8 {
                return;
            }
            self.word(u64::from_le_bytes(self.carry));
            self.n_carry = 0;
        }
        let words = bytes.chunks_exact(8);
        let rest = words.remainder();
        for word in words {
            self.word(u64::from_le_bytes(word.try_into().unwrap_or([0; 8])));
        }
        self.carry[..rest.len()].copy_from_slice(rest);
        self.n_carry = rest.len();
    }

    fn word(&mut self, word: u64) {
        self.state = (self.state.rotate_left(23) ^ word).wrapping_mul(SPREAD);
    }

    /// 16 hex digits; `None` of nothing.
    pub(crate) fn finish(mut self) -> Option<String> {
        let n = self.n;
        if n == 0 {
            return None;
        }
        self.carry[self.n_carry..].fill(0);
        self.word(u64::from_le_bytes(self.carry));
        self.word(n);
        Some(format!("{:016x}", self.state ^ self.state >> 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_and_any_change_another() {
        let digest = |bytes: &[u8], step: usize| {
            let mut digest = Digest::default();
            bytes.chunks(step).for_each(|piece| digest.push(piece));
            digest.finish()
        };
        let bytes: Vec<u8> = (0..200_u8).collect();
        let whole = digest(&bytes, 200);
        for step in 1..30 {
            assert_eq!(digest(&bytes, step), whole);
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(digest(&other, 64), whole);
        }
        assert_ne!(digest(&bytes[..199], 64), whole);
        assert_ne!(digest(&[0], 1), digest(&[0, 0], 1));
        assert_eq!(digest(&[], 1), None);
    }
}
