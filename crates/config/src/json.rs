//! Documents and specs as JSON, for REST: the same fields by the same names, checked by the same tables. JSON knows its
//! types, so here a number is no text and `null` is no value.

use ow_domain::Slug;
use ow_domain::config::{ConfigKind, ConfigObject};
use serde_json::{Map, Value, json};

use crate::document::{API_VERSION, Document, read_nodes};
use crate::kinds;
use crate::problem::{Code, Path, Problem};
use crate::schema::{Field, Reader, Shape};
use crate::yaml::{Node, Yaml};

/// Whole documents (`apiVersion`, `kind`, `metadata`, `spec`) as JSON. Lines are 0, pointers lead into each document.
pub fn read_json(name: &str, documents: &[Value]) -> Result<Vec<Document>, Vec<Problem>> {
    let mut problems = Vec::new();
    let nodes = documents.iter().map(node).collect();
    let documents = read_nodes(name, nodes, &mut problems);
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

/// The document of an object that a request names: labels and spec are the parts of its body. Pointers lead into the
/// body: `/labels/group`, `/spec/url`.
pub fn document(
    kind: ConfigKind,
    name: &Slug,
    labels: Option<&Value>,
    spec: Option<&Value>,
) -> Result<Document, Vec<Problem>> {
    let mut problems = Vec::new();
    let empty = json!({});
    let (labels, spec) = (labels.unwrap_or(&empty), spec.unwrap_or(&empty));
    let mut reader = Reader::new("body", &mut problems);
    reader.object = format!("{kind}/{name}");
    let label_shape = kinds::METADATA.iter().find(|f| f.name == "labels").map(|f| &f.shape);
    if let Some(shape) = label_shape {
        check_types(labels, shape, "{group: sport}", &Path::default().key("metadata").key("labels"), &mut reader);
    }
    check_types(spec, kinds::spec_of(kind), "", &Path::default().key("spec"), &mut reader);
    if problems.is_empty() {
        let whole = json!({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec});
        let mut documents = read_nodes("body", vec![node(&whole)], &mut problems);
        if problems.is_empty()
            && let Some(document) = documents.pop()
        {
            return Ok(document);
        }
    }
    Err(problems.into_iter().map(in_body).collect())
}

/// A problem of a document, as one of the body of a request about one object.
pub fn in_body(mut problem: Problem) -> Problem {
    if let Some(rest) = problem.pointer.strip_prefix("/metadata") {
        problem.pointer = rest.to_owned();
    }
    if let Some(rest) = problem.field.strip_prefix("metadata.") {
        problem.field = rest.to_owned();
    }
    problem
}

/// The spec by the names of documents (`minSeverity`), for reading.
pub fn spec_json(object: &ConfigObject) -> Value {
    named(&object.spec, Some(kinds::spec_of(object.kind)))
}

/// A value of this shape by the names of documents.
pub(crate) fn named_by(value: &Value, shape: &'static Shape) -> Value {
    named(value, Some(shape))
}

fn named(value: &Value, shape: Option<&'static Shape>) -> Value {
    match value {
        Value::Object(map) => {
            let of = match shape {
                Some(Shape::Map { of, .. }) => Some(*of),
                _ => None,
            };
            let fields = shape.map_or(&[][..], |shape| fields_of(shape, value));
            let entries = map.iter().map(|(key, value)| match fields.iter().find(|f| f.stored == key.as_str()) {
                Some(field) => (field.name.to_owned(), named(value, Some(&field.shape))),
                None => (key.clone(), named(value, of)),
            });
            Value::Object(entries.collect::<Map<String, Value>>())
        }
        Value::Array(items) => {
            let of = match shape {
                Some(Shape::List { of, .. }) => Some(*of),
                _ => None,
            };
            Value::Array(items.iter().map(|item| named(item, of)).collect())
        }
        other => other.clone(),
    }
}

/// The fields that an object of this shape may have.
pub(crate) fn fields_of(shape: &'static Shape, value: &Value) -> &'static [Field] {
    match shape {
        Shape::Object(fields) => fields,
        Shape::Tagged { tag, variants } => {
            let found = value.get(*tag).and_then(Value::as_str);
            variants.iter().find(|(name, _)| Some(*name) == found).map_or(&[], |(_, fields)| fields)
        }
        _ => &[],
    }
}

fn node(value: &Value) -> Node {
    let scalar = |text: String, plain| Yaml::Scalar { text, plain };
    let value = match value {
        Value::Null => scalar("null".into(), true),
        Value::Bool(flag) => scalar(flag.to_string(), true),
        Value::Number(number) => scalar(number.to_string(), true),
        Value::String(text) => scalar(text.clone(), false),
        Value::Array(items) => Yaml::List(items.iter().map(node).collect()),
        Value::Object(map) => Yaml::Map(map.iter().map(|(key, value)| (key.clone(), 0, node(value))).collect()),
    };
    Node { line: 0, value }
}

/// What JSON says about types and the reader of YAML texts cannot see.
fn check_types(value: &Value, shape: &'static Shape, example: &str, path: &Path, reader: &mut Reader<'_>) {
    let wrong = |reader: &mut Reader<'_>, reason: &str| {
        reader.report(Code::WrongType, 0, path, "", reason.to_owned(), example);
    };
    match (value, shape) {
        (Value::Null, _) => wrong(reader, "is null; leave the field out instead"),
        (Value::Object(map), Shape::Object(_) | Shape::Tagged { .. }) => {
            let fields = fields_of(shape, value);
            for (key, value) in map {
                if let Some(field) = fields.iter().find(|f| f.name == key.as_str() || f.stored == key.as_str()) {
                    check_types(value, &field.shape, field.example, &path.key(key), reader);
                }
            }
        }
        (Value::Object(map), Shape::Map { of, .. }) => {
            for (key, value) in map {
                check_types(value, of, example, &path.key(key), reader);
            }
        }
        (Value::Array(items), Shape::List { of, .. }) => {
            for (n, item) in items.iter().enumerate() {
                check_types(item, of, example, &path.index(n), reader);
            }
        }
        (Value::Bool(_) | Value::Number(_), Shape::Bool | Shape::Int { .. } | Shape::Number) => {}
        (Value::Bool(_) | Value::Number(_), shape) if shape.is_scalar() => wrong(reader, "is no text"),
        // The reader tells the rest.
        _ => {}
    }
}
