//! `/api/v1/channels/{name}/manifests` and what was served at a time, how it changed, and bodies by digest.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ow_domain::access::Principal;
use ow_domain::{ChannelId, Span, Time};
use ow_store::StoreError;
use ow_store::manifests::{ManifestFilter, ServedManifest, StoredLoad};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::permission::Caller;
use crate::http::{Page, PageParams, Problem, Query, schema};
use crate::manifests::{Difference, ManifestLoad, Served, pairs};

/// The list reaches so far back when nothing is said.
const USUAL: Span = Span::from_secs(3_600);
const ORDER: &str = "at";
const OBJECTS: [&str; 3] = ["mvp", "media-playlist", "mpd"];

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(at)).routes(routes!(diff)).routes(routes!(body))
}

#[derive(Serialize, ToSchema)]
struct ServedAt {
    #[schema(schema_with = schema::time)]
    time: Time,
    /// Of each manifest asked for within the hour before, the last that had arrived.
    #[schema(value_type = Vec<Served>)]
    manifests: Vec<ServedManifest>,
}

#[derive(Serialize, ToSchema)]
struct ManifestDiff {
    #[schema(schema_with = schema::time)]
    from: Time,
    #[schema(schema_with = schema::time)]
    to: Time,
    /// One per manifest that was served at either time.
    differences: Vec<Difference>,
}

#[derive(Serialize, ToSchema)]
struct ManifestBody {
    /// SHA-256 of the body as it came.
    digest: String,
    text: String,
    /// Bytes that are not UTF-8 were replaced.
    lossy: bool,
}

/// Loads of a channel's manifests, oldest first: every one that brought something else, and one a minute.
#[utoipa::path(
    get, path = "/api/v1/channels/{name}/manifests", operation_id = "listManifests",
    params(
        PageParams,
        ("name" = String, Path, description = "Name of the channel."),
        ("from" = Option<String>, Query, description = "Served from then on; an hour before `to` when absent.", format = DateTime),
        ("to" = Option<String>, Query, description = "Served before; now when absent.", format = DateTime),
        ("stream" = Option<String>, Query, description = "Of this stream."),
        ("playlist" = Option<String>, Query, description = "Of the rendition with this id."),
        ("object" = Option<String>, Query, description = "`mvp`, `media-playlist` or `mpd`."),
        ("probe" = Option<String>, Query, description = "Loaded by this probe."),
    ),
    responses((status = 200, description = "One page.", body = Page<ManifestLoad>)),
    extensions(("x-permission" = json!("read"))),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    mut query: Query,
) -> Result<Json<Page<StoredLoad>>, Problem> {
    let to = time(&mut query, "to").unwrap_or_else(now);
    let from = time(&mut query, "from").unwrap_or(to - USUAL);
    let filter = filter(&mut query);
    let (after, limit) = (query.cursor(ORDER), query.limit());
    query.finish()?;
    let channel = seen(&shared, &principal, &name).await?;
    let loads = shared.store.page_of_loads(&channel.id, (from, to), &filter, after.as_ref(), limit).await;
    let loads = channel.or_gone(loads.map_err(failed)?)?;
    Ok(Json(Page::cut(loads, limit, ORDER, StoredLoad::key)))
}

/// What was served at a time.
#[utoipa::path(
    get, path = "/api/v1/channels/{name}/manifests:at", operation_id = "getManifestsAt",
    params(
        ("name" = String, Path, description = "Name of the channel."),
        ("time" = String, Query, description = "When.", example = "2026-11-22T09:41:00Z", format = DateTime),
        ("stream" = Option<String>, Query, description = "Of this stream."),
        ("playlist" = Option<String>, Query, description = "Of the rendition with this id."),
        ("object" = Option<String>, Query, description = "`mvp`, `media-playlist` or `mpd`."),
        ("probe" = Option<String>, Query, description = "Loaded by this probe."),
    ),
    responses((status = 200, description = "The manifests.", body = ServedAt)),
    extensions(("x-permission" = json!("read"))),
)]
async fn at(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    mut query: Query,
) -> Result<Json<ServedAt>, Problem> {
    let time = needed(&mut query, "time");
    let filter = filter(&mut query);
    query.finish()?;
    let channel = seen(&shared, &principal, &name).await?;
    let manifests = shared.store.manifests_at(&channel.id, time, &filter).await.map_err(failed)?;
    Ok(Json(ServedAt { time, manifests: channel.or_gone(manifests)? }))
}

