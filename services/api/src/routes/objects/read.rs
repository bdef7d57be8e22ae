//! Lists and single objects.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ow_domain::config::{ConfigKind, MANAGED_BY};
use ow_domain::{Severity, Slug, Time};
use ow_store::config::{ConfigQuery, ConfigSort, Names, StoredObject};
use serde_json::{Value, json};

use super::kinds::filters;
use super::shown::{Known, problem_of_store, severity, shown};
use crate::Shared;
use crate::http::{Caller, Page, Problem, Query, Tagged};

/// Orders of all lists.
pub const SORTS: &[&str] = &["name", "-name", "changed_at", "-changed_at"];

pub async fn list(
    kind: ConfigKind,
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
) -> Result<Json<Page<Value>>, Problem> {
    let sort = query.sort(SORTS);
    let limit = query.limit();
    let count = query.flag("count");
    let mut wanted = ConfigQuery::new(kind, limit + 1);
    wanted.after = query.cursor::<(String, Time)>(sort.text);
    wanted.search = query.text("q");
    wanted.labels = query.with_prefix("label.").into_iter().collect();
    if let Some(owner) = query.text("managed_by") {
        wanted.labels.insert(MANAGED_BY.to_owned(), owner);
    }
    wanted.fields = filters(kind).iter().filter_map(|filter| filter.read(&mut query)).collect();
    if kind == ConfigKind::Channel {
        let severities: Vec<Severity> = query.list("severity", "a severity such as major");
        wanted.names = (!severities.is_empty()).then(|| with_severity(&shared, &severities));
        wanted.scope = principal.label_scope.clone().map(Into::into);
    }
    query.finish()?;
    wanted.sort = if sort.key == "name" { ConfigSort::Name } else { ConfigSort::ChangedAt };
    wanted.descending = sort.descending;

    let objects = shared.store.list_config(&wanted).await.map_err(|error| problem_of_store(&error))?;
    let key = |stored: &StoredObject| (stored.object.name.to_string(), stored.changed_at);
    let Page { items, next_cursor, .. } = Page::cut(objects, limit, sort.text, key);
    let known = Known::of(&shared, kind, &items).await?;
    let items = items.iter().map(|stored| {
        let mut body = shown(stored, &principal);
        known.add(&shared, stored, &mut body);
        body
    });
    let mut page = Page::new(items.collect(), next_cursor);
    if count {
        page.total = Some(shared.store.count_config(&wanted).await.map_err(|error| problem_of_store(&error))?);
    }
    Ok(Json(page))
}

/// Channels with one of these severities; those that nothing is heard of are indeterminate.
fn with_severity(shared: &Shared, severities: &[Severity]) -> Names {
    let all = shared.status.all();
    let is_wanted = |name: &&String| severities.contains(&severity(all.get(*name).map(AsRef::as_ref)));
    if severities.contains(&Severity::Indeterminate) {
        Names::Except(all.keys().filter(|name| !is_wanted(name)).cloned().collect())
    } else {
        Names::Only(all.keys().filter(is_wanted).cloned().collect())
    }
}

/// A name from a path: what cannot be one does not exist.
pub fn slug(kind: ConfigKind, name: &str) -> Result<Slug, Problem> {
    Slug::new(name).map_err(|_| not_found(kind, name))
}

pub fn not_found(kind: ConfigKind, name: &str) -> Problem {
    Problem::not_found(&kind.as_str().to_lowercase(), name)
}

pub async fn one(
    kind: ConfigKind,
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Tagged<Value>, Problem> {
    query.finish()?;
    let stored = shared.store.config_object(kind, &slug(kind, &name)?).await.map_err(|e| problem_of_store(&e))?;
    let stored = stored
        .filter(|stored| kind != ConfigKind::Channel || principal.sees(&stored.object.labels))
        .ok_or_else(|| not_found(kind, &name))?;
    let mut body = shown(&stored, &principal);
    Known::of(&shared, kind, std::slice::from_ref(&stored)).await?.add(&shared, &stored, &mut body);
    if kind == ConfigKind::Channel {
        let verdict = shared.status.get(&name);
        body["conditions"] = json!(verdict.as_deref().map(|v| &v.conditions[..]).unwrap_or_default());
        body["stream_states"] = json!(verdict.as_deref().map(|v| &v.streams[..]).unwrap_or_default());
    }
    Ok(Tagged { revision: stored.object.revision, body })
}
