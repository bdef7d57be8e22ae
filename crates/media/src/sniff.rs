//! Which container the first bytes show.

use ow_domain::facts::Container;

/// Bytes looked at: four TS packets, so that three sync bytes are found wherever the first packet begins.
pub(crate) const SNIFF_BYTES: usize = 4 * 188;

const BOXES: [&[u8; 4]; 14] = [
    b"ftyp", b"styp", b"moof", b"moov", b"sidx", b"ssix", b"emsg", b"prft", b"mdat", b"free", b"skip", b"uuid",
    b"meta", b"pdin",
];

/// Tells the container of a body by its first bytes (up to 752 are used).
pub fn sniff(head: &[u8]) -> Container {
    if head.is_empty() {
        return Container::Empty;
    }
    if head.len() >= 8 && BOXES.iter().any(|b| head[4..8] == b[..]) {
        return Container::IsoBmff;
    }
    let sync_at = |n: usize| head.get(n * 188).map(|b| *b == 0x47);
    match (sync_at(0), sync_at(1), sync_at(2)) {
        // One damaged sync byte is a fault of a transport stream, not another container.
        (Some(true), None | Some(true), _) | (Some(true), _, Some(true)) | (Some(false), Some(true), Some(true)) => {
            return Container::MpegTs;
        }
        _ => {}
    }
    if leading_bytes(head) > 0 {
        return Container::MpegTs;
    }
    if head.starts_with(b"ID3")
        || matches!(head, [0xff, b, ..] if b & 0xe0 == 0xe0 && *b != 0xff)
        || head.starts_with(&[0x0b, 0x77])
    {
        return Container::PackedAudio;
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if text.starts_with(b"WEBVTT") {
        return Container::WebVtt;
    }
    let printable = text.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..));
    // The cut may have broken the last character.
    let is_text = match std::str::from_utf8(text) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    if printable && is_text { Container::Text } else { Container::Unknown }
}

/// Bytes before the first packet of a transport stream: where three sync bytes stand a packet apart while the first byte
/// is none. 0 for everything else.
pub(crate) fn leading_bytes(head: &[u8]) -> usize {
    let sync = |at: usize| head.get(at) == Some(&0x47);
    if sync(0) || sync(188) && sync(2 * 188) {
        return 0;
    }
    let is_text = head.iter().take(188).all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
    if is_text {
        return 0;
    }
    (1..188).find(|at| sync(*at) && sync(at + 188) && sync(at + 2 * 188)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_by_their_first_bytes() {
        let mut ts = vec![0_u8; 564];
        for n in 0..3 {
            ts[n * 188] = 0x47;
        }
        let led = [&[0xff, 0xfe, 0][..], &ts].concat();
        assert_eq!((leading_bytes(&led), leading_bytes(&ts)), (3, 0));
        let mut damaged = ts.clone();
        damaged[0] = 0x46;
        for (head, expected) in [
            (&b""[..], Container::Empty),
            (b"\0\0\0\x18styp", Container::IsoBmff),
            (&ts, Container::MpegTs),
            (&damaged, Container::MpegTs),
            (&led, Container::MpegTs),
            (&ts[..188], Container::MpegTs),
            (b"ID3\x04\0\0", Container::PackedAudio),
            (b"\xff\xf1\x50\x80", Container::PackedAudio),
            (b"WEBVTT\n\n", Container::WebVtt),
            (b"\xef\xbb\xbfWEBVTT\n", Container::WebVtt),
            (b"<!DOCTYPE html><html>", Container::Text),
            (b"{\"error\": \"ti\xe1\xba\xbfng", Container::Text),
            (b"{\"error\": \"ti\xe1\xba", Container::Text),
            (b"\x01\x02\x03\x04", Container::Unknown),
        ] {
            assert_eq!(sniff(head), expected, "{head:?}");
        }
    }
}
