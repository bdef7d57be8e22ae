//! Changes of one object: create or replace, merge, delete. What is stored is read, the change is planned against it,
//! and both are one transaction: whoever was faster makes the plan anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ow_config::{Code, Document};
use ow_domain::Slug;
use ow_domain::access::{Principal, Role};
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::{Span, Time};
use ow_store::StoreError;
use ow_store::config::StoredObject;
use serde_json::{Map, Value, json};

use super::read::{not_found, slug};
use super::shown::{Known, now, problem_of_store, shown, shown_time};
use crate::Shared;
use crate::http::{Caller, ETag, ErrorItem, IfMatch, JsonBody, Problem, Query, merge_patch};

/// Somebody else changed the configuration while we planned; then the plan is made anew, so often at most.
pub const ATTEMPTS: usize = 5;
/// Longest silence that an operator makes; engineers make longer ones.
const OPERATOR_SILENCE: Span = Span::from_secs(4 * 3600);
/// Members of an answer that a body may hold as well and that say nothing.
const READ_ONLY: [&str; 10] = [
    "revision",
    "changed_at",
    "managed_by",
    "status",
    "conditions",
    "stream_states",
    "enrolled",
    "state",
    "active_window",
    "next_window",
];

/// `If-Match` and `If-None-Match` of a request.
#[derive(Debug)]
pub struct Precondition {
    if_match: IfMatch,
    /// `If-None-Match: *`: only if nothing is there.
    only_new: bool,
    required: bool,
}

impl Precondition {
    /// `required`: a change of what is there needs `If-Match`.
    pub fn new(if_match: IfMatch, headers: &HeaderMap, required: bool) -> Self {
        let only_new = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == b"*");
        Self { if_match, only_new, required }
    }

    /// Whether the change is wanted, given what is stored. The refusal tells what is stored.
    fn check(&self, stored: Option<&ConfigObject>, principal: &Principal) -> Result<(), Problem> {
        let Some(object) = stored else {
            return match self.if_match {
                IfMatch::Absent => Ok(()),
                _ => Err(Problem::new(
                    StatusCode::PRECONDITION_FAILED,
                    "stale",
                    "Changed by somebody else",
                    "it is not there, or not any more",
                )),
            };
        };
        let current = |problem: Problem| {
            let stored = StoredObject { object: object.clone(), changed_at: Time::UNIX_EPOCH };
            let mut body = shown(&stored, principal);
            if let Some(body) = body.as_object_mut() {
                body.remove("changed_at");
            }
            problem.current(body)
        };
        if self.only_new {
            return Err(current(Problem::stale(ETag(object.revision))));
        }
        if self.required && self.if_match == IfMatch::Absent {
            return IfMatch::Absent.required().map(drop);
        }
        self.if_match.check(object.revision).map_err(current)
    }
}

