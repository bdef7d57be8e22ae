//! `fields=`: of wide objects only the named parts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::http::problem::ErrorItem;

/// Names of one request.
const MAX_FIELDS: usize = 50;

/// Stands in the tree for all that is below; no field is named so.
const WHOLE: &str = "*";

/// Names of fields as a tree: `name,status.severity` -> name -> `*`, status -> severity -> `*`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(BTreeMap<String, Fields>);

impl Fields {
    pub fn parse(text: &str) -> Result<Self, ErrorItem> {
        let wrong =
            |message: &str| Err(ErrorItem::new("?fields", "invalid-value", message).example("name,status.severity"));
        let mut fields = Self::default();
        for (n, name) in text.split(',').map(str::trim).enumerate() {
            if n == MAX_FIELDS {
                return wrong("names more than 50 fields");
            }
            let is_part = |part: &str| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/'))
            };
            if !name.split('.').all(is_part) || name.split('.').count() > 8 {
                return wrong("is not a list of names of fields, separated by commas");
            }
            fields.add(name.split('.'));
        }
        Ok(fields)
    }

    fn add<'a>(&mut self, mut path: impl Iterator<Item = &'a str>) {
        let Some(first) = path.next() else {
            // A shorter name means the whole of it, whatever else is named.
            self.0.clear();
            self.0.insert(WHOLE.to_owned(), Self::default());
            return;
        };
        if !self.0.contains_key(WHOLE) {
            self.0.entry(first.to_owned()).or_default().add(path);
        }
    }

    /// Of a page its items are cut, everything else itself.
    pub fn cut_answer(&self, body: &mut Value) {
        match body.get_mut("items").and_then(Value::as_array_mut) {
            Some(items) => items.iter_mut().for_each(|item| self.cut(item)),
            None => self.cut(body),
        }
    }

    /// Fields that are not there are not invented.
    fn cut(&self, value: &mut Value) {
        if self.0.contains_key(WHOLE) {
            return;
        }
        match value {
            Value::Object(object) => {
                let mut kept = Map::new();
                for (name, inner) in &self.0 {
                    if let Some(mut value) = object.remove(name) {
                        inner.cut(&mut value);
                        kept.insert(name.clone(), value);
                    }
                }
                *object = kept;
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.cut(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn named_fields_stay() {
        let channel =
            json!({"name": "a", "status": {"severity": "major", "as_of": 1}, "streams": [{"url": "u", "name": "s"}]});
        for (fields, expected) in [
            ("name", json!({"name": "a"})),
            ("name, status.severity", json!({"name": "a", "status": {"severity": "major"}})),
            ("status,status.severity", json!({"status": {"severity": "major", "as_of": 1}})),
            ("streams.url,nothing", json!({"streams": [{"url": "u"}]})),
        ] {
            let fields = Fields::parse(fields).unwrap();
            let mut page = json!({"items": [channel], "next_cursor": null});
            fields.cut_answer(&mut page);
            assert_eq!(page, json!({"items": [expected], "next_cursor": null}));
            let mut one = channel.clone();
            fields.cut_answer(&mut one);
            assert_eq!(one, expected);
        }
        for bad in ["", "a,,b", "a b", ".", "a..b", "a.b.c.d.e.f.g.h.i"] {
            assert!(Fields::parse(bad).is_err(), "{bad}");
        }
        assert!(Fields::parse(&vec!["a"; 51].join(",")).is_err());
    }
}
