//! Rules of a spec that a table of fields cannot say: those of receivers, matchers and check settings are known to
//! their owners; those between the streams of a channel are here.

use std::collections::BTreeSet;

use ow_alerting::Matcher;
use ow_domain::config::ConfigKind;
use ow_domain::receiver::ReceiverSpec;
use serde_json::Value;

/// What is wrong, at a dotted path inside the spec.
pub struct Fault {
    pub field: String,
    pub value: String,
    pub reason: String,
    pub example: String,
}

/// All faults of a spec in the normal form.
pub fn faults(kind: ConfigKind, spec: &Value) -> Vec<Fault> {
    match kind {
        ConfigKind::Receiver => receiver(spec),
        ConfigKind::Route => route(spec),
        ConfigKind::Channel => channel(spec),
        ConfigKind::Template => {
            let mut faults = settings(spec, "");
            faults.extend(crate::ladder::faults(&spec["ladder"], "ladder"));
            faults
        }
        ConfigKind::Silence => crate::quiet::silence_faults(spec),
        ConfigKind::Maintenance => {
            let mut faults = crate::quiet::maintenance_faults(spec);
            faults.extend(repeated(spec, "groups"));
            faults
        }
        ConfigKind::Region => crate::quiet::zone_fault(spec).into_iter().collect(),
        ConfigKind::Group => repeated(spec, "channels"),
        ConfigKind::Probe | ConfigKind::Packager => Vec::new(),
    }
}

/// Texts of a list that are no matchers.
pub fn matcher_faults(spec: &Value, field: &str) -> Vec<Fault> {
    let matchers = spec[field].as_array().map(Vec::as_slice).unwrap_or_default();
    matchers
        .iter()
        .enumerate()
        .filter_map(|(n, text)| {
            let text = text.as_str()?;
            let error = text.parse::<Matcher>().err()?;
            Some(Fault {
                field: format!("{field}[{n}]"),
                value: text.to_owned(),
                reason: format!("is not a matcher: {}", error.reason),
                example: "\"severity>=major\"".into(),
            })
        })
        .collect()
}

fn receiver(spec: &Value) -> Vec<Fault> {
    let problems = ReceiverSpec::from_json(spec).err().unwrap_or_default();
    problems
        .into_iter()
        .map(|p| Fault {
            field: camel(p.field.strip_prefix("spec").unwrap_or(&p.field)),
            value: p.value,
            reason: p.reason,
            example: p.example,
        })
        .collect()
}

fn route(spec: &Value) -> Vec<Fault> {
    let mut faults = matcher_faults(spec, "match");
    faults.extend(repeated(spec, "receivers"));
    faults
}

fn channel(spec: &Value) -> Vec<Fault> {
    let mut faults = settings(&spec["overrides"], "overrides.");
    faults.extend(crate::ladder::faults(&spec["overrides"]["ladder"], "overrides.ladder"));
    let mut names = BTreeSet::new();
    let streams = spec["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (n, stream) in streams.iter().enumerate() {
        let name = stream["name"].as_str().unwrap_or_default();
        if !names.insert(name) {
            faults.push(Fault {
                field: format!("streams[{n}].name"),
                value: name.to_owned(),
                reason: "is the name of two streams of this channel".into(),
                example: format!("{}-backup", name.chars().take(56).collect::<String>()),
            });
        }
    }
    faults.extend(repeated(spec, "probes"));
    for field in ["eventStart", "eventEnd"] {
        if spec.get(field).is_some() && spec["class"].as_str().is_some_and(|class| class != "event") {
            faults.push(Fault {
                field: field.into(),
                value: spec[field].as_str().unwrap_or_default().to_owned(),
                reason: "has a meaning for class event only".into(),
                example: "class: event".into(),
            });
        }
    }
    let time = |field: &str| spec[field].as_str().and_then(ow_domain::Time::parse_rfc3339);
    if let (Some(start), Some(end)) = (time("eventStart"), time("eventEnd"))
        && end <= start
    {
        faults.push(Fault {
            field: "eventEnd".into(),
            value: spec["eventEnd"].as_str().unwrap_or_default().to_owned(),
            reason: "is not after eventStart".into(),
            example: (start + ow_domain::Span::from_secs(2 * 3600)).to_string(),
        });
    }
    faults
}

fn repeated(spec: &Value, field: &str) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let names = spec[field].as_array().map(Vec::as_slice).unwrap_or_default();
    names
        .iter()
        .enumerate()
        .filter_map(|(n, name)| Some((n, name.as_str()?)))
        .filter(|(_, name)| !seen.insert(*name))
        .map(|(n, name)| Fault {
            field: format!("{field}[{n}]"),
            value: name.to_owned(),
            reason: "is in the list twice".into(),
            example: String::new(),
        })
        .collect()
}

/// Check settings of a template or of a channel's overrides.
fn settings(spec: &Value, prefix: &str) -> Vec<Fault> {
    let checks = match crate::compile::checks(&spec["checks"]) {
        Ok(checks) => checks,
        // The table has checked every field; this is for what it may have missed.
        Err(reason) => {
            return vec![Fault {
                field: format!("{prefix}checks"),
                value: String::new(),
                reason: format!("are not readable: {reason}"),
                example: "{appleRules: true}".into(),
            }];
        }
    };
    ow_checks::validate_overrides(&checks)
        .into_iter()
        .map(|p| Fault {
            // Ids and parameters keep their spelling; seconds are a matter of the stored form.
            field: if p.field.starts_with("overrides.") {
                format!("{prefix}checks.{}", p.field)
            } else {
                format!("{prefix}checks.{}", camel(p.field.trim_end_matches("_s")))
            },
            value: p.value,
            reason: p.reason,
            example: String::new(),
        })
        .collect()
}

/// `min_severity` -> `minSeverity`, as documents write it.
pub(crate) fn camel(snake: &str) -> String {
    let mut out = String::with_capacity(snake.len());
    let mut upper = false;
    for c in snake.chars() {
        match c {
            '_' => upper = true,
            _ if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            _ => out.push(c),
        }
    }
    out
}
