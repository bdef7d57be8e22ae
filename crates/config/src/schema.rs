//! Shapes of documents as tables, and the one walker that reads a tree by a shape: it types, checks and normalises
//! every value and tells every problem with its line, instead of stopping at the first.
//!
//! Scalars are typed by what the field wants, never by how they look: `region: no` is the text "no".
//!
//! The normal form is JSON with the shortest text for values with units, and without anything that is empty or equal
//! to its default, but for fields that must be there: equal configuration is equal JSON.

use ow_domain::{Slug, Time};
use serde_json::{Map, Value};

use crate::problem::{Code, Path, Problem, clip, nearest};
use crate::units;
use crate::yaml::{Node, Yaml};

/// More problems than this are not told; the first ones are enough to work on.
pub const MAX_PROBLEMS: usize = 200;

/// What a value must be.
pub enum Shape {
    /// Any scalar, 1 to `max` bytes, no control characters.
    Text {
        max: usize,
    },
    /// Several lines are fine.
    LongText {
        max: usize,
    },
    Slug,
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// Up to 10^9 either way, six decimals.
    Number,
    /// In milliseconds.
    Duration {
        min: u64,
        max: u64,
    },
    /// In bytes.
    Size {
        min: u64,
        max: u64,
    },
    Url,
    Time,
    Choice(&'static [&'static str]),
    /// `full`, `head`, `manifest` or `{sampled: n}`.
    Depth,
    List {
        of: &'static Shape,
        min: usize,
        max: usize,
    },
    Map {
        keys: Keys,
        of: &'static Shape,
        max: usize,
    },
    Object(&'static [Field]),
    /// An object whose fields depend on the text of its field `tag`.
    Tagged {
        tag: &'static str,
        variants: &'static [(&'static str, &'static [Field])],
    },
}

/// Which keys a map may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// `[a-z0-9][a-z0-9._-]{0,62}`
    Label,
    /// HTTP field name (RFC 9110 §5.1).
    Header,
    /// `[a-zA-Z0-9_-]{1,63}`
    Name,
}

impl Shape {
    /// A single value, neither list nor map.
    pub const fn is_scalar(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Map { .. } | Self::Object(_) | Self::Tagged { .. })
    }
}

/// One field of an object, in the order in which it is written.
pub struct Field {
    pub name: &'static str,
    /// Key in the normal form, where it is not the name; accepted in documents too.
    pub stored: &'static str,
    pub shape: Shape,
    pub required: bool,
    /// JSON of the default, left out of the normal form; empty when there is none.
    pub default: &'static str,
    /// As YAML.
    pub example: &'static str,
    /// Never show the value.
    pub secret: bool,
}

impl Field {
    pub const fn optional(name: &'static str, shape: Shape, example: &'static str) -> Self {
        Self { name, stored: name, shape, required: false, default: "", example, secret: false }
    }
    pub const fn required(name: &'static str, shape: Shape, example: &'static str) -> Self {
        Self { name, stored: name, shape, required: true, default: "", example, secret: false }
    }
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
    pub const fn stored_as(mut self, key: &'static str) -> Self {
        self.stored = key;
        self
    }
    fn is_called(&self, key: &str) -> bool {
        self.name == key || self.stored == key
    }
}

/// Reads trees of one file and collects what is wrong.
pub struct Reader<'a> {
    file: &'a str,
    /// `Channel/vtv3`, once known.
    pub object: String,
    problems: &'a mut Vec<Problem>,
}

/// What the messages about a value need.
#[derive(Clone, Copy)]
struct About<'a> {
    example: &'a str,
    secret: bool,
}

impl<'a> Reader<'a> {
    pub fn new(file: &'a str, problems: &'a mut Vec<Problem>) -> Self {
        Self { file, object: String::new(), problems }
    }