pub async fn put(
    kind: ConfigKind,
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    headers: (IfMatch, HeaderMap),
    mut query: Query,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, Problem> {
    let dry_run = query.flag("dry_run");
    query.finish()?;
    let name = Slug::new(&name).map_err(|error| Problem::bad_request("invalid-name", error.to_string()))?;
    let parts = Parts::read(&body, Some(&name))?;
    let precondition = Precondition::new(headers.0, &headers.1, true);
    edit(&shared, &principal, kind, &name, &precondition, dry_run, |stored| {
        let mut spec = parts.spec.cloned().unwrap_or_else(|| json!({}));
        fill_in(kind, &mut spec, stored, &principal);
        document(kind, &name, parts.labels, Some(&spec)).map(Some)
    })
    .await
}

pub async fn patch(
    kind: ConfigKind,
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    headers: (IfMatch, HeaderMap),
    mut query: Query,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, Problem> {
    let dry_run = query.flag("dry_run");
    query.finish()?;
    let name = slug(kind, &name)?;
    let parts = Parts::read(&body, Some(&name))?;
    let precondition = Precondition::new(headers.0, &headers.1, false);
    edit(&shared, &principal, kind, &name, &precondition, dry_run, |stored| {
        let stored = stored.ok_or_else(|| not_found(kind, name.as_str()))?;
        merged(stored, &parts).map(Some)
    })
    .await
}

pub async fn delete(
    kind: ConfigKind,
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    headers: (IfMatch, HeaderMap),
    mut query: Query,
) -> Result<Response, Problem> {
    let dry_run = query.flag("dry_run");
    query.finish()?;
    let name = slug(kind, &name)?;
    let precondition = Precondition::new(headers.0, &headers.1, true);
    edit(&shared, &principal, kind, &name, &precondition, dry_run, |stored| match stored {
        Some(_) => Ok(None),
        None => Err(not_found(kind, name.as_str())),
    })
    .await
}

/// The parts of a body that say something.
pub struct Parts<'a> {
    pub labels: Option<&'a Value>,
    pub spec: Option<&'a Value>,
}

impl<'a> Parts<'a> {
    /// Refuses what is no member of an object. `name`: what the path says.
    pub fn read(body: &'a Map<String, Value>, name: Option<&Slug>) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        for (key, value) in body {
            let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            match key.as_str() {
                "labels" | "spec" => {}
                "name" => {
                    if let Some(name) = name.filter(|name| value.as_str() != Some(name.as_str())) {
                        let message = "is not the name in the path; objects are not renamed";
                        errors.push(ErrorItem::new(pointer, "invalid-value", message).example(name.as_str()));
                    }
                }
                known if READ_ONLY.contains(&known) => {}
                _ => {
                    let message = "unknown field; known are name, labels, spec";
                    errors.push(ErrorItem::new(pointer, "unknown-field", message));
                }
            }
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        Ok(Self { labels: body.get("labels"), spec: body.get("spec") })
    }
}

/// Reads the document of a body.
pub fn document(
    kind: ConfigKind,
    name: &Slug,
    labels: Option<&Value>,
    spec: Option<&Value>,
) -> Result<Document, Problem> {
    ow_config::document_of(kind, name, labels, spec).map_err(|problems| Problem::invalid(problems_of(&problems, "")))
}

/// What is stored with a merge patch over it.
pub fn merged(stored: &ConfigObject, parts: &Parts<'_>) -> Result<Document, Problem> {
    let mut labels = json!(stored.labels);
    let mut spec = ow_config::spec_json(stored);
    for (target, patch, pointer) in [(&mut labels, parts.labels, "/labels"), (&mut spec, parts.spec, "/spec")] {
        match patch {
            None => {}
            Some(Value::Null) if pointer == "/labels" => *target = json!({}),
            Some(patch @ Value::Object(_)) => merge_patch::merge(target, patch),
            Some(_) => {
                let item = ErrorItem::new(pointer, "wrong-type", "is no object").example(json!({}));
                return Err(Problem::invalid(vec![item]));
            }
        }
    }
    document(stored.kind, &stored.name, Some(&labels), Some(&spec))
}

/// What the request need not say: when a silence begins, and who made it.
pub fn fill_in(kind: ConfigKind, spec: &mut Value, stored: Option<&ConfigObject>, principal: &Principal) {
    if !matches!(kind, ConfigKind::Silence | ConfigKind::Maintenance) {
        return;
    }
    let Some(spec) = spec.as_object_mut() else { return };
    let mut fill = |field: &str, value: Value| {
        if !spec.contains_key(field) {
            let stored = stored.and_then(|stored| stored.spec.get(field)).cloned();
            spec.insert(field.to_owned(), stored.unwrap_or(value));
        }
    };
    fill("createdBy", principal.user.clone().unwrap_or_else(|| principal.actor.clone()).into());
    if kind == ConfigKind::Silence {
        fill("startsAt", shown_time(now()));
    }
}

/// What a change left.
pub struct Changed {
    /// With its revision of now; of a dry run with that of what is stored.
    pub object: ConfigObject,
    pub is_new: bool,
}

/// [`change`], answered with the object.
pub async fn edit(
    shared: &Shared,
    principal: &Principal,
    kind: ConfigKind,
    name: &Slug,
    precondition: &Precondition,
    dry_run: bool,
    wanted: impl Fn(Option<&ConfigObject>) -> Result<Option<Document>, Problem>,
) -> Result<Response, Problem> {
    match change(shared, principal, kind, name, precondition, dry_run, wanted).await? {
        Some(changed) => answer(shared, principal, changed.object, changed.is_new, dry_run).await,
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Reads what is stored, asks `wanted` for what shall be (`None`: nothing), and makes it so. `None`: it is gone.
pub async fn change(
    shared: &Shared,
    principal: &Principal,
    kind: ConfigKind,
    name: &Slug,
    precondition: &Precondition,
    dry_run: bool,
    wanted: impl Fn(Option<&ConfigObject>) -> Result<Option<Document>, Problem>,
) -> Result<Option<Changed>, Problem> {
    let by = principal.changed_by("api");
    let mut attempt = 1;
    loop {
        let snapshot = shared.store.load_config().await.map_err(|error| problem_of_store(&error))?;
        let stored = snapshot.of(kind).find(|object| object.name == *name);
        if stored.is_some_and(|stored| kind == ConfigKind::Channel && !principal.sees(&stored.labels)) {
            return Err(not_found(kind, name.as_str()));
        }
        let document = wanted(stored)?;
        refuse_outside_scope(principal, kind, document.as_ref().map(|d| &d.object), &snapshot.objects)?;
        precondition.check(stored, principal)?;
        let (puts, deletes) = match document {
            Some(document) => {
                let sealed = crate::sealing::seal_documents(&[document], &snapshot.objects);
                (sealed.map_err(|error| problem_of_seal(&error))?, Vec::new())
            }
            None => (Vec::new(), vec![(kind, name.clone())]),
        };
        let plan = ow_config::plan_edits(&snapshot.objects, &puts, &deletes).map_err(|p| refused(&p))?;
        let is_new = !plan.create.is_empty();
        let object = plan.create.first().or(plan.update.first().map(|u| &u.object)).or(stored).cloned();
        let is_gone = !plan.delete.is_empty();
        let revision = if dry_run || plan.is_empty() {
            stored.map_or(0, |stored| stored.revision)
        } else {
            match shared.store.apply_config(&plan.changes(), &by).await {
                Ok(revision) => revision,
                Err(StoreError::Conflict { .. }) if attempt < ATTEMPTS => {
                    attempt += 1;
                    continue;
                }
                Err(error) => return Err(problem_of_store(&error)),
            }
        };
        if is_gone {
            return Ok(None);
        }
        let object = object.ok_or_else(|| not_found(kind, name.as_str()))?;
        return Ok(Some(Changed { object: ConfigObject { revision, ..object }, is_new }));
    }
}

/// A secret could not be sealed.
pub fn problem_of_seal(error: &ow_service::sealing::SealError) -> Problem {
    let detail = format!("a secret cannot be sealed: {error}; name its place instead (a file or env:NAME)");
    Problem::conflict("cannot-seal", detail)
}

async fn answer(
    shared: &Shared,
    principal: &Principal,
    object: ConfigObject,
    is_new: bool,
    dry_run: bool,
) -> Result<Response, Problem> {
    let (kind, name, revision) = (object.kind, object.name.clone(), object.revision);
    let mut stored = StoredObject { object, changed_at: now() };
    if !dry_run {
        // For the time of the change; somebody may have been there since.
        let read = shared.store.config_object(kind, &name).await.map_err(|error| problem_of_store(&error))?;
        stored = read.filter(|read| read.object.revision == revision).unwrap_or(stored);
    }
    let mut body = shown(&stored, principal);
    Known::of(shared, kind, std::slice::from_ref(&stored)).await?.add(shared, &stored, &mut body);
    let status = if is_new && !dry_run { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, [(header::ETAG, HeaderValue::from(ETag(revision)))], Json(body)).into_response();
    if status == StatusCode::CREATED
        && let Ok(location) = HeaderValue::from_str(&format!("/api/v1/{}/{name}", kind.plural()))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Who sees only some channels changes only these, and silences only these; an operator silences for some hours only.
pub fn refuse_outside_scope(
    principal: &Principal,
    kind: ConfigKind,
    wanted: Option<&ConfigObject>,
    objects: &[ConfigObject],
) -> Result<(), Problem> {
    if kind == ConfigKind::Silence && principal.role == Role::Operator {
        let time = |field: &str| wanted.and_then(|w| w.spec[field].as_str()).and_then(Time::parse_rfc3339);
        if let (Some(start), Some(end)) = (time("startsAt"), time("endsAt"))
            && end.since(start) > OPERATOR_SILENCE
        {
            return Err(Problem::forbidden("silence-too-long", "an operator silences for 4 hours at most"));
        }
    }
    let Some(scope) = &principal.label_scope else { return Ok(()) };
    let refused = |what: &str| Err(Problem::forbidden("outside-scope", what.to_owned()));
    match (kind, wanted) {
        (ConfigKind::Channel, Some(object)) if !principal.sees(&object.labels) => {
            refused("the channel would be outside of what you may see; give it a label of your scope")
        }
        (ConfigKind::Channel, _) | (ConfigKind::Silence, None) => Ok(()),
        (ConfigKind::Silence, Some(object)) => {
            let allowed: BTreeMap<_, _> = scope.clone().into();
            let texts: Vec<&str> =
                object.spec["matchers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let by_label = allowed.iter().all(|(label, values)| {
                values.iter().any(|value| texts.iter().any(|text| *text == format!("label.{label}={value}")))
            });
            let by_name = texts.iter().filter_map(|text| text.strip_prefix("channel=")).any(|name| {
                let channel = objects.iter().find(|o| o.kind == ConfigKind::Channel && o.name.as_str() == name);
                channel.is_some_and(|channel| principal.sees(&channel.labels))
            });
            if by_label || by_name {
                Ok(())
            } else {
                refused(
                    "the silence would reach channels that you may not see; name the label of your scope or a channel",
                )
            }
        }
        _ => refused("it is about more channels than those that you may see"),
    }
}

/// Problems of documents as parts of a problem document. `prefix` stands before each pointer.
pub fn problems_of(problems: &[ow_config::Problem], prefix: &str) -> Vec<ErrorItem> {
    problems
        .iter()
        .map(|problem| {
            let code = serde_json::to_value(problem.code).unwrap_or_default();
            let message = match problem.value.as_str() {
                "" => problem.reason.clone(),
                value => format!("{value:?} {}", problem.reason),
            };
            let pointer = format!("{prefix}{}", problem.pointer);
            let item = ErrorItem::new(pointer, code.as_str().unwrap_or_default(), message);
            if problem.example.is_empty() { item } else { item.example(problem.example.clone()) }
        })
        .collect()
}

/// A plan that cannot be.
fn refused(problems: &[ow_config::Problem]) -> Problem {
    match problems.first() {
        Some(first) if first.code == Code::StillUsed => {
            Problem::conflict("still-used", format!("{} {}", first.object, first.reason))
        }
        _ => Problem::invalid(problems_of(problems, "")),
    }
}
