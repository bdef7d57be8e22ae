//! YAML text -> trees that know their lines. Anchors, aliases and tags are refused, sizes and depth are bounded, so a
//! small text can never become a large tree.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Largest text of one file in bytes.
pub const MAX_FILE_BYTES: usize = 4 << 20;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 24;
/// Most nodes of one file.
pub const MAX_NODES: usize = 500_000;

/// A value with the line where it starts (from 1).
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub line: u32,
    pub value: Yaml,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// `plain` scalars may mean a number, a boolean or null; others are always text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// Key, line of the key, value; in the order of the text, repeated keys included.
    Map(Vec<(String, u32, Node)>),
}

impl Node {
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Yaml::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Yaml::Map(entries) => entries.iter().find(|(k, _, _)| k == key).map(|(_, _, node)| node),
            _ => None,
        }
    }

    /// Line of the value that a dotted path leads to (`spec.streams[0].url`), or of the deepest one on the way that
    /// exists.
    pub fn line_of(&self, path: &str) -> u32 {
        let mut node = self;
        let mut line = self.line;
        for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
            let next = match &node.value {
                Yaml::Map(entries) => {
                    entries.iter().find(|(key, _, _)| same_name(key, part)).map(|(_, line, node)| (*line, node))
                }
                Yaml::List(items) => {
                    part.parse::<usize>().ok().and_then(|n| items.get(n)).map(|node| (node.line, node))
                }
                Yaml::Scalar { .. } => None,
            };
            let Some((found_line, found)) = next else { break };
            (line, node) = (found_line, found);
        }
        line
    }

    pub fn kind(&self) -> &'static str {
        match &self.value {
            Yaml::Scalar { .. } if self.is_null() => "nothing",
            Yaml::Scalar { .. } => "a single value",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a map",
        }
    }
}

/// Why a text is no tree: line from 1 and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub line: u32,
    pub reason: String,
}

/// `minSeverity` and `min_severity` are one name.
fn same_name(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    a == b || plain(a) == plain(b)
}

enum Open {
    List(u32, Vec<Node>),
    Map(u32, Vec<(String, u32, Node)>, Option<(String, u32)>),
}

/// Reads all documents of a text; empty ones (only comments) are left out.
pub fn parse(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let fail = |line: u32, reason: String| Err(SyntaxError { line, reason });
    if text.len() > MAX_FILE_BYTES {
        return fail(1, format!("the text has {} bytes, more than the {MAX_FILE_BYTES} allowed", text.len()));
    }
    if let Some(at) = text.find('\0') {
        let line = text[..at].matches('\n').count() + 1;
        return fail(u32::try_from(line).unwrap_or(u32::MAX), "a NUL character: this is no text file".into());
    }
    let mut documents = Vec::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut n_nodes = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(pair) => pair,
            Err(error) => return fail(line_of(error.marker().line()), error.info().to_owned()),
        };
        let line = line_of(span.start.line());
        let done = match event {
            Event::Alias(_) => return fail(line, "an alias (*name) is not accepted; write the value again".into()),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return fail(line, "an anchor (&name) is not accepted; write the value where it is used".into());
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return fail(line, "a tag (!name) is not accepted; write the plain value".into());
            }
            Event::Scalar(text, style, _, _) => {
                Some(Node { line, value: Yaml::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain } })
            }
            Event::SequenceStart(..) => {
                stack.push(Open::List(line, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                stack.push(Open::Map(line, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::List(line, nodes)) => Some(Node { line, value: Yaml::List(nodes) }),
                Some(Open::Map(line, entries, _)) => Some(Node { line, value: Yaml::Map(entries) }),
                None => None,
            },
            _ => None,
        };
        if stack.len() > MAX_DEPTH {
            return fail(line, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let Some(node) = done else { continue };
        n_nodes += 1;
        if n_nodes > MAX_NODES {
            return fail(line, format!("more than {MAX_NODES} values in one file"));
        }
        match stack.last_mut() {
            None if node.is_null() => {}
            None => documents.push(node),
            Some(Open::List(_, nodes)) => nodes.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some((key, key_line)) => entries.push((key, key_line, node)),
                None => match node.value {
                    Yaml::Scalar { text, .. } => *key = Some((text, node.line)),
                    _ => return fail(line, "a key must be a single value, not a list or map".into()),
                },
            },
        }
    }
    Ok(documents)
}

fn line_of(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(text: &str) -> (u32, String) {
        let error = parse(text).expect_err("must be refused");
        (error.line, error.reason)
    }

    #[test]
    fn values_know_their_lines() {
        let documents = parse("# only a comment\n---\na: 1\nb:\n  - x\n  - 'y'\n---\nc: {d: e}\n").unwrap();
        assert_eq!(documents.len(), 2);
        let b = documents[0].get("b").unwrap();
        let Yaml::List(items) = &b.value else { panic!("{b:?}") };
        assert_eq!((items[1].line, &items[1].value), (6, &Yaml::Scalar { text: "y".into(), plain: false }));
        assert_eq!(documents[1].get("c").unwrap().get("d").unwrap().line, 8);
    }

    #[test]
    fn what_could_grow_is_refused() {
        assert!(reason("a: &x [1]\nb: 2\n").1.contains("anchor"));
        assert!(reason("a: 1\nb: *x\n").0 == 2);
        assert!(reason("a: !!str 1\n").1.contains("tag"));
        assert!(reason(&"[".repeat(40)).1.contains("nested deeper"));
        assert!(reason(&"- ".repeat(60)).1.contains("nested deeper"));
        assert!(reason(&"x".repeat(MAX_FILE_BYTES + 1)).1.contains("bytes"));
        assert!(reason("a: 1\nb: \0\n") == (2, "a NUL character: this is no text file".into()));
        assert!(reason("a: [1\nb: 2\n").0 >= 1);
        assert!(reason("? [a]\n: b\n").1.contains("single value"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\n\t:\\-#&*!|>'\"%@`{}\\[\\],?đ]{0,300}") {
            let _ = parse(&text);
        }
    }
}
