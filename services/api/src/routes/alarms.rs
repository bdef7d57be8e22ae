//! `GET /api/v1/alarms` and `/api/v1/alarms/{number}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use ow_domain::incident::IncidentNumber;
use ow_domain::{ChannelId, Severity};
use ow_store::alarms::{IncidentFilter, IncidentRow, IncidentState};
use serde_json::{Value, json};

use crate::Shared;
use crate::problem::Problem;
use crate::query::Query;

const PARAMETERS: &[&str] =
    &["state", "severity", "min_severity", "channel", "check", "include_info", "limit", "cursor"];

/// Which alarms are asked for; active ones when nothing is said.
#[derive(Clone, Copy)]
enum Asked {
    Active,
    Cleared,
    All,
}

impl std::str::FromStr for Asked {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "active" => Ok(Self::Active),
            "cleared" => Ok(Self::Cleared),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

pub async fn list(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Result<Json<Value>, Problem> {
    let mut query = Query::new(raw.as_deref(), PARAMETERS);
    let state = query.value("state", "active, cleared or all").unwrap_or(Asked::Active);
    let filter = IncidentFilter {
        state: match state {
            Asked::Active => Some(IncidentState::Open),
            Asked::Cleared => Some(IncidentState::Cleared),
            Asked::All => None,
        },
        severities: query.list::<Severity>("severity", "a severity such as major"),
        min_severity: query.value("min_severity", "a severity such as major"),
        channel: query.value::<ChannelId>("channel", "a channel name such as vtv3"),
        check: query.text("check"),
        with_info: query.value("include_info", "true or false").unwrap_or(false),
        before: query.value("cursor", "a cursor that was given with a page").map(IncidentNumber),
        limit: query.limit(),
    };
    query.finish()?;
    let page = shared.store.list_incidents(&filter).await.map_err(|error| Problem::unavailable(&error))?;
    let items: Vec<Value> = page.incidents.iter().map(alarm).collect();
    Ok(Json(json!({"items": items, "next_cursor": page.next.map(|number| number.0.to_string())})))
}

pub async fn one(State(shared): State<Arc<Shared>>, Path(text): Path<String>) -> Result<Json<Value>, Problem> {
    let unknown = || Problem::not_found("alarm", &text);
    let number = text.strip_prefix("INC-").unwrap_or(&text).parse().map(IncidentNumber).map_err(|_| unknown())?;
    let failed = |error: ow_store::StoreError| Problem::unavailable(&error);
    let row = shared.store.incident(number).await.map_err(failed)?.ok_or_else(unknown)?;
    let mut body = alarm(&row);
    body["evidence"] = json!(row.notice.evidence);
    body["history"] = json!(shared.store.incident_history(number).await.map_err(failed)?);
    Ok(Json(body))
}

fn alarm(row: &IncidentRow) -> Value {
    let notice = &row.notice;
    json!({
        "id": row.number.to_string(),
        "number": row.number,
        "state": match row.state { IncidentState::Open => "active", IncidentState::Cleared => "cleared" },
        "severity": row.severity,
        "revision": row.revision,
        "channel": notice.channel,
        "channel_name": notice.channel_name,
        "check": notice.check,
        "title": notice.title,
        "subject": notice.subject,
        "fingerprint": notice.fingerprint,
        "message": notice.message,
        "value": notice.value,
        "limit": notice.limit,
        "raised_at": row.raised_at,
        "updated_at": row.updated_at,
        "cleared_at": row.cleared_at,
        "clear_reason": row.clear_reason,
        "indeterminate": row.indeterminate,
        "event": notice.event,
        "info": row.info,
        "labels": notice.labels,
        "packager": notice.packager,
        "region": notice.region,
        "runbook": notice.runbook,
        "probe": notice.probe,
        "receivers": row.receivers,
        "acked_by": row.acked_by,
        "acked_at": row.acked_at,
    })
}
