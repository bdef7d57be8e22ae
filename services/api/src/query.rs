//! Query parameters, read strictly: unknown and wrong ones are all told, none is ignored.

use axum::http::StatusCode;

use crate::problem::{ErrorItem, Problem};

/// Most items of one page.
pub const MAX_LIMIT: u32 = 500;
const DEFAULT_LIMIT: u32 = 100;

/// Parameters of one request and what is wrong with them.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<ErrorItem>,
}

impl Query {
    /// `known` names the parameters; one that ends with `.` is a prefix (`label.`).
    pub fn new(raw: Option<&str>, known: &[&str]) -> Self {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned().take(64).collect();
        let mut query = Self { pairs: Vec::new(), errors: Vec::new() };
        for (key, value) in pairs {
            let is_known = known.iter().any(|k| if k.ends_with('.') { key.starts_with(k) } else { *k == key });
            if !is_known {
                query.error(&key, "unknown-parameter", format!("is not known; known are {}", known.join(", ")));
            } else if query.pairs.iter().any(|(earlier, _)| *earlier == key) {
                query.error(&key, "repeated-parameter", "is there twice; separate values by commas".into());
            } else {
                query.pairs.push((key, value));
            }
        }
        query
    }

    fn error(&mut self, key: &str, code: &str, message: String) {
        let key: String = key.chars().take(80).collect();
        self.errors.push(ErrorItem { pointer: format!("?{key}"), code: code.into(), message });
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.pairs.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.clone())
    }

    /// The parameters that start with `prefix`, without it.
    pub fn with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        self.pairs.iter().filter_map(|(k, v)| Some((k.strip_prefix(prefix)?.to_owned(), v.clone()))).collect()
    }

    /// Reads a value by `FromStr`.
    pub fn value<T: std::str::FromStr>(&mut self, key: &str, wanted: &str) -> Option<T> {
        let text = self.text(key)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.error(key, "invalid-value", format!("is not {wanted}"));
        }
        value
    }

    /// Values separated by commas.
    pub fn list<T: std::str::FromStr>(&mut self, key: &str, wanted: &str) -> Vec<T> {
        let Some(text) = self.text(key) else { return Vec::new() };
        let values: Result<Vec<T>, _> = text.split(',').take(32).map(|part| part.trim().parse()).collect();
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
