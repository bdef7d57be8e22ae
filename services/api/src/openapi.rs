//! The OpenAPI 3.1 document, written by hand next to the routes; a test compares the two.

use serde_json::{Map, Value, json};

/// The description of `/api/v1` for programs.
pub fn openapi() -> Value {
    let limit = parameter(
        "limit",
        "Items of one page, 1 to 500.",
        json!({"type": "integer", "minimum": 1, "maximum": 500, "default": 100}),
    );
    let cursor = parameter("cursor", "`next_cursor` of the page before.", json!({"type": "string"}));
    let severities = parameter(
        "severity",
        "Only these; several separated by commas.",
        json!({"type": "string", "example": "critical,major"}),
    );
    let text = |name: &str, description: &str| parameter(name, description, json!({"type": "string"}));
    let flag =
        |name: &str, description: &str| parameter(name, description, json!({"type": "boolean", "default": false}));
    let in_path = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ottwatch",
            "version": "v1",
            "description": "Live OTT channel monitoring. Times are RFC 3339 in UTC. Errors are problem documents (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": {
            "/api/v1/health": {"get": {
                "operationId": "getHealth", "summary": "Whether NATS and PostgreSQL answer, and how fast.", "security": [{}],
                "responses": {"200": answer("All well.", "Health"), "503": answer("Something does not answer.", "Health")},
            }},
            "/api/v1/openapi.json": {"get": {
                "operationId": "getOpenapi", "summary": "This document.", "security": [{}],
                "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}},
            }},
            "/api/v1/channels": {"get": {
                "operationId": "listChannels", "summary": "Channels by name, with their state.",
                "description": "Also `label.<name>=<value>`.",
                "parameters": [severities, parameter("enabled", "Enabled or disabled ones.", json!({"type": "boolean"})),
                    text("template", "Of this template."), text("packager", "Of this packager."), text("region", "Of this region."),
                    text("probe", "Watched by this probe."), text("q", "Part of the name."), limit, cursor],
                "responses": with_errors(&[("200", page("Channel"))], &["400"]),
            }},
            "/api/v1/channels/{name}": {"get": {
                "operationId": "getChannel", "summary": "One channel with its conditions and effective policy.",
                "parameters": [in_path("name")],
                "responses": with_errors(&[("200", answer("The channel.", "Channel"))], &["404"]),
            }},
            "/api/v1/alarms": {"get": {
                "operationId": "listAlarms", "summary": "Alarms, newest first.",
                "parameters": [parameter("state", "Which alarms.", json!({"type": "string", "enum": ["active", "cleared", "all"], "default": "active"})),
                    severities, text("min_severity", "This severity and worse."), text("channel", "Of this channel."),
                    text("check", "Of this check."), flag("include_info", "With records that nobody is told of."), limit, cursor],
                "responses": with_errors(&[("200", page("Alarm"))], &["400"]),
            }},
            "/api/v1/alarms/{number}": {"get": {
                "operationId": "getAlarm", "summary": "One alarm with evidence and history.",
                "parameters": [in_path("number")],
                "responses": with_errors(&[("200", answer("The alarm.", "Alarm"))], &["404"]),
            }},
            "/api/v1/config": {"get": {
                "operationId": "exportConfig", "summary": "The stored configuration as YAML documents. Needs a token.",
                "parameters": [text("kind", "Only these kinds, separated by commas.")], "security": [{"token": []}],
                "responses": with_errors(&[("200", json!({"description": "Documents.", "content": {"application/yaml": {"schema": {"type": "string"}}}}))], &["400", "403"]),
            }},
            "/api/v1/config:apply": {"post": {
                "operationId": "applyConfig", "summary": "Applies YAML documents: all of them or nothing. Needs a token.",
                "parameters": [flag("dry_run", "Only tell what would change."), flag("prune", "Delete what is not described.")],
                "security": [{"token": []}],
                "requestBody": {"required": true, "content": {"application/yaml": {"schema": {"type": "string"}}}},
                "responses": with_errors(&[("200", answer("What was, or would be, changed.", "Applied"))], &["400", "403", "409", "413", "422"]),
            }},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        },
    })
}