    pub fn report(&mut self, code: Code, line: u32, path: &Path, value: &str, reason: String, example: &str) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem {
                file: self.file.to_owned(),
                line,
                object: self.object.clone(),
                field: path.to_string(),
                pointer: path.pointer(),
                code,
                value: clip(value, 120),
                reason,
                example: example.to_owned(),
            });
        }
    }

    /// Reads an object. `None` when it is no map; with problems inside, what could be read is returned.
    pub fn object(&mut self, node: &Node, fields: &'static [Field], path: &Path) -> Option<Map<String, Value>> {
        let Yaml::Map(entries) = &node.value else {
            let example = fields
                .iter()
                .find(|f| f.required)
                .or(fields.first())
                .map_or(String::new(), |f| format!("{}: {}", f.name, f.example));
            self.report(
                Code::WrongType,
                node.line,
                path,
                "",
                format!("is {}, not a map of fields", node.kind()),
                &example,
            );
            return None;
        };
        let mut out = Map::new();
        for (n, (key, line, value)) in entries.iter().enumerate() {
            let Some(field) = fields.iter().find(|field| field.is_called(key)) else {
                let reason = match nearest(key, fields.iter().map(|field| field.name)) {
                    Some(near) => format!("unknown field; did you mean {near:?}?"),
                    None => {
                        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
                        format!("unknown field; known are {}", names.join(", "))
                    }
                };
                self.report(Code::UnknownField, *line, &path.key(key), "", reason, "");
                continue;
            };
            if entries[..n].iter().any(|(earlier, _, _)| field.is_called(earlier)) {
                self.report(Code::DuplicateField, *line, &path.key(key), "", "the field is there twice".into(), "");
                continue;
            }
            if value.is_null() {
                continue;
            }
            let about = About { example: field.example, secret: field.secret };
            if let Some(value) = self.value(value, &field.shape, about, &path.key(key)) {
                let is_default = !field.default.is_empty()
                    && serde_json::from_str::<Value>(field.default).is_ok_and(|default| default == value);
                if !is_default && (field.required || !is_empty(&value)) {
                    out.insert(field.stored.to_owned(), value);
                }
            }
        }
        for field in fields.iter().filter(|field| field.required) {
            let given = entries.iter().find(|(key, _, _)| field.is_called(key)).map(|(_, _, value)| value);
            if given.is_none_or(Node::is_null) {
                let example = format!("{}: {}", field.name, field.example);
                self.report(Code::MissingField, node.line, &path.key(field.name), "", "is missing".into(), &example);
            }
        }
        Some(out)
    }

    /// Reads a value of any shape.
    pub fn any(&mut self, node: &Node, shape: &'static Shape, path: &Path) -> Option<Value> {
        self.value(node, shape, About { example: "", secret: false }, path)
    }

    fn value(&mut self, node: &Node, shape: &Shape, about: About<'_>, path: &Path) -> Option<Value> {
        match shape {
            Shape::Object(fields) => self.object(node, fields, path).map(Value::Object),
            Shape::List { of, min, max } => self.list(node, of, (*min, *max), about, path),
            Shape::Map { keys, of, max } => self.map(node, *keys, of, *max, about, path),
            Shape::Depth if matches!(node.value, Yaml::Map(_)) => {
                const SAMPLED: &[Field] =
                    &[Field::required("sampled", Shape::Int { min: 2, max: 1000 }, "4 # one segment in 4")];
                self.object(node, SAMPLED, path).map(Value::Object)
            }
            Shape::Tagged { tag, variants } => self.tagged(node, tag, variants, path),
            _ => self.scalar(node, shape, about, path),
        }
    }

    fn list(
        &mut self,
        node: &Node,
        of: &'static Shape,
        (min, max): (usize, usize),
        about: About<'_>,
        path: &Path,
    ) -> Option<Value> {
        let Yaml::List(items) = &node.value else {
            let example = if about.example.starts_with(['[', '{', '-']) {
                about.example.to_owned()
            } else {
                format!("[{}]", about.example)
            };
            self.report(Code::WrongType, node.line, path, "", format!("is {}, not a list", node.kind()), &example);
            return None;
        };
        if items.len() < min || items.len() > max {
            let reason = format!("has {} entries; it must have {min} to {max}", items.len());
            self.report(Code::InvalidValue, node.line, path, "", reason, about.example);
        }
        let inner = About { example: about.example.trim_start_matches('[').trim_end_matches(']'), ..about };
        let values = items.iter().take(max).enumerate();
        Some(Value::Array(values.filter_map(|(n, item)| self.value(item, of, inner, &path.index(n))).collect()))
    }

    fn map(
        &mut self,
        node: &Node,
        keys: Keys,
        of: &'static Shape,
        max: usize,
        about: About<'_>,
        path: &Path,
    ) -> Option<Value> {
        let Yaml::Map(entries) = &node.value else {
            self.report(Code::WrongType, node.line, path, "", format!("is {}, not a map", node.kind()), about.example);
            return None;
        };
        if entries.len() > max {
            let reason = format!("has {} entries; at most {max} are accepted", entries.len());
            self.report(Code::InvalidValue, node.line, path, "", reason, about.example);
        }
        let mut out = Map::new();
        for (key, line, value) in entries.iter().take(max) {
            if let Some(reason) = keys.fault(key) {
                self.report(Code::InvalidValue, *line, &path.key(key), "", reason.into(), about.example);
            } else if out.contains_key(key) {
                self.report(Code::DuplicateField, *line, &path.key(key), "", "the key is there twice".into(), "");
            } else if let Some(value) = self.value(value, of, about, &path.key(key)) {
                out.insert(key.clone(), value);
            }
        }
        Some(Value::Object(out))
    }

    fn scalar(&mut self, node: &Node, shape: &Shape, about: About<'_>, path: &Path) -> Option<Value> {
        let Yaml::Scalar { text, plain } = &node.value else {
            let reason = format!("is {}, not a single value", node.kind());
            self.report(Code::WrongType, node.line, path, "", reason, about.example);
            return None;
        };
        match read_scalar(text, *plain, shape) {
            Ok(value) => Some(value),
            Err(reason) => {
                let shown = match shape {
                    _ if about.secret => "(hidden)",
                    // The query of a URL may hold a token, the part before @ a password.
                    Shape::Url => text.split('?').next().filter(|t| !t.contains('@')).unwrap_or("(hidden)"),
                    _ => text,
                };
                self.report(Code::InvalidValue, node.line, path, shown, reason, about.example);
                None
            }
        }
    }

    fn tagged(
        &mut self,
        node: &Node,
        tag: &str,
        variants: &'static [(&'static str, &'static [Field])],
        path: &Path,
    ) -> Option<Value> {
        let names = || variants.iter().map(|(name, _)| *name);
        let example = format!("{tag}: {}", names().next().unwrap_or_default());
        let Some(given) = node.get(tag).filter(|given| !given.is_null()) else {
            let (code, reason) = match &node.value {
                Yaml::Map(_) => (Code::MissingField, "is missing".to_owned()),
                _ => (Code::WrongType, format!("is not there: the object is {}, not a map", node.kind())),
            };
            self.report(code, node.line, &path.key(tag), "", reason, &example);
            return None;
        };
        let found = match &given.value {
            Yaml::Scalar { text, .. } => text.as_str(),
            _ => "",
        };
        let Some((_, fields)) = variants.iter().find(|(name, _)| *name == found) else {
            let near = nearest(found, names());
            let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            let reason = format!("is not one of {}{hint}", names().collect::<Vec<_>>().join(", "));
            self.report(Code::InvalidValue, given.line, &path.key(tag), found, reason, &example);
            return None;
        };
        self.object(node, fields, path).map(Value::Object)
    }
}

