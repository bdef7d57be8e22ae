//! Many changes of one kind in one request. `atomic`: all or nothing; else each that can be made is made, all of them
//! in one transaction, and each has its own result.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ow_config::Document;
use ow_domain::Slug;
use ow_domain::access::Principal;
use ow_domain::config::{ConfigChange, ConfigKind, ConfigObject};
use ow_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::edit::{ATTEMPTS, Parts, document, fill_in, merged, problems_of, refuse_outside_scope};
use super::read::not_found;
use super::shown::problem_of_store;
use crate::Shared;
use crate::http::{Caller, ErrorItem, JsonBody, Problem, Query};
use crate::publish::reconcile_config;

/// Most operations of one request.
pub const MAX_OPS: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    Put,
    Patch,
    Delete,
}

/// One change.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkOp {
    op: Verb,
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    name: String,
    /// Only if the object is at this revision.
    #[serde(default)]
    if_match: Option<u64>,
    /// For put and patch.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    labels: Option<Value>,
    /// For put; for patch what is merged into the stored spec.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    spec: Option<Value>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// All or nothing. False: each change that can be made is made.
    #[serde(default = "yes")]
    #[schema(default = true)]
    atomic: bool,
    #[schema(min_items = 1, max_items = 1000)]
    ops: Vec<BulkOp>,
}

fn yes() -> bool {
    true
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BulkResult {
    pub name: String,
    pub op: Verb,
    /// As a request of its own would have been answered: 200, 201, 204, 404, 409, 412, 422.
    pub status: u16,
    /// Of the object afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The problem document of a change that was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub problem: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BulkDone {
    pub dry_run: bool,
    /// Of the configuration afterwards; of now for a dry run.
    pub revision: u64,
    /// In the order of the request.
    pub items: Vec<BulkResult>,
}

pub async fn bulk(
    kind: ConfigKind,
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
    JsonBody(body): JsonBody<Bulk>,
) -> Result<Json<BulkDone>, Problem> {
    let dry_run = query.flag("dry_run");
    query.finish()?;
    if body.ops.is_empty() || body.ops.len() > MAX_OPS {
        let message = format!("has {} entries; it must have 1 to {MAX_OPS}", body.ops.len());
        return Err(Problem::invalid(vec![ErrorItem::new("/ops", "invalid-value", message)]));
    }
    let by = principal.changed_by("api");
    let mut attempt = 1;
    loop {
        let snapshot = shared.store.load_config().await.map_err(|error| problem_of_store(&error))?;
        let tried = if body.atomic {
            together(kind, &body.ops, &snapshot.objects, &principal)?
        } else {
            one_by_one(kind, &body.ops, &snapshot.objects, &principal)
        };
        let mut revision = snapshot.revision;
        if !dry_run && !tried.changes.is_empty() {
            let sealed = crate::sealing::seal_changes(tried.changes.clone());
            let sealed = sealed.map_err(|error| super::edit::problem_of_seal(&error))?;
            revision = match shared.store.apply_config(&sealed, &by).await {
                Ok(revision) => revision,
                Err(StoreError::Conflict { .. }) if attempt < ATTEMPTS => {
                    attempt += 1;
                    continue;
                }
                Err(error) => return Err(problem_of_store(&error)),
            };
            if matches!(kind, ConfigKind::Channel | ConfigKind::Template | ConfigKind::Probe) {
                // The keeper does it anyway; doing it now means that the answer is the truth.
                if let Err(error) = reconcile_config(&shared.store, &shared.bus).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "changed, but not published yet");
                }
            }
        }
        let changed: Vec<&Slug> = tried.changes.iter().filter_map(put_name).collect();
        let items = tried.items.into_iter().map(|mut item| {
            if !dry_run && changed.iter().any(|name| name.as_str() == item.name) && item.problem.is_none() {
                item.revision = Some(revision);
            }
            item
        });
        return Ok(Json(BulkDone { dry_run, revision, items: items.collect() }));
    }
}

fn put_name(change: &ConfigChange) -> Option<&Slug> {
    match change {
        ConfigChange::Create(object) | ConfigChange::Update(object) => Some(&object.name),
        ConfigChange::Delete { .. } => None,
    }
}

/// What would be changed, and the result of each operation.
struct Tried {
    changes: Vec<ConfigChange>,
    items: Vec<BulkResult>,
}

/// An operation that can be read and is allowed.
enum Step {
    Put(Box<Document>),
    Delete(Slug),
}

fn step(kind: ConfigKind, op: &BulkOp, objects: &[ConfigObject], principal: &Principal) -> Result<Step, Problem> {
    let name = Slug::new(&op.name).map_err(|error| {
        Problem::invalid(vec![ErrorItem::new("/name", "invalid-value", error.to_string()).example("vtv3")])
    })?;
    let stored = objects.iter().find(|o| o.kind == kind && o.name == name);
    if stored.is_some_and(|stored| kind == ConfigKind::Channel && !principal.sees(&stored.labels)) {
        return Err(not_found(kind, &op.name));
    }
    if let (Some(wanted), Some(stored)) = (op.if_match, stored)
        && wanted != stored.revision
    {
        return Err(Problem::stale(crate::http::ETag(stored.revision)));
    }
    if op.if_match.is_some() && stored.is_none() {
        return Err(not_found(kind, &op.name));
    }
    let parts = Parts { labels: op.labels.as_ref(), spec: op.spec.as_ref() };
    let step = match op.op {
        Verb::Put => {
            let mut spec = op.spec.clone().unwrap_or_else(|| serde_json::json!({}));
            fill_in(kind, &mut spec, stored, principal);
            Step::Put(Box::new(document(kind, &name, parts.labels, Some(&spec))?))
        }
        Verb::Patch => Step::Put(Box::new(merged(stored.ok_or_else(|| not_found(kind, &op.name))?, &parts)?)),
        Verb::Delete if stored.is_none() => return Err(not_found(kind, &op.name)),
        Verb::Delete => Step::Delete(name),
    };
    let wanted = match &step {
        Step::Put(document) => Some(&document.object),
        Step::Delete(_) => None,
    };
    refuse_outside_scope(principal, kind, wanted, objects)?;
    Ok(step)
}

