//! `GET /api/v1/alarms/{number}/evidence`: what proves an alarm, with links to the bodies that are kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ow_domain::Time;
use ow_domain::incident::IncidentNumber;
use ow_domain::verdict::Evidence;
use ow_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::http::permission::Caller;
use crate::http::{Problem, Query, schema};

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(evidence))
}

/// What proves an alarm at its last revision.
#[derive(Serialize, ToSchema)]
struct AlarmEvidence {
    number: i64,
    revision: u32,
    channel: String,
    check: String,
    /// The sentence that the evidence is for.
    message: String,
    /// Null: the check has none, such as one about what did not come.
    #[schema(required)]
    exchange: Option<Exchange>,
    /// Values that were compared, in the order they matter.
    facts: Vec<Fact>,
    /// What was served, by digest.
    bodies: Vec<Body>,
    /// All manifests of the channel as they were served then.
    #[schema(required, example = "/api/v1/channels/vtv3/manifests:at?time=2026-11-22T09%3A41%3A00Z")]
    manifests: Option<String>,
}

/// One request and its answer.
#[derive(Serialize, ToSchema)]
struct Exchange {
    /// Id of the capture.
    capture: String,
    #[schema(required)]
    probe: Option<String>,
    /// Without query.
    url: String,
    #[schema(schema_with = schema::time)]
    requested_at: Time,
    #[schema(schema_with = schema::time)]
    ended_at: Time,
    /// Null: no answer came.
    #[schema(required)]
    status: Option<u16>,
    headers: Vec<Header>,
    /// By how much the clock of the probe may be wrong.
    clock_uncertainty_us: i64,
}

#[derive(Serialize, ToSchema)]
struct Header {
    name: String,
    value: String,
}

#[derive(Serialize, ToSchema)]
struct Fact {
    #[schema(example = "target duration")]
    name: String,
    #[schema(example = "6 s")]
    value: String,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Which {
    /// The body that the finding is about.
    Found,
    /// The one before, for findings across polls.
    Before,
}

#[derive(Serialize, ToSchema)]
struct Body {
    which: Which,
    /// SHA-256.
    digest: String,
    /// Line of the playlist.
    #[schema(required)]
    line: Option<u32>,
    /// Where its text is; null when it is not kept (a segment, or too long ago).
    #[schema(required)]
    href: Option<String>,
}

/// The evidence of an alarm: the exchange, values compared, digests, and links to the bodies.
#[utoipa::path(
    get, path = "/api/v1/alarms/{number}/evidence", operation_id = "getAlarmEvidence",
    params(("number" = String, Path, description = "`1042` or `INC-1042`.")),
    responses((status = 200, description = "The evidence.", body = AlarmEvidence)),
    extensions(("x-permission" = json!("read"))),
)]
async fn evidence(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<AlarmEvidence>, Problem> {
    query.finish()?;
    let unknown = || Problem::not_found("alarm", &text);
    let failed = |error: StoreError| Problem::unavailable(&error);
    let number = text.strip_prefix("INC-").unwrap_or(&text).parse().map(IncidentNumber).map_err(|_| unknown())?;
    let row = shared.store.incident(number).await.map_err(failed)?;
    let row = row.filter(|row| principal.sees(&row.notice.labels)).ok_or_else(unknown)?;
    let notice = row.notice;
    let mut answer = AlarmEvidence {
        number: row.number.0,
        revision: row.revision,
        channel: notice.channel.to_string(),
        check: notice.check,
        message: notice.message,
        exchange: None,
        facts: Vec::new(),
        bodies: Vec::new(),
        manifests: None,
    };
    let Some(Evidence {
        capture,
        probe,
        url,
        t_req,
        t_end,
        status,
        headers,
        digest,
        previous_digest,
        line,
        facts,
        clock_uncertainty_us,
    }) = notice.evidence
    else {
        return Ok(Json(answer));
    };
    let digests: Vec<&str> = [&digest, &previous_digest].into_iter().flatten().map(String::as_str).collect();
    let kept = shared.store.manifests_kept(&digests).await.map_err(failed)?;
    let body = |which, digest: Option<String>, line| {
        digest.map(|digest| {
            let href = kept.contains(&digest).then(|| format!("/api/v1/manifests/{digest}"));
            Body { which, digest, line, href }
        })
    };
    answer.bodies.extend(body(Which::Found, digest, line));
    answer.bodies.extend(body(Which::Before, previous_digest, None));
    let time: String = url::form_urlencoded::byte_serialize(t_end.to_string().as_bytes()).collect();
    answer.manifests = Some(format!("/api/v1/channels/{}/manifests:at?time={time}", answer.channel));
    answer.facts = facts.into_iter().map(|(name, value)| Fact { name, value }).collect();
    answer.exchange = Some(Exchange {
        capture,
        probe: probe.map(|probe| probe.to_string()),
        url,
        requested_at: t_req,
        ended_at: t_end,
        status,
        headers: headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
        clock_uncertainty_us,
    });
    Ok(Json(answer))
}
