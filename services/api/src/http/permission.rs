//! What each operation needs, read from the document that describes it: the one guard in front of all routes.
//!
//! Permission (`x-permission`), query parameters, types of content in and out, and required headers come from the same
//! document that is served, so what is documented and what is enforced cannot differ. What the document does not know is
//! refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ow_domain::access::{Permission, Principal};
use serde_json::Value;

use crate::Shared;
use crate::access;
use crate::http::actions;
use crate::http::fields::Fields;
use crate::http::idempotency;
use crate::http::problem::{ErrorItem, PROBLEM_JSON, Problem};
use crate::http::rate::Left;

/// Extension of OpenAPI that names the permission.
pub const X_PERMISSION: &str = "x-permission";
/// Extension of OpenAPI: names of query parameters that begin so are known, too (`label.`).
pub const X_QUERY_PREFIXES: &str = "x-query-prefixes";

/// Extension of OpenAPI: the answer holds something secret, so it is never kept for an `Idempotency-Key`.
pub const X_SECRET_ANSWER: &str = "x-secret-answer";
/// Largest answer of which fields are taken out.
const MAX_CUT_BYTES: usize = 16 << 20;

/// What the document says of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub id: String,
    pub permission: Permission,
    /// Names of query parameters; one that ends with `.` is a prefix.
    pub query: Vec<String>,
    /// Values that query parameters take, by name.
    pub examples: BTreeMap<String, Value>,
    /// Types that a body may have; empty: it takes no body.
    pub consumes: Vec<String>,
    /// Types of the answers that succeed.
    pub produces: Vec<String>,
    /// May be asked for with an `Idempotency-Key`.
    pub takes_key: bool,
    /// Headers without which the request is refused, lower case.
    pub required_headers: Vec<String>,
}

/// Path as in the router -> method -> operation.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<String, BTreeMap<String, Arc<Operation>>>);

/// The document does not say of an operation what the guard has to know.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} {path}: {reason}")]
pub struct TableError {
    pub method: String,
    pub path: String,
    pub reason: &'static str,
}

impl Table {
    /// Reads the document. Operations without a permission are left out, and so refused; they are told.
    pub fn read(document: &Value) -> (Self, Vec<TableError>) {
        let (mut table, mut errors) = (Self::default(), Vec::new());
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                match read_operation(method, operation) {
                    Ok(operation) => {
                        let of_path = table.0.entry(path.clone()).or_default();
                        of_path.insert(method.to_ascii_uppercase(), operation.into());
                    }
                    Err(reason) => errors.push(TableError { method: method.clone(), path: path.clone(), reason }),
                }
            }
        }
        (table, errors)
    }

    /// HEAD is GET without the body.
    fn get(&self, path: &str, method: &Method) -> Option<&Arc<Operation>> {
        let of_path = self.0.get(path)?;
        let is_head = method == Method::HEAD;
        of_path.get(method.as_str()).or_else(|| of_path.get("GET").filter(|_| is_head))
    }

    /// For the header `Allow`.
    fn allowed(&self, path: &str) -> Option<String> {
        let of_path = self.0.get(path)?;
        let mut methods: Vec<&str> = of_path.keys().map(String::as_str).collect();
        if of_path.contains_key("GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        Some(methods.join(", "))
    }
}

