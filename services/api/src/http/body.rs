//! Bodies of requests: read within limits, and what is wrong with them told by pointer.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use crate::http::problem::{ErrorItem, Problem};

/// Deepest nesting of objects and lists.
pub const MAX_DEPTH: usize = 32;

/// A JSON body. The type of its content is looked at before, against the document.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = read(request, state).await?;
        json(&body).map(Self)
    }
}

/// A body of text: YAML, CSV, M3U.
#[derive(Debug)]
pub struct TextBody(pub String);

impl<S: Send + Sync> FromRequest<S> for TextBody {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = read(request, state).await?;
        match String::from_utf8(body.into()) {
            Ok(text) => Ok(Self(text)),
            Err(_) => Err(Problem::bad_request("body", "the body is not UTF-8")),
        }
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let title = "The body could not be read";
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = "the body is larger than api.max_body allows; send it in parts";
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title, detail);
        }
        Problem::new(rejection.status(), "body", title, rejection.body_text())
    })
}

/// Reads JSON: 400 if it is none or too deep, 422 with a pointer if it has not the wanted shape.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if is_too_deep(body) {
        return Err(Problem::bad_request("body-too-deep", format!("the body is nested deeper than {MAX_DEPTH}")));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        if matches!(inner.classify(), serde_json::error::Category::Data) {
            let message = inner.to_string();
            return Problem::invalid(vec![ErrorItem::new(pointer(error.path()), "invalid-value", message)]);
        }
        Problem::bad_request("not-json", format!("the body is not JSON: {inner}"))
    })?;
    reader.end().map_err(|error| Problem::bad_request("not-json", format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/-".to_owned(),
        })
        .collect()
}

/// Brackets outside of texts.
fn is_too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[allow(dead_code)]
        streams: Vec<Stream>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stream {
        #[allow(dead_code)]
        url: String,
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (body, status, pointer) in [
            (r#"{"streams": [{"url": "a"}, {"url": 7}]}"#, 422, Some("/streams/1/url")),
            (r#"{"streams": [{"url": "a", "b/c": 7}]}"#, 422, Some("/streams/0/b~1c")),
            (r#"{"streams": {}}"#, 422, Some("/streams")),
            (r#"{"streams": [}"#, 400, None),
            (r#"{"streams": []} x"#, 400, None),
            ("", 400, None),
            ("\u{0}", 400, None),
        ] {
            let problem = json::<Body>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.status(), status, "{body}");
            let shown = serde_json::to_value(problem).unwrap();
            assert_eq!(shown["errors"][0]["pointer"].as_str(), pointer, "{body}");
        }
        assert!(json::<Body>(br#"{"streams": [{"url": "a"}]}"#).is_ok());
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_texts_do_not_count() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(json::<Value>(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(json::<Value>(deep(MAX_DEPTH + 1).as_bytes()).unwrap_err().status(), 400);
        assert_eq!(json::<Value>(deep(1 << 20).as_bytes()).unwrap_err().status(), 400);
        let text = format!("\"{}\\\"{}\"", "[".repeat(100), "{".repeat(100));
        assert!(json::<Value>(text.as_bytes()).is_ok());
    }
}
