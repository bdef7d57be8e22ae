//! What a body is, from its first bytes, before it is worth parsing.

use serde::{Deserialize, Serialize};

/// How many bytes are searched for a tag that tells the kinds of playlist apart.
const SNIFF_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sniff {
    Multivariant,
    Media,
    /// Starts with a byte order mark and would be a playlist without it.
    HasBom,
    NotAPlaylist(LooksLike),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LooksLike {
    Empty,
    Html,
    Json,
    Xml,
    /// Text of another kind.
    Text,
    Binary,
}

/// Cheap: looks at the first line and, for a playlist, at the tags of the first 64 KiB.
pub fn sniff(body: &[u8]) -> Sniff {
    if let Some(rest) = body.strip_prefix(b"\xef\xbb\xbf") {
        return match sniff(rest) {
            Sniff::NotAPlaylist(what) => Sniff::NotAPlaylist(what),
            _ => Sniff::HasBom,
        };
    }
    if !body.starts_with(b"#EXTM3U") {
        return Sniff::NotAPlaylist(looks_like(body));
    }
    let head = &body[..body.len().min(SNIFF_BYTES)];
    for line in head.split(|&b| b == b'\n') {
        if line.starts_with(b"#EXT") && is_multivariant_tag(line) {
            return Sniff::Multivariant;
        }
        if line.starts_with(b"#EXTINF") || line.starts_with(b"#EXT-X-TARGETDURATION") {
            return Sniff::Media;
        }
    }
    Sniff::Media
}

fn is_multivariant_tag(line: &[u8]) -> bool {
    [
        &b"#EXT-X-STREAM-INF"[..],
        b"#EXT-X-I-FRAME-STREAM-INF",
        b"#EXT-X-MEDIA:",
        b"#EXT-X-SESSION-",
        b"#EXT-X-CONTENT-STEERING",
    ]
    .iter()
    .any(|tag| line.starts_with(tag))
}

fn looks_like(body: &[u8]) -> LooksLike {
    let head = &body[..body.len().min(512)];
    let Some(start) = head.iter().position(|b| !b.is_ascii_whitespace()) else {
        return if body.is_empty() || head.len() == body.len() { LooksLike::Empty } else { LooksLike::Text };
    };
    let head = &head[start..];
    let lower: Vec<u8> = head.iter().take(64).map(u8::to_ascii_lowercase).collect();
    if head.iter().any(|&b| b == 0 || (b < 0x20 && !b.is_ascii_whitespace() && b != 0x1b)) {
        LooksLike::Binary
    } else if lower.starts_with(b"<?xml") || lower.starts_with(b"<mpd") {
        LooksLike::Xml
    } else if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") || lower.starts_with(b"<head") {
        LooksLike::Html
    } else if lower.starts_with(b"<") {
        if head.windows(5).any(|w| w.eq_ignore_ascii_case(b"<html") || w.eq_ignore_ascii_case(b"<body")) {
            LooksLike::Html
        } else {
            LooksLike::Xml
        }
    } else if matches!(lower.first(), Some(b'{' | b'[')) {
        LooksLike::Json
    } else if std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some()) {
        LooksLike::Binary
    } else {
        LooksLike::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_told_apart() {
        for (body, expected) in [
            (&b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na"[..], Sniff::Multivariant),
            (b"#EXTM3U\r\n#EXT-X-VERSION:6\r\n#EXT-X-MEDIA:TYPE=AUDIO", Sniff::Multivariant),
            (b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:6,\na", Sniff::Media),
            (b"#EXTM3U", Sniff::Media),
            (b"\xef\xbb\xbf#EXTM3U\n", Sniff::HasBom),
            (b"", Sniff::NotAPlaylist(LooksLike::Empty)),
            (b" \r\n", Sniff::NotAPlaylist(LooksLike::Empty)),
            (b"<!DOCTYPE HTML><html>", Sniff::NotAPlaylist(LooksLike::Html)),
            (b"\n<html>", Sniff::NotAPlaylist(LooksLike::Html)),
            (b"<!-- x --><html>", Sniff::NotAPlaylist(LooksLike::Html)),
            (b"<?xml version='1.0'?><MPD/>", Sniff::NotAPlaylist(LooksLike::Xml)),
            (b"<Error/>", Sniff::NotAPlaylist(LooksLike::Xml)),
            (b"{\"error\":1}", Sniff::NotAPlaylist(LooksLike::Json)),
            (b"Not found", Sniff::NotAPlaylist(LooksLike::Text)),
            (b"\x47\x40\x00\x10\x00", Sniff::NotAPlaylist(LooksLike::Binary)),
            (b"\x00\x00\x00\x18ftyp", Sniff::NotAPlaylist(LooksLike::Binary)),
        ] {
            assert_eq!(sniff(body), expected, "{:?}", String::from_utf8_lossy(body));
        }
    }
}