fn parameter(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn answer(description: &str, schema: &str) -> Value {
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn page(item: &str) -> Value {
    let schema = json!({
        "type": "object", "required": ["items", "next_cursor"],
        "properties": {
            "items": {"type": "array", "items": {"$ref": format!("#/components/schemas/{item}")}},
            "next_cursor": {"type": ["string", "null"]},
        },
    });
    json!({"description": "One page.", "content": {"application/json": {"schema": schema}}})
}

fn with_errors(answers: &[(&str, Value)], errors: &[&str]) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let error = json!({"description": "Problem.", "content": {"application/problem+json": {"schema": schema}}});
    let mut out: Map<String, Value> =
        answers.iter().map(|(code, answer)| ((*code).to_owned(), answer.clone())).collect();
    out.extend(errors.iter().chain(&["401", "503"]).map(|code| ((*code).to_owned(), error.clone())));
    Value::Object(out)
}

fn schemas() -> Value {
    let text = || json!({"type": "string"});
    let optional = || json!({"type": ["string", "null"]});
    let time = || json!({"type": ["string", "null"], "format": "date-time"});
    let severity = json!({"type": "string", "enum": ["cleared", "info", "indeterminate", "warning", "minor", "major", "critical"]});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let component = json!({"type": "object", "required": ["status", "latency_ms"], "properties": {
        "status": {"enum": ["ok", "failing"]}, "latency_ms": {"type": "number"}, "reason": text(), "version": text()}});
    json!({
        "Health": {"type": "object", "required": ["status", "version", "components"], "properties": {
            "status": {"enum": ["ok", "failing"]}, "version": text(),
            "components": {"type": "object", "properties": {"nats": component, "postgres": component}},
        }},
        "Channel": {"type": "object", "required": ["name", "display_name", "enabled", "streams", "status"], "properties": {
            "name": text(), "display_name": text(), "enabled": {"type": "boolean"}, "class": optional(), "template": optional(),
            "packager": optional(), "region": optional(), "labels": texts, "runbook": optional(), "event_start": time(), "event_end": time(),
            "probes": {"type": "array", "items": text()}, "revision": {"type": "integer"},
            "streams": {"type": "array", "items": {"type": "object", "properties": {
                "name": text(), "protocol": {"enum": ["hls", "dash"]}, "url": text(), "depth": {}}}},
            "status": {"type": "object", "properties": {"severity": severity, "n_conditions": {"type": "integer"},
                "as_of": time(), "policy_revision": {"type": ["integer", "null"]}}},
            "conditions": {"type": "array", "items": {"type": "object"}},
            "stream_states": {"type": "array", "items": {"type": "object"}},
            "policy": {"type": ["object", "null"]},
        }},
        "Alarm": {"type": "object", "required": ["id", "number", "state", "severity", "channel", "check", "message", "raised_at"], "properties": {
            "id": {"type": "string", "example": "INC-1042"}, "number": {"type": "integer"}, "state": {"enum": ["active", "cleared"]},
            "severity": severity, "revision": {"type": "integer"}, "channel": text(), "channel_name": text(), "check": text(),
            "title": text(), "subject": {"type": "object"}, "fingerprint": text(), "message": text(), "value": text(), "limit": text(),
            "raised_at": time(), "updated_at": time(), "cleared_at": time(), "clear_reason": optional(),
            "indeterminate": {"type": "boolean"}, "event": {"type": "boolean"}, "info": {"type": "boolean"}, "labels": texts,
            "packager": optional(), "region": optional(), "runbook": optional(), "probe": optional(),
            "receivers": {"type": "array", "items": {"type": "object", "properties": {"receiver": text(), "kind": text()}}},
            "acked_by": optional(), "acked_at": time(),
            "evidence": {"type": ["object", "null"]}, "history": {"type": "array", "items": {"type": "object"}},
        }},
        "Applied": {"type": "object", "required": ["dry_run", "revision", "plan"], "properties": {
            "dry_run": {"type": "boolean"}, "revision": {"type": "integer"},
            "plan": {"type": "object", "properties": {
                "create": {"type": "array", "items": text()},
                "update": {"type": "array", "items": {"type": "object", "properties": {"object": text(),
                    "fields": {"type": "array", "items": {"type": "object", "properties": {"field": text(), "before": text(), "after": text()}}}}}},
                "delete": {"type": "array", "items": text()},
                "unchanged": {"type": "array", "items": text()},
            }},
        }},
        "Problem": {"type": "object", "required": ["type", "title", "status", "code", "detail"], "properties": {
            "type": text(), "title": text(), "status": {"type": "integer"}, "code": text(), "detail": text(),
            "errors": {"type": "array", "items": {"type": "object", "required": ["pointer", "code", "message"],
                "properties": {"pointer": text(), "code": text(), "message": text()}}},
        }},
    })
}