/// How what was served differs between two times: by meaning and as text.
#[utoipa::path(
    get, path = "/api/v1/channels/{name}/manifests:diff", operation_id = "diffManifests",
    params(
        ("name" = String, Path, description = "Name of the channel."),
        ("from" = String, Query, description = "The earlier time.", example = "2026-11-22T09:41:00Z", format = DateTime),
        ("to" = String, Query, description = "The later time.", example = "2026-11-22T09:42:00Z", format = DateTime),
        ("stream" = Option<String>, Query, description = "Of this stream."),
        ("playlist" = Option<String>, Query, description = "Of the rendition with this id."),
        ("object" = Option<String>, Query, description = "`mvp`, `media-playlist` or `mpd`."),
        ("probe" = Option<String>, Query, description = "Loaded by this probe."),
    ),
    responses((status = 200, description = "The differences.", body = ManifestDiff)),
    extensions(("x-permission" = json!("read"))),
)]
async fn diff(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    mut query: Query,
) -> Result<Json<ManifestDiff>, Problem> {
    let (from, to) = (needed(&mut query, "from"), needed(&mut query, "to"));
    let filter = filter(&mut query);
    query.finish()?;
    let channel = seen(&shared, &principal, &name).await?;
    let before = shared.store.manifests_at(&channel.id, from, &filter).await.map_err(failed)?;
    let after = shared.store.manifests_at(&channel.id, to, &filter).await.map_err(failed)?;
    let pairs = channel.or_gone(pairs(before, after))?;
    // Texts of megabytes take their time: not on the threads that answer others.
    let differences = tokio::task::spawn_blocking(move || pairs.iter().map(|pair| pair.difference()).collect());
    let differences = differences.await.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Json(ManifestDiff { from, to, differences }))
}

/// A manifest by the SHA-256 of its body.
#[utoipa::path(
    get, path = "/api/v1/manifests/{digest}", operation_id = "getManifest",
    params(("digest" = String, Path, description = "64 hex digits.")),
    responses((status = 200, description = "The text.", body = ManifestBody)),
    extensions(("x-permission" = json!("read"))),
)]
async fn body(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<ManifestBody>, Problem> {
    query.finish()?;
    let found = shared.store.manifest_in_scope(&digest, principal.label_scope.as_ref()).await.map_err(failed)?;
    let (text, lossy) = found.ok_or_else(|| Problem::not_found("manifest", &digest))?;
    Ok(Json(ManifestBody { digest: digest.to_ascii_lowercase(), text, lossy }))
}

/// A channel that who asks may see.
struct Seen {
    id: ChannelId,
    is_configured: bool,
}

impl Seen {
    /// What is kept of a channel that is no longer configured is shown; if nothing is, there is no such channel.
    fn or_gone<T>(&self, items: Vec<T>) -> Result<Vec<T>, Problem> {
        if items.is_empty() && !self.is_configured {
            return Err(Problem::not_found("channel", self.id.as_str()));
        }
        Ok(items)
    }
}

async fn seen(shared: &Shared, principal: &Principal, name: &str) -> Result<Seen, Problem> {
    let unknown = || Problem::not_found("channel", name);
    let id = ChannelId::new(name).map_err(|_| unknown())?;
    match shared.store.channel_labels(&id).await.map_err(failed)? {
        Some(labels) if principal.sees(&labels) => Ok(Seen { id, is_configured: true }),
        None if principal.label_scope.is_none() => Ok(Seen { id, is_configured: false }),
        _ => Err(unknown()),
    }
}

fn filter(query: &mut Query) -> ManifestFilter {
    let object = query.text("object");
    if object.as_deref().is_some_and(|object| !OBJECTS.contains(&object)) {
        query.error("object", "invalid-value", format!("is not one of {}", OBJECTS.join(", ")));
    }
    ManifestFilter { stream: query.text("stream"), track: query.text("playlist"), object, probe: query.text("probe") }
}

/// A time in RFC 3339.
pub fn time(query: &mut Query, key: &str) -> Option<Time> {
    let time = query.text(key).map(|text| Time::parse_rfc3339(&text));
    if time == Some(None) {
        query.error(key, "invalid-value", "is not a time such as 2026-11-22T09:41:00Z".into());
    }
    time.flatten()
}

fn needed(query: &mut Query, key: &str) -> Time {
    if query.text(key).is_none() {
        query.error(key, "required", "is missing; for example 2026-11-22T09:41:00Z".into());
    }
    time(query, key).unwrap_or(Time::UNIX_EPOCH)
}

/// UTC by the system clock.
fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn failed(error: StoreError) -> Problem {
    Problem::unavailable(&error)
}
