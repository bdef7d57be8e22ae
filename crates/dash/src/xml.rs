//! The document as a walk over elements: positions, namespaces, limits, and what is wrong with the XML.

use std::borrow::Cow;

use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::escape::{EscapeError, unescape};
use quick_xml::events::Event;
use quick_xml::events::attributes::Attributes;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use crate::limits::*;
use crate::position::Lines;
use crate::{Issue, IssueKind, Position};

/// Namespace of MPD elements (§5.3.1; the year never changed).
pub(crate) const NS_DASH: &str = "urn:mpeg:dash:schema:mpd:2011";
/// Namespace of `Patch` (§5.15.2).
pub(crate) const NS_PATCH: &str = "urn:mpeg:dash:schema:mpd-patch:2020";
const NS_XLINK: &str = "http://www.w3.org/1999/xlink";
const NS_CENC: &str = "urn:mpeg:cenc:2013";
const NS_MSPR: &str = "urn:microsoft:playready";
const NS_DVB: &str = "urn:dvb:dash:dash-extensions:2014-1";

/// Whose vocabulary a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// For elements: the namespace of the root. For attributes: no namespace.
    Ours,
    Xlink,
    Cenc,
    PlayReady,
    Dvb,
    Other,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub space: Space,
    /// Without prefix.
    pub name: &'a str,
    pub at: Position,
    /// Name and attributes, and the offset of that in the text.
    tag: &'a str,
    name_bytes: usize,
    offset: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Attribute<'a> {
    pub space: Space,
    pub name: &'a str,
    pub at: Position,
    /// References replaced, white space as written.
    pub value: Cow<'a, str>,
}

