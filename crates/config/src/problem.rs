//! What is wrong with a document: where, which field, which value, why, and what would be right.

use std::fmt;

use serde::Serialize;

/// Steps from the root of one document to a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(clip(key, 80)));
        Self(steps)
    }

    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// Reads a path as validators of other crates write it: `overrides.hls-x.params.a`, `to[1]`.
    pub fn dotted(&self, text: &str) -> Self {
        let mut path = self.clone();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (key, indexes) = part.split_once('[').unwrap_or((part, ""));
            if !key.is_empty() {
                path = path.key(key);
            }
            for index in indexes.split(['[', ']']).filter(|index| !index.is_empty()) {
                path = index.parse().map_or_else(|_| path.key(index), |n| path.index(n));
            }
        }
        path
    }

    /// Name of the field that it ends with.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// RFC 6901: `/spec/streams/0/url`.
    pub fn pointer(&self) -> String {
        self.0
            .iter()
            .map(|step| match step {
                Step::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => format!("/{index}"),
            })
            .collect()
    }
}

impl fmt::Display for Path {
    /// `spec.streams[0].url`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if n == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Kind of a problem, stable for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Not YAML, or YAML beyond the limits.
    Syntax,
    UnknownField,
    MissingField,
    DuplicateField,
    WrongType,
    InvalidValue,
    DuplicateObject,
    UnknownReference,
    /// Somebody else looks after the object.
    OtherOwner,
    /// It cannot be deleted: others refer to it.
    StillUsed,
}

/// One problem. All that are found are told at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// File name as given, or `store`.
    pub file: String,
    /// From 1; 0 when the document has no text.
    pub line: u32,
    /// `Channel/vtv3`; empty when the document does not tell.
    pub object: String,
    /// `spec.streams[0].url`.
    pub field: String,
    /// RFC 6901 pointer inside the document.
    pub pointer: String,
    pub code: Code,
    /// Value as read, cut to 120 characters; empty when there is none.
    pub value: String,
    /// What is wrong, without a full stop.
    pub reason: String,
    /// A valid example; empty when the reason says all.
    pub example: String,
}

impl fmt::Display for Problem {
    /// `channels.yaml:12: Channel/vtv3: spec.streams[0].url "ftp://x": the scheme must be http or https; example: ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.object.is_empty() {
            write!(f, ": {}", self.object)?;
        }
        let separator = if self.field.is_empty() { "" } else { " " };
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        if !self.value.is_empty() {
            let lead = if self.field.is_empty() { ": " } else { separator };
            write!(f, "{lead}{:?}", self.value)?;
        }
        write!(f, ": {}", self.reason)?;
        if !self.example.is_empty() {
            write!(f, "; example: {}", self.example)?;
        }
        Ok(())
    }
}

/// At most `max` characters, with an ellipsis where cut.
pub(crate) fn clip(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The known name nearest to `name`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = clip(name, 64).to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(d, candidate)| *d <= (candidate.chars().count().max(name.chars().count()) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits from `a` to `b` (insert, delete, replace, swap of neighbours counts 2).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replace = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_only_when_near() {
        let known = ["displayName", "streams", "url", "extends"];
        assert_eq!(nearest("displayname", known), Some("displayName"));
        assert_eq!(nearest("stream", known), Some("streams"));
        assert_eq!(nearest("uri", known), Some("url"));
        assert_eq!(nearest("bananas", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn paths_read_as_fields_and_as_pointers() {
        let path = Path::default().key("spec").key("streams").index(0).key("a/b~c");
        assert_eq!(path.to_string(), "spec.streams[0].a/b~c");
        assert_eq!(path.pointer(), "/spec/streams/0/a~1b~0c");
    }
}
