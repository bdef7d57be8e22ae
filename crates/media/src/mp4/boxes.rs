//! Boxes inside boxes, and small helpers around their names and bytes.

use crate::bits::Fields;

/// Most children looked at in one box.
const MAX_CHILDREN: usize = 4096;

/// A box type as text; unprintable bytes become `?`.
pub(crate) fn name_of(kind: [u8; 4]) -> String {
    kind.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '?' }).collect()
}

/// Calls `visit` with type and body of each child box, until one does not fit. True when they fill `bytes` exactly;
/// up to seven bytes of zero at the end, which old writers leave, are no fault.
pub(crate) fn children<'b>(mut bytes: &'b [u8], visit: &mut dyn FnMut([u8; 4], &'b [u8])) -> bool {
    for _ in 0..MAX_CHILDREN {
        let mut fields = Fields(bytes);
        let (Some(short), Some(kind)) = (fields.u32(), fields.four()) else {
            return bytes.iter().all(|b| *b == 0);
        };
        let (size, header) = match short {
            0 => (bytes.len(), 8),
            1 => match fields.u64().and_then(|size| usize::try_from(size).ok()) {
                Some(size) => (size, 16),
                None => return false,
            },
            short => (short as usize, 8),
        };
        let (Some(body), Some(rest)) = (bytes.get(header..size), bytes.get(size..)) else { return false };
        visit(kind, body);
        bytes = rest;
    }
    true
}

/// Version and flags of a full box, and the fields after them.
pub(crate) fn full(body: &[u8]) -> Option<(u8, u32, Fields<'_>)> {
    let mut fields = Fields(body);
    let head = fields.u32()?;
    Some(((head >> 24) as u8, head & 0x00ff_ffff, fields))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// FNV-1a, 64 bits, in hex: identity of a few bytes, no protection.
pub(crate) fn digest<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.into_iter().flatten() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_fill_their_parent_exactly() {
        for (bytes, names, exact) in [
            (&b"\0\0\0\x08abcd\0\0\0\x09efgh\x01"[..], &["abcd", "efgh"][..], true),
            (b"\0\0\0\x08abcd\0\0\0\0", &["abcd"], true),
            (b"\0\0\0\0abcd123", &["abcd"], true),
            (b"\0\0\0\x01abcd\0\0\0\0\0\0\0\x11z", &["abcd"], true),
            (b"\0\0\0\x08abcd\0\0\0\x01", &["abcd"], false),
            (b"\0\0\0\x09abcd", &[], false),
            (b"\0\0\0\x07abcd", &[], false),
            (b"\0\0\0\x01abcd\xff\xff\xff\xff\xff\xff\xff\xff", &[], false),
            (b"", &[], true),
        ] {
            let mut found = Vec::new();
            assert_eq!(children(bytes, &mut |kind, _| found.push(name_of(kind))), exact, "{bytes:?}");
            assert_eq!(found, names, "{bytes:?}");
        }
    }

    #[test]
    fn bytes_as_text() {
        assert_eq!(hex(&[0x00, 0x9f, 0xab]), "009fab");
        assert_eq!(digest([&b"a"[..]]), "af63dc4c8601ec8c");
        assert_eq!(digest([&b"fo"[..], b"obar"]), "85944171f73967e8");
    }
}
