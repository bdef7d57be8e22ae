//! Incidents as people and programs look at them.

use std::collections::BTreeMap;

use ow_domain::access::LabelScope;
use ow_domain::incident::{IncidentNumber, Notice};
use ow_domain::{ChannelId, Severity, Time};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Told, rank};
use crate::{Store, StoreError, from_sql_time, sql_time};

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

/// The order of a list. Equal ones: newest first, but oldest first for [`Sort::Oldest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    #[default]
    Newest,
    Oldest,
    /// The worst first.
    Worst,
    /// The last changed first.
    Updated,
}

/// Place in a list: the last row that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// What the list is sorted by: rank of the severity or Unix microseconds; 0 when by number.
    pub key: i64,
    pub number: IncidentNumber,
}

/// The words of the three axes as one. An incident has exactly one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// It burns, everybody is told, and nobody has it in hand.
    Open,
    /// Somebody has it in hand.
    Acked,
    /// Something hides it.
    Suppressed,
    Cleared,
}

impl Shown {
    pub const ALL: [Self; 4] = [Self::Open, Self::Acked, Self::Suppressed, Self::Cleared];
    /// All but cleared.
    pub const ACTIVE: [Self; 3] = [Self::Open, Self::Acked, Self::Suppressed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acked => "acked",
            Self::Suppressed => "suppressed",
            Self::Cleared => "cleared",
        }
    }

    const fn sql(self) -> &'static str {
        match self {
            Self::Open => "(state = 'open' AND NOT suppressed AND acked_by IS NULL)",
            Self::Acked => "(state = 'open' AND NOT suppressed AND acked_by IS NOT NULL)",
            Self::Suppressed => "(state = 'open' AND suppressed)",
            Self::Cleared => "state = 'cleared'",
        }
    }
}

/// Which incidents; the default is all but those of severity info, newest first, 100 at a time. All conditions hold;
/// of a list of values one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentFilter {
    pub state: Option<IncidentState>,
    /// Only these words; empty: any.
    pub shown: Vec<Shown>,
    /// This one and worse. Cleared incidents count with the last severity they had.
    pub min_severity: Option<Severity>,
    /// Only these; empty: any.
    pub severities: Vec<Severity>,
    pub numbers: Vec<IncidentNumber>,
    pub channels: Vec<ChannelId>,
    pub checks: Vec<String>,
    pub packagers: Vec<String>,
    pub regions: Vec<String>,
    /// Labels of the channel, each with this value.
    pub labels: BTreeMap<String, String>,
    /// Channels that somebody may see; `None`: all.
    pub scope: Option<LabelScope>,
    /// Open at some time from then on.
    pub from: Option<Time>,
    /// Raised before then.
    pub to: Option<Time>,
    /// Part of channel, check, title or message; case does not matter.
    pub search: Option<String>,
    /// With records of severity info, which nobody was told of.
    pub with_info: bool,
    pub sort: Sort,
    /// 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Only incidents after this place: [`IncidentPage::next`] of the page before.
    pub after: Option<Cursor>,
}

impl Default for IncidentFilter {
    fn default() -> Self {
        Self {
            state: None,
            shown: Vec::new(),
            min_severity: None,
            severities: Vec::new(),
            numbers: Vec::new(),
            channels: Vec::new(),
            checks: Vec::new(),
            packagers: Vec::new(),
            regions: Vec::new(),
            labels: BTreeMap::new(),
            scope: None,
            from: None,
            to: None,
            search: None,
            with_info: false,
            sort: Sort::Newest,
            limit: 100,
            after: None,
        }
    }
}

impl IncidentFilter {
    /// What is wrong now.
    pub fn active() -> Self {
        Self { state: Some(IncidentState::Open), ..Self::default() }
    }

