//! Texts -> documents: `apiVersion`, `kind`, `metadata`, `spec`, each checked by the table of its kind.

use std::collections::BTreeMap;

use ow_domain::Slug;
use ow_domain::config::{ConfigKind, ConfigObject};
use serde_json::Value;

use crate::kinds;
use crate::meaning;
use crate::problem::{Code, Path, Problem, nearest};
use crate::schema::{MAX_PROBLEMS, Reader};
use crate::yaml::{self, Node, Yaml};

/// The only value of `apiVersion`.
pub const API_VERSION: &str = "ottwatch/v1";
/// Most documents of one set.
pub const MAX_DOCUMENTS: usize = 20_000;

/// A text and the name by which problems call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub name: String,
    pub text: String,
}

/// An object as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// In the normal form; `revision` is 0.
    pub object: ConfigObject,
    pub file: String,
    pub line: u32,
    node: Node,
}

impl Document {
    /// A problem of this document at a dotted path.
    pub(crate) fn problem(&self, path: &Path, code: Code, value: &str, reason: String, example: &str) -> Problem {
        let mut problems = Vec::new();
        let mut reader = Reader::new(&self.file, &mut problems);
        reader.object = format!("{}/{}", self.object.kind, self.object.name);
        reader.report(code, self.node.line_of(&path.to_string()), path, value, reason, example);
        problems.remove(0)
    }
}

/// Reads a set of texts. Every problem of every text is told, at most [`MAX_PROBLEMS`]; with any problem nothing is
/// returned. References between documents are checked by [`crate::plan`], which knows what is stored.
pub fn read(files: &[SourceFile]) -> Result<Vec<Document>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut documents: Vec<Document> = Vec::new();
    for file in files {
        match yaml::parse(&file.text) {
            Ok(nodes) => {
                documents.extend(nodes.into_iter().filter_map(|node| read_document(&file.name, node, &mut problems)));
            }
            Err(error) => {
                Reader::new(&file.name, &mut problems).report(
                    Code::Syntax,
                    error.line,
                    &Path::default(),
                    "",
                    format!("is not readable as YAML: {}", error.reason),
                    "",
                );
            }
        }
        if documents.len() > MAX_DOCUMENTS {
            let reason = format!("more than {MAX_DOCUMENTS} documents in one set");
            Reader::new(&file.name, &mut problems).report(Code::Syntax, 0, &Path::default(), "", reason, "");
            break;
        }
    }
    find_duplicates(&documents, &mut problems);
    problems.truncate(MAX_PROBLEMS);
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

/// The same with trees of one source.
pub(crate) fn read_nodes(name: &str, nodes: Vec<Node>, problems: &mut Vec<Problem>) -> Vec<Document> {
    if nodes.len() > MAX_DOCUMENTS {
        let reason = format!("more than {MAX_DOCUMENTS} documents in one set");
        Reader::new(name, problems).report(Code::Syntax, 0, &Path::default(), "", reason, "");
        return Vec::new();
    }
    let documents: Vec<Document> = nodes.into_iter().filter_map(|node| read_document(name, node, problems)).collect();
    find_duplicates(&documents, problems);
    problems.truncate(MAX_PROBLEMS);
    documents
}

fn find_duplicates(documents: &[Document], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<(ConfigKind, &Slug), &Document> = BTreeMap::new();
    for document in documents {
        let key = (document.object.kind, &document.object.name);
        if let Some(first) = seen.insert(key, document) {
            let reason = format!("is described twice; first at {}:{}", first.file, first.line);
            let path = Path::default().key("metadata").key("name");
            problems.push(document.problem(&path, Code::DuplicateObject, document.object.name.as_str(), reason, ""));
            seen.insert(key, first);
        }
    }
}

