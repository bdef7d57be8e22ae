//! What applying documents would change, and whether all that they refer to exists then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ow_domain::Slug;
use ow_domain::config::{ConfigChange, ConfigKind, ConfigObject};
use serde::Serialize;
use serde_json::Value;

use crate::compile::MAX_TEMPLATE_CHAIN;
use crate::document::Document;
use crate::problem::{Code, Path, Problem, clip, nearest};

/// Objects that are stored but not described: left alone, or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    #[default]
    Keep,
    Prune,
}

/// One difference inside an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// `spec.streams[main].url`.
    pub field: String,
    /// JSON text cut to 120 characters; empty when there was nothing; `(hidden)` where it may be a secret.
    pub before: String,
    pub after: String,
}

/// An object that is stored otherwise than described.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// As it shall be, with the revision that is stored.
    pub object: ConfigObject,
    pub fields: Vec<FieldChange>,
}

/// All that applying would do; each list is sorted by kind and name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    pub create: Vec<ConfigObject>,
    pub update: Vec<Update>,
    pub delete: Vec<ConfigObject>,
    pub unchanged: Vec<(ConfigKind, Slug)>,
}

/// Compares documents with what is stored. Problems: references to what would not exist, template chains that are too
/// long or a circle.
pub fn plan(stored: &[ConfigObject], wanted: &[Document], unlisted: Unlisted) -> Result<Plan, Vec<Problem>> {
    let old: BTreeMap<_, _> = stored.iter().map(|o| ((o.kind, &o.name), o)).collect();
    let new: BTreeMap<_, _> = wanted.iter().map(|d| ((d.object.kind, &d.object.name), &d.object)).collect();
    let mut after = match unlisted {
        Unlisted::Keep => old.clone(),
        Unlisted::Prune => BTreeMap::new(),
    };
    after.extend(new.iter().map(|(key, object)| (*key, *object)));
    let problems: Vec<Problem> = wanted.iter().flat_map(|document| references(document, &after)).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut plan = Plan::default();
    for (key, object) in &new {
        match old.get(key) {
            None => plan.create.push((*object).clone()),
            Some(stored) => {
                let fields = differences(stored, object);
                if fields.is_empty() {
                    plan.unchanged.push((key.0, key.1.clone()));
                } else {
                    let object = ConfigObject { revision: stored.revision, ..(*object).clone() };
                    plan.update.push(Update { object, fields });
                }
            }
        }
    }
    if unlisted == Unlisted::Prune {
        plan.delete = old.iter().filter(|(key, _)| !new.contains_key(key)).map(|(_, o)| (*o).clone()).collect();
    }
    Ok(plan)
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.update.is_empty() && self.delete.is_empty()
    }

    /// For the store.
    pub fn changes(&self) -> Vec<ConfigChange> {
        let create = self.create.iter().map(|o| ConfigChange::Create(o.clone()));
        let update = self.update.iter().map(|u| ConfigChange::Update(u.object.clone()));
        let delete = self.delete.iter().map(|o| ConfigChange::Delete {
            kind: o.kind,
            name: o.name.clone(),
            revision: o.revision,
        });
        create.chain(update).chain(delete).collect()
    }

    /// For programs: `{create: ["Channel/vtv3"], update: [{object, fields}], delete, unchanged}`.
    pub fn to_json(&self) -> Value {
        let name = |o: &ConfigObject| format!("{}/{}", o.kind, o.name);
        serde_json::json!({
            "create": self.create.iter().map(name).collect::<Vec<_>>(),
            "update": self.update.iter()
                .map(|u| serde_json::json!({"object": name(&u.object), "fields": u.fields}))
                .collect::<Vec<_>>(),
            "delete": self.delete.iter().map(name).collect::<Vec<_>>(),
            "unchanged": self.unchanged.iter().map(|(kind, name)| format!("{kind}/{name}")).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Plan {
    /// One line per change (`+` create, `~` update with its fields, `-` delete) and a line of counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for object in &self.create {
            writeln!(f, "+ {}/{}", object.kind, object.name)?;
        }
        for update in &self.update {
            writeln!(f, "~ {}/{}", update.object.kind, update.object.name)?;
            for change in &update.fields {
                let shown = |text: &str| if text.is_empty() { "(nothing)".to_owned() } else { text.to_owned() };
                writeln!(f, "    {}: {} -> {}", change.field, shown(&change.before), shown(&change.after))?;
            }
        }
        for object in &self.delete {
            writeln!(f, "- {}/{}", object.kind, object.name)?;
        }
        write!(
            f,
            "{} to create, {} to update, {} to delete, {} unchanged",
            self.create.len(),
            self.update.len(),
            self.delete.len(),
            self.unchanged.len()
        )
    }
}

/// Differences of labels and spec, field by field.
fn differences(old: &ConfigObject, new: &ConfigObject) -> Vec<FieldChange> {
    let mut out = Vec::new();
    let labels = |o: &ConfigObject| serde_json::to_value(&o.labels).unwrap_or_default();
    differ("metadata.labels", Some(&labels(old)), Some(&labels(new)), &mut out);
    differ("spec", Some(&old.spec), Some(&new.spec), &mut out);
    out
}

fn differ(field: &str, old: Option<&Value>, new: Option<&Value>, out: &mut Vec<FieldChange>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                differ(&format!("{field}.{key}"), a.get(key), b.get(key), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if by_name(a).is_some() && by_name(b).is_some() => {
            let (named_a, named_b) = (by_name(a).unwrap_or_default(), by_name(b).unwrap_or_default());
            let n_before = out.len();
            let names: BTreeSet<&str> = named_a.keys().chain(named_b.keys()).copied().collect();
            for name in names {
                differ(&format!("{field}[{name}]"), named_a.get(name).copied(), named_b.get(name).copied(), out);
            }
            if out.len() == n_before {
                let order = |items: &BTreeMap<&str, &Value>, list: &[Value]| -> String {
                    let names: Vec<&str> = list.iter().filter_map(|v| v["name"].as_str()).collect();
                    debug_assert_eq!(names.len(), items.len());
                    names.join(", ")
                };
                out.push(FieldChange {
                    field: format!("{field} (order)"),
                    before: clip(&order(&named_a, a), 120),
                    after: clip(&order(&named_b, b), 120),
                });
            }
        }
        _ => {
            let secret = field.contains(".headers");
            let shown = |value: Option<&Value>| match value {
                None => String::new(),
                Some(_) if secret => "(hidden)".to_owned(),
                Some(value) => clip(&without_headers(value).to_string(), 120),
            };
            out.push(FieldChange { field: field.to_owned(), before: shown(old), after: shown(new) });
        }
    }
}

fn without_headers(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let value = if key == "headers" { "(hidden)".into() } else { without_headers(value) };
                    (key.clone(), value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_headers).collect()),
        other => other.clone(),
    }
}

