//! Objects -> YAML, always in the same order and form, so that version control shows what changed and nothing else.

use ow_domain::config::ConfigObject;
use serde_json::{Map, Value};

use crate::document::API_VERSION;
use crate::kinds;
use crate::schema::{Field, Shape};

/// Documents of all objects, by kind and name. Applied again they change nothing.
pub fn export(objects: &[ConfigObject]) -> String {
    let mut sorted: Vec<&ConfigObject> = objects.iter().collect();
    sorted.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    let mut out = String::new();
    for object in sorted {
        out.push_str(&document(object));
    }
    out
}

/// One document with its `---`.
pub fn document(object: &ConfigObject) -> String {
    let mut out = format!("---\napiVersion: {API_VERSION}\nkind: {}\nmetadata:\n  name: ", object.kind);
    text(&mut out, object.name.as_str(), 2);
    out.push('\n');
    if !object.labels.is_empty() {
        out.push_str("  labels:\n");
        for (key, value) in &object.labels {
            out.push_str("    ");
            text(&mut out, key, 4);
            out.push_str(": ");
            text(&mut out, value, 4);
            out.push('\n');
        }
    }
    out.push_str("spec:");
    value(&mut out, &object.spec, Some(kinds::spec_of(object.kind)), 1);
    out
}

/// Writes what stands behind `key:` or `-`, up to and with the line end. `depth` is that of nested lines.
fn value(out: &mut String, value: &Value, shape: Option<&'static Shape>, depth: usize) {
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}\n"),
        Value::Object(map) => {
            out.push('\n');
            entries(out, map, shape, depth, false);
        }
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Array(items) => {
            out.push('\n');
            let inner = match shape {
                Some(Shape::List { of, .. }) => Some(*of),
                _ => None,
            };
            for item in items {
                indent(out, depth);
                out.push('-');
                match item {
                    Value::Object(map) if !map.is_empty() => {
                        out.push(' ');
                        entries(out, map, inner, depth + 1, true);
                    }
                    other => self::value(out, other, inner, depth + 1),
                }
            }
        }
        Value::String(content) => {
            out.push(' ');
            text(out, content, depth);
            out.push('\n');
        }
        other => {
            out.push(' ');
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

/// Writes the entries of a map in the order of its table, then of its keys; `inline`: the first one stands behind `- `.
fn entries(out: &mut String, map: &Map<String, Value>, shape: Option<&'static Shape>, depth: usize, inline: bool) {
    let fields: &[Field] = match shape {
        Some(Shape::Object(fields)) => fields,
        Some(Shape::Tagged { tag, variants }) => {
            let found = map.get(*tag).and_then(Value::as_str);
            variants.iter().find(|(name, _)| Some(*name) == found).map_or(&[], |(_, fields)| fields)
        }
        _ => &[],
    };
    let of = match shape {
        Some(Shape::Map { of, .. }) => Some(*of),
        _ => None,
    };
    let known = fields.iter().filter_map(|f| Some((f.name, map.get(f.stored)?, Some(&f.shape))));
    let mut rest: Vec<(&str, &Value, Option<&'static Shape>)> = map
        .iter()
        .filter(|(key, _)| !fields.iter().any(|f| f.stored == key.as_str()))
        .map(|(key, value)| (key.as_str(), value, of))
        .collect();
    rest.sort_by_key(|(key, _, _)| *key);
    for (n, (key, entry, shape)) in known.chain(rest).enumerate() {
        if n > 0 || !inline {
            indent(out, depth);
        }
        text(out, key, depth);
        out.push(':');
        value(out, entry, shape, depth + 1);
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// A scalar text: plain where no reader of YAML could take it for something else, a block for lines, else quoted.
fn text(out: &mut String, content: &str, depth: usize) {
    if is_plain(content) {
        out.push_str(content);
    } else if is_block(content) {
        out.push_str(if content.ends_with('\n') { "|" } else { "|-" });
        for line in content.strip_suffix('\n').unwrap_or(content).split('\n') {
            out.push('\n');
            if !line.is_empty() {
                indent(out, depth);
                out.push_str(line);
            }
        }
    } else {
        out.push('"');
        for c in content.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_control() || matches!(c, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                    out.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];
    let safe =
        |c: char| c.is_alphanumeric() && !c.is_control() || matches!(c, '-' | '_' | '.' | '/' | '+' | '@' | ' ' | ':');
    text.starts_with(|c: char| c.is_alphabetic() || c.is_ascii_digit() || c == '/')
        && !text.ends_with([' ', ':'])
        && text.chars().all(safe)
        && !text.contains(": ")
        && !WORDS.contains(&text.to_lowercase().as_str())
        && !looks_numeric(text)
}

/// Number, date or base-60 number of YAML 1.1: starts with a digit and has nothing but what numbers are made of.
fn looks_numeric(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && (text.parse::<f64>().is_ok()
            || text.starts_with("0x")
            || text.starts_with("0o")
            || text
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | '_' | '+' | 'T' | 'Z' | 'e' | 'E' | ' ')))
}

fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with("\n\n")
        && text.split('\n').all(|line| !line.ends_with(' ') && !line.trim().is_empty() || line.is_empty())
        && text
            .chars()
            .all(|c| c == '\n' || (!c.is_control() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')))
}
