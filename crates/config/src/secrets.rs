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
                if field.secret {
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
