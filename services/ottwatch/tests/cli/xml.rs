//! As much of an XML parser as proves a report well-formed, and tells its elements.

use std::collections::BTreeMap;

/// A start tag, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    /// How many elements it lies in.
    pub depth: usize,
}

impl Element {
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).unwrap_or_else(|| panic!("{self:?} has no attribute {name}"))
    }
}

/// All elements of a well-formed document; panics with what is not.
pub fn elements(text: &str) -> Vec<Element> {
    let body = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("an XML declaration");
    let (mut found, mut open) = (Vec::new(), Vec::<String>::new());
    let mut rest = body;
    while let Some((before, tag)) = rest.split_once('<') {
        unescape(before);
        assert!(!open.is_empty() || before.trim().is_empty(), "text outside of the root: {before:?}");
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "end tags close what is open");
            continue;
        }
        let is_empty = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        found.push(Element { name: name.to_owned(), attributes: parse(attributes), depth: open.len() });
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "not closed: {open:?} {rest:?}");
    assert_eq!(found.iter().filter(|e| e.depth == 0).count(), 1, "one root");
    found
}

fn parse(mut text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while !text.trim().is_empty() {
        let (name, rest) = text.split_once("=\"").expect("name=\"value\"");
        let (value, rest) = rest.split_once('"').expect("a value ends");
        let twice = found.insert(name.trim().to_owned(), unescape(value));
        assert_eq!(twice, None, "attribute {name} twice");
        text = rest;
    }
    found
}

fn unescape(text: &str) -> String {
    assert!(!text.contains('>'), "an unescaped > in {text:?}");
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, rest) = part.split_once(';').expect("an entity ends");
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => panic!("XML has no entity {other}"),
        });
        out += rest;
    }
    out
}