fn read_document(file: &str, node: Node, problems: &mut Vec<Problem>) -> Option<Document> {
    let n_before = problems.len();
    let mut reader = Reader::new(file, problems);
    let root = Path::default();
    let Yaml::Map(entries) = &node.value else {
        let reason = format!("the document is {}, not a map", node.kind());
        reader.report(Code::WrongType, node.line, &root, "", reason, "apiVersion: ottwatch/v1");
        return None;
    };
    // Who it is comes first, so that every problem can name it.
    let text_of = |node: Option<&Node>| match node.map(|n| &n.value) {
        Some(Yaml::Scalar { text, .. }) => text.clone(),
        _ => String::new(),
    };
    let kind_text = text_of(node.get("kind"));
    let name_text = text_of(node.get("metadata").and_then(|m| m.get("name")));
    reader.object = match (kind_text.as_str(), name_text.as_str()) {
        ("", name) | (name, "") => name.chars().take(80).collect(),
        (kind, name) => format!("{kind}/{name}").chars().take(120).collect(),
    };
    let known = ["apiVersion", "kind", "metadata", "spec"];
    for (n, (key, line, _)) in entries.iter().enumerate() {
        if !known.contains(&key.as_str()) {
            let reason = match nearest(key, known) {
                Some(near) => format!("unknown field; did you mean {near:?}?"),
                None => format!("unknown field; known are {}", known.join(", ")),
            };
            reader.report(Code::UnknownField, *line, &root.key(key), "", reason, "");
        } else if entries[..n].iter().any(|(earlier, _, _)| earlier == key) {
            reader.report(Code::DuplicateField, *line, &root.key(key), "", "the field is there twice".into(), "");
        }
    }
    let version = node.get("apiVersion");
    match version.map(|v| text_of(Some(v))) {
        None => reader.report(
            Code::MissingField,
            node.line,
            &root.key("apiVersion"),
            "",
            "is missing".into(),
            "apiVersion: ottwatch/v1",
        ),
        Some(text) if text != API_VERSION => reader.report(
            Code::InvalidValue,
            version.map_or(node.line, |v| v.line),
            &root.key("apiVersion"),
            &text,
            "is not a version that this program knows".into(),
            API_VERSION,
        ),
        Some(_) => {}
    }
    let kind: Option<ConfigKind> = kind_text.parse().ok();
    if kind.is_none() {
        let line = node.get("kind").map_or(node.line, |k| k.line);
        let names = ConfigKind::ALL.map(ConfigKind::as_str);
        let (code, reason) = if kind_text.is_empty() {
            (Code::MissingField, "is missing".to_owned())
        } else {
            let near = nearest(&kind_text, names);
            let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            (Code::InvalidValue, format!("is not one of {}{hint}", names.join(", ")))
        };
        reader.report(code, line, &root.key("kind"), &kind_text, reason, "kind: Channel");
    }
    let metadata = match node.get("metadata") {
        Some(metadata) => reader.object(metadata, kinds::METADATA, &root.key("metadata")),
        None => {
            let path = root.key("metadata");
            reader.report(Code::MissingField, node.line, &path, "", "is missing".into(), "metadata: {name: vtv3}");
            None
        }
    };
    let kind = kind?;
    let spec = match node.get("spec") {
        Some(spec) if !spec.is_null() => reader.any(spec, kinds::spec_of(kind), &root.key("spec")),
        Some(_) | None if kinds::may_be_empty(kind) => Some(Value::Object(serde_json::Map::new())),
        _ => {
            reader.report(Code::MissingField, node.line, &root.key("spec"), "", "is missing".into(), "spec: {...}");
            None
        }
    };
    let object = reader.object.clone();
    if problems.len() > n_before {
        return None;
    }
    let (metadata, spec) = (metadata?, spec?);
    let name = Slug::new(metadata.get("name")?.as_str()?).ok()?;
    for fault in meaning::faults(kind, &spec) {
        let path = root.key("spec").dotted(&fault.field);
        let mut reader = Reader::new(file, problems);
        reader.object.clone_from(&object);
        let line = node.line_of(&path.to_string());
        reader.report(Code::InvalidValue, line, &path, &fault.value, fault.reason, &fault.example);
    }
    let labels = metadata
        .get("labels")
        .and_then(Value::as_object)
        .map(|map| map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect())
        .unwrap_or_default();
    Some(Document {
        object: ConfigObject { kind, name, labels, spec, revision: 0 },
        file: file.to_owned(),
        line: node.line,
        node,
    })
}
