//! `/api/v1/checks`: the catalogue.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use ow_checks::registry::{self, CheckDef, Scope};
use ow_domain::Severity;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::{Page, PageParams, Problem, Query, schema};

const ORDER: &str = "catalogue";

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one))
}

/// One check of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
struct Check {
    #[schema(example = "hls-playlist-stale")]
    id: &'static str,
    title: &'static str,
    family: &'static str,
    #[schema(schema_with = schema::severity)]
    severity: Severity,
    /// When it raises: `H3` three failures in a row, `H30s` for so long.
    hold: &'static str,
    clear: &'static str,
    /// Version that brought it.
    since: &'static str,
    /// What an alarm of it is about: host, stream, track or probe.
    scope: &'static str,
    detects: String,
    matters: String,
    usual_causes: String,
    stays_quiet: String,
    spec: Vec<Clause>,
    params: Vec<Param>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Clause {
    text: &'static str,
    clause: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct Param {
    name: &'static str,
    default: f64,
    unit: &'static str,
}

fn described(check: &'static CheckDef) -> Check {
    let line = |word: &str| {
        let lines = check.doc.iter().map(|line| line.trim());
        lines.into_iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(':')).unwrap_or("").trim().to_owned()
    };
    Check {
        id: check.id,
        title: check.title,
        family: check.family(),
        severity: check.severity,
        hold: check.hold,
        clear: check.clear,
        since: check.since,
        scope: match check.scope {
            Scope::Host => "host",
            Scope::Stream => "stream",
            Scope::Track => "track",
            Scope::Probe => "probe",
        },
        detects: line("Detects"),
        matters: line("Matters"),
        usual_causes: line("Usual causes"),
        stays_quiet: line("Stays quiet"),
        spec: check.spec.iter().map(|s| Clause { text: s.text, clause: s.clause }).collect(),
        params: check.params.iter().map(|p| Param { name: p.name, default: p.default, unit: p.unit }).collect(),
    }
}

/// The checks in the order of the catalogue.
#[utoipa::path(
    get, path = "/api/v1/checks", operation_id = "listChecks",
    params(
        PageParams,
        ("family" = Option<String>, Query, description = "Of this family.", example = "hls"),
        ("severity" = Option<String>, Query, description = "Of these severities, separated by commas.", example = "critical,major"),
        ("q" = Option<String>, Query, description = "Part of id, title or description."),
    ),
    responses((status = 200, description = "One page.", body = Page<Check>)),
    extensions(("x-permission" = json!("read"))),
)]
async fn list(mut query: Query) -> Result<Json<Page<Check>>, Problem> {
    let severities: Vec<Severity> = query.list("severity", "a severity such as major");
    let after: Option<String> = query.cursor(ORDER);
    let (family, search) = (query.text("family"), query.text("q").map(|text| text.to_lowercase()));
    let limit = query.limit();
    query.finish()?;
    let start = match after {
        Some(after) => registry::all().iter().position(|check| check.id == after).map_or(usize::MAX, |at| at + 1),
        None => 0,
    };
    let is_wanted = |check: &&&'static CheckDef| {
        let has = |text: &str| {
            check.id.contains(text)
                || check.title.to_lowercase().contains(text)
                || check.doc.iter().any(|line| line.to_lowercase().contains(text))
        };
        (severities.is_empty() || severities.contains(&check.severity))
            && family.as_deref().is_none_or(|family| check.family() == family)
            && search.as_deref().is_none_or(has)
    };
    let found = registry::all().iter().skip(start).filter(is_wanted).take(limit as usize + 1);
    Ok(Json(Page::cut(found.map(|check| described(check)).collect(), limit, ORDER, |check| check.id)))
}

/// One check.
#[utoipa::path(
    get, path = "/api/v1/checks/{id}", operation_id = "getCheck",
    params(("id" = String, Path, description = "Its id.", example = "hls-playlist-stale")),
    responses((status = 200, description = "The check.", body = Check)),
    extensions(("x-permission" = json!("read"))),
)]
async fn one(Path(id): Path<String>, query: Query) -> Result<Json<Check>, Problem> {
    query.finish()?;
    registry::find(&id).map(|check| Json(described(check))).ok_or_else(|| Problem::not_found("check", &id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_described_whole() {
        for check in registry::all() {
            let shown = described(check);
            for text in [&shown.detects, &shown.matters, &shown.usual_causes, &shown.stays_quiet] {
                assert!(text.len() > 5, "{}: {text:?}", shown.id);
            }
        }
    }
}
