//! What applying documents would change, and whether all that they refer to exists then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ow_domain::Slug;
use ow_domain::config::{ConfigChange, ConfigKind, ConfigObject, MANAGED_BY};
use serde::Serialize;
use serde_json::Value;

use crate::document::Document;
use crate::problem::{Code, Path, Problem, clip};
use crate::refs::{self, Objects};
use crate::schema::MAX_PROBLEMS;
use crate::secrets::{self, HIDDEN};

/// On whose behalf documents are applied. The owner's name is written into the label `managed-by` of every object that
/// the documents describe; without an owner the label stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub name: Slug,
    /// Delete the owner's objects that are not described. Those of other owners and of nobody stay.
    pub prune: bool,
    /// Take objects that another owner looks after; else describing one is a problem.
    pub take_over: bool,
}

impl Owner {
    /// Neither deletes nor takes.
    pub fn new(name: Slug) -> Self {
        Self { name, prune: false, take_over: false }
    }
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

/// Compares documents with what is stored. Problems: references to what would not exist, chains that are too long or a
/// circle, objects of another owner, deletion of what is still used.
pub fn plan(stored: &[ConfigObject], wanted: &[Document], owner: Option<&Owner>) -> Result<Plan, Vec<Problem>> {
    let old: BTreeMap<_, _> = stored.iter().map(|o| ((o.kind, &o.name), o)).collect();
    let mut problems = Vec::new();
    let mut puts = Vec::with_capacity(wanted.len());
    for document in wanted {
        let before = old.get(&(document.object.kind, &document.object.name)).copied();
        match owned(document, before, owner) {
            Ok(object) => puts.push((document, object)),
            Err(problem) => problems.push(*problem),
        }
    }
    problems.extend(restore_secrets(&old, &mut puts));
    let deletes: Vec<&ConfigObject> = match owner {
        Some(owner) if owner.prune => {
            let described: BTreeSet<_> = wanted.iter().map(|d| (d.object.kind, &d.object.name)).collect();
            let theirs = stored.iter().filter(|o| o.managed_by() == Some(owner.name.as_str()));
            theirs.filter(|o| !described.contains(&(o.kind, &o.name))).collect()
        }
        _ => Vec::new(),
    };
    let planned = compare(&old, puts, &deletes);
    match planned {
        Ok(plan) if problems.is_empty() => Ok(plan),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// The plan of single writes and deletions, for REST: labels are taken as they are. Deleting what is not there is no
/// problem and no change.
pub fn plan_edits(
    stored: &[ConfigObject],
    puts: &[Document],
    deletes: &[(ConfigKind, Slug)],
) -> Result<Plan, Vec<Problem>> {
    let old: BTreeMap<_, _> = stored.iter().map(|o| ((o.kind, &o.name), o)).collect();
    let deletes: Vec<&ConfigObject> =
        deletes.iter().filter_map(|(kind, name)| old.get(&(*kind, name)).copied()).collect();
    let mut puts: Vec<_> = puts.iter().map(|document| (document, document.object.clone())).collect();
    let mut problems = restore_secrets(&old, &mut puts);
    match compare(&old, puts, &deletes) {
        Ok(plan) if problems.is_empty() => Ok(plan),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// Secrets that were not shown and come back as they were shown keep their stored value.
fn restore_secrets(
    old: &BTreeMap<(ConfigKind, &Slug), &ConfigObject>,
    puts: &mut [(&Document, ConfigObject)],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (document, object) in puts {
        let stored = old.get(&(object.kind, &object.name)).map(|stored| &stored.spec);
        for path in secrets::restore(object.kind, &mut object.spec, stored) {
            let reason = "stands for a value that is not shown, and nothing is stored here".to_owned();
            problems.push(document.problem(&path, Code::InvalidValue, HIDDEN, reason, "the value itself"));
        }
    }
    problems
}

/// The object of a document with the label of its owner.
fn owned(
    document: &Document,
    before: Option<&ConfigObject>,
    owner: Option<&Owner>,
) -> Result<ConfigObject, Box<Problem>> {
    let mut object = document.object.clone();
    let stored = before.and_then(ConfigObject::managed_by);
    let said = object.managed_by().map(str::to_owned);
    let path = Path::default().key("metadata").key("labels").key(MANAGED_BY);
    let problem = |value: &str, reason: String| {
        Box::new(document.problem(
            &path,
            Code::OtherOwner,
            value,
            reason,
            "take the object over, or apply as its owner",
        ))
    };
    let label = match (owner, said) {
        (Some(owner), Some(said)) if said != owner.name.as_str() && !owner.take_over => {
            return Err(problem(&said, format!("is not {:?}, the owner that applies", owner.name)));
        }
        (Some(owner), _) => {
            if let Some(other) = stored.filter(|other| *other != owner.name.as_str())
                && !owner.take_over
            {
                return Err(problem(other, "is the owner that looks after the stored object".into()));
            }
            Some(owner.name.to_string())
        }
        (None, Some(said)) => Some(said),
        (None, None) => stored.map(str::to_owned),
    };
    if let Some(label) = label {
        object.labels.insert(MANAGED_BY.to_owned(), label);
    }
    Ok(object)
}

fn compare<'a>(
    old: &BTreeMap<(ConfigKind, &'a Slug), &'a ConfigObject>,
    puts: Vec<(&Document, ConfigObject)>,
    deletes: &[&'a ConfigObject],
) -> Result<Plan, Vec<Problem>> {
    let mut after: Objects<'_> = old.clone();
    for object in deletes {
        after.remove(&(object.kind, &object.name));
    }
    after.extend(puts.iter().map(|(_, object)| ((object.kind, &object.name), object)));
    let mut problems: Vec<Problem> =
        puts.iter().flat_map(|(document, _)| refs::faults(document, &after)).take(MAX_PROBLEMS).collect();
    // What is described wrongly is told above.
    let described: BTreeSet<_> = puts.iter().map(|(_, object)| (object.kind, &object.name)).collect();
    let others: Objects<'_> =
        after.iter().filter(|(key, _)| !described.contains(*key)).map(|(key, object)| (*key, *object)).collect();
    problems.extend(refs::still_used(deletes, &others));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut plan = Plan::default();
    let mut sorted: Vec<ConfigObject> = puts.into_iter().map(|(_, object)| object).collect();
    sorted.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    for object in sorted {
        match old.get(&(object.kind, &object.name)) {
            None => plan.create.push(object),
            Some(stored) => {
                let fields = differences(stored, &object);
                if fields.is_empty() {
                    plan.unchanged.push((object.kind, object.name));
                } else {
                    let object = ConfigObject { revision: stored.revision, ..object };
                    plan.update.push(Update { object, fields });
                }
            }
        }
    }
    plan.delete = deletes.iter().map(|object| (*object).clone()).collect();
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
            let is_sealed = |value: Option<&Value>| {
                let text = value.and_then(Value::as_str).unwrap_or_default();
                text.starts_with(secrets::VALUE) || text.starts_with(secrets::SEALED)
            };
            let secret = field.contains(".headers") || is_sealed(old) || is_sealed(new);
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
        Value::String(text) if text.starts_with(secrets::VALUE) || text.starts_with(secrets::SEALED) => HIDDEN.into(),
        other => other.clone(),
    }
}

/// The items of a list of named objects.
fn by_name(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let named: BTreeMap<&str, &Value> = items.iter().filter_map(|i| Some((i.get("name")?.as_str()?, i))).collect();
    (named.len() == items.len() && !items.is_empty()).then_some(named)
}