fn read_operation(method: &str, operation: &Value) -> Result<Operation, &'static str> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let permission = operation[X_PERMISSION].as_str().ok_or("has no x-permission")?;
    let permission = permission.parse().map_err(|_| "has an x-permission that is no permission")?;
    let id = operation["operationId"].as_str().ok_or("has no operationId")?.to_owned();
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |place: &'static str| parameters.iter().filter(move |parameter| parameter["in"] == place);
    let name = |parameter: &Value| parameter["name"].as_str().unwrap_or_default().to_owned();
    let mut query: Vec<String> = of("query").map(name).collect();
    query.extend(texts(&operation[X_QUERY_PREFIXES]));
    let contents = |content: &Value| -> Vec<String> {
        content["content"].as_object().into_iter().flatten().map(|(kind, _)| kind.to_ascii_lowercase()).collect()
    };
    let answers = operation["responses"].as_object();
    let good = answers.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    Ok(Operation {
        id,
        permission,
        takes_key: operation[X_SECRET_ANSWER] != true && idempotency::applies(method, permission),
        query,
        examples: of("query").filter_map(|parameter| Some((name(parameter), example_of(parameter)?))).collect(),
        consumes: contents(&operation["requestBody"]),
        produces: good.flat_map(|(_, answer)| contents(answer)).collect(),
        required_headers: of("header")
            .filter(|parameter| parameter["required"] == true)
            .map(|parameter| name(parameter).to_ascii_lowercase())
            .collect(),
    })
}

/// A value that a parameter takes, as far as its description gives one.
fn example_of(parameter: &Value) -> Option<Value> {
    let schema = &parameter["schema"];
    let is =
        |kind: &str| schema["type"] == kind || schema["type"].as_array().is_some_and(|all| all.contains(&kind.into()));
    let given = [&parameter["example"], &schema["example"], &schema["default"], &schema["enum"][0], &schema["minimum"]];
    let given = given.into_iter().find(|value| !value.is_null()).cloned();
    given.or_else(|| is("boolean").then_some(Value::Bool(true)))
}

/// Who asks, in handlers: `Caller(principal): Caller`.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only a route outside of the guard has none.
        let principal = parts.extensions.get::<Principal>().cloned();
        principal.map(Self).ok_or_else(|| Problem::internal("the request came past the guard"))
    }
}

/// Lets a request through to its operation, or says why not. Routes of the router only.
pub async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| actions::outer(path.as_str()));
    let Some((path, allowed)) = path.and_then(|path| Some((shared.table.allowed(&path)?, path))).map(|(a, p)| (p, a))
    else {
        return Problem::internal("the document does not know this route, so nobody may use it").into_response();
    };
    let Some(operation) = shared.table.get(&path, request.method()).cloned() else {
        let allow = [(header::ALLOW, allowed.clone())];
        if request.method() == Method::OPTIONS {
            return (StatusCode::NO_CONTENT, allow).into_response();
        }
        let detail = format!("this resource takes {allowed}");
        let title = "Method not allowed";
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title, detail);
        return problem.header(header::ALLOW, allowed).into_response();
    };
    let (request, left) = match admit(&shared, &operation, request).await {
        Ok(admitted) => admitted,
        Err(problem) => return problem.into_response(),
    };
    let wanted = match wanted_fields(&operation, &request) {
        Ok(fields) => fields,
        Err(problem) => return problem.into_response(),
    };
    let mut response = next.run(request).await;
    if let Some(fields) = wanted {
        response = cut(fields, response).await;
    }
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    response
}

/// `fields=`, where the operation has it.
fn wanted_fields(operation: &Operation, request: &Request) -> Result<Option<Fields>, Problem> {
    if !operation.query.iter().any(|name| name == "fields") {
        return Ok(None);
    }
    let pairs = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let Some((_, text)) = pairs.into_iter().find(|(key, value)| key == "fields" && !value.is_empty()) else {
        return Ok(None);
    };
    let wrong = |item: ErrorItem| {
        let title = "Wrong query parameters";
        let detail = "1 query parameters are wrong";
        Problem::new(StatusCode::BAD_REQUEST, "invalid-query", title, detail).with(vec![item])
    };
    Fields::parse(&text).map(Some).map_err(wrong)
}

/// A JSON answer with the wanted fields only.
async fn cut(fields: Fields, response: Response) -> Response {
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if response.status() != StatusCode::OK || !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let read = axum::body::to_bytes(body, MAX_CUT_BYTES).await.ok();
    let Some(mut value) = read.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) else {
        return Problem::internal("the answer is too large to be cut; ask for a smaller page").into_response();
    };
    fields.cut_answer(&mut value);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, serde_json::to_vec(&value).unwrap_or_default().into())
}

