//! Values that are written and never shown. Shown is a mark in their place; where the mark comes back, the value that
//! is stored stays.

use ow_domain::config::{ConfigKind, ConfigObject};
use serde_json::Value;

use crate::json::fields_of;
use crate::kinds;
use crate::problem::Path;
use crate::schema::Shape;

/// Stands for a value that is not shown.
pub const HIDDEN: &str = "(hidden)";
/// What a place of a secret begins with when it is the secret itself, to be sealed: `value:correct horse`.
pub const VALUE: &str = "value:";
/// What a sealed value begins with.
pub const SEALED: &str = "sealed:";

/// Whether a text at a field that names the place of a secret is the secret, or stands for it.
fn is_value(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.starts_with(VALUE) || text.starts_with(SEALED) || text == HIDDEN)
}

/// Whether a field of the stored form names the place of a secret (`password_file`).
fn is_place(stored: &str) -> bool {
    stored.ends_with("_file") && stored != "ca_file"
}

/// Calls `each` with the field (the last part of its path as it is stored, or the name of a header), text and stored
/// text of every secret that is written as a value; what it gives takes the place of the text.
pub fn replace_secrets<E>(
    object: &mut ConfigObject,
    stored: Option<&ConfigObject>,
    mut each: impl FnMut(&str, &str, Option<&str>) -> Result<Option<String>, E>,
) -> Result<(), E> {
    let mut failed = None;
    let root = Path::default().key("spec");
    let stored = stored.map_or(&Value::Null, |stored| &stored.spec);
    each_secret(kinds::spec_of(object.kind), &mut object.spec, stored, &root, &mut |value, stored, path| {
        let field = path.last_key().unwrap_or_default();
        let Some(text) = value.as_str().filter(|text| *text != HIDDEN) else { return };
        match each(field, text, stored.as_str()) {
            Ok(Some(text)) => *value = text.into(),
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    });
    failed.map_or(Ok(()), Err)
}

/// The object with the mark in place of every secret.
#[must_use]
pub fn without_secrets(mut object: ConfigObject) -> ConfigObject {
    each_secret(
        kinds::spec_of(object.kind),
        &mut object.spec,
        &Value::Null,
        &Path::default().key("spec"),
        &mut |value, _, _| {
            *value = HIDDEN.into();
        },
    );
    object
}

/// Puts the stored values back where `spec` has the mark. Returns where nothing is stored that could be meant.
pub(crate) fn restore(kind: ConfigKind, spec: &mut Value, stored: Option<&Value>) -> Vec<Path> {
    let mut missing = Vec::new();
    let root = Path::default().key("spec");
    each_secret(kinds::spec_of(kind), spec, stored.unwrap_or(&Value::Null), &root, &mut |value, stored, path| {
        if value == HIDDEN {
            match stored {
                Value::Null => missing.push(path.clone()),
                stored => *value = stored.clone(),
            }
        }
    });
    missing
}

/// Calls `each` with every text below a secret field, its stored counterpart and its path.
fn each_secret(
    shape: &'static Shape,
    value: &mut Value,
    stored: &Value,
    path: &Path,
    each: &mut impl FnMut(&mut Value, &Value, &Path),
) {
    match shape {
        Shape::Object(_) | Shape::Tagged { .. } => {
            let fields = fields_of(shape, value);
            let Some(map) = value.as_object_mut() else { return };
            for field in fields {
                let Some(inner) = map.get_mut(field.stored) else { continue };
                let (stored, path) = (stored.get(field.stored).unwrap_or(&Value::Null), path.key(field.name));
                if field.secret || is_place(field.stored) && is_value(inner) {
                    each_text(inner, stored, &path, each);
                } else {
                    each_secret(&field.shape, inner, stored, &path, each);
                }
            }
        }
        Shape::List { of, .. } => {
            for (n, item) in value.as_array_mut().into_iter().flatten().enumerate() {
                // Items with a name may have moved.
                let twin = match item["name"].as_str() {
                    Some(name) => stored.as_array().into_iter().flatten().find(|s| s["name"] == name),
                    None => stored.get(n),
                };
                each_secret(of, item, twin.unwrap_or(&Value::Null), &path.index(n), each);
            }
        }
        _ => {}
    }
}

fn each_text(value: &mut Value, stored: &Value, path: &Path, each: &mut impl FnMut(&mut Value, &Value, &Path)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                each_text(value, stored.get(key).unwrap_or(&Value::Null), &path.key(key), each);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                each_text(item, stored.get(n).unwrap_or(&Value::Null), &path.index(n), each);
            }
        }
        Value::String(_) => each(value, stored, path),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
