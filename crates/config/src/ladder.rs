//! The ladder of a template: documents <-> contract, and what a table of fields cannot say about it.

use ow_domain::ladder::{LadderContract, parse_resolution};
use serde_json::{Map, Value, json};

use crate::compile::snake;
use crate::meaning::Fault;

/// Documents -> contract; `None` when nothing is said.
pub(crate) fn contract(spec: &Value) -> Result<Option<LadderContract>, String> {
    if spec.is_null() {
        return Ok(None);
    }
    let mut stored = snake_keys(spec);
    for rung in stored["video"].as_array_mut().into_iter().flatten() {
        let Some(rung) = rung.as_object_mut() else { continue };
        let text = rung.remove("resolution").unwrap_or_default();
        let (width, height) = text
            .as_str()
            .and_then(parse_resolution)
            .ok_or_else(|| format!("ladder.video: {text} is no resolution; example: 1920x1080"))?;
        rung.insert("width".into(), width.into());
        rung.insert("height".into(), height.into());
    }
    serde_json::from_value(stored).map(Some).map_err(|error| format!("ladder: {error}"))
}

fn snake_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (snake(k), snake_keys(v))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(snake_keys).collect()),
        other => other.clone(),
    }
}

/// Contract -> the `ladder` of a document, in the normal form: applied again it changes nothing.
pub fn ladder_spec(contract: &LadderContract) -> Value {
    let mut stored = serde_json::to_value(contract).unwrap_or_default();
    let defaults = LadderContract::default();
    if let Some(map) = stored.as_object_mut()
        && contract.tolerance == defaults.tolerance
    {
        map.remove("tolerance");
    }
    for rung in stored["video"].as_array_mut().into_iter().flatten() {
        if let Some(rung) = rung.as_object_mut() {
            let resolution =
                format!("{}x{}", rung.remove("width").unwrap_or_default(), rung.remove("height").unwrap_or_default());
            rung.insert("resolution".into(), resolution.into());
        }
    }
    for (list, field, default) in [("audio", "role", "main"), ("subtitles", "kind", "subtitles")] {
        for item in stored[list].as_array_mut().into_iter().flatten() {
            if item[field] == default
                && let Some(item) = item.as_object_mut()
            {
                item.remove(field);
            }
        }
    }
    camel_keys(&stored)
}

fn camel_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, v)| !v.is_null());
            let entries: Map<String, Value> = kept.map(|(k, v)| (crate::meaning::camel(k), camel_keys(v))).collect();
            Value::Object(entries)
        }
        Value::Array(items) => Value::Array(items.iter().map(camel_keys).collect()),
        // 25.0 is written 25.
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.as_i64().is_none() && f.fract() == 0.0 && f.abs() < 1e9 => json!(f as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// Faults of a ladder in the normal form; `at` is its place in the document.
pub(crate) fn faults(spec: &Value, at: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |field: String, value: &Value, reason: &str, example: &str| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        faults.push(Fault { field: format!("{at}.{field}"), value, reason: reason.into(), example: example.into() });
    };
    let items = |list: &str| spec[list].as_array().cloned().unwrap_or_default();
    let mut rungs: Vec<Value> = Vec::new();
    for (n, rung) in items("video").iter().enumerate() {
        let here = |field: &str| format!("video[{n}].{field}");
        if rung["resolution"].as_str().is_some_and(|text| parse_resolution(text).is_none()) {
            fault(here("resolution"), &rung["resolution"], "is no width and height in pixels", "1920x1080");
        }
        if rung["frameRate"].as_f64().is_some_and(|rate| !(1.0..=300.0).contains(&rate)) {
            fault(here("frameRate"), &rung["frameRate"], "is not between 1 and 300 frames per second", "29.97");
        }
        let end = |end: &str| rung["bitrateKbps"][end].as_u64();
        if let (Some(min), Some(max)) = (end("min"), end("max"))
            && min > max
        {
            let reason = "is below the lower end of the range";
            fault(here("bitrateKbps.max"), &rung["bitrateKbps"]["max"], reason, &format!("{{min: {max}, max: {min}}}"));
        }
        if rungs.contains(rung) {
            fault(format!("video[{n}]"), &rung["resolution"], "is in the list twice", "one entry per rendition");
        }
        rungs.push(rung.clone());
    }
    let mut defaults = 0;
    for (list, example) in [("audio", "vi"), ("subtitles", "en")] {
        let mut known: Vec<Value> = Vec::new();
        for (n, item) in items(list).iter().enumerate() {
            if item["language"].as_str().is_some_and(|tag| !is_language(tag)) {
                let reason = "is no language tag (BCP 47, ISO 639)";
                fault(format!("{list}[{n}].language"), &item["language"], reason, example);
            }
            if item["default"] == true {
                defaults += 1;
                if defaults > 1 {
                    let reason = "is true for two renditions; only one is heard without a choice";
                    fault(format!("{list}[{n}].default"), &item["default"], reason, "default: false");
                }
            }
            if known.contains(item) {
                fault(format!("{list}[{n}]"), &item["language"], "is in the list twice", "one entry per rendition");
            }
            known.push(item.clone());
        }
    }
    for field in ["bitratePercent", "frameRatePercent"] {
        let value = &spec["tolerance"][field];
        if value.as_f64().is_some_and(|percent| !(0.0..=1000.0).contains(&percent)) {
            fault(format!("tolerance.{field}"), value, "is not between 0 and 1000 percent", "20");
        }
    }
    faults
}

/// Two to eight letters, then subtags of one to eight letters and digits.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=8).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}
