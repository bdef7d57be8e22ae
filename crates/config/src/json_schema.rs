//! JSON Schema (2020-12) of the specs, made from the tables of the kinds.

use ow_domain::config::ConfigKind;
use serde_json::{Map, Value, json};

use crate::kinds;
use crate::problem::Path;
use crate::schema::{Field, Keys, Reader, Shape};
use crate::yaml;

/// Schema of the `spec` of a kind.
pub fn spec_schema(kind: ConfigKind) -> Value {
    schema(kinds::spec_of(kind))
}

/// Schema of the labels of an object.
pub fn labels_schema() -> Value {
    kinds::METADATA.iter().find(|f| f.name == "labels").map_or_else(|| json!({}), |field| schema(&field.shape))
}

fn schema(shape: &Shape) -> Value {
    match shape {
        Shape::Text { max } | Shape::LongText { max } => json!({"type": "string", "minLength": 1, "maxLength": max}),
        Shape::Slug => json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Int { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Number => json!({"type": "number", "minimum": -1e9, "maximum": 1e9}),
        Shape::Duration { .. } => {
            json!({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$"})
        }
        Shape::Size { .. } => json!({"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$"}),
        Shape::Url => json!({"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": 2048}),
        Shape::Time => json!({"type": "string", "format": "date-time"}),
        Shape::Choice(choices) => json!({"type": "string", "enum": choices}),
        Shape::Depth => json!({"oneOf": [
            {"type": "string", "enum": ["full", "head", "manifest"]},
            {"type": "object", "required": ["sampled"], "additionalProperties": false,
                "properties": {"sampled": {"type": "integer", "minimum": 2, "maximum": 1000}}},
        ]}),
        Shape::List { of, min, max } => {
            json!({"type": "array", "items": schema(of), "minItems": min, "maxItems": max})
        }
        Shape::Map { keys, of, max } => json!({
            "type": "object", "maxProperties": max, "additionalProperties": schema(of),
            "propertyNames": {"pattern": match keys {
                Keys::Label => "^[a-z0-9][a-z0-9._-]{0,62}$",
                Keys::Header => "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,63}$",
                Keys::Name => "^[a-zA-Z0-9_-]{1,63}$",
            }},
        }),
        Shape::Object(fields) => object(fields),
        Shape::Tagged { tag, variants } => {
            let one_of = variants.iter().map(|(name, fields)| {
                let mut variant = object(fields);
                variant["properties"][*tag] = json!({"type": "string", "const": name});
                variant
            });
            json!({"type": "object", "required": [tag], "oneOf": one_of.collect::<Vec<_>>()})
        }
    }
}

fn object(fields: &'static [Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut property = schema(&field.shape);
        if !field.default.is_empty()
            && let Ok(default) = serde_json::from_str::<Value>(field.default)
        {
            property["default"] = default;
        }
        if field.secret {
            property["writeOnly"] = true.into();
        }
        if let Some(example) = example(field) {
            property["examples"] = json!([example]);
        }
        properties.insert(field.name.to_owned(), property);
    }
    let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    let mut out = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        out["required"] = json!(required);
    }
    out
}

/// The example of a field, as JSON by the names of documents.
pub(crate) fn example(field: &'static Field) -> Option<Value> {
    let indented = format!("{}: {}", field.name, field.example);
    let nodes = yaml::parse(&indented).ok()?;
    let mut problems = Vec::new();
    let fields = std::slice::from_ref(field);
    let read = Reader::new("example", &mut problems).object(nodes.first()?, fields, &Path::default())?;
    let value = read.get(field.stored)?;
    debug_assert!(problems.is_empty(), "{problems:?}");
    Some(crate::json::named_by(value, &field.shape))
}

/// For tests: every field of every kind.
#[cfg(test)]
fn every_field(shape: &'static Shape, out: &mut Vec<&'static Field>) {
    match shape {
        Shape::Object(fields) => {
            for field in *fields {
                out.push(field);
                every_field(&field.shape, out);
            }
        }
        Shape::Tagged { variants, .. } => {
            for (_, fields) in *variants {
                for field in *fields {
                    out.push(field);
                    every_field(&field.shape, out);
                }
            }
        }
        Shape::List { of, .. } | Shape::Map { of, .. } => every_field(of, out),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_described_with_an_example_or_a_default() {
        for kind in ConfigKind::ALL {
            let mut fields = Vec::new();
            every_field(kinds::spec_of(kind), &mut fields);
            for field in fields {
                // What equals the default is left out of the normal form.
                let shown = example(field).is_some() || !field.default.is_empty();
                assert!(shown, "{kind}: {} has no readable example: {}", field.name, field.example);
            }
        }
    }

    #[test]
    fn a_schema_says_what_the_table_says() {
        let channel = spec_schema(ConfigKind::Channel);
        assert_eq!(channel["required"], json!(["probes", "streams"]));
        assert_eq!(channel["additionalProperties"], false);
        let stream = &channel["properties"]["streams"]["items"];
        assert_eq!(stream["properties"]["headers"]["writeOnly"], true);
        assert_eq!(stream["properties"]["protocol"]["enum"], json!(["hls", "dash"]));
        let receiver = spec_schema(ConfigKind::Receiver);
        assert_eq!(receiver["oneOf"][1]["properties"]["type"]["const"], "email");
        assert_eq!(receiver["oneOf"][1]["properties"]["minSeverity"]["examples"], json!(["warning"]));
    }
}
