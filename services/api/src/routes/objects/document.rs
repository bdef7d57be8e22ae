//! The description of the resources of all kinds, made from their tables.

use ow_domain::config::ConfigKind;
use serde_json::{Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::OpenApi;

use super::bulk::{Bulk, BulkDone, BulkOp, BulkResult, Verb};
use super::kinds::{Test, filters, write_permission};
use super::read::SORTS;

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn json_body(schema: Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

/// The paths of one kind.
pub fn of(kind: ConfigKind) -> OpenApi {
    let plural = kind.plural();
    let paths = json!({
        format!("/api/v1/{plural}"): {"get": list(kind)},
        format!("/api/v1/{plural}/{{name}}"): {
            "get": get(kind), "put": put(kind), "patch": patch(kind), "delete": delete(kind),
        },
        format!("/api/v1/{plural}:bulk"): {"post": bulk(kind)},
    });
    let document = json!({"openapi": "3.1.0", "info": {"title": plural, "version": "v1"}, "paths": paths});
    match serde_json::from_value(document) {
        Ok(document) => document,
        // The guard refuses what has no description, and the test of the document fails.
        Err(error) => {
            tracing::error!(%error, plural, "the description of a resource is not readable");
            utoipa::openapi::OpenApiBuilder::new().build()
        }
    }
}

/// `listChannels`.
fn id(verb: &str, kind: ConfigKind, many: bool) -> String {
    let word = match (kind, many) {
        (_, false) | (ConfigKind::Maintenance, true) => kind.as_str().to_owned(),
        (_, true) => format!("{}s", kind.as_str()),
    };
    format!("{verb}{word}")
}

fn parameter(name: &str, schema: Value, about: &str) -> Value {
    json!({"name": name, "in": "query", "required": false, "schema": schema, "description": about})
}

fn name_parameter() -> Value {
    json!({"name": "name", "in": "path", "required": true, "description": "Its name.",
        "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}, "example": "vtv3"})
}

fn if_match(required: bool) -> Value {
    let about = if required {
        "ETag of what is changed, or *. Without it a change of what is there is refused (428); what is stale is refused (412)."
    } else {
        "ETag of what is changed; what is stale is refused (412)."
    };
    json!({"name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"}, "description": about})
}

fn if_none_match() -> Value {
    json!({"name": "If-None-Match", "in": "header", "required": false, "schema": {"type": "string"},
        "description": "*: only if there is none of this name."})
}

fn dry_run() -> Value {
    parameter("dry_run", json!({"type": "boolean"}), "Only check; nothing is changed.")
}

fn list(kind: ConfigKind) -> Value {
    let mut parameters = vec![
        parameter(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": 500, "default": 100}),
            "Items of one page.",
        ),
        parameter(
            "cursor",
            json!({"type": "string", "maxLength": 1024}),
            "next_cursor of the page before, with the same filters and order.",
        ),
        parameter("sort", json!({"type": "string", "enum": SORTS, "default": "name"}), "Order; - is descending."),
        parameter("count", json!({"type": "boolean"}), "Also tell how many there are on all pages."),
        parameter("q", json!({"type": "string"}), "Part of the name or display name."),
        parameter("managed_by", json!({"type": "string"}), "Looked after by this owner."),
    ];
    for filter in filters(kind) {
        let schema = match filter.test {
            Test::Flag { .. } => json!({"type": "boolean"}),
            Test::Is(_) | Test::Has(_) => json!({"type": "string"}),
        };
        parameters.push(parameter(filter.name, schema, filter.about));
    }
    if kind == ConfigKind::Channel {
        let about = "Only these severities; several separated by commas.";
        parameters.push(parameter("severity", json!({"type": "string", "examples": ["critical,major"]}), about));
    }
    let page = json!({"type": "object", "required": ["items", "next_cursor"], "properties": {
        "items": {"type": "array", "items": reference(kind.as_str())},
        "next_cursor": {"type": ["string", "null"], "description": "For cursor; null on the last page."},
        "total": {"type": "integer", "minimum": 0, "description": "All that match; only with count=true."},
    }});
    json!({
        "operationId": id("list", kind, true), "summary": format!("{} objects.", kind.as_str()),
        "description": "Also label.<name>=<value>.",
        "parameters": parameters, "responses": {"200": {"description": "One page.", "content": json_body(page)}},
        "x-permission": "read", "x-query-prefixes": ["label."],
    })
}

fn object_answer(kind: ConfigKind, about: &str) -> Value {
    json!({"description": about, "content": json_body(reference(kind.as_str())),
        "headers": {"ETag": {"description": "Its revision.", "schema": {"type": "string"}}}})
}

fn get(kind: ConfigKind) -> Value {
    json!({
        "operationId": id("get", kind, false), "summary": format!("One {}.", kind.as_str()),
        "parameters": [name_parameter()], "responses": {"200": object_answer(kind, "The object.")},
        "x-permission": "read",
    })
}

fn put(kind: ConfigKind) -> Value {
    json!({
        "operationId": id("put", kind, false), "summary": format!("Create or replace a {}.", kind.as_str()),
        "parameters": [name_parameter(), if_match(true), if_none_match(), dry_run()],
        "requestBody": {"required": true, "content": json_body(reference(&format!("{}Body", kind.as_str())))},
        "responses": {
            "200": object_answer(kind, "Replaced, or what would be."), "201": object_answer(kind, "Created."),
            "409": {"description": "The configuration is being changed by others."},
        },
        "x-permission": write_permission(kind).as_str(),
    })
}

fn patch(kind: ConfigKind) -> Value {
    let schema = json!({"schema": reference("MergePatch")});
    json!({
        "operationId": id("patch", kind, false), "summary": format!("Change a {} in part (RFC 7396).", kind.as_str()),
        "parameters": [name_parameter(), if_match(false), dry_run()],
        "requestBody": {"required": true, "content": {
            "application/merge-patch+json": schema, "application/json": schema,
        }},
        "responses": {
            "200": object_answer(kind, "Changed, or what would be."),
            "409": {"description": "The configuration is being changed by others."},
        },
        "x-permission": write_permission(kind).as_str(),
    })
}

fn delete(kind: ConfigKind) -> Value {
    json!({
        "operationId": id("delete", kind, false), "summary": format!("Delete a {}.", kind.as_str()),
        "parameters": [name_parameter(), if_match(true), dry_run()],
        "responses": {
            "204": {"description": "Gone, or would be."},
            "409": {"description": "Others refer to it, or the configuration is being changed by others."},
        },
        "x-permission": write_permission(kind).as_str(),
    })
}

fn bulk(kind: ConfigKind) -> Value {
    json!({
        "operationId": id("bulk", kind, true), "summary": "Many changes in one request.",
        "description": "atomic: all or nothing, refused with every problem of every operation. Else each operation has its own result.",
        "parameters": [dry_run()],
        "requestBody": {"required": true, "content": json_body(reference("Bulk"))},
        "responses": {
            "200": {"description": "What became of each operation.", "content": json_body(reference("BulkDone"))},
            "409": {"description": "The configuration is being changed by others."},
        },
        "x-permission": write_permission(kind).as_str(),
    })
}

/// What an answer holds beside the document.
fn known(kind: ConfigKind) -> Value {
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let window = json!({"type": ["object", "null"], "properties": {
        "start": {"type": "string", "format": "date-time"}, "end": {"type": "string", "format": "date-time"},
    }});
    match kind {
        ConfigKind::Channel => json!({
            "status": {"type": "object", "properties": {
                "severity": {"type": "string", "enum": ow_domain::Severity::ALL.map(|s| s.as_str())},
                "n_conditions": {"type": "integer", "minimum": 0}, "as_of": time,
                "policy_revision": {"type": ["integer", "null"], "minimum": 0},
            }},
            "conditions": {"type": "array", "items": reference("Condition"), "description": "With one channel only."},
            "stream_states": {"type": "array", "items": reference("StreamState"), "description": "With one channel only."},
        }),
        ConfigKind::Probe => json!({"enrolled": {
            "type": ["object", "null"], "description": "Whether it has a token.",
            "properties": {"created_at": {"type": "string", "format": "date-time"}, "created_by": {"type": "string"}},
        }}),
        ConfigKind::Silence => json!({"state": {"type": "string", "enum": ["pending", "active", "expired"]}}),
        ConfigKind::Maintenance => json!({"active_window": window, "next_window": window}),
        _ => json!({}),
    }
}

/// Schemas that the paths refer to: of each kind its spec, its body and its answer.
pub fn add_schemas(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    for kind in ConfigKind::ALL {
        let spec = format!("{}Spec", kind.as_str());
        schemas[&spec] = ow_config::spec_schema(kind);
        let name = json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"});
        schemas[&format!("{}Body", kind.as_str())] = json!({
            "type": "object", "description": "Members that only answers have may stay in; they say nothing.",
            "required": if ow_config::may_be_empty(kind) { json!([]) } else { json!(["spec"]) },
            "properties": {"name": name, "labels": reference("Labels"), "spec": reference(&spec)},
        });
        let mut properties = json!({
            "name": name, "labels": reference("Labels"), "spec": reference(&spec),
            "revision": {"type": "integer", "minimum": 0, "description": "Grows with every change; its ETag."},
            "changed_at": {"type": "string", "format": "date-time"},
            "managed_by": {"type": "string", "description": "The owner that looks after it."},
        });
        if let (Some(all), Value::Object(more)) = (properties.as_object_mut(), known(kind)) {
            all.extend(more);
        }
        schemas[kind.as_str()] = json!({
            "type": "object", "required": ["name", "labels", "spec", "revision", "changed_at"], "properties": properties,
        });
    }
    schemas["Labels"] = ow_config::labels_schema();
    schemas["MergePatch"] = json!({
        "type": "object", "description": "Merged into what is stored (RFC 7396): null takes a member away.",
        "properties": {"labels": {"type": ["object", "null"]}, "spec": {"type": "object"}},
    });
    let own: [(&str, Value); 5] = [
        ("Bulk", schema_of::<Bulk>()),
        ("BulkOp", schema_of::<BulkOp>()),
        ("BulkResult", schema_of::<BulkResult>()),
        ("BulkDone", schema_of::<BulkDone>()),
        ("Verb", schema_of::<Verb>()),
    ];
    for (name, schema) in own {
        schemas[name] = schema;
    }
}

fn schema_of<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap_or_default()
}
