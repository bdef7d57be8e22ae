//! Incidents as people and programs look at them.

use ow_domain::incident::{IncidentNumber, Notice};
use ow_domain::{ChannelId, Severity, Time};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use super::{Told, rank};
use crate::{Store, StoreError, from_sql_time};

/// Most rows of one page.
pub const MAX_PAGE: u32 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    Open,
    Cleared,
}

impl IncidentState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Cleared => "cleared",
        }
    }
}

/// Which incidents; the default is all but those of severity info, newest first, 100 at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentFilter {
    pub state: Option<IncidentState>,
    /// This one and worse. Cleared incidents count with the last severity they had.
    pub min_severity: Option<Severity>,
    /// Only these; empty: any.
    pub severities: Vec<Severity>,
    pub channel: Option<ChannelId>,
    pub check: Option<String>,
    /// With records of severity info, which nobody was told of.
    pub with_info: bool,
    /// 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Only incidents with smaller numbers: [`IncidentPage::next`] of the page before.
    pub before: Option<IncidentNumber>,
}

impl Default for IncidentFilter {
    fn default() -> Self {
        Self {
            state: None,
            min_severity: None,
            severities: Vec::new(),
            channel: None,
            check: None,
            with_info: false,
            limit: 100,
            before: None,
        }
    }
}

impl IncidentFilter {
    /// What is wrong now.
    pub fn active() -> Self {
        Self { state: Some(IncidentState::Open), ..Self::default() }
    }
}

/// One incident with all that is kept of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentRow {
    pub number: IncidentNumber,
    pub state: IncidentState,
    /// Last severity while open.
    pub severity: Severity,
    pub revision: u32,
    /// Severity info: recorded only.
    pub info: bool,
    pub raised_at: Time,
    pub updated_at: Time,
    pub cleared_at: Option<Time>,
    pub clear_reason: Option<String>,
    /// Not confirmed: nothing is heard of its subject.
    pub indeterminate: bool,
    /// Last notice.
    pub notice: Notice,
    /// Who was told.
    pub receivers: Vec<Told>,
    pub acked_by: Option<String>,
    pub acked_at: Option<Time>,
}

/// Newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentPage {
    pub incidents: Vec<IncidentRow>,
    /// For [`IncidentFilter::before`], when there are more.
    pub next: Option<IncidentNumber>,
}

/// One line of the history of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmEvent {
    pub seq: i64,
    pub incident: IncidentNumber,
    pub revision: u32,
    /// `raise`, `update`, `clear`.
    pub change: String,
    pub old_severity: Option<Severity>,
    pub new_severity: Severity,
    pub cause: Option<String>,
    pub actor: String,
    /// When it happened, by the facts.
    pub at: Time,
    /// When it was recorded.
    pub recorded_at: Time,
}

const COLUMNS: &str = "number, state, severity, revision, info, raised_at, updated_at, cleared_at, clear_reason, \
                       indeterminate, notice, receivers, acked_by, acked_at";

impl Store {
    /// A page of incidents, newest first.
    pub async fn list_incidents(&self, filter: &IncidentFilter) -> Result<IncidentPage, StoreError> {
        let limit = filter.limit.clamp(1, MAX_PAGE);
        let rows = self
            .client()
            .await?
            .query(
                &format!(
                    "SELECT {COLUMNS} FROM incident
                     WHERE ($1::text IS NULL OR state = $1) AND ($2::smallint IS NULL OR severity_rank >= $2)
                       AND ($3::text IS NULL OR channel = $3) AND ($4::text IS NULL OR check_id = $4)
                       AND ($5 OR NOT info) AND ($6::bigint IS NULL OR number < $6)
                       AND (cardinality($8::smallint[]) = 0 OR severity_rank = ANY ($8))
                     ORDER BY number DESC LIMIT $7"
                ),
                &[
                    &filter.state.map(IncidentState::as_str),
                    &filter.min_severity.map(rank),
                    &filter.channel.as_ref().map(ChannelId::as_str),
                    &filter.check,
                    &filter.with_info,
                    &filter.before.map(|n| n.0),
                    // One more tells whether there is a next page.
                    &(i64::from(limit) + 1),
                    &filter.severities.iter().copied().map(rank).collect::<Vec<i16>>(),
                ],
            )
            .await
            .map_err(StoreError::query("to list incidents"))?;
        let mut incidents = rows.iter().map(incident).collect::<Result<Vec<_>, _>>()?;
        let more = incidents.len() > limit as usize;
        incidents.truncate(limit as usize);
        let next = incidents.last().filter(|_| more).map(|row| row.number);
        Ok(IncidentPage { incidents, next })
    }

    /// One incident by its number.
    pub async fn incident(&self, number: IncidentNumber) -> Result<Option<IncidentRow>, StoreError> {
        self.client()
            .await?
            .query_opt(&format!("SELECT {COLUMNS} FROM incident WHERE number = $1"), &[&number.0])
            .await
            .map_err(StoreError::query("to read an incident"))?
            .as_ref()
            .map(incident)
            .transpose()
    }

    /// Everything that happened to an incident, oldest first.
    pub async fn incident_history(&self, number: IncidentNumber) -> Result<Vec<AlarmEvent>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                "SELECT seq, incident, revision, change, old_severity, new_severity, cause, actor, at, recorded_at
                 FROM alarm_event WHERE incident = $1 ORDER BY seq",
                &[&number.0],
            )
            .await
            .map_err(StoreError::query("to read the history of an incident"))?;
        rows.iter()
            .map(|row| {
                Ok(AlarmEvent {
                    seq: row.get(0),
                    incident: IncidentNumber(row.get(1)),
                    revision: row.get::<_, i32>(2).unsigned_abs(),
                    change: row.get(3),
                    old_severity: row.get::<_, Option<&str>>(4).map(severity).transpose()?,
                    new_severity: severity(row.get(5))?,
                    cause: row.get(6),
                    actor: row.get(7),
                    at: from_sql_time(row.get(8)),
                    recorded_at: from_sql_time(row.get(9)),
                })
            })
            .collect()
    }
}

fn severity(text: &str) -> Result<Severity, StoreError> {
    text.parse().map_err(|error: ow_domain::severity::SeverityError| StoreError::Corrupt {
        what: "a severity",
        reason: error.to_string(),
    })
}

fn incident(row: &Row) -> Result<IncidentRow, StoreError> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt { what: "an incident", reason: error.to_string() };
    let time = |column: &str| row.get::<_, Option<jiff::Timestamp>>(column).map(from_sql_time);
    Ok(IncidentRow {
        number: IncidentNumber(row.get("number")),
        state: if row.get::<_, &str>("state") == "open" { IncidentState::Open } else { IncidentState::Cleared },
        severity: severity(row.get("severity"))?,
        revision: row.get::<_, i32>("revision").unsigned_abs(),
        info: row.get("info"),
        raised_at: from_sql_time(row.get("raised_at")),
        updated_at: from_sql_time(row.get("updated_at")),
        cleared_at: time("cleared_at"),
        clear_reason: row.get("clear_reason"),
        indeterminate: row.get("indeterminate"),
        notice: serde_json::from_value(row.get("notice")).map_err(corrupt)?,
        receivers: serde_json::from_value(row.get("receivers")).map_err(corrupt)?,
        acked_by: row.get("acked_by"),
        acked_at: time("acked_at"),
    })
}