    /// Conditions and their parameters. Parts that choose an index are written out, values are parameters.
    fn conditions(&self) -> Conditions {
        let mut all = Conditions::default();
        if !self.with_info {
            all.sql("NOT info");
        }
        match self.state {
            Some(IncidentState::Open) => all.sql("state = 'open'"),
            Some(IncidentState::Cleared) => all.sql("state = 'cleared'"),
            None if !self.shown.is_empty() && !self.shown.contains(&Shown::Cleared) => all.sql("state = 'open'"),
            None => {}
        }
        if !self.shown.is_empty() {
            let words: Vec<&str> = self.shown.iter().map(|shown| shown.sql()).collect();
            all.sql(&format!("({})", words.join(" OR ")));
        }
        if let Some(least) = self.min_severity {
            all.with("severity_rank >= ?", rank(least));
        }
        if !self.severities.is_empty() {
            all.with("severity_rank = ANY (?)", self.severities.iter().copied().map(rank).collect::<Vec<i16>>());
        }
        if !self.numbers.is_empty() {
            all.with("number = ANY (?)", self.numbers.iter().map(|n| n.0).collect::<Vec<i64>>());
        }
        let channels = self.channels.iter().map(ToString::to_string).collect();
        for (column, values) in [
            ("channel", &channels),
            ("check_id", &self.checks),
            ("packager", &self.packagers),
            ("region", &self.regions),
        ] {
            match &values[..] {
                [] => {}
                // One value lets an index give the order, too.
                [one] => all.with(&format!("{column} = ?"), one.clone()),
                _ => all.with(&format!("{column} = ANY (?)"), values.clone()),
            }
        }
        if !self.labels.is_empty() {
            all.with("labels @> ?", serde_json::to_value(&self.labels).unwrap_or_default());
        }
        for (label, values) in self.scope.iter().flat_map(|scope| scope.labels()) {
            let key = all.parameter(label.clone());
            all.with(&format!("labels ->> {key} = ANY (?)"), values.iter().cloned().collect::<Vec<String>>());
        }
        if let Some(from) = self.from {
            all.with("(cleared_at IS NULL OR cleared_at >= ?)", sql_time(from));
        }
        if let Some(to) = self.to {
            all.with("raised_at < ?", sql_time(to));
        }
        if let Some(text) = &self.search {
            let pattern: String = text.to_lowercase().chars().fold("%".to_owned(), |mut out, c| {
                if matches!(c, '%' | '_' | '\\') {
                    out.push('\\');
                }
                out.push(c);
                out
            });
            all.with("search LIKE ?", pattern + "%");
        }
        all
    }

    fn place(&self, all: &mut Conditions) {
        let Some(Cursor { key, number }) = self.after else { return };
        match self.sort {
            Sort::Newest => all.with("number < ?", number.0),
            Sort::Oldest => all.with("number > ?", number.0),
            Sort::Worst => {
                let key = all.parameter(i16::try_from(key).unwrap_or(i16::MAX));
                all.with(&format!("(severity_rank, number) < ({key}, ?)"), number.0);
            }
            Sort::Updated => {
                let key = all.parameter(sql_time(Time::from_unix_micros(key)));
                all.with(&format!("(updated_at, number) < ({key}, ?)"), number.0);
            }
        }
    }

    fn cursor(&self, row: &IncidentRow) -> Cursor {
        let key = match self.sort {
            Sort::Newest | Sort::Oldest => 0,
            Sort::Worst => i64::from(rank(row.severity)),
            Sort::Updated => row.updated_at.unix_micros(),
        };
        Cursor { key, number: row.number }
    }
}

/// `WHERE` with its parameters.
#[derive(Default)]
struct Conditions {
    sql: Vec<String>,
    parameters: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Conditions {
    fn sql(&mut self, sql: &str) {
        self.sql.push(sql.to_owned());
    }

    /// Its name in SQL.
    fn parameter(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.parameters.push(Box::new(value));
        format!("${}", self.parameters.len())
    }

    /// `sql` with `?` in the place of `value`.
    fn with(&mut self, sql: &str, value: impl ToSql + Sync + Send + 'static) {
        let name = self.parameter(value);
        self.sql.push(sql.replace('?', &name));
    }

    fn text(&self) -> String {
        if self.sql.is_empty() { "true".to_owned() } else { self.sql.join(" AND ") }
    }

    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|p| p.as_ref() as &(dyn ToSql + Sync)).collect()
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
    /// Something hides it; what, is in the notice.
    pub suppressed: bool,
}

impl IncidentRow {
    pub fn shown(&self) -> Shown {
        match self.state {
            IncidentState::Cleared => Shown::Cleared,
            IncidentState::Open if self.suppressed => Shown::Suppressed,
            IncidentState::Open if self.acked_by.is_some() => Shown::Acked,
            IncidentState::Open => Shown::Open,
        }
    }
}

/// In the order that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentPage {
    pub incidents: Vec<IncidentRow>,
    /// For [`IncidentFilter::after`], when there are more.
    pub next: Option<Cursor>,
}

