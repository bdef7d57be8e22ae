//! Where each setting of a channel or template comes from: the catalogue's default, a template, or the channel itself.

use std::collections::BTreeMap;

use ow_checks::registry::{self, CheckDef};
use ow_domain::Slug;
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::job::FetchLimits;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::compile::{CompileError, template_chain, templates};
use crate::meaning::camel;
use crate::units::{format_duration, format_size};

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Origin {
    Default,
    Template { name: Slug },
    Channel,
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EffectiveValue {
    /// As in a template: `limits.originRps`, `checks.overrides.hls-playlist-stale.params.stale_slack_s`.
    pub field: String,
    pub value: Value,
    pub origin: Origin,
    /// What it hides, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<Overridden>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overridden {
    pub value: Value,
    pub origin: Origin,
}

type Layers = Vec<(Origin, Value)>;

/// Every setting of a channel or template, by field. Of checks only those are listed that somebody sets; see
/// [`thresholds`] for the others.
pub fn effective(objects: &[ConfigObject], kind: ConfigKind, name: &Slug) -> Result<Vec<EffectiveValue>, CompileError> {
    let layers = layers(objects, kind, name)?;
    let mut defaults = defaults();
    let mut checks: Map<String, Value> = Map::new();
    for (_, spec) in &layers {
        for (id, change) in spec["checks"]["overrides"].as_object().into_iter().flatten() {
            let Some(check) = registry::find(id) else { continue };
            let all = defaults_of(check);
            let entry = checks.entry(id.clone()).or_insert_with(|| json!({}));
            // The defaults of what somebody sets.
            for (field, _) in flat(change) {
                if let Some(value) = at(&all, &field) {
                    put(entry, &field, value.clone());
                }
            }
        }
    }
    defaults["checks"]["overrides"] = Value::Object(checks);
    Ok(stack(&defaults, &layers))
}

/// Everything that may be set of one check, as it is in force for a channel or template; fields are those of an
/// override (`severity`, `params.stale_slack_s`).
pub fn thresholds(
    objects: &[ConfigObject],
    kind: ConfigKind,
    name: &Slug,
    check: &CheckDef,
) -> Result<Vec<EffectiveValue>, CompileError> {
    let layers: Layers = layers(objects, kind, name)?
        .into_iter()
        .map(|(origin, spec)| (origin, spec["checks"]["overrides"][check.id].clone()))
        .collect();
    Ok(stack(&defaults_of(check), &layers))
}

/// The specs that are put over each other, the most general one first.
fn layers(objects: &[ConfigObject], kind: ConfigKind, name: &Slug) -> Result<Layers, CompileError> {
    let word = kind.as_str().to_lowercase();
    let fail = |reason| CompileError { object: format!("{word} {name:?}"), reason };
    let channel = match kind {
        ConfigKind::Channel => Some(
            objects
                .iter()
                .find(|o| o.kind == kind && o.name == *name)
                .ok_or_else(|| fail("it does not exist".into()))?,
        ),
        _ => None,
    };
    let first = channel.map_or(Some(name.as_str()), |channel| channel.spec["template"].as_str());
    let chain = template_chain(first, &templates(objects)).map_err(fail)?;
    let mut layers: Layers = chain
        .into_iter()
        .map(|template| {
            let mut spec = template.spec.clone();
            if let Some(spec) = spec.as_object_mut() {
                spec.remove("extends");
            }
            (Origin::Template { name: template.name.clone() }, spec)
        })
        .collect();
    if let Some(channel) = channel {
        layers.push((Origin::Channel, channel.spec["overrides"].clone()));
        layers.push((Origin::Channel, json!({"class": channel.spec["class"]})));
    }
    Ok(layers)
}

/// Each field of any layer with the last one that says it.
fn stack(defaults: &Value, layers: &Layers) -> Vec<EffectiveValue> {
    let mut said: BTreeMap<String, Vec<Overridden>> = BTreeMap::new();
    let default = [(Origin::Default, defaults.clone())];
    for (origin, spec) in default.iter().chain(layers) {
        for (field, value) in flat(spec) {
            said.entry(field).or_default().insert(0, Overridden { value, origin: origin.clone() });
        }
    }
    let values = said.into_iter().filter_map(|(field, mut said)| {
        if said.is_empty() {
            return None;
        }
        let Overridden { value, origin } = said.remove(0);
        Some(EffectiveValue { field, value, origin, over: said })
    });
    values.collect()
}

/// Leaves by their dotted path. The two forms of a depth are one value, and so are lists.
fn flat(value: &Value) -> Vec<(String, Value)> {
    fn walk(path: &str, value: &Value, out: &mut Vec<(String, Value)>) {
        match value {
            Value::Null => {}
            Value::Object(map) if path != "depth" => {
                for (key, value) in map {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&path, value, out);
                }
            }
            leaf => out.push((path.to_owned(), leaf.clone())),
        }
    }
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

fn at<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(value, |value, key| value.get(key))
}

