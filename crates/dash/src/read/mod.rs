//! From elements to the model.

mod mpd;
mod segments;
mod sets;
mod values;

use std::borrow::Cow;

use crate::audit::audit;
use crate::limits::MAX_BYTES;
use crate::xml::{NS_DASH, NS_PATCH, Space, Walker, push};
use crate::{Document, Issue, IssueKind, Position};

/// Reads a document. Never fails: what cannot be read is left out of the model and reported, in document order first,
/// then what breaks the rules of the whole.
pub fn parse(body: &[u8]) -> (Document, Vec<Issue>) {
    let mut early = Vec::new();
    if body.len() > MAX_BYTES {
        let found = format!("{} bytes", body.len());
        let expected = format!("at most {MAX_BYTES} bytes");
        early.push(Issue::new(Position::default(), IssueKind::LimitExceeded, "the document", found, expected));
        return (Document::Other, early);
    }
    let (shift, bytes) = match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (3, rest),
        None => (0, body),
    };
    let whole = Position { offset: 0, line: 1, column: 1 };
    if bytes.trim_ascii().is_empty() {
        early.push(Issue::new(whole, IssueKind::Empty, "the document", "empty", "an MPD"));
        return (Document::Other, early);
    }
    if bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\xff\xfe") {
        early.push(Issue::new(whole, IssueKind::Encoding, "the document", "UTF-16", "UTF-8"));
        return (Document::Other, early);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Cow::Owned(_) = text {
        let good = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        let found = format!("no UTF-8 at byte {}", good + shift);
        early.push(Issue::new(whole, IssueKind::Encoding, "the document", found, "UTF-8"));
    }
    let mut walker = Walker::new(&text, shift);
    walker.issues = early;
    let mut document = read_document(&mut walker);
    let mut issues = walker.issues;
    if let Document::Mpd(mpd) = &mut document {
        mpd.n_bytes = body.len();
        // Half a document would break rules that the whole one keeps.
        let whole = !issues.iter().any(|issue| {
            matches!(issue.kind, IssueKind::Truncated | IssueKind::NotWellFormed | IssueKind::LimitExceeded)
        });
        if whole {
            audit(mpd, &mut |issue| push(&mut issues, issue));
        }
    }
    (document, issues)
}

fn read_document(walker: &mut Walker<'_>) -> Document {
    let Some(root) = walker.root() else {
        if walker.issues.is_empty() {
            walker.issue(Position::default(), IssueKind::Root, "root element", "", "MPD");
        }
        return Document::Other;
    };
    let namespace = walker.settle();
    let document = match root.name {
        "MPD" => {
            if &*namespace != NS_DASH {
                walker.issue(root.at, IssueKind::Namespace, "namespace of MPD", format!("{namespace:?}"), NS_DASH);
            }
            Document::Mpd(Box::new(walker.mpd(&root)))
        }
        "Patch" if &*namespace == NS_PATCH || namespace.starts_with("urn:mpeg:dash:schema:mpd") => {
            Document::Patch(walker.patch(&root))
        }
        other => {
            walker.issue(root.at, IssueKind::Root, "root element", other, "MPD");
            return Document::Other;
        }
    };
    walker.finish();
    document
}

impl<'a> Walker<'a> {
    /// Runs over the children of the element last opened: ours by name to `each`, which must read them to their end.
    fn children(&mut self, mut each: impl FnMut(&mut Self, crate::xml::Element<'a>)) {
        while let Some(child) = self.child() {
            if child.space == Space::Ours || child.space == Space::Cenc || child.space == Space::PlayReady {
                each(self, child);
            } else {
                self.skip();
            }
        }
    }
}
