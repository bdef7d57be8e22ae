//! The OpenAPI 3.1 document: what the routes say of themselves, and what holds for all of them.

use std::collections::BTreeMap;

use ow_domain::access::Permission;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::OpenApi;

use crate::http::actions;
use crate::http::idempotency;
use crate::http::permission::{X_PERMISSION, X_SECRET_ANSWER};
use crate::http::problem::{ErrorItem, PROBLEM_JSON, Problem};
use crate::http::schema;

const ABOUT: &str = "Live OTT channel monitoring. Times are RFC 3339 in UTC. Errors are problem documents (RFC 9457). \
    `x-permission` names what an operation needs; docs/api.md tells the conventions.";

/// The document that is served and committed.
pub fn complete(from_routes: OpenApi) -> Value {
    let mut document = serde_json::to_value(from_routes).unwrap_or_default();
    document["info"] = json!({
        "title": "ottwatch",
        "version": "v1",
        "description": ABOUT,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/"}]);
    if let Some(paths) = document["paths"].as_object_mut() {
        *paths = std::mem::take(paths).into_iter().map(|(path, item)| (actions::outer(&path), item)).collect();
    }
    let mut tags = BTreeMap::new();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        let tag = tag_of(path);
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let tag_of_operation = tags.entry(tag.to_owned()).or_insert_with(|| json!({"name": tag}));
            operation["tags"] = json!([tag_of_operation["name"]]);
            complete_operation(method, path, operation);
        }
    }
    document["tags"] = tags.into_values().collect();
    document["components"]["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "description": "A token of a person or of the installation."},
        "session": {"type": "apiKey", "in": "cookie", "name": "ottwatch_session", "description": "Signed in by browser."},
    });
    for (status, description) in REFUSALS {
        document["components"]["responses"][format!("Refused{status}")] =
            json!({"description": description, "content": problem()});
    }
    add(&mut document, "Problem", Problem::schema());
    add(&mut document, "ErrorItem", ErrorItem::schema());
    crate::routes::add_schemas(&mut document);
    schema::add_domain(&mut document);
    document
}

fn add(document: &mut Value, name: &str, schema: impl serde::Serialize) {
    document["components"]["schemas"][name] = serde_json::to_value(schema).unwrap_or_default();
}

/// `/api/v1/alarms:ack` -> `alarms`.
fn tag_of(path: &str) -> &str {
    let resource = path.trim_start_matches("/api/").trim_start_matches("v1/");
    resource.split(['/', ':']).next().unwrap_or_default()
}

/// How operations refuse, and why.
const REFUSALS: &[(u16, &str)] = &[
    (400, "The request makes no sense: unknown or wrong parameters, no JSON."),
    (401, "Who asks is not known."),
    (403, "Who asks may not do this."),
    (404, "There is no such thing, or it is not to be seen."),
    (406, "No answer in a form that is accepted."),
    (409, "It does not fit what is there, or the same key is being worked on."),
    (412, "It was changed in between; the ETag of now is in the header."),
    (413, "The body is too large."),
    (415, "The body is of an unknown type."),
    (422, "The body is readable and not valid; every wrong part is told."),
    (428, "The header If-Match is missing."),
    (429, "Too many requests; again after Retry-After seconds."),
    (503, "PostgreSQL or NATS does not answer; try again."),
];

fn problem() -> Value {
    json!({PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}})
}

/// What holds for all operations of a kind.
fn complete_operation(method: &str, path: &str, operation: &mut Value) {
    let permission = operation[X_PERMISSION].as_str().and_then(|word| word.parse().ok());
    operation["security"] = match permission {
        Some(Permission::Public) => json!([{}]),
        // Anonymous reading is a setting.
        Some(Permission::Read) => json!([{"token": []}, {"session": []}, {}]),
        _ => json!([{"token": []}, {"session": []}]),
    };
    let is_secret = operation[X_SECRET_ANSWER] == true;
    let takes_key = permission.is_some_and(|permission| !is_secret && idempotency::applies(method, permission));
    if takes_key {
        if operation["parameters"].is_null() {
            operation["parameters"] = json!([]);
        }
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "Makes asking again safe: for a day the same key gets the same answer, and changes nothing.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            }));
        }
    }
    let has_body = operation["requestBody"].is_object();
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |place: &str, name: Option<&str>| {
        parameters.iter().any(|p| p["in"] == place && name.is_none_or(|name| p["name"] == name))
    };
    let (has_precondition, has_name) = (has("header", Some("If-Match")), has("path", None));
    let is_public = permission == Some(Permission::Public);
    let applies = |status: u16| match status {
        401 | 403 => !is_public,
        404 => has_name,
        409 => takes_key,
        412 => has_precondition,
        413 | 415 => has_body,
        422 => has_body || takes_key,
        428 => has_precondition && matches!(method, "put" | "delete"),
        // Query parameters are strict, so that also a request without any may be wrong (400).
        _ => true,
    };
    let problem = problem();
    if !operation["responses"].is_object() {
        operation["responses"] = Value::Object(Map::new());
    }
    if let Some(responses) = operation["responses"].as_object_mut() {
        for (status, _) in REFUSALS.iter().filter(|(status, _)| applies(*status)) {
            let answer = json!({"$ref": format!("#/components/responses/Refused{status}")});
            responses.entry(status.to_string()).or_insert(answer);
        }
        // Refusals that a route itself names are problems, too.
        for (status, answer) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
            if answer["content"].is_null() && answer["$ref"].is_null() {
                answer["content"] = problem.clone();
            }
            debug_assert!(status.len() == 3, "{path}: {status}");
        }
    }
}