fn put(into: &mut Value, field: &str, value: Value) {
    let mut place = into;
    for key in field.split('.') {
        place = &mut place[key];
    }
    *place = value;
}

/// What holds when nobody says anything, in the words of documents.
fn defaults() -> Value {
    let mut limits = Map::new();
    let stored = serde_json::to_value(FetchLimits::default()).unwrap_or_default();
    for (key, value) in stored.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let number = value.as_u64().unwrap_or_default();
        match key.strip_suffix("_ms") {
            Some(key) => limits.insert(camel(key), format_duration(number).into()),
            None if key.ends_with("_bytes") => limits.insert(camel(key), format_size(number).into()),
            None => limits.insert(camel(key), value.clone()),
        };
    }
    json!({
        "class": "linear", "depth": "full", "limits": limits,
        "checks": {"appleRules": false, "webClients": false, "trickplay": false, "startupGrace": "30s", "eventTtl": "5m"},
    })
}

fn defaults_of(check: &CheckDef) -> Value {
    let params: Map<String, Value> = check.params.iter().map(|p| (p.name.to_owned(), json!(p.default))).collect();
    let mut out = json!({"enabled": true, "severity": check.severity, "hold": check.hold, "clear": check.clear});
    if !params.is_empty() {
        out["params"] = Value::Object(params);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceFile, read};

    const SET: &str = "
{apiVersion: ottwatch/v1, kind: Template, metadata: {name: base}, spec: {class: radio, depth: {sampled: 4},
  limits: {originRps: 20}, checks: {overrides: {hls-playlist-stale: {severity: minor, params: {stale_slack_s: 2}}}}}}
---
{apiVersion: ottwatch/v1, kind: Template, metadata: {name: hd}, spec: {extends: base, limits: {originRps: 30, ttfbTimeout: 7s},
  checks: {overrides: {hls-playlist-stale: {params: {stale_slack_s: 3}}}}}}
---
{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: p}}
---
{apiVersion: ottwatch/v1, kind: Channel, metadata: {name: c}, spec: {template: hd, probes: [p], class: event,
  streams: [{name: a, protocol: hls, url: 'http://o/a'}], overrides: {limits: {originRps: 40}}}}
";

    fn objects() -> Vec<ConfigObject> {
        let documents = read(&[SourceFile { name: "t".into(), text: SET.into() }]).unwrap();
        documents.into_iter().map(|d| d.object).collect()
    }

    fn slug(text: &str) -> Slug {
        Slug::new(text).unwrap()
    }

    #[test]
    fn every_value_tells_who_said_it_and_what_it_hides() {
        let values = effective(&objects(), ConfigKind::Channel, &slug("c")).unwrap();
        let template = |name: &str| Origin::Template { name: slug(name) };
        for (field, value, origin, n_over) in [
            ("class", json!("event"), Origin::Channel, 2),
            ("depth", json!({"sampled": 4}), template("base"), 1),
            ("limits.originRps", json!(40), Origin::Channel, 3),
            ("limits.ttfbTimeout", json!("7s"), template("hd"), 1),
            ("limits.maxSegmentBytes", json!("64MiB"), Origin::Default, 0),
            ("checks.overrides.hls-playlist-stale.severity", json!("minor"), template("base"), 1),
            ("checks.overrides.hls-playlist-stale.params.stale_slack_s", json!(3), template("hd"), 2),
        ] {
            let found = values.iter().find(|v| v.field == field).unwrap_or_else(|| panic!("{field}"));
            assert_eq!((&found.value, &found.origin, found.over.len()), (&value, &origin, n_over), "{field}");
        }
        assert!(!values.iter().any(|v| v.field.ends_with("hold")), "nobody sets it");
        assert!(effective(&objects(), ConfigKind::Channel, &slug("none")).is_err());
    }

    #[test]
    fn all_of_one_check_is_told() {
        let check = registry::find("hls-playlist-stale").unwrap();
        let values = thresholds(&objects(), ConfigKind::Template, &slug("base"), check).unwrap();
        assert_eq!(values.len(), 4 + check.params.len());
        let slack = values.iter().find(|v| v.field == "params.stale_slack_s").unwrap();
        assert_eq!((&slack.value, slack.over[0].origin.clone()), (&json!(2), Origin::Default));
    }

    /// What is told is what the services act on.
    #[test]
    fn the_defaults_are_those_in_force() {
        let spec = defaults();
        let object =
            ConfigObject { kind: ConfigKind::Template, name: slug("t"), labels: BTreeMap::new(), spec, revision: 0 };
        let settings = crate::template_settings(&[object], &slug("t")).unwrap();
        assert_eq!(settings.limits, FetchLimits::default());
        let nothing = ConfigObject { spec: json!({}), ..objects()[0].clone() };
        let nothing = crate::template_settings(&[nothing], &slug("base")).unwrap();
        assert_eq!((settings.class, settings.depth), (nothing.class, nothing.depth));
        assert_eq!(settings.checks.apple_rules, nothing.checks.apple_rules);
    }
}
