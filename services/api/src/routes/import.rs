//! `POST /api/v1/channels:import`: channels from a table (CSV) or from a playlist of players (M3U). Each row has its own
//! result; what is made is made by the same plan and transaction as documents are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ow_config::import::{self, Defaults, Format, Row, RowProblem};
use ow_config::{Document, Owner, Plan};
use ow_domain::Slug;
use ow_domain::access::Principal;
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_store::StoreError;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::objects::{ATTEMPTS, problem_of_store, refuse_outside_scope};
use crate::Shared;
use crate::http::{Caller, ErrorItem, Problem, Query, TextBody};
use crate::probe_url::{Probed, Question, probe_all};
use crate::publish::reconcile_config;

const SLUG: &str = "a name of a-z, 0-9 and '-'";
/// Of the time of a request, what is left for the change itself.
const FOR_THE_CHANGE: u32 = 3;

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(import))
}

/// How a list is written.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes ow_config::import::Format")]
enum ListFormat {
    Csv,
    M3u,
}

/// What became of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Imported {
    dry_run: bool,
    /// False: nothing was changed, because of `dry_run`, or of failed rows with `atomic`.
    applied: bool,
    /// Of the configuration afterwards.
    revision: u64,
    created: usize,
    updated: usize,
    unchanged: usize,
    failed: usize,
    /// In the order of the text.
    rows: Vec<ImportedRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct ImportedRow {
    /// From 1, the line of column names not counted.
    row: usize,
    /// Where the row begins in the text, from 1.
    line: u64,
    /// Of the channel; as it was written when it is no name.
    name: String,
    result: RowResult,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<RowError>,
    /// One per address of the row; only with `probe`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    probed: Vec<Probed>,
}

/// What the row does, or with `applied` false would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RowResult {
    Created,
    Updated,
    Unchanged,
    Failed,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct RowError {
    /// Name of the column, for M3U of the attribute; empty: the whole row.
    #[schema(example = "url")]
    column: String,
    /// Stable for programs.
    #[schema(example = "invalid-value")]
    code: String,
    /// As read, cut to 120 characters.
    value: String,
    /// What is wrong, for people.
    reason: String,
    /// A value that would be taken; may be empty.
    example: String,
}

