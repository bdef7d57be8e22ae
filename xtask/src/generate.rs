//! Files that come from code: JSON Schemas and the AsyncAPI document of the bus, the pages of the checks, the OpenAPI
//! document, the MIB, the reference of settings.
//!
//! What lives in services is printed by the binary (`ottwatch gen-docs`): it links all of them anyway and the tests need it
//! built, while xtask linking them would make every `cargo xtask` wait for that.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{reference, run as commands};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Write,
    Check,
}

/// Folders whose whole content is generated: a file there that is not made any more is removed (or reported).
const OWNED: &[&str] = &["schemas/messages", "docs/checks"];

pub fn run(mode: Mode) -> Result<()> {
    let mut files: Vec<(String, String)> = Vec::new();
    messages(&mut files)?;
    from_binary(&mut files)?;
    let mut stale = Vec::new();
    for (path, content) in &files {
        if fs::read_to_string(path).ok().as_deref() == Some(content.as_str()) {
            continue;
        }
        stale.push(path.clone());
        if mode == Mode::Write {
            if let Some(parent) = Path::new(path).parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, content).with_context(|| format!("cannot write {path}"))?;
        }
    }
    for folder in OWNED {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry?.path();
            let name = path.to_string_lossy().replace('\\', "/");
            if path.is_file() && !files.iter().any(|(made, _)| *made == name) {
                stale.push(format!("{name} (no longer made)"));
                if mode == Mode::Write {
                    fs::remove_file(&path)?;
                }
            }
        }
    }
    if mode == Mode::Check && !stale.is_empty() {
        bail!("not up to date: {}; run `cargo xtask gen` and commit", stale.join(", "));
    }
    for path in stale {
        eprintln!("wrote {path}");
    }
    Ok(())
}

/// What only the services know.
fn from_binary(files: &mut Vec<(String, String)>) -> Result<()> {
    let text = commands::cargo_output(&["run", "--quiet", "--locked", "--package", "ottwatch", "--", "gen-docs"])?;
    let made: Value = serde_json::from_str(&text).context("ottwatch gen-docs printed no JSON")?;
    for (path, text) in made["files"].as_object().context("ottwatch gen-docs printed no files")? {
        files.push((path.clone(), text.as_str().context("a generated file is no text")?.to_owned()));
    }
    files.push(("docs/configuration.md".to_owned(), reference::page(&made["sections"])?));
    Ok(())
}

fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn messages(files: &mut Vec<(String, String)>) -> Result<()> {
    let mut channels = serde_json::Map::new();
    let mut operations = serde_json::Map::new();
    let mut components = serde_json::Map::new();
    for entry in ow_contracts::catalog::entries() {
        let schema = serde_json::to_value((entry.schema)())?;
        files.push((format!("schemas/messages/{}.schema.json", entry.message_type), pretty(&schema)?));
        let key = entry.message_type.trim_start_matches("ottwatch.").trim_end_matches(".v1").to_owned();
        components.insert(
            key.clone(),
            json!({
                "name": entry.message_type,
                "summary": entry.summary,
                "contentType": "application/json",
                "payload": {"$ref": format!("./messages/{}.schema.json", entry.message_type)},
            }),
        );
        let parameters: serde_json::Map<String, Value> = entry
            .address
            .split('.')
            .filter_map(|token| token.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| (name.to_owned(), json!({})))
            .collect();
        channels.insert(
            key.clone(),
            json!({
                "address": format!("{}.{}", ow_contracts::subject::ROOT, entry.address),
                "description": format!("Stream {}. {} to {}.", entry.stream, entry.from, entry.to),
                "parameters": parameters,
                "messages": {key.clone(): {"$ref": format!("#/components/messages/{key}")}},
            }),
        );
        operations.insert(
            format!("receive-{key}"),
            json!({"action": "receive", "channel": {"$ref": format!("#/channels/{key}")}, "summary": entry.summary}),
        );
    }
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "ottwatch bus",
            "version": "1",
            "description": "Messages of ottwatch on NATS JetStream. CloudEvents attributes travel as headers (binary mode), W3C trace context in traceparent; bodies above 1 KiB are zstd-compressed with Content-Encoding: zstd. Additive only.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": components},
    });
    files.push(("schemas/asyncapi.json".to_owned(), pretty(&document)?));
    Ok(())
}