impl Keys {
    fn fault(self, key: &str) -> Option<&'static str> {
        let length = (1..=63).contains(&key.len());
        let good = match self {
            Self::Label => {
                length
                    && key
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
                    && key.as_bytes()[0].is_ascii_alphanumeric()
            }
            Self::Header => length && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)),
            Self::Name => length && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')),
        };
        match (good, self) {
            (true, _) => None,
            (false, Self::Label) => Some("is no label name; use 1 to 63 of a-z, 0-9, '.', '_' and '-'"),
            (false, Self::Header) => Some("is no HTTP header name"),
            (false, Self::Name) => Some("is no name; use 1 to 63 letters, digits, '_' and '-'"),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// A decimal number of at most 10^9 and six decimals, so that it survives JSON, `jsonb` and back unchanged.
fn number(text: &str) -> Option<Value> {
    let value: f64 = text.parse().ok()?;
    if !value.is_finite()
        || value.abs() > 1e9
        || !text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.')
    {
        return None;
    }
    let rounded = (value * 1e6).round() / 1e6;
    if rounded.fract() == 0.0 {
        // In range by the test above.
        #[expect(clippy::cast_possible_truncation, reason = "at most 10^9")]
        return Some(Value::from(rounded as i64));
    }
    serde_json::Number::from_f64(rounded).map(Value::Number)
}

fn read_scalar(text: &str, plain: bool, shape: &Shape) -> Result<Value, String> {
    match shape {
        Shape::Text { max } | Shape::LongText { max } => {
            let long = matches!(shape, Shape::LongText { .. });
            if text.is_empty() {
                return Err("is empty".into());
            }
            if text.len() > *max {
                return Err(format!("has {} bytes; at most {max} are accepted", text.len()));
            }
            if text.chars().any(|c| c.is_control() && !(long && matches!(c, '\n' | '\t'))) {
                return Err("has a line break or control character".into());
            }
            Ok(text.into())
        }
        Shape::Slug => match Slug::new(text) {
            Ok(slug) => Ok(slug.as_str().into()),
            Err(error) => Err(format!(
                "is not a valid name: {}; use 1 to 63 of a-z, 0-9 and '-', starting with a letter or digit",
                error.reason
            )),
        },
        Shape::Bool if plain && text == "true" => Ok(true.into()),
        Shape::Bool if plain && text == "false" => Ok(false.into()),
        Shape::Bool => Err("is neither true nor false".into()),
        Shape::Int { min, max } => match text.parse::<i64>() {
            Ok(n) if plain && (*min..=*max).contains(&n) => Ok(n.into()),
            Ok(_) if plain => Err(format!("is not between {min} and {max}")),
            _ => Err("is not a whole number".into()),
        },
        Shape::Number => match number(text) {
            Some(n) if plain => Ok(n),
            _ => Err("is not a number".into()),
        },
        Shape::Duration { min, max } => match units::parse_duration(text) {
            Some(ms) if (*min..=*max).contains(&ms) => Ok(units::format_duration(ms).into()),
            Some(_) => {
                Err(format!("is not between {} and {}", units::format_duration(*min), units::format_duration(*max)))
            }
            None if text.parse::<f64>().is_ok() => Err("has no unit; write ms, s, m, h or d behind the number".into()),
            None => Err("is not a duration; write a number and ms, s, m, h or d".into()),
        },
        Shape::Size { min, max } => match units::parse_size(text) {
            Some(bytes) if (*min..=*max).contains(&bytes) => Ok(units::format_size(bytes).into()),
            Some(_) => Err(format!("is not between {} and {}", units::format_size(*min), units::format_size(*max))),
            None if text.parse::<f64>().is_ok() => {
                Err("has no unit; write B, KiB, MiB or GiB behind the number".into())
            }
            None => Err("is not a size; write a number and B, KiB, MiB or GiB".into()),
        },
        Shape::Url => read_url(text),
        Shape::Time => match Time::parse_rfc3339(text) {
            Some(time) => Ok(time.to_string().into()),
            None => Err("is not a time with a zone (RFC 3339)".into()),
        },
        Shape::Choice(choices) => match choices.iter().find(|choice| **choice == text) {
            Some(choice) => Ok((*choice).into()),
            None => {
                let near = nearest(text, choices.iter().copied());
                let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
                Err(format!("is not one of {}{hint}", choices.join(", ")))
            }
        },
        Shape::Depth => read_scalar(text, plain, &Shape::Choice(&["full", "head", "manifest"]))
            .map_err(|reason| format!("{reason} (or {{sampled: n}})")),
        Shape::List { .. } | Shape::Map { .. } | Shape::Object(_) | Shape::Tagged { .. } => {
            Err("is a single value".into())
        }
    }
}

fn read_url(text: &str) -> Result<Value, String> {
    if text.len() > 2048 {
        return Err(format!("has {} bytes; at most 2048 are accepted", text.len()));
    }
    let url = url::Url::parse(text).map_err(|error| format!("is not a URL ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("does not start with http:// or https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name or password; send credentials by 'headers'".into());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("has white space in it".into());
    }
    Ok(text.into())
}
