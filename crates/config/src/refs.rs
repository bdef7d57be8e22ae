//! What objects refer to by name.
//!
//! Two references are loose on purpose: the packager of a channel and the region of a channel or probe are names first,
//! and an object of that name only adds what is known of it. Everything else must exist.

use ow_domain::Slug;
use ow_domain::config::{ConfigKind, ConfigObject};
use serde_json::Value;

use std::collections::BTreeMap;

use crate::compile::MAX_TEMPLATE_CHAIN;
use crate::document::Document;
use crate::problem::{Code, Path, Problem, nearest};

pub type Objects<'a> = BTreeMap<(ConfigKind, &'a Slug), &'a ConfigObject>;

/// One name of another object.
struct Reference<'a> {
    at: Path,
    kind: ConfigKind,
    name: &'a str,
}

/// All references that must lead somewhere.
fn references_of(object: &ConfigObject) -> Vec<Reference<'_>> {
    let root = Path::default().key("spec");
    let spec = &object.spec;
    let one = |kind, field: &str| {
        let name = spec[field].as_str();
        name.map(|name| Reference { at: root.key(field), kind, name }).into_iter().collect::<Vec<_>>()
    };
    let all = |kind, field: &str| {
        let names = spec[field].as_array().map(Vec::as_slice).unwrap_or_default();
        let names = names.iter().map(|name| name.as_str().unwrap_or_default()).enumerate();
        names.map(|(n, name)| Reference { at: root.key(field).index(n), kind, name }).collect::<Vec<_>>()
    };
    match object.kind {
        ConfigKind::Channel => {
            let mut found = all(ConfigKind::Probe, "probes");
            found.extend(one(ConfigKind::Template, "template"));
            found
        }
        ConfigKind::Route => all(ConfigKind::Receiver, "receivers"),
        ConfigKind::Template => one(ConfigKind::Template, "extends"),
        ConfigKind::Region => one(ConfigKind::Region, "parent"),
        ConfigKind::Packager => one(ConfigKind::Region, "region"),
        ConfigKind::Group => all(ConfigKind::Channel, "channels"),
        ConfigKind::Maintenance => all(ConfigKind::Group, "groups"),
        ConfigKind::Probe | ConfigKind::Receiver | ConfigKind::Silence => Vec::new(),
    }
}

/// Problems with what a document refers to, given all that will exist.
pub fn faults(document: &Document, objects: &Objects<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for Reference { at, kind, name } in references_of(&document.object) {
        if Slug::new(name).is_ok_and(|slug| objects.contains_key(&(kind, &slug))) {
            continue;
        }
        let known = objects.keys().filter(|(k, _)| *k == kind).map(|(_, name)| name.as_str());
        let hint = match nearest(name, known.clone()) {
            Some(near) => format!("; did you mean {near:?}?"),
            None => {
                let some: Vec<&str> = known.take(5).collect();
                if some.is_empty() {
                    format!("; no {kind} exists")
                } else {
                    format!("; {kind}s are {}", some.join(", "))
                }
            }
        };
        let reason = format!("no {kind} of this name is in these documents or in the store{hint}");
        problems.push(document.problem(&at, Code::UnknownReference, name, reason, ""));
    }
    let chain = match document.object.kind {
        ConfigKind::Template => Some(("extends", "templates extend each other")),
        ConfigKind::Region => Some(("parent", "regions are part of each other")),
        _ => None,
    };
    problems.extend(chain.and_then(|(field, words)| chain_fault(document, objects, field, words)));
    problems
}

fn chain_fault(document: &Document, objects: &Objects<'_>, field: &str, words: &str) -> Option<Problem> {
    let kind = document.object.kind;
    let mut names = vec![document.object.name.as_str()];
    let mut at = &document.object;
    while let Some(parent) = at.spec[field].as_str() {
        let circle = names.contains(&parent);
        names.push(parent);
        if circle || names.len() > MAX_TEMPLATE_CHAIN {
            let reason = if circle {
                format!("{words} in a circle: {}", names.join(" -> "))
            } else {
                format!("more than {MAX_TEMPLATE_CHAIN} {words}")
            };
            let path = Path::default().key("spec").key(field);
            return Some(document.problem(&path, Code::InvalidValue, names[1], reason, ""));
        }
        at = Slug::new(parent).ok().and_then(|slug| objects.get(&(kind, &slug)).copied())?;
    }
    None
}

/// Objects that would lose what they refer to: one problem for each object that was to be deleted.
pub fn still_used<'a>(deleted: &[&'a ConfigObject], after: &Objects<'a>) -> Vec<Problem> {
    if deleted.is_empty() {
        return Vec::new();
    }
    let mut users: BTreeMap<(ConfigKind, &str), Vec<String>> = BTreeMap::new();
    for object in after.values() {
        for reference in references_of(object) {
            let users = users.entry((reference.kind, reference.name)).or_default();
            if users.len() < 4 {
                users.push(format!("{}/{}", object.kind, object.name));
            }
        }
    }
    deleted
        .iter()
        .filter_map(|object| {
            let mut users = users.get(&(object.kind, object.name.as_str()))?.clone();
            if users.len() > 3 {
                users[3] = "others".into();
            }
            Some(Problem {
                file: "store".into(),
                line: 0,
                object: format!("{}/{}", object.kind, object.name),
                field: String::new(),
                pointer: String::new(),
                code: Code::StillUsed,
                value: String::new(),
                reason: format!("cannot be deleted: it is used by {}", users.join(", ")),
                example: String::new(),
            })
        })
        .collect()
}

/// Name of a value that may be missing, for lists of what uses a loose name.
pub fn loose_names(object: &ConfigObject) -> impl Iterator<Item = (ConfigKind, &str)> {
    let text = |field: &str| object.spec.get(field).and_then(Value::as_str);
    let (packager, region) = match object.kind {
        ConfigKind::Channel => (text("packager"), text("region")),
        ConfigKind::Probe => (None, text("region")),
        _ => (None, None),
    };
    packager.map(|name| (ConfigKind::Packager, name)).into_iter().chain(region.map(|name| (ConfigKind::Region, name)))
}