fn result(op: &BulkOp, stored: Option<&ConfigObject>) -> BulkResult {
    let status = match (op.op, stored) {
        (Verb::Delete, _) => StatusCode::NO_CONTENT,
        (_, None) => StatusCode::CREATED,
        (_, Some(_)) => StatusCode::OK,
    };
    let revision = stored.filter(|_| op.op != Verb::Delete).map(|stored| stored.revision);
    BulkResult { name: op.name.clone(), op: op.op, status: status.as_u16(), revision, problem: None }
}

/// All operations as one change. Every problem of every operation is told.
fn together(
    kind: ConfigKind,
    ops: &[BulkOp],
    objects: &[ConfigObject],
    principal: &Principal,
) -> Result<Tried, Problem> {
    let (mut puts, mut deletes, mut items, mut errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, op) in ops.iter().enumerate() {
        if let Some(first) = numbers.insert(&op.name, n) {
            let message = format!("is the name of operation {first} as well; with atomic each object is changed once");
            errors.push(ErrorItem::new(format!("/ops/{n}/name"), "duplicate-object", message));
            continue;
        }
        items.push(result(op, objects.iter().find(|o| o.kind == kind && o.name.as_str() == op.name)));
        match step(kind, op, objects, principal) {
            Ok(Step::Put(document)) => puts.push(*document),
            Ok(Step::Delete(name)) => deletes.push((kind, name)),
            Err(problem) => errors.extend(at(problem, n)),
        }
    }
    let plan = ow_config::plan_edits(objects, &puts, &deletes);
    if let Err(problems) = &plan {
        for problem in problems {
            let name = problem.object.split_once('/').map_or("", |(_, name)| name);
            let n = numbers.get(name).copied().unwrap_or_default();
            errors.extend(problems_of(std::slice::from_ref(problem), &format!("/ops/{n}")));
        }
    }
    match plan {
        Ok(plan) if errors.is_empty() => Ok(Tried { changes: plan.changes(), items }),
        _ => Err(Problem::invalid(errors)),
    }
}

/// A problem of operation `n` as parts of one of the whole request.
fn at(problem: Problem, n: usize) -> Vec<ErrorItem> {
    let shown = serde_json::to_value(&problem).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts = shown["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    if parts.is_empty() {
        return vec![ErrorItem::new(format!("/ops/{n}"), text(&shown["code"]), text(&shown["detail"]))];
    }
    let part = |part: &Value| {
        let pointer = format!("/ops/{n}{}", text(&part["pointer"]));
        let item = ErrorItem::new(pointer, text(&part["code"]), text(&part["message"]));
        if part["example"].is_null() { item } else { item.example(part["example"].clone()) }
    };
    parts.iter().map(part).collect()
}

/// Each operation after those before it; those that cannot be made are left out.
fn one_by_one(kind: ConfigKind, ops: &[BulkOp], objects: &[ConfigObject], principal: &Principal) -> Tried {
    let mut now: Vec<ConfigObject> = objects.to_vec();
    let mut items = Vec::new();
    for op in ops {
        let mut item = result(op, now.iter().find(|o| o.kind == kind && o.name.as_str() == op.name));
        let planned = step(kind, op, &now, principal).and_then(|step| {
            let (puts, deletes) = match step {
                Step::Put(document) => (vec![*document], Vec::new()),
                Step::Delete(name) => (Vec::new(), vec![(kind, name)]),
            };
            ow_config::plan_edits(&now, &puts, &deletes)
                .map_err(|problems| Problem::invalid(problems_of(&problems, "")))
        });
        match planned {
            Ok(plan) => {
                for object in plan.create.into_iter().chain(plan.update.into_iter().map(|u| u.object)) {
                    now.retain(|o| (o.kind, &o.name) != (object.kind, &object.name));
                    now.push(object);
                }
                for object in plan.delete {
                    now.retain(|o| (o.kind, &o.name) != (object.kind, &object.name));
                }
            }
            Err(problem) => {
                item.status = problem.status().as_u16();
                item.revision = None;
                item.problem = serde_json::to_value(&problem).ok();
            }
        }
        items.push(item);
    }
    Tried { changes: net(objects, &now), items }
}

/// From what is stored to what shall be.
fn net(before: &[ConfigObject], after: &[ConfigObject]) -> Vec<ConfigChange> {
    let key = |o: &ConfigObject| (o.kind, o.name.clone());
    let old: BTreeMap<_, &ConfigObject> = before.iter().map(|o| (key(o), o)).collect();
    let new: BTreeMap<_, &ConfigObject> = after.iter().map(|o| (key(o), o)).collect();
    let puts = new.iter().filter_map(|(key, object)| match old.get(key) {
        None => Some(ConfigChange::Create((*object).clone())),
        Some(stored) if (&stored.labels, &stored.spec) != (&object.labels, &object.spec) => {
            Some(ConfigChange::Update(ConfigObject { revision: stored.revision, ..(*object).clone() }))
        }
        Some(_) => None,
    });
    let deletes = old.iter().filter(|(key, _)| !new.contains_key(*key)).map(|((kind, name), object)| {
        ConfigChange::Delete { kind: *kind, name: name.clone(), revision: object.revision }
    });
    puts.chain(deletes).collect()
}