/// In this order: who asks, whether too often, whether they may, whether we understand each other.
async fn admit(
    shared: &Shared,
    operation: &Arc<Operation>,
    request: Request,
) -> Result<(Request, Option<Left>), Problem> {
    let (mut parts, body) = request.into_parts();
    let address = access::address(shared, &parts).to_string();
    let take = |who: &str| shared.limiter.as_ref().map(|limiter| limiter.take(who, Instant::now())).transpose();
    let principal = match access::authenticate(shared, &parts).await {
        Ok(principal) => principal,
        // A token that has expired does not take away what everybody may.
        Err(_) if operation.permission == Permission::Public => Principal::anonymous(None),
        Err(problem) => {
            // Whoever guesses tokens is slowed down.
            take(&address)?;
            return Err(problem);
        }
    };
    let left = if principal.is_known() { take(&principal.actor)? } else { take(&address)? };
    permit(&principal, operation.permission)?;
    // No stored thing has a name that is no text.
    let names = RawPathParams::from_request_parts(&mut parts, &()).await;
    if names.map_or(true, |names| names.iter().any(|(_, name)| name.contains(char::is_control))) {
        return Err(Problem::not_found("resource", parts.uri.path()));
    }
    acceptable(&parts.headers, &operation.produces)?;
    understood(&parts.headers, &operation.consumes)?;
    for name in &operation.required_headers {
        if !parts.headers.contains_key(name) {
            return Err(missing_header(name));
        }
    }
    parts.extensions.insert(principal);
    parts.extensions.insert(operation.clone());
    Ok((Request::from_parts(parts, body), left))
}

fn permit(principal: &Principal, permission: Permission) -> Result<(), Problem> {
    if principal.may(permission) {
        return Ok(());
    }
    if !principal.is_known() {
        let detail = "send the header 'Authorization: Bearer <token>' with a valid token, or sign in";
        return Err(Problem::unauthorized(detail));
    }
    let least = permission.least_role().map(|role| format!(", which the role {role} has")).unwrap_or_default();
    let detail = format!("{} may not do this: it needs the permission {permission}{least}", principal.actor);
    Err(Problem::forbidden("forbidden", detail))
}

fn missing_header(name: &str) -> Problem {
    if name == "if-match" {
        return match crate::http::etag::IfMatch::Absent.required() {
            Err(problem) => problem,
            Ok(_) => Problem::bad_request("header-required", name),
        };
    }
    Problem::bad_request("header-required", format!("the header {name} is missing"))
}

/// `Accept` (RFC 9110 §12.5.1) without its weights: we have one form of each answer anyway. Problems are always sent.
fn acceptable(headers: &HeaderMap, produces: &[String]) -> Result<(), Problem> {
    let mut accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if produces.is_empty() || accept.peek().is_none() {
        return Ok(());
    }
    let wanted: Vec<&str> = accept.flat_map(|value| value.split(',')).take(64).map(essence).collect();
    let fits = |kind: &str| {
        wanted.iter().any(|range| {
            let matches = *range == "*/*" || range.eq_ignore_ascii_case(kind);
            matches || range.strip_suffix("/*").is_some_and(|main| kind.split('/').next() == Some(main))
        })
    };
    if wanted.iter().all(|range| range.is_empty()) || fits(PROBLEM_JSON) || produces.iter().any(|kind| fits(kind)) {
        return Ok(());
    }
    let detail = format!("this resource answers with {}", produces.join(", "));
    Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", "No answer in such a form", detail))
}

/// `Content-Type`; when nothing is said it is taken for what is wanted.
fn understood(headers: &HeaderMap, consumes: &[String]) -> Result<(), Problem> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let is_empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0")
        && !headers.contains_key(header::TRANSFER_ENCODING);
    let kind = kind.to_str().map(essence).unwrap_or_default();
    if consumes.is_empty() || is_empty || consumes.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        return Ok(());
    }
    let detail = format!("send the body as {}", consumes.join(" or "));
    let title = "Body of an unknown type";
    let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, detail);
    Err(problem.header(HeaderName::from_static("accept-post"), consumes.join(", ")))
}

