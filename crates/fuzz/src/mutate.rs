//! Changes to an input that tend to matter to parsers.

/// xorshift64: the same seed gives the same run.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Any seed will do.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 64 random bits.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 to `n` - 1; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.roll() % n as u64) as usize }
    }
}

/// Bytes that begin or end something: zero, one, TS sync, sign and range ends.
const BYTES: [u8; 6] = [0, 1, 0x47, 0x7f, 0x80, 0xff];
/// Lengths and counts that lie.
const COUNTS: [u32; 7] = [0, 1, 7, 0xff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
/// Numbers at the ends of types, and texts that are numbers to some.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "1e308",
    "0.0000000001",
    "NaN",
    "INF",
];

/// One to six changes, at most `max` bytes long. With `words` the input is text and gets words and numbers too.
pub fn mutate(dice: &mut Dice, mut bytes: Vec<u8>, other: &[u8], words: &[&str], max: usize) -> Vec<u8> {
    for _ in 0..=dice.below(6) {
        let n = bytes.len();
        if n == 0 {
            bytes.extend_from_slice(other);
            continue;
        }
        let at = dice.below(n);
        // Headers matter most.
        let at = if dice.below(3) == 0 { at.min(dice.below(64)) } else { at };
        let end = (at + 1 + dice.below(400)).min(n);
        match dice.below(if words.is_empty() { 9 } else { 13 }) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.roll() as u8,
            2 => bytes[at] = BYTES[dice.below(BYTES.len())],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let piece = bytes[at..end].to_vec();
                let to = dice.below(n);
                bytes.splice(to..to, piece);
            }
            6 => {
                let from = dice.below(other.len());
                let to = (from + dice.below(1_000)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            7 => {
                let value = COUNTS[dice.below(COUNTS.len())];
                for (place, byte) in bytes[at..].iter_mut().zip(value.to_be_bytes()) {
                    *place = byte;
                }
            }
            8 => bytes[at..end].fill(if dice.below(2) == 0 { 0 } else { 0xff }),
            9 | 10 => {
                let word = words[dice.below(words.len())];
                bytes.splice(at..at, word.bytes());
            }
            11 => {
                // A number that stands there.
                let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|skip| at + skip) else {
                    continue;
                };
                let length = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
                let number = NUMBERS[dice.below(NUMBERS.len())];
                bytes.splice(start..start + length, number.bytes());
            }
            _ => {
                // A whole line to another place.
                let start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |nl| nl + 1);
                let stop = bytes[at..].iter().position(|b| *b == b'\n').map_or(n, |nl| at + nl + 1);
                let line = bytes[start..stop].to_vec();
                let from = dice.below(n);
                let to = bytes[from..].iter().position(|b| *b == b'\n').map_or(n, |nl| from + nl + 1);
                bytes.splice(to..to, line);
            }
        }
    }
    bytes.truncate(max);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_all_stay_small() {
        let run = |seed| {
            let mut dice = Dice::new(seed);
            let mut input = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n".to_vec();
            let mut all = Vec::new();
            for _ in 0..2_000 {
                input = mutate(&mut dice, input, b"#EXTINF:6,\na.ts\n", &["#EXT-X-GAP\n"], 512);
                assert!(input.len() <= 512);
                all.push(input.clone());
            }
            all
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn empty_inputs_are_mutated_too() {
        let mut dice = Dice::new(0);
        for _ in 0..500 {
            let _ = mutate(&mut dice, Vec::new(), b"", &[], 16);
        }
    }
}