pub(crate) struct Walker<'a> {
    text: &'a str,
    /// Bytes of a byte order mark before `text`.
    shift: usize,
    lines: Lines,
    reader: NsReader<&'a [u8]>,
    /// Namespace of the root.
    home: Option<Box<str>>,
    depth: usize,
    n_elements: usize,
    finished: bool,
    /// Where the last event began and ended.
    event: (usize, usize),
    pub issues: Vec<Issue>,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(text: &'a str, shift: usize) -> Self {
        let mut reader = NsReader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        Self {
            text,
            shift,
            lines: Lines::of(text),
            reader,
            home: None,
            depth: 0,
            n_elements: 0,
            finished: false,
            event: (0, 0),
            issues: Vec::new(),
        }
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        self.lines.position(offset, self.shift)
    }

    pub(crate) fn issue(
        &mut self,
        at: Position,
        kind: IssueKind,
        subject: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        push(&mut self.issues, Issue::new(at, kind, subject, found, expected));
    }

    /// The root element. Everything before it is looked at, nothing is kept.
    pub(crate) fn root(&mut self) -> Option<Element<'a>> {
        let root = self.next_element(0)?;
        Some(Element { space: Space::Ours, ..root })
    }

    /// Takes the root's namespace as ours; the name of it.
    pub(crate) fn settle(&mut self) -> Box<str> {
        let name: Box<str> = match self.reader.resolver().resolve_prefix(None, true) {
            ResolveResult::Bound(namespace) => namespace.0.into(),
            _ => "".into(),
        };
        // A root with a prefix is in the namespace of that prefix.
        let prefixed = self.text.get(self.event.0 + 1..self.event.1).and_then(|tag| {
            let end = tag.find(|c: char| c.is_whitespace() || c == '/' || c == '>').unwrap_or(tag.len());
            let (prefix, _) = tag.get(..end)?.split_once(':')?;
            Some(self.space_name(prefix))
        });
        let name = prefixed.unwrap_or(name);
        self.home = Some(name.clone());
        name
    }

    fn space_name(&self, prefix: &str) -> Box<str> {
        let probe = format!("{prefix}:x");
        match self.reader.resolver().resolve_element(quick_xml::name::QName(&probe)).0 {
            ResolveResult::Bound(namespace) => namespace.0.into(),
            _ => "".into(),
        }
    }

    /// The next child of the element last opened; `None` at its end. Each child must be read to its end, by
    /// [`Self::skip`], [`Self::content`] or children until `None`.
    pub(crate) fn child(&mut self) -> Option<Element<'a>> {
        let depth = self.depth;
        self.next_element(depth)
    }

    /// Leaves the element last opened.
    pub(crate) fn skip(&mut self) {
        let depth = self.depth;
        while !self.finished && self.depth >= depth {
            let _ = self.event();
        }
    }

    /// Text of the element last opened, trimmed, at most [`MAX_TEXT_BYTES`]; children are left out.
    pub(crate) fn content(&mut self) -> Box<str> {
        let depth = self.depth;
        let mut out = String::new();
        while !self.finished && self.depth >= depth {
            let event = self.event();
            if self.depth != depth || out.len() > MAX_TEXT_BYTES {
                continue;
            }
            match event {
                Some(Event::Text(text)) => out.push_str(&text.into_inner()),
                Some(Event::CData(text)) => out.push_str(&text.into_inner()),
                Some(Event::GeneralRef(name)) => {
                    let written = format!("&{};", name.into_inner());
                    let position = self.position(self.event.0);
                    out.push_str(&self.replace(&written, position));
                }
                _ => {}
            }
        }
        self.bounded(out.trim())
    }

    /// Everything between the tags of the element last opened, as written, trimmed.
    pub(crate) fn inner(&mut self) -> Box<str> {
        let start = self.event.1;
        self.skip();
        let text = self.text.get(start..self.event.0).unwrap_or_default();
        self.bounded(text.trim())
    }

    fn bounded(&mut self, text: &str) -> Box<str> {
        if text.len() <= MAX_TEXT_BYTES {
            return text.into();
        }
        let at = self.position(self.event.0);
        let found = format!("{} bytes", text.len());
        self.issue(at, IssueKind::LimitExceeded, "text of an element", found, format!("at most {MAX_TEXT_BYTES}"));
        let mut end = MAX_TEXT_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text[..end].into()
    }

    /// All attributes but namespace declarations, in order.
    pub(crate) fn attributes(&mut self, element: &Element<'a>) -> Vec<Attribute<'a>> {
        let mut out = Vec::new();
        let mut iter = Attributes::new(element.tag, element.name_bytes);
        iter.with_checks(element.tag.len() < 4_096);
        for found in iter {
            let attribute = match found {
                Ok(attribute) => attribute,
                Err(error) => {
                    self.issue(element.at, IssueKind::NotWellFormed, element.name, error.to_string(), "attributes");
                    continue;
                }
            };
            let key = attribute.key.0;
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            if out.len() == MAX_ATTRIBUTES {
                let expected = format!("at most {MAX_ATTRIBUTES}");
                self.issue(element.at, IssueKind::LimitExceeded, element.name, "more attributes", expected);
                break;
            }
            // The key is a slice of the text: its distance from the tag is its place.
            let distance = (key.as_ptr() as usize).wrapping_sub(element.tag.as_ptr() as usize);
            let at = self.position(element.offset + distance.min(element.tag.len()));
            let (space, name) = match key.split_once(':') {
                None => (Space::Ours, key),
                Some((prefix, name)) => (self.space_of(&self.space_name(prefix)), name),
            };
            let value = match attribute.value {
                Cow::Borrowed(text) => text,
                Cow::Owned(_) => continue,
            };
            if value.contains('<') {
                self.issue(at, IssueKind::NotWellFormed, format!("{}@{key}", element.name), value, "no < in a value");
            }
            let value = self.replace(value, at);
            out.push(Attribute { space, name, at, value });
        }
        out
    }

    fn space_of(&self, namespace: &str) -> Space {
        match namespace {
            NS_XLINK => Space::Xlink,
            NS_CENC => Space::Cenc,
            NS_MSPR => Space::PlayReady,
            NS_DVB => Space::Dvb,
            other if self.home.as_deref() == Some(other) => Space::Ours,
            _ => Space::Other,
        }
    }

    /// Character references and the five entities of XML; others stay and are reported.
    fn replace<'t>(&mut self, text: &'t str, at: Position) -> Cow<'t, str> {
        if !text.contains('&') {
            return Cow::Borrowed(text);
        }
        match unescape(text) {
            Ok(value) => value,
            Err(EscapeError::UnrecognizedEntity(_, name)) => {
                self.issue(at, IssueKind::Entity, "reference", format!("&{name};"), "no entity but those of XML");
                Cow::Borrowed(text)
            }
            Err(error) => {
                self.issue(at, IssueKind::NotWellFormed, "reference", error.to_string(), "&name; or &#number;");
                Cow::Borrowed(text)
            }
        }
    }

    /// One event; `None` when there is nothing more.
    fn event(&mut self) -> Option<Event<'a>> {
        if self.finished {
            return None;
        }
        let start = self.reader.buffer_position() as usize;
        let result = self.reader.read_event();
        self.event = (start, self.reader.buffer_position() as usize);
        match result {
            Ok(Event::Eof) => {
                self.finished = true;
                if self.depth > 0 {
                    self.truncated();
                }
                None
            }
            Ok(event) => {
                self.look(&event);
                Some(event)
            }
            Err(error) => {
                self.finished = true;
                match error {
                    Error::Syntax(
                        SyntaxError::UnclosedTag
                        | SyntaxError::UnclosedSingleQuotedAttributeValue
                        | SyntaxError::UnclosedDoubleQuotedAttributeValue,
                    )
                    | Error::IllFormed(IllFormedError::MissingEndTag(_))
                        if self.depth > 0 =>
                    {
                        self.truncated();
                    }
                    error => {
                        let at = self.position((self.reader.error_position() as usize).min(self.text.len()));
                        self.issue(at, IssueKind::NotWellFormed, "XML", error.to_string(), "well-formed XML");
                    }
                }
                None
            }
        }
    }

    fn truncated(&mut self) {
        let at = self.position(self.text.len());
        let found = format!("cut off after {} bytes with {} elements open", self.text.len() + self.shift, self.depth);
        self.issue(at, IssueKind::Truncated, "the document", found, "</MPD> at the end");
    }

    /// Counts, and what no element's reader looks for.
    fn look(&mut self, event: &Event<'a>) {
        match event {
            Event::Start(_) => {
                self.depth += 1;
                self.n_elements += 1;
                if self.depth > MAX_DEPTH {
                    self.stop("nesting", format!("at most {MAX_DEPTH} levels"));
                } else if self.n_elements > MAX_ELEMENTS {
                    self.stop("elements", format!("at most {MAX_ELEMENTS}"));
                }
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => {
                let at = self.position(self.event.0);
                self.issue(at, IssueKind::Doctype, "document type declaration", "present", "none; it is not read");
            }
            Event::Decl(declaration) => {
                if let Some(Ok(encoding)) = declaration.encoding()
                    && !["utf-8", "us-ascii", "ascii", "utf8"].iter().any(|known| encoding.eq_ignore_ascii_case(known))
                {
                    let at = self.position(self.event.0);
                    let encoding = encoding.into_owned();
                    self.issue(at, IssueKind::Encoding, "declared encoding", encoding, "UTF-8");
                }
            }
            Event::Text(text) if self.depth == 0 && !text.trim_ascii().is_empty() => {
                let at = self.position(self.event.0);
                let shown: String = text.chars().take(MAX_DETAIL_CHARS).collect();
                self.issue(at, IssueKind::NotWellFormed, "text outside of the root", shown, "none");
            }
            _ => {}
        }
    }

    fn stop(&mut self, subject: &str, expected: String) {
        self.finished = true;
        let at = self.position(self.event.0);
        self.issue(at, IssueKind::LimitExceeded, subject, "more", expected);
    }

    /// The next element that opens above `floor`; `None` when the floor closes.
    fn next_element(&mut self, floor: usize) -> Option<Element<'a>> {
        while let Some(event) = self.event() {
            match event {
                Event::Start(_) if !self.finished => return Some(self.element()),
                Event::End(_) if self.depth < floor => return None,
                _ => {}
            }
        }
        None
    }

    fn element(&mut self) -> Element<'a> {
        let (start, end) = self.event;
        let tag = self.text.get(start + 1..end).unwrap_or_default();
        let tag = tag.strip_suffix('>').unwrap_or(tag);
        let tag = tag.strip_suffix('/').unwrap_or(tag);
        let name_bytes = tag.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tag.len());
        let qualified = &tag[..name_bytes];
        let (namespace, name) = match qualified.split_once(':') {
            Some((prefix, name)) => (self.space_name(prefix), name),
            None => match self.reader.resolver().resolve_prefix(None, true) {
                ResolveResult::Bound(namespace) => {
                    let space = self.space_of(namespace.0);
                    return Element {
                        space,
                        name: qualified,
                        at: self.position(start),
                        tag,
                        name_bytes,
                        offset: start + 1,
                    };
                }
                _ => ("".into(), qualified),
            },
        };
        let space = self.space_of(&namespace);
        Element { space, name, at: self.position(start), tag, name_bytes, offset: start + 1 }
    }

    /// Reads what follows the root.
    pub(crate) fn finish(&mut self) {
        while !self.finished {
            if let Some(Event::Start(_)) = self.event()
                && self.depth == 1
            {
                let at = self.position(self.event.0);
                self.issue(at, IssueKind::NotWellFormed, "a second root element", "present", "one root");
                self.finished = true;
            }
        }
    }
}

/// Adds an issue within [`MAX_ISSUES`].
pub(crate) fn push(issues: &mut Vec<Issue>, issue: Issue) {
    match issues.len() {
        n if n < MAX_ISSUES - 1 => issues.push(issue),
        n if n == MAX_ISSUES - 1 => {
            let expected = format!("at most {MAX_ISSUES}");
            issues.push(Issue::new(issue.at, IssueKind::LimitExceeded, "issues", "more", expected));
        }
        _ => {}
    }
}