/// A media type without its parameters.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_document_does_not_permit_is_not_in_the_table() {
        let good = json!({"operationId": "a", "x-permission": "read", "parameters": [
            {"in": "query", "name": "q"}, {"in": "header", "name": "If-Match", "required": true}, {"in": "path", "name": "n"}],
            "x-query-prefixes": ["label."],
            "requestBody": {"content": {"application/json": {}}},
            "responses": {"200": {"content": {"text/csv": {}}}, "400": {"content": {"application/problem+json": {}}}}});
        let (table, errors) = Table::read(&json!({"paths": {
            "/a": {"get": good, "post": {"operationId": "b"}},
            "/b": {"get": {"operationId": "c", "x-permission": "everything"}},
        }}));
        let operation = table.get("/a", &Method::GET).unwrap();
        assert_eq!(
            (operation.permission, &operation.query[..]),
            (Permission::Read, &["q".into(), "label.".into()][..])
        );
        assert_eq!(
            (&operation.consumes[..], &operation.produces[..]),
            (&["application/json".into()][..], &["text/csv".into()][..])
        );
        assert_eq!(operation.required_headers, ["if-match"]);
        assert_eq!(table.get("/a", &Method::HEAD), table.get("/a", &Method::GET));
        for (path, method) in [("/a", Method::POST), ("/b", Method::GET), ("/c", Method::GET), ("/a", Method::OPTIONS)]
        {
            assert_eq!(table.get(path, &method), None, "{method} {path}");
        }
        assert_eq!(table.allowed("/a").unwrap(), "GET, HEAD, OPTIONS");
        let told: Vec<_> = errors.iter().map(|e| (e.path.as_str(), e.method.as_str())).collect();
        assert_eq!(told, [("/a", "post"), ("/b", "get")]);
    }

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap()), (header::CONTENT_LENGTH, 7.into())])
    }

    #[test]
    fn types_of_content_are_agreed_on() {
        for (accept, fits) in [
            ("*/*", true),
            ("application/json", true),
            ("text/html, application/*;q=0.8", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("", true),
            ("text/html", false),
            ("text/*, image/png", false),
        ] {
            let result = acceptable(&with(header::ACCEPT, accept), &["application/json".into()]);
            assert_eq!(result.is_ok(), fits, "{accept}");
        }
        assert!(acceptable(&HeaderMap::new(), &["application/json".into()]).is_ok());
        for (kind, fits) in
            [("application/json", true), ("application/JSON;charset=utf-8", true), ("text/xml", false), ("", false)]
        {
            let result = understood(&with(header::CONTENT_TYPE, kind), &["application/json".into()]);
            assert_eq!(result.is_ok(), fits, "{kind}");
        }
        let without_body = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"))]);
        assert!(understood(&without_body, &["application/json".into()]).is_ok());
    }

    #[test]
    fn who_is_unknown_is_asked_and_who_is_known_is_told_what_is_missing() {
        use ow_domain::access::Role;
        let viewer = Principal::session("thu", Role::Viewer, None, "1");
        for (principal, permission, status) in [
            (Principal::anonymous(None), Permission::Public, None),
            (Principal::anonymous(None), Permission::Read, Some(401)),
            (Principal::anonymous(Some(Role::Viewer)), Permission::Read, None),
            (Principal::anonymous(Some(Role::Viewer)), Permission::ConfigWrite, Some(401)),
            (viewer.clone(), Permission::Read, None),
            (viewer, Permission::ConfigWrite, Some(403)),
            (Principal::installation(), Permission::SystemManage, None),
        ] {
            let status_is = permit(&principal, permission).err().map(|problem| problem.status().as_u16());
            assert_eq!(status_is, status, "{} {permission}", principal.actor);
        }
    }
}
