//! The way in: encoding, first line, kind of playlist. [`crate::multivariant`] and [`crate::media`] do the rest.

use crate::issue::{Issue, IssueKind};
use crate::limits::{MAX_DETAIL_CHARS, MAX_ISSUES};
use crate::lines::{Line, Lines};
use crate::model::Playlist;
use crate::variables::Variables;
use crate::{media, multivariant};

/// Reads a playlist. Always gives a model, as far as the text allows, and what breaks the grammar, in line order
/// except for what only shows at the end. `variables` holds what `{$name}` may refer to from outside.
///
/// The kind is that of the first tag which belongs to only one kind; without any it is a Media Playlist. Use
/// [`crate::sniff`] first to tell an HTML page from a playlist.
pub fn parse(body: &[u8], variables: Variables) -> (Playlist, Vec<Issue>) {
    let mut report = Reporter::default();
    let body = match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => {
            report.issue(1, IssueKind::Bom, "U+FEFF");
            rest
        }
        None => body,
    };
    let text = match std::str::from_utf8(body) {
        Ok(text) => std::borrow::Cow::Borrowed(text),
        Err(error) => {
            let line = 1 + body[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
            report.issue(line as u32, IssueKind::InvalidUtf8, "not UTF-8");
            String::from_utf8_lossy(body)
        }
    };
    let mut lines = Lines::new(&text);
    if text.trim().is_empty() {
        report.issue(0, IssueKind::Empty, "");
    } else {
        match lines.next_raw(&mut report) {
            Some(first) if first.trim_end() == "#EXTM3U" => {}
            first => {
                report.issue(1, IssueKind::FirstLine, first.unwrap_or(""));
                lines = Lines::new(&text);
            }
        }
    }
    let playlist = if is_multivariant(&text) {
        Playlist::Multivariant(Box::new(multivariant::read(&mut lines, variables, &mut report)))
    } else {
        Playlist::Media(Box::new(media::read(&mut lines, variables, &mut report)))
    };
    (playlist, report.finish())
}

/// Which of the two vocabularies a tag belongs to alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    Multivariant,
    Media,
    Both,
}

pub(crate) fn vocabulary(tag: &str) -> Vocabulary {
    match tag {
        "EXT-X-STREAM-INF"
        | "EXT-X-I-FRAME-STREAM-INF"
        | "EXT-X-MEDIA"
        | "EXT-X-SESSION-DATA"
        | "EXT-X-SESSION-KEY"
        | "EXT-X-CONTENT-STEERING" => Vocabulary::Multivariant,
        "EXTINF"
        | "EXT-X-TARGETDURATION"
        | "EXT-X-MEDIA-SEQUENCE"
        | "EXT-X-DISCONTINUITY-SEQUENCE"
        | "EXT-X-DISCONTINUITY"
        | "EXT-X-ENDLIST"
        | "EXT-X-PLAYLIST-TYPE"
        | "EXT-X-I-FRAMES-ONLY"
        | "EXT-X-BYTERANGE"
        | "EXT-X-KEY"
        | "EXT-X-MAP"
        | "EXT-X-PROGRAM-DATE-TIME"
        | "EXT-X-GAP"
        | "EXT-X-BITRATE"
        | "EXT-X-PART"
        | "EXT-X-PART-INF"
        | "EXT-X-SERVER-CONTROL"
        | "EXT-X-DATERANGE"
        | "EXT-X-SKIP"
        | "EXT-X-PRELOAD-HINT"
        | "EXT-X-RENDITION-REPORT" => Vocabulary::Media,
        _ => Vocabulary::Both,
    }
}

fn is_multivariant(text: &str) -> bool {
    let mut lines = Lines::new(text);
    let mut ignored = Reporter::default();
    while let Some(line) = lines.next(&mut ignored) {
        if let Line::Tag { name, .. } = line {
            match vocabulary(name) {
                Vocabulary::Multivariant => return true,
                Vocabulary::Media => return false,
                Vocabulary::Both => {}
            }
        }
    }
    false
}

/// Collects issues within bounds.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    pub issues: Vec<Issue>,
    limits: Vec<&'static str>,
    n_dropped: u32,
}

impl Reporter {
    pub(crate) fn issue(&mut self, line: u32, kind: IssueKind, detail: &str) {
        if self.issues.len() >= MAX_ISSUES {
            self.n_dropped = self.n_dropped.saturating_add(1);
            return;
        }
        let detail = match detail.char_indices().nth(MAX_DETAIL_CHARS) {
            Some((end, _)) => &detail[..end],
            None => detail,
        };
        self.issues.push(Issue { line, kind, detail: detail.into() });
    }

    /// Reports a bound once.
    pub(crate) fn limit(&mut self, line: u32, name: &'static str) {
        if !self.limits.contains(&name) {
            self.limits.push(name);
            self.issue(line, IssueKind::LimitExceeded, name);
        }
    }

    /// Pushes while the list is below the bound.
    pub(crate) fn push<T>(&mut self, list: &mut Vec<T>, item: T, max: usize, line: u32, name: &'static str) {
        if list.len() < max {
            list.push(item);
        } else {
            self.limit(line, name);
        }
    }

    fn finish(mut self) -> Vec<Issue> {
        if self.n_dropped > 0 {
            let detail = format!("MAX_ISSUES, {} more", self.n_dropped);
            self.issues.push(Issue { line: 0, kind: IssueKind::LimitExceeded, detail: detail.into() });
        }
        self.issues
    }
}
