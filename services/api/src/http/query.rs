//! Query parameters, read strictly: unknown and wrong ones are all told, none is ignored. Known are those that the
//! operation documents.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::page::{self, DEFAULT_LIMIT, MAX_LIMIT};
use crate::http::permission::Operation;
use crate::http::problem::{ErrorItem, Problem};

/// Most parameters of one request; more are not looked at, which is told.
const MAX_PAIRS: usize = 64;
/// Most values of one list.
const MAX_VALUES: usize = 100;

/// Parameters of one request and what is wrong with them. An extractor: `mut query: Query`.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<ErrorItem>,
    /// Values that are taken, by parameter.
    examples: BTreeMap<String, Value>,
}

/// The order that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// As it is in `sort`: `name`, `-raised_at`; for cursors.
    pub text: &'static str,
    pub key: &'static str,
    pub descending: bool,
}

impl Sort {
    fn new(text: &'static str) -> Self {
        let key = text.trim_start_matches('-');
        Self { text, key, descending: key != text }
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let operation = parts.extensions.get::<Arc<Operation>>();
        let Some(operation) = operation else { return Ok(Self::new(parts.uri.query(), &[], BTreeMap::new())) };
        Ok(Self::new(parts.uri.query(), &operation.query, operation.examples.clone()))
    }
}

impl Query {
    /// `known` names the parameters; one that ends with `.` is a prefix (`label.`). `examples`: values they take.
    pub fn new(raw: Option<&str>, known: &[String], examples: BTreeMap<String, Value>) -> Self {
        let pairs = url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned();
        let pairs: Vec<(String, String)> = pairs.take(MAX_PAIRS + 1).collect();
        let mut query = Self { pairs: Vec::new(), errors: Vec::new(), examples };
        if pairs.len() > MAX_PAIRS {
            query.error("", "too-many-parameters", format!("has more than {MAX_PAIRS} parameters"));
        }
        for (key, value) in pairs {
            let is_known = known.iter().any(|k| if k.ends_with('.') { key.starts_with(k) } else { *k == key });
            if !is_known {
                query.error(&key, "unknown-parameter", format!("is not known; known are {}", known.join(", ")));
            } else if value.contains('\0') {
                query.error(&key, "invalid-value", "holds the character U+0000, which no text here has".into());
            } else if query.pairs.iter().any(|(earlier, _)| *earlier == key) {
                query.error(&key, "repeated-parameter", "is there twice; separate values by commas".into());
            } else {
                query.pairs.push((key, value));
            }
        }
        query
    }

    /// Notes something wrong with a parameter, told by [`Self::finish`].
    pub fn error(&mut self, key: &str, code: &str, message: String) {
        let key: String = key.chars().take(80).collect();
        let item = ErrorItem::new(format!("?{key}"), code, message);
        self.errors.push(ErrorItem { example: self.examples.get(&key).cloned(), ..item });
    }

    /// An empty value is as if the parameter were not there.
    pub fn text(&self, key: &str) -> Option<String> {
        self.pairs.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.clone())
    }

    /// The parameters that start with `prefix`, without it.
    pub fn with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        self.pairs.iter().filter_map(|(k, v)| Some((k.strip_prefix(prefix)?.to_owned(), v.clone()))).collect()
    }

    /// Reads a value by `FromStr`. `wanted`: what it should be, for people: `"true or false"`.
    pub fn value<T: std::str::FromStr>(&mut self, key: &str, wanted: &str) -> Option<T> {
        let text = self.text(key)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.error(key, "invalid-value", format!("is not {wanted}"));
        }
        value
    }

    /// `false` when it is not there.
    pub fn flag(&mut self, key: &str) -> bool {
        self.value(key, "true or false").unwrap_or(false)
    }

    /// Values separated by commas.
    pub fn list<T: std::str::FromStr>(&mut self, key: &str, wanted: &str) -> Vec<T> {
        let Some(text) = self.text(key) else { return Vec::new() };
        if text.split(',').count() > MAX_VALUES {
            self.error(key, "invalid-value", format!("has more than {MAX_VALUES} values"));
            return Vec::new();
        }
        let values: Result<Vec<T>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        values.unwrap_or_else(|_| {
            self.error(key, "invalid-value", format!("is not {wanted}, or several separated by commas"));
            Vec::new()
        })
    }

    /// `limit`: 1 to 500, default 100.
    pub fn limit(&mut self) -> u32 {
        match self.value::<u32>("limit", "a number from 1 to 500") {
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => {
                self.error("limit", "invalid-value", "is not a number from 1 to 500".into());
                DEFAULT_LIMIT
            }
            None => DEFAULT_LIMIT,
        }
    }

    /// `sort`: one of `allowed` (`name`, `-raised_at`); the first when nothing is said.
    pub fn sort(&mut self, allowed: &'static [&'static str]) -> Sort {
        let default = allowed.first().copied().unwrap_or_default();
        let Some(text) = self.text("sort") else { return Sort::new(default) };
        match allowed.iter().find(|one| **one == text) {
            Some(one) => Sort::new(one),
            None => {
                self.error("sort", "invalid-value", format!("is not one of {}", allowed.join(", ")));
                Sort::new(default)
            }
        }
    }

    /// `cursor`: the key after which this page begins, see [`page::encode`]. `sort`: the order of this list.
    pub fn cursor<K: DeserializeOwned>(&mut self, sort: &str) -> Option<K> {
        let text = self.text("cursor")?;
        let key = page::decode(sort, &text);
        if key.is_none() {
            let wanted = "is not a cursor that came with a page of this list in this order";
            self.error("cursor", "invalid-cursor", wanted.into());
        }
        key
    }

    /// Ends the reading.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let detail = format!("{} query parameters are wrong", self.errors.len());
        let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid-query", "Wrong query parameters", detail);
        Err(problem.with(self.errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["limit", "cursor", "sort", "severity", "label."];

    fn query(raw: &str) -> Query {
        Query::new(Some(raw), &KNOWN.map(str::to_owned), BTreeMap::from([("limit".into(), 100.into())]))
    }

    #[test]
    fn every_wrong_parameter_is_told() {
        let mut q = query("limit=0&bogus=1&severity=a&severity=b&cursor=zz&sort=size&label.x=%00");
        let _ = (q.limit(), q.cursor::<String>("name"), q.sort(&["name", "-name"]));
        let problem = serde_json::to_value(q.finish().unwrap_err()).unwrap();
        let told: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| &e["pointer"]).collect();
        let examples: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| &e["example"]).collect();
        assert_eq!((examples[0], examples[3]), (&Value::Null, &Value::from(100)));
        assert_eq!(told, ["?bogus", "?severity", "?label.x", "?limit", "?cursor", "?sort"]);
    }

    #[test]
    fn what_is_right_is_read() {
        let mut q = query("limit=7&sort=-name&severity=a,%20b&label.group=x%3Dy");
        assert_eq!(q.limit(), 7);
        let sort = q.sort(&["name", "-name"]);
        assert_eq!((sort.key, sort.descending), ("name", true));
        assert_eq!(q.list::<String>("severity", "a word"), ["a", "b"]);
        assert_eq!(q.with_prefix("label."), [("group".to_owned(), "x=y".to_owned())]);
        assert!(q.finish().is_ok());
        assert_eq!(query("").sort(&["name", "-name"]).text, "name");
        let many = (0..=MAX_PAIRS).map(|n| format!("label.{n}=1")).collect::<Vec<_>>().join("&");
        assert!(query(&many).finish().is_err());
    }
}