/// Makes or changes channels by a list: a table with named columns, or a playlist of players. What a row does not say
/// is taken from the parameters, then from what is stored.
#[utoipa::path(
    post, path = "/api/v1/channels:import", operation_id = "importChannels",
    params(
        ("format" = inline(Option<ListFormat>), Query, description = "How the list is written; by its first line if not given.", example = "csv"),
        ("dry_run" = Option<bool>, Query, description = "Only tell what would change."),
        ("atomic" = Option<bool>, Query, description = "All rows or none: the default. With false the good rows are applied."),
        ("probe" = Option<bool>, Query, description = "Ask each address once, and tell what answered. It fails no row."),
        ("template" = Option<String>, Query, description = "Of rows that name none.", example = "hd"),
        ("packager" = Option<String>, Query, description = "Of rows that name none.", example = "packager-07"),
        ("region" = Option<String>, Query, description = "Of rows that name none.", example = "hcm"),
        ("probes" = Option<String>, Query, description = "Of rows that name none, separated by commas.", example = "hcm-1"),
        ("owner" = Option<String>, Query, description = "On whose behalf: written into the label managed-by of each channel.", example = "epg"),
    ),
    request_body(content((String = "text/csv"), (String = "audio/x-mpegurl"), (String = "application/x-mpegurl"), (String = "application/vnd.apple.mpegurl"), (String = "text/plain"))),
    responses(
        (status = 200, description = "What became, or would become, of each row.", body = Imported),
        (status = 409, description = "The configuration is being changed by others."),
        (status = 422, description = "Nothing can be read of the text."),
    ),
    extensions(("x-permission" = json!("config.write"))),
)]
async fn import(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    mut query: Query,
    TextBody(text): TextBody,
) -> Result<Json<Imported>, Problem> {
    let began = Instant::now();
    let (dry_run, probe) = (query.flag("dry_run"), query.flag("probe"));
    let is_atomic = query.value("atomic", "true or false").unwrap_or(true);
    let format = query.value::<Format>("format", "csv or m3u").unwrap_or_else(|| by_first_line(&text));
    let mut slug = |key: &str| -> Option<Slug> { query.value(key, SLUG) };
    let owner = slug("owner").map(Owner::new);
    let (template, packager, region) = (slug("template"), slug("packager"), slug("region"));
    let defaults = Defaults { template, packager, region, probes: query.list("probes", SLUG) };
    query.finish()?;
    let rows = import::rows(format, &text).map_err(|problems| {
        let items = problems.iter().map(|problem| {
            let code = word(problem);
            let item = ErrorItem::new(format!("/{}", problem.column), code, problem.to_string());
            if problem.example.is_empty() { item } else { item.example(problem.example.clone()) }
        });
        let detail = "nothing can be read of the list; nothing was changed";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-list", "The list is not valid", detail)
            .with(items.collect())
    })?;
    let probed = if probe {
        // Some of the time is kept for what comes after.
        let until = began + shared.request_timeout.saturating_sub(shared.request_timeout / FOR_THE_CHANGE);
        by_row(&rows, until.max(began + Duration::from_millis(1))).await
    } else {
        BTreeMap::new()
    };
    let by = principal.changed_by("api");
    let mut attempt = 1;
    loop {
        let snapshot = shared.store.load_config().await.map_err(|error| problem_of_store(&error))?;
        let tried = plan_rows(&rows, &defaults, owner.as_ref(), &snapshot.objects, &principal);
        let wanted = !dry_run && (tried.errors.is_empty() || !is_atomic);
        let mut revision = snapshot.revision;
        if wanted && !tried.plan.is_empty() {
            revision = match shared.store.apply_config(&tried.plan.changes(), &by).await {
                Ok(revision) => revision,
                Err(StoreError::Conflict { .. }) if attempt < ATTEMPTS => {
                    attempt += 1;
                    continue;
                }
                Err(error) => return Err(problem_of_store(&error)),
            };
            // The keeper does it anyway; doing it now means that the answer is the truth.
            if let Err(error) = reconcile_config(&shared.store, &shared.bus).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "imported, but not published yet");
            }
        }
        return Ok(Json(answer(&rows, tried, probed, dry_run, wanted, revision)));
    }
}

/// A playlist says what it is.
fn by_first_line(text: &str) -> Format {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if start.starts_with("#EXTM3U") { Format::M3u } else { Format::Csv }
}

/// What the addresses of each row answered.
async fn by_row(rows: &[Row], until: Instant) -> BTreeMap<usize, Vec<Probed>> {
    let (mut numbers, mut questions) = (Vec::new(), Vec::new());
    for (row, stream) in rows.iter().flat_map(|row| row.streams.iter().map(move |stream| (row, stream))) {
        numbers.push(row.number);
        let (column, protocol) = (stream.column.to_owned(), stream.protocol.to_owned());
        questions.push(Question { column, protocol, url: stream.url.clone() });
    }
    let mut answers: BTreeMap<usize, Vec<Probed>> = BTreeMap::new();
    for (number, probed) in numbers.into_iter().zip(probe_all(questions, until).await) {
        answers.entry(number).or_default().push(probed);
    }
    answers
}

/// The change that the good rows make, and what is wrong with the others.
struct Tried {
    plan: Plan,
    /// By number of the row.
    errors: BTreeMap<usize, Vec<RowProblem>>,
}

