//! Channel, templates and defaults -> the one effective policy of the channel.

use std::collections::BTreeMap;

use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::job::{Depth, FetchLimits, StreamJob};
use ow_domain::ladder::LadderContract;
use ow_domain::policy::{ChannelClass, ChannelPolicy, CheckSettings};
use ow_domain::{ChannelId, Slug};
use serde_json::{Map, Value, json};

use crate::units::{parse_duration, parse_size};

/// Most templates that extend each other.
pub const MAX_TEMPLATE_CHAIN: usize = 8;

/// A stored channel that cannot be compiled. Documents that passed the checks never lead here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object} has no valid policy: {reason}")]
pub struct CompileError {
    /// `channel "vtv3"`.
    pub object: String,
    pub reason: String,
}

/// The policies of all channels among the objects, and the channels that have none. Revisions are 0: they are given
/// when a policy is published. Channels of probes that drain are given to others.
pub fn compile_all(objects: &[ConfigObject]) -> (Vec<ChannelPolicy>, Vec<CompileError>) {
    let templates = templates(objects);
    let mut policies = Vec::new();
    let mut errors = Vec::new();
    for channel in objects.iter().filter(|o| o.kind == ConfigKind::Channel) {
        let compiled = template_chain(channel.spec["template"].as_str(), &templates)
            .and_then(|chain| policy(channel, &chain))
            .map_err(|reason| CompileError { object: format!("channel {:?}", channel.name), reason });
        match compiled {
            Ok(policy) => policies.push(policy),
            Err(error) => errors.push(error),
        }
    }
    crate::placement::place(&mut policies, objects);
    (policies, errors)
}

/// What templates and overrides say together.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub class: ChannelClass,
    pub depth: Depth,
    pub limits: FetchLimits,
    pub checks: CheckSettings,
    pub ladder: Option<LadderContract>,
}

/// The settings of one template with all that it extends, for use without a channel.
pub fn template_settings(objects: &[ConfigObject], name: &Slug) -> Result<Settings, CompileError> {
    let fail = |reason| CompileError { object: format!("template {name:?}"), reason };
    let chain = template_chain(Some(name.as_str()), &templates(objects)).map_err(fail)?;
    Settings::merged(chain.iter().map(|t| &t.spec)).map_err(fail)
}

pub(crate) fn templates(objects: &[ConfigObject]) -> BTreeMap<&Slug, &ConfigObject> {
    objects.iter().filter(|o| o.kind == ConfigKind::Template).map(|o| (&o.name, o)).collect()
}

/// A template and what it extends, the most general one first.
pub(crate) fn template_chain<'a>(
    name: Option<&str>,
    templates: &BTreeMap<&Slug, &'a ConfigObject>,
) -> Result<Vec<&'a ConfigObject>, String> {
    let mut chain: Vec<&ConfigObject> = Vec::new();
    let mut next = name;
    while let Some(name) = next {
        let Some(template) = Slug::new(name).ok().and_then(|slug| templates.get(&slug).copied()) else {
            return Err(format!("template {name:?} does not exist"));
        };
        chain.push(template);
        if chain.len() > MAX_TEMPLATE_CHAIN {
            return Err(format!("more than {MAX_TEMPLATE_CHAIN} templates extend each other"));
        }
        next = template.spec["extends"].as_str();
    }
    chain.reverse();
    Ok(chain)
}

impl Settings {
    /// Maps are merged key by key, everything else is replaced by the later value; what nobody sets keeps its default.
    fn merged<'a>(specs: impl Iterator<Item = &'a Value>) -> Result<Self, String> {
        let mut merged = Value::Object(Map::new());
        for spec in specs {
            merge(&mut merged, spec);
        }
        Ok(Self {
            class: match &merged["class"] {
                Value::Null => ChannelClass::default(),
                class => serde_json::from_value(class.clone()).map_err(|error| format!("class: {error}"))?,
            },
            depth: depth(&merged["depth"])?.unwrap_or_default(),
            limits: limits(&merged["limits"])?,
            checks: checks(&merged["checks"])?,
            ladder: crate::ladder::contract(&merged["ladder"])?,
        })
    }
}

/// Compiles one channel with its templates, the most general one first.
pub fn compile(channel: &ConfigObject, templates: &[&ConfigObject]) -> Result<ChannelPolicy, CompileError> {
    policy(channel, templates).map_err(|reason| CompileError { object: format!("channel {:?}", channel.name), reason })
}

