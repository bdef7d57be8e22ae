//! WebVTT: header, `X-TIMESTAMP-MAP` (RFC 8216 3.5) and when the cues are.

use ow_domain::facts::VttFacts;

/// Bytes kept of a line; timing and header lines are shorter.
const MAX_LINE: usize = 256;

/// Reads line by line.
#[derive(Debug, Default)]
pub(crate) struct VttParser {
    line: Vec<u8>,
    after_header: bool,
    n_lines: u32,
    n_cues: u32,
    facts: VttFacts,
}

impl VttParser {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                if byte == b'\r' && self.line == b"\r" {
                    self.line.clear();
                }
                self.end_line();
                // A line that ends in CR LF gives an empty one more, which must not end the header.
                self.line.clear();
                if byte == b'\r' {
                    self.line.push(b'\r');
                }
            } else {
                if self.line == b"\r" {
                    self.line.clear();
                }
                if self.line.len() < MAX_LINE {
                    self.line.push(byte);
                }
            }
        }
    }

    fn end_line(&mut self) {
        if self.line == b"\r" {
            return;
        }
        self.n_lines = self.n_lines.saturating_add(1);
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim();
        if line.is_empty() {
            self.after_header |= self.n_lines > 1;
        } else if let Some(map) = line.strip_prefix("X-TIMESTAMP-MAP=").filter(|_| !self.after_header) {
            self.facts.has_map = true;
            for part in map.split(',') {
                match part.trim().split_once(':') {
                    Some(("MPEGTS", value)) => self.facts.mpegts = value.trim().parse().ok(),
                    Some(("LOCAL", value)) => self.facts.local_ms = milliseconds(value.trim()),
                    _ => {}
                }
            }
        } else if let Some((start, rest)) = line.split_once("-->") {
            self.n_cues = self.n_cues.saturating_add(1);
            let start = milliseconds(start.trim());
            let end = rest.split_whitespace().next().and_then(milliseconds);
            if let (Some(start), Some(end)) = (start, end) {
                self.facts.first_cue_ms = Some(self.facts.first_cue_ms.map_or(start, |f| f.min(start)));
                self.facts.last_cue_end_ms = Some(self.facts.last_cue_end_ms.map_or(end, |l| l.max(end)));
            }
        }
    }

    pub(crate) fn n_cues(&self) -> u32 {
        self.n_cues
    }

    /// Ends the last line.
    pub(crate) fn finish(&mut self) -> VttFacts {
        self.end_line();
        self.line.clear();
        std::mem::take(&mut self.facts)
    }
}

/// `[hh:]mm:ss.mmm`
fn milliseconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    if fraction.len() != 3 {
        return None;
    }
    let mut seconds = 0_i64;
    let mut n_parts = 0;
    for part in whole.split(':') {
        n_parts += 1;
        let is_number = !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit());
        seconds = is_number.then(|| part.parse::<i64>().ok()).flatten()? + seconds * 60;
    }
    let fraction: i64 = fraction.bytes().all(|b| b.is_ascii_digit()).then(|| fraction.parse().ok()).flatten()?;
    matches!(n_parts, 2 | 3).then_some(seconds * 1_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, step: usize) -> (VttFacts, u32) {
        let mut parser = VttParser::default();
        text.as_bytes().chunks(step).for_each(|piece| parser.push(piece));
        let facts = parser.finish();
        (facts, parser.n_cues())
    }

    #[test]
    fn map_and_cues_are_read_at_any_cut() {
        let text = "WEBVTT\r\nX-TIMESTAMP-MAP=LOCAL:00:00:01.000,MPEGTS:900000\r\n\r\n1\r\n00:00:02.500 --> 00:00:04.000 line:0\r\nxin\r\n\r\n01:00.000 --> 01:02.250\r\nchào";
        for text in [text.to_owned(), text.replace("\r\n", "\n"), text.replace("\r\n", "\r")] {
            for step in [1, 2, 5, 1_000] {
                let (facts, n_cues) = read(&text, step);
                assert_eq!((facts.has_map, facts.mpegts, facts.local_ms), (true, Some(900_000), Some(1_000)));
                assert_eq!((n_cues, facts.first_cue_ms, facts.last_cue_end_ms), (2, Some(2_500), Some(62_250)));
            }
        }
    }

    #[test]
    fn maps_that_are_wrong_or_late_are_not_believed() {
        let (facts, _) = read("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:-5,LOCAL:xx\n", 9);
        assert_eq!((facts.has_map, facts.mpegts, facts.local_ms), (true, Some(-5), None));
        let (facts, n_cues) = read("WEBVTT\n\nX-TIMESTAMP-MAP=MPEGTS:5,LOCAL:00:00.000\n", 9);
        assert_eq!((facts.has_map, n_cues), (false, 0));
        for (text, expected) in
            [("00:01.5", None), ("1:2:3.004", Some(3_723_004)), ("5.000", None), ("a:00.000", None), ("", None)]
        {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
