//! One request to the REST interface: the token goes along, problems come back as errors that say what to do.

use std::time::Duration;

use ow_service::Exit;
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::Value;

use super::context::{ContextError, Target};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer that is taken.
const MAX_BYTES: usize = 64 << 20;
/// Most pages of a list that are followed.
const MAX_PAGES: usize = 200;

/// A client of one installation.
#[derive(Debug)]
pub struct Api {
    client: Client,
    target: Target,
}

/// An answer that is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error("{path}: cannot be used as an authority")]
    Authority {
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{url} does not answer")]
    Silent {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{detail}{}", listed(.errors))]
    Problem { status: u16, code: String, detail: String, errors: Vec<String> },
    #[error("{url} answered {status} with something that is not of ottwatch; is it the right address?")]
    Foreign { url: String, status: u16 },
}

fn listed(errors: &[String]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}

impl ApiError {
    /// How the command ends with it.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Context(ContextError::Nowhere(_)) => Exit::Unavailable,
            Self::Context(_) | Self::Authority { .. } => Exit::Config,
            Self::Silent { .. } | Self::Foreign { .. } | Self::Problem { status: 500.., .. } => Exit::Unavailable,
            Self::Problem { .. } => Exit::Failure,
        }
    }
}

impl Api {
    pub fn new(target: Target) -> Result<Self, ApiError> {
        let mut builder = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &target.ca_file {
            let shown = path.display().to_string();
            let wrong = |source| ApiError::Authority { path: shown.clone(), source };
            let pem = std::fs::read(path).map_err(|error| wrong(Box::new(error)))?;
            for certificate in Certificate::from_pem_bundle(&pem).map_err(|error| wrong(Box::new(error)))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let url = target.url.to_string();
        let client = builder.build().map_err(|source| ApiError::Silent { url, source })?;
        Ok(Self { client, target })
    }

    /// `path` is below `/api/v1`, its segments made by [`segment`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        self.exchange(method, path, query, body.map(|body| (kind, body.to_string()))).await
    }

    /// Posts a text of the type `kind`.
    pub async fn upload(
        &self,
        path: &str,
        query: &[(&str, String)],
        kind: &str,
        text: String,
    ) -> Result<Value, ApiError> {
        self.exchange(Method::POST, path, query, Some((kind, text))).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<(&str, String)>,
    ) -> Result<Value, ApiError> {
        let mut url = self.target.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/api/v1/{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        let shown = format!("{}://{}", url.scheme(), url.authority());
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.target.token {
            request = request.bearer_auth(token.reveal());
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let silent = |source: reqwest::Error| ApiError::Silent { url: shown.clone(), source: source.without_url() };
        let mut response = request.send().await.map_err(silent)?;
        let status = response.status();
        let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_problem = kind.starts_with("application/problem+json");
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(silent)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MAX_BYTES {
                return Err(ApiError::Foreign { url: shown, status: status.as_u16() });
            }
        }
        if status.is_success() && bytes.is_empty() {
            return Ok(Value::Null);
        }
        let foreign = || ApiError::Foreign { url: shown.clone(), status: status.as_u16() };
        let body: Value = serde_json::from_slice(&bytes).map_err(|_| foreign())?;
        match () {
            () if status.is_success() => Ok(body),
            () if is_problem => Err(problem(status, &body)),
            () => Err(foreign()),
        }
    }

    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, ApiError> {
        self.send(Method::GET, path, query, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// All items of a list, at most `limit`, page after page.
    pub async fn list(&self, path: &str, query: &[(&str, String)], limit: usize) -> Result<Vec<Value>, ApiError> {
        let mut items = Vec::new();
        let mut query = query.to_vec();
        query.push(("limit", limit.clamp(1, 500).to_string()));
        for _ in 0..MAX_PAGES {
            let mut page = self.get(path, &query).await?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            query.retain(|(name, _)| *name != "cursor");
            match page["next_cursor"].as_str() {
                Some(next) if items.len() < limit => query.push(("cursor", next.to_owned())),
                _ => break,
            }
        }
        items.truncate(limit);
        Ok(items)
    }
}

fn problem(status: StatusCode, body: &Value) -> ApiError {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = body["errors"].as_array().into_iter().flatten().map(|error| {
        let example = match &error["example"] {
            Value::Null => String::new(),
            Value::String(example) => format!("; for example {example}"),
            example => format!("; for example {example}"),
        };
        format!("{}: {}{example}", text(&error["pointer"]), text(&error["message"]))
    });
    let mut detail = text(&body["detail"]);
    match status {
        StatusCode::UNAUTHORIZED => detail.push_str(" (--token-file, or `ottwatch context add`)"),
        StatusCode::FORBIDDEN => detail.push_str(" (the token's role or scopes do not allow it)"),
        _ => {}
    }
    ApiError::Problem { status: status.as_u16(), code: text(&body["code"]), detail, errors: errors.collect() }
}

/// A name as one segment of a path.
pub fn segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn problems_are_told_with_place_and_example() {
        let body = json!({"code": "invalid-body", "detail": "the body is not what is needed", "errors": [
            {"pointer": "/note", "code": "missing", "message": "a note is needed", "example": "vendor is called"},
            {"pointer": "/n", "code": "x", "message": "is no number", "example": 5},
        ]});
        let error = problem(StatusCode::UNPROCESSABLE_ENTITY, &body);
        assert_eq!(
            error.to_string(),
            "the body is not what is needed\n  /note: a note is needed; for example vendor is called\n  \
             /n: is no number; for example 5"
        );
        assert_eq!(error.exit(), Exit::Failure);
        assert_eq!(problem(StatusCode::SERVICE_UNAVAILABLE, &json!({})).exit(), Exit::Unavailable);
    }

    #[test]
    fn names_stay_one_segment() {
        assert_eq!(segment("vtv3-hd"), "vtv3-hd");
        assert_eq!(segment("../a?b#c d%"), "..%2Fa%3Fb%23c%20d%25");
        assert_eq!(segment("bóng"), "b%C3%B3ng");
    }
}