fn time(value: &Value) -> Result<Option<ow_domain::Time>, serde_json::Error> {
    serde_json::from_value(value.clone())
}

fn policy(channel: &ConfigObject, templates: &[&ConfigObject]) -> Result<ChannelPolicy, String> {
    let spec = &channel.spec;
    // The channel's own class is the last word on the class.
    let own = json!({"class": spec["class"]});
    let specs = templates.iter().map(|t| &t.spec).chain([&spec["overrides"], &own]);
    let settings = Settings::merged(specs)?;
    let text = |field: &str| spec[field].as_str().map(str::to_owned);
    let streams = spec["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    let streams: Result<Vec<StreamJob>, String> = streams
        .iter()
        .map(|stream| {
            let headers: Vec<(&String, &Value)> = stream["headers"].as_object().into_iter().flatten().collect();
            let depth = depth(&stream["depth"])?.unwrap_or(settings.depth);
            serde_json::from_value(json!({
                "stream": stream["name"], "protocol": stream["protocol"], "url": stream["url"], "headers": headers,
                "depth": depth,
            }))
            .map_err(|error| format!("stream {}: {error}", stream["name"]))
        })
        .collect();
    Ok(ChannelPolicy {
        channel: ChannelId::new(channel.name.as_str()).map_err(|error| error.to_string())?,
        name: text("displayName").unwrap_or_else(|| channel.name.to_string()),
        revision: 0,
        enabled: spec["enabled"].as_bool().unwrap_or(true),
        class: settings.class,
        streams: streams?,
        probes: match &spec["probes"] {
            Value::Null => Vec::new(),
            probes => serde_json::from_value(probes.clone()).map_err(|error| format!("probes: {error}"))?,
        },
        limits: settings.limits,
        checks: settings.checks,
        ladder: settings.ladder,
        event_start: time(&spec["eventStart"]).map_err(|error| format!("eventStart: {error}"))?,
        event_end: time(&spec["eventEnd"]).map_err(|error| format!("eventEnd: {error}"))?,
        labels: channel.labels.clone(),
        packager: text("packager"),
        region: text("region"),
        runbook: text("runbook"),
    })
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(key) {
                    // The two forms of a depth (a word, a map) are one value.
                    Some(known) if key != "depth" => merge(known, value),
                    _ => {
                        into.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// `full`, `head`, `manifest`, `{sampled: n}`; `None` when nothing is said.
fn depth(value: &Value) -> Result<Option<Depth>, String> {
    let value = match value {
        Value::Null => return Ok(None),
        Value::Object(map) => json!({"sampled": {"n": map.get("sampled")}}),
        other => other.clone(),
    };
    serde_json::from_value(value).map(Some).map_err(|error| format!("depth: {error}"))
}

/// Documents -> fields of [`FetchLimits`].
fn limits(spec: &Value) -> Result<FetchLimits, String> {
    let mut out = serde_json::to_value(FetchLimits::default()).map_err(|error| error.to_string())?;
    for (key, value) in spec.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let (field, value) = match key.as_str() {
            "maxManifestBytes" | "maxSegmentBytes" => {
                (snake(key), parse_size(text).map(Value::from).ok_or_else(|| format!("limits.{key}: {text:?}"))?)
            }
            _ if key.ends_with("Timeout") => (
                format!("{}_ms", snake(key)),
                parse_duration(text).map(Value::from).ok_or_else(|| format!("limits.{key}: {text:?}"))?,
            ),
            _ => (snake(key), value.clone()),
        };
        out[field] = value;
    }
    serde_json::from_value(out).map_err(|error| format!("limits: {error}"))
}

/// Check settings of a document (`checks` of a template or of overrides) as the validator reads them.
pub(crate) fn checks(spec: &Value) -> Result<CheckSettings, String> {
    let mut out = Map::new();
    for (key, value) in spec.as_object().into_iter().flatten() {
        let seconds = || {
            let text = value.as_str().unwrap_or_default();
            parse_duration(text).ok_or_else(|| format!("checks.{key}: {text:?}"))
        };
        #[expect(clippy::cast_precision_loss, reason = "at most 30 days in milliseconds")]
        let (field, value) = match key.as_str() {
            "dvrWindow" => ("dvr_window_s".to_owned(), Value::from(seconds()?.div_ceil(1000))),
            "adBreakInterval" | "latencyMax" | "startupGrace" | "eventTtl" => {
                (format!("{}_s", snake(key)), Value::from(seconds()? as f64 / 1e3))
            }
            _ => (snake(key), value.clone()),
        };
        out.insert(field, value);
    }
    serde_json::from_value(Value::Object(out)).map_err(|error| format!("checks: {error}"))
}

pub(crate) fn snake(camel: &str) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use ow_domain::Severity;

    use super::*;
    use crate::{SourceFile, read};

    const SET: &str = "
{apiVersion: ottwatch/v1, kind: Template, metadata: {name: base}, spec: {class: radio, depth: {sampled: 4},
  limits: {connectTimeout: 1.5s, originRps: 20}, checks: {latencyMax: 20s, overrides: {hls-playlist-stale: {severity: minor, params: {minor_target_durations: 1, stale_slack_s: 2}}}}}}
---
{apiVersion: ottwatch/v1, kind: Template, metadata: {name: hd}, spec: {extends: base, class: linear,
  limits: {maxSegmentBytes: 128MiB}, checks: {appleRules: true, dvrWindow: 2h, overrides: {hls-playlist-stale: {params: {stale_slack_s: 3.5}}}}}}
---
{apiVersion: ottwatch/v1, kind: Channel, metadata: {name: vtv3, labels: {group: sport}}, spec: {displayName: VTV3 HD, template: hd, probes: [hcm-1],
  streams: [{name: a, protocol: hls, url: 'http://o/a.m3u8', headers: {X-B: '2', X-A: '1'}}, {name: b, protocol: dash, url: 'http://o/b.mpd', depth: head}],
  overrides: {limits: {originRps: 50}, checks: {overrides: {hls-playlist-stale: {hold: H5}}}}, packager: p7}}
";

    #[test]
    fn the_more_special_setting_wins_key_by_key() {
        let documents = read(&[SourceFile { name: "a.yaml".into(), text: SET.into() }]).unwrap();
        let objects: Vec<ConfigObject> = documents.into_iter().map(|d| d.object).collect();
        let (policies, errors) = compile_all(&objects);
        assert_eq!((policies.len(), errors.len()), (1, 0), "{errors:?}");
        let policy = &policies[0];
        assert_eq!((policy.name.as_str(), policy.class, policy.enabled), ("VTV3 HD", ChannelClass::Linear, true));
        assert_eq!((policy.limits.connect_timeout_ms, policy.limits.origin_rps), (1500, 50));
        assert_eq!((policy.limits.max_segment_bytes, policy.limits.max_redirects), (128 << 20, 5));
        assert_eq!((policy.checks.apple_rules, policy.checks.dvr_window_s), (true, Some(7200)));
        assert_eq!(policy.checks.latency_max_s, Some(20.0));
        let stale = &policy.checks.overrides["hls-playlist-stale"];
        assert_eq!((stale.severity, stale.hold.as_deref()), (Some(Severity::Minor), Some("H5")));
        assert_eq!(
            stale.params.clone().into_iter().collect::<Vec<_>>(),
            [("minor_target_durations".into(), 1.0), ("stale_slack_s".into(), 3.5)]
        );
        assert_eq!((policy.streams[0].depth, policy.streams[1].depth), (Depth::Sampled { n: 4 }, Depth::Head));
        assert_eq!(policy.streams[0].headers, [("X-A".into(), "1".into()), ("X-B".into(), "2".into())]);
        assert_eq!(policy.labels["group"], "sport");
        assert_eq!(policy.packager.as_deref(), Some("p7"));
    }

    #[test]
    fn a_missing_template_is_an_error_of_that_channel_only() {
        let channel = |name: &str, template: Value| ConfigObject {
            kind: ConfigKind::Channel,
            name: Slug::new(name).unwrap(),
            labels: BTreeMap::new(),
            spec: json!({"template": template, "probes": ["p"], "streams": []}),
            revision: 1,
        };
        let (policies, errors) = compile_all(&[channel("a", json!("gone")), channel("b", Value::Null)]);
        assert_eq!(policies.len(), 1);
        let hd = template_settings(&[], &Slug::new("hd").unwrap());
        assert!(hd.is_err());
        assert_eq!(errors[0].to_string(), "channel \"a\" has no valid policy: template \"gone\" does not exist");
    }
}