/// The items of a list of named objects.
fn by_name(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let named: BTreeMap<&str, &Value> = items.iter().filter_map(|i| Some((i.get("name")?.as_str()?, i))).collect();
    (named.len() == items.len() && !items.is_empty()).then_some(named)
}

type Objects<'a> = BTreeMap<(ConfigKind, &'a Slug), &'a ConfigObject>;

/// Problems with what a document refers to.
fn references(document: &Document, objects: &Objects<'_>) -> Vec<Problem> {
    let spec = &document.object.spec;
    let path = Path::default().key("spec");
    let mut problems = Vec::new();
    let mut need = |kind: ConfigKind, name: &str, path: &Path| {
        if Slug::new(name).is_ok_and(|slug| objects.contains_key(&(kind, &slug))) {
            return;
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
        problems.push(document.problem(path, Code::UnknownReference, name, reason, ""));
    };
    let mut need_all = |kind, field: &str| {
        for (n, name) in spec[field].as_array().into_iter().flatten().enumerate() {
            need(kind, name.as_str().unwrap_or_default(), &path.key(field).index(n));
        }
    };
    match document.object.kind {
        ConfigKind::Channel => {
            need_all(ConfigKind::Probe, "probes");
            if let Some(template) = spec["template"].as_str() {
                need(ConfigKind::Template, template, &path.key("template"));
            }
        }
        ConfigKind::Route => need_all(ConfigKind::Receiver, "receivers"),
        ConfigKind::Template => {
            if let Some(parent) = spec["extends"].as_str() {
                need(ConfigKind::Template, parent, &path.key("extends"));
                problems.extend(chain_fault(document, objects));
            }
        }
        ConfigKind::Probe | ConfigKind::Receiver => {}
    }
    problems
}

fn chain_fault(document: &Document, objects: &Objects<'_>) -> Option<Problem> {
    let mut names = vec![document.object.name.as_str()];
    let mut at = &document.object;
    while let Some(parent) = at.spec["extends"].as_str() {
        let circle = names.contains(&parent);
        names.push(parent);
        if circle || names.len() > MAX_TEMPLATE_CHAIN {
            let reason = if circle {
                format!("templates extend each other in a circle: {}", names.join(" -> "))
            } else {
                format!("more than {MAX_TEMPLATE_CHAIN} templates extend each other")
            };
            let path = Path::default().key("spec").key("extends");
            return Some(document.problem(&path, Code::InvalidValue, names[1], reason, ""));
        }
        at = Slug::new(parent).ok().and_then(|slug| objects.get(&(ConfigKind::Template, &slug)).copied())?;
    }
    None
}