fn plan_rows(
    rows: &[Row],
    defaults: &Defaults,
    owner: Option<&Owner>,
    objects: &[ConfigObject],
    principal: &Principal,
) -> Tried {
    let stored: BTreeMap<&str, &ConfigObject> =
        objects.iter().filter(|o| o.kind == ConfigKind::Channel).map(|o| (o.name.as_str(), o)).collect();
    let mut errors: BTreeMap<usize, Vec<RowProblem>> = BTreeMap::new();
    let mut documents: Vec<Document> = Vec::new();
    let mut by_name: BTreeMap<String, &Row> = BTreeMap::new();
    for row in rows {
        let stored = stored.get(row.name.as_str()).copied();
        if stored.is_some_and(|stored| !principal.sees(&stored.labels)) {
            errors.insert(row.number, vec![row.refused("name", &row.name, "is a channel that you may not change")]);
            continue;
        }
        match row.document(defaults, stored) {
            Err(problems) => drop(errors.insert(row.number, problems)),
            Ok(document) => {
                if refuse_outside_scope(principal, ConfigKind::Channel, Some(&document.object), objects).is_err() {
                    let reason = "would be outside of what you may see; give it a label of your scope";
                    errors.insert(row.number, vec![row.refused("", "", reason)]);
                    continue;
                }
                by_name.insert(document.object.name.to_string(), row);
                documents.push(document);
            }
        }
    }
    // Problems are told up to a number: those that are told go, until all that is left can be made.
    loop {
        let problems = match ow_config::plan(objects, &documents, owner) {
            Ok(plan) => return Tried { plan, errors },
            Err(problems) => problems,
        };
        let mut bad = BTreeSet::new();
        for problem in &problems {
            let name = problem.object.split_once('/').map_or("", |(_, name)| name);
            if let Some(row) = by_name.get(name) {
                errors.entry(row.number).or_default().push(row.of_plan(problem));
                bad.insert(name.to_owned());
            }
        }
        let n_before = documents.len();
        documents.retain(|document| !bad.contains(document.object.name.as_str()));
        if documents.len() == n_before {
            // A problem of something else: no row can be made.
            let why = problems.first().map(ToString::to_string).unwrap_or_default();
            for row in by_name.values() {
                errors.entry(row.number).or_insert_with(|| vec![row.refused("", "", &why)]);
            }
            return Tried { plan: Plan::default(), errors };
        }
    }
}

fn answer(
    rows: &[Row],
    mut tried: Tried,
    mut probed: BTreeMap<usize, Vec<Probed>>,
    dry_run: bool,
    applied: bool,
    revision: u64,
) -> Imported {
    let created: BTreeSet<&str> = tried.plan.create.iter().map(|object| object.name.as_str()).collect();
    let updated: BTreeSet<&str> = tried.plan.update.iter().map(|update| update.object.name.as_str()).collect();
    let rows: Vec<ImportedRow> = rows
        .iter()
        .map(|row| {
            let errors = tried.errors.remove(&row.number).unwrap_or_default();
            let result = match row.name.as_str() {
                _ if !errors.is_empty() => RowResult::Failed,
                name if created.contains(name) => RowResult::Created,
                name if updated.contains(name) => RowResult::Updated,
                _ => RowResult::Unchanged,
            };
            ImportedRow {
                row: row.number,
                line: row.line,
                name: row.name.clone(),
                result,
                errors: errors.into_iter().map(RowError::from).collect(),
                probed: probed.remove(&row.number).unwrap_or_default(),
            }
        })
        .collect();
    let count = |wanted: RowResult| rows.iter().filter(|row| row.result == wanted).count();
    Imported {
        dry_run,
        applied,
        revision,
        created: count(RowResult::Created),
        updated: count(RowResult::Updated),
        unchanged: count(RowResult::Unchanged),
        failed: count(RowResult::Failed),
        rows,
    }
}

/// The code of a problem as a word.
fn word(problem: &RowProblem) -> String {
    serde_json::to_value(problem.code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default()
}

impl From<RowProblem> for RowError {
    fn from(problem: RowProblem) -> Self {
        let code = word(&problem);
        let RowProblem { column, value, reason, example, .. } = problem;
        Self { column, code, value, reason, example }
    }
}
