//! The line tokenizer: text to tags, URIs and nothing else.

use crate::issue::IssueKind;
use crate::limits::MAX_LINES;
use crate::parser::Reporter;

/// One line that means something. Comments and blank lines are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// `name` without `#`; `value` after the first `:`, `None` without one.
    Tag {
        name: &'a str,
        value: Option<&'a str>,
    },
    Uri(&'a str),
}

pub(crate) struct Lines<'a> {
    rest: &'a str,
    pub number: u32,
    /// Some byte of the text may be part of a control character: only then lines are searched for them.
    suspicious: bool,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        // Branch-free over the whole text, which the compiler turns into vector code. 0xC2 leads every C1 control.
        let is_odd = |b: u8| (b < 0x20) & (b != b'\n') & (b != b'\r') | (b == 0x7f) | (b == 0xc2);
        Self { rest: text, number: 0, suspicious: text.bytes().fold(false, |odd, b| odd | is_odd(b)) }
    }

    /// The next line without its end (LF or CRLF).
    pub(crate) fn next_raw(&mut self, report: &mut Reporter) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        if self.number as usize >= MAX_LINES {
            report.limit(self.number, "MAX_LINES");
            self.rest = "";
            return None;
        }
        self.number += 1;
        let end = find_newline(self.rest.as_bytes());
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, ""),
        };
        self.rest = rest;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    pub(crate) fn next(&mut self, report: &mut Reporter) -> Option<Line<'a>> {
        loop {
            let line = self.next_raw(report)?;
            if self.suspicious && has_control_character(line) {
                report.issue(self.number, IssueKind::ControlCharacter, line);
            }
            if let Some(tag) = line.strip_prefix('#') {
                if !tag.starts_with("EXT") {
                    continue;
                }
                let tag = tag.trim_end();
                return Some(match tag.as_bytes().iter().position(|&b| b == b':') {
                    Some(colon) => Line::Tag { name: &tag[..colon], value: Some(&tag[colon + 1..]) },
                    None => Line::Tag { name: tag, value: None },
                });
            }
            let uri = line.trim();
            if !uri.is_empty() {
                return Some(Line::Uri(uri));
            }
        }
    }
}

/// Eight bytes at a time; about 1 GB/s without unsafe code or a dependency.
fn find_newline(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut chunks = bytes.chunks_exact(8);
    let mut at = 0;
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default()) ^ (ONES * b'\n' as u64);
        let hit = word.wrapping_sub(ONES) & !word & HIGHS;
        if hit != 0 {
            return Some(at + hit.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    chunks.remainder().iter().position(|&b| b == b'\n').map(|i| at + i)
}

/// C0 and C1 controls and DEL (BIS 4.1); line ends are gone already.
fn has_control_character(line: &str) -> bool {
    // RECENTLY-REMOVED-DATERANGES is a list parted by tabs (BIS 4.4.5.2), whatever BIS 4.1 says of control characters.
    let tab_is_prescribed = line.starts_with("#EXT-X-SKIP:");
    line.chars().any(|c| c.is_control() && !(c == '\t' && tab_is_prescribed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers() {
        let mut report = Reporter::default();
        let mut lines = Lines::new("#EXTM3U\r\n\n# comment\n#EXTINF:6,\n a.ts \n\n#EXT-X-ENDLIST");
        let mut found = Vec::new();
        while let Some(line) = lines.next(&mut report) {
            found.push((lines.number, line));
        }
        assert_eq!(
            found,
            [
                (1, Line::Tag { name: "EXTM3U", value: None }),
                (4, Line::Tag { name: "EXTINF", value: Some("6,") }),
                (5, Line::Uri("a.ts")),
                (7, Line::Tag { name: "EXT-X-ENDLIST", value: None }),
            ]
        );
        assert!(report.issues.is_empty());
    }

    #[test]
    fn newlines_are_found_at_every_place() {
        for n in 0..40 {
            let mut text = vec![b'a'; 40];
            text[n] = b'\n';
            assert_eq!(find_newline(&text), Some(n));
        }
        assert_eq!(find_newline(&[0x8a, 0x0b, 0xff, 0x0a]), Some(3));
        assert_eq!(find_newline(b""), None);
    }

    #[test]
    fn controls_are_seen_and_other_letters_not() {
        assert!(has_control_character("a\tb") && has_control_character("a\u{7f}") && has_control_character("a\u{85}b"));
        assert!(!has_control_character("VTV3 Tiếng Việt \u{a0}"));
        let skip = "#EXT-X-SKIP:SKIPPED-SEGMENTS=3,RECENTLY-REMOVED-DATERANGES=\"a\tb\"";
        assert!(!has_control_character(skip) && has_control_character(&format!("{skip}\u{1}")));
    }
}
