//! The first NAL units of an access unit: is it a random access point, and what is its picture size.

use crate::sps::{self, Sps};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VideoCodec {
    H264,
    H265,
}

#[derive(Debug, Default)]
pub(crate) struct AccessUnitStart {
    /// The first coded slice is of an IDR (H.264) or IRAP (H.265) picture; `None`: no slice among the bytes.
    pub(crate) random_access: Option<bool>,
    pub(crate) sps: Option<Sps>,
}

/// Looks through Annex B bytes up to the first coded slice.
pub(crate) fn look(codec: VideoCodec, bytes: &[u8]) -> AccessUnitStart {
    let mut found = AccessUnitStart::default();
    let mut at = start_code(bytes, 0);
    while let Some(begin) = at {
        let next = start_code(bytes, begin);
        let end = next.map_or(bytes.len(), |n| n - 3);
        let nal = &bytes[begin..end];
        let Some(&header) = nal.first() else { break };
        let (is_slice, is_random, is_sps) = match codec {
            VideoCodec::H264 => {
                let kind = header & 0x1f;
                ((1..=5).contains(&kind), kind == 5, kind == 7)
            }
            VideoCodec::H265 => {
                let kind = header >> 1 & 0x3f;
                (kind < 32, (16..=23).contains(&kind), kind == 33)
            }
        };
        if is_slice {
            found.random_access = Some(is_random);
            return found;
        }
        if is_sps && found.sps.is_none() {
            found.sps = match codec {
                VideoCodec::H264 => sps::h264(nal),
                VideoCodec::H265 => sps::h265(nal),
            };
        }
        at = next;
    }
    found
}

/// Position after the next `00 00 01` at or after `from`.
fn start_code(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(3).position(|w| w == [0, 0, 1]).map(|at| from + at + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(look(codec, bytes).random_access, expected, "{bytes:?}");
        }
    }
}