/// One line of the history of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmEvent {
    pub seq: i64,
    pub incident: IncidentNumber,
    pub revision: u32,
    /// `raise`, `update`, `clear`, or what was done: `ack`, `unack`, `note`, `shelve`, `unshelve`, `resolve`, `suppress`,
    /// `unsuppress`.
    pub change: String,
    pub old_severity: Option<Severity>,
    pub new_severity: Severity,
    /// Why, or the note that came with it.
    pub cause: Option<String>,
    pub actor: String,
    /// Of an acknowledgement or a shelf: its end.
    pub until: Option<Time>,
    /// When it happened, by the facts.
    pub at: Time,
    /// When it was recorded.
    pub recorded_at: Time,
}

const COLUMNS: &str = "number, state, severity, revision, info, raised_at, updated_at, cleared_at, clear_reason, \
                       indeterminate, notice, receivers, acked_by, acked_at, suppressed";

impl Store {
    /// A page of incidents.
    pub async fn list_incidents(&self, filter: &IncidentFilter) -> Result<IncidentPage, StoreError> {
        let limit = filter.limit.clamp(1, MAX_PAGE);
        let mut conditions = filter.conditions();
        filter.place(&mut conditions);
        let order = match filter.sort {
            Sort::Newest => "number DESC",
            Sort::Oldest => "number",
            Sort::Worst => "severity_rank DESC, number DESC",
            Sort::Updated => "updated_at DESC, number DESC",
        };
        // One more tells whether there is a next page.
        let most = conditions.parameter(i64::from(limit) + 1);
        let sql = format!("SELECT {COLUMNS} FROM incident WHERE {} ORDER BY {order} LIMIT {most}", conditions.text());
        let rows = self
            .client()
            .await?
            .query(&sql, &conditions.values())
            .await
            .map_err(StoreError::query("to list incidents"))?;
        let mut incidents = rows.iter().map(incident).collect::<Result<Vec<_>, _>>()?;
        let more = incidents.len() > limit as usize;
        incidents.truncate(limit as usize);
        let next = incidents.last().filter(|_| more).map(|row| filter.cursor(row));
        Ok(IncidentPage { incidents, next })
    }

    /// A number that no incident has or will have.
    pub async fn spare_incident_number(&self) -> Result<IncidentNumber, StoreError> {
        let row = self
            .client()
            .await?
            .query_one("SELECT nextval(pg_get_serial_sequence('incident', 'number'))", &[])
            .await
            .map_err(StoreError::query("to take a number"))?;
        Ok(IncidentNumber(row.get(0)))
    }

    /// How many there are, whatever `limit` and `after` say.
    pub async fn count_incidents(&self, filter: &IncidentFilter) -> Result<u64, StoreError> {
        let conditions = filter.conditions();
        let sql = format!("SELECT count(*) FROM incident WHERE {}", conditions.text());
        let row = self
            .client()
            .await?
            .query_one(&sql, &conditions.values())
            .await
            .map_err(StoreError::query("to count incidents"))?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    /// Channels of which something runs out by `now`: an acknowledgement or a shelf.
    pub async fn channels_due(&self, now: Time) -> Result<Vec<ChannelId>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                "SELECT DISTINCT channel FROM incident WHERE state = 'open' AND due_at IS NOT NULL AND due_at <= $1",
                &[&sql_time(now)],
            )
            .await
            .map_err(StoreError::query("to look for what runs out"))?;
        rows.iter().map(|row| channel(row.get(0))).collect()
    }

    /// The last notices of open incidents with numbers above `after`, oldest first; records of severity info are not
    /// among them.
    pub async fn open_notices(&self, after: IncidentNumber, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                "SELECT notice FROM incident WHERE state = 'open' AND NOT info AND number > $1 ORDER BY number LIMIT $2",
                &[&after.0, &i64::from(limit)],
            )
            .await
            .map_err(StoreError::query("to read what is open"))?;
        let corrupt = |error: serde_json::Error| StoreError::Corrupt { what: "an incident", reason: error.to_string() };
        rows.iter().map(|row| serde_json::from_value(row.get(0)).map_err(corrupt)).collect()
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
                "SELECT seq, incident, revision, change, old_severity, new_severity, cause, actor, at, recorded_at, until
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
                    until: row.get::<_, Option<jiff::Timestamp>>(10).map(from_sql_time),
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
        suppressed: row.get("suppressed"),
    })
}

fn channel(text: &str) -> Result<ChannelId, StoreError> {
    ChannelId::new(text).map_err(|error| StoreError::Corrupt { what: "a channel", reason: error.to_string() })
}
