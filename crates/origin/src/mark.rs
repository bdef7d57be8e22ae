//! What makes the pictures of each segment differ although the recording repeats: a number in user data, as of a burnt-in clock.

/// Number of the segment as it was published; hexadecimal, so that no start code can arise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(pub i64);

/// Digits of the number.
const DIGITS: usize = 16;
/// `user_data_unregistered` (ITU-T H.264 D.1.7): UUID and digits.
const PAYLOAD: usize = 16 + DIGITS;
/// Head of the NAL unit, type and size of the message, payload, trailing bits.
const LEN: usize = 1 + 2 + PAYLOAD + 1;

impl Mark {
    /// The SEI NAL unit, its digits still 0.
    pub fn nal() -> [u8; LEN] {
        let mut out = [b'0'; LEN];
        out[..3].copy_from_slice(&[6, 5, PAYLOAD as u8]);
        out[3..19].copy_from_slice(b"ottwatch.segment");
        out[LEN - 1] = 0x80;
        out
    }

    /// Writes the digits into a unit that begins at `at`.
    pub fn write(self, bytes: &mut [u8], at: usize) {
        let digits = format!("{:016x}", self.0);
        if let Some(place) = bytes.get_mut(at + 19..at + 19 + DIGITS) {
            place.copy_from_slice(digits.as_bytes());
        }
    }
}
