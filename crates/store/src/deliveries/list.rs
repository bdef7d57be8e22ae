//! The delivery log as people look at it, and what they have sent again.

use ow_domain::access::LabelScope;
use ow_domain::config::ChangedBy;
use ow_domain::incident::{DeliveryOutcome, IncidentNumber, NotifyJob, ReceiverKind};
use ow_domain::{ReceiverId, Time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{DeliveryRow, delivery_row, outcome_text, signed, unsigned, wrapped};
use crate::{Store, StoreError, audit, scope, sql_time};

/// Most rows of one page.
pub const MAX_PAGE: u32 = 1000;

/// Which delivery: one revision of an incident at one receiver. As text `1042-2-noc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryId {
    pub number: IncidentNumber,
    pub revision: u32,
    pub receiver: ReceiverId,
}

impl std::fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.number.0, self.revision, self.receiver)
    }
}

/// The text is no id of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no id of a delivery such as 1042-2-noc")]
pub struct DeliveryIdError;

impl std::str::FromStr for DeliveryId {
    type Err = DeliveryIdError;
    fn from_str(text: &str) -> Result<Self, DeliveryIdError> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().ok_or(DeliveryIdError);
        let number = IncidentNumber(next()?.parse().map_err(|_| DeliveryIdError)?);
        let revision = next()?.parse().map_err(|_| DeliveryIdError)?;
        let receiver = ReceiverId::new(next()?).map_err(|_| DeliveryIdError)?;
        let id = Self { number, revision, receiver };
        // One text per delivery: no signs, no leading zeros.
        if id.to_string() == text && number.0 >= 0 { Ok(id) } else { Err(DeliveryIdError) }
    }
}

/// One line of the log with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryEntry {
    pub row: DeliveryRow,
    /// Running number at the receiver; `None`: nothing has left yet.
    pub sequence: Option<u32>,
    /// How often somebody had it sent again.
    pub resends: u32,
    /// Of the incident; `None` when it is forgotten.
    pub channel: Option<String>,
    pub title: Option<String>,
}

impl DeliveryEntry {
    pub fn id(&self) -> DeliveryId {
        let delivery = &self.row.delivery;
        DeliveryId { number: delivery.number, revision: delivery.revision, receiver: delivery.receiver.clone() }
    }

    pub fn key(&self) -> DeliveryKey {
        DeliveryKey { first_at: self.row.first_at, id: self.id() }
    }
}

/// Place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryKey {
    pub first_at: Time,
    pub id: DeliveryId,
}

/// Which deliveries, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeliveryFilter {
    pub incident: Option<IncidentNumber>,
    pub receiver: Option<ReceiverId>,
    pub kind: Option<ReceiverKind>,
    /// `Some(None)`: begun, its end not logged.
    pub outcome: Option<Option<DeliveryOutcome>>,
    pub channel: Option<String>,
    /// Begun from then on.
    pub since: Option<Time>,
    /// Begun before.
    pub until: Option<Time>,
    /// Only of channels that it admits.
    pub scope: Option<LabelScope>,
    /// 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Behind this one.
    pub after: Option<DeliveryKey>,
}

/// What is to be published so that a delivery is tried again.
#[derive(Debug, Clone, PartialEq)]
pub enum Resend {
    /// The latest revision of the incident, for this receiver; `nth`: how often it was sent again, this time included.
    Ready { job: Box<NotifyJob>, nth: u32 },
    /// It came there, or something later did.
    Delivered,
    /// Not known, or outside of the scope.
    Unknown,
}

const COLUMNS: &str = "d.*, i.channel AS of_channel, i.notice ->> 'title' AS title";

/// Conditions with their parameters.
#[derive(Default)]
struct Where {
    conditions: Vec<String>,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Where {
    /// `{}` stands for the parameter.
    fn and(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'static) {
        self.values.push(Box::new(value));
        self.conditions.push(condition.replace("{}", &format!("${}", self.values.len())));
    }

    fn of(filter: &DeliveryFilter) -> Self {
        let mut all = Self::default();
        if let Some(number) = filter.incident {
            all.and("d.incident = {}", number.0);
        }
        if let Some(receiver) = &filter.receiver {
            all.and("d.receiver = {}", receiver.to_string());
        }
        if let Some(kind) = filter.kind {
            all.and("d.kind = {}", kind.as_str());
        }
        if let Some(outcome) = filter.outcome {
            all.and("d.outcome = {}", outcome.map_or("pending", outcome_text));
        }
        if let Some(channel) = &filter.channel {
            // As an array: read first, by its index, when the channel has few.
            all.and("d.incident = ANY (ARRAY(SELECT number FROM incident WHERE channel = {}))", channel.clone());
        }
        if let Some(since) = filter.since {
            all.and("d.first_at >= {}", sql_time(since));
        }
        if let Some(until) = filter.until {
            all.and("d.first_at < {}", sql_time(until));
        }
        if let Some(scope) = &filter.scope {
            let n = all.values.len() + 1;
            // As the alarm's labels were: those of a channel that is gone, too.
            let inside = format!("i.number IS NOT NULL AND {}", scope::admits(n, "(i.notice -> 'labels')"));
            all.values.push(Box::new(scope::parameter(Some(scope))));
            all.conditions.push(inside);
        }
        all
    }

    fn text(&self) -> String {
        if self.conditions.is_empty() { "true".to_owned() } else { self.conditions.join(" AND ") }
    }

    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value }).collect()
    }
}

impl Store {
    /// At most `limit` + 1 deliveries, newest first: one more tells that there is a next page.
    pub async fn list_deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryEntry>, StoreError> {
        let mut all = Where::of(filter);
        if let Some(DeliveryKey { first_at, id }) = &filter.after {
            let n = all.values.len();
            all.values.push(Box::new(sql_time(*first_at)));
            all.values.push(Box::new(id.number.0));
            all.values.push(Box::new(signed(id.revision)));
            all.values.push(Box::new(id.receiver.to_string()));
            all.conditions.push(format!(
                "(d.first_at, d.incident, d.revision, d.receiver) < (${}, ${}, ${}, ${})",
                n + 1,
                n + 2,
                n + 3,
                n + 4
            ));
        }
        let limit = i64::from(filter.limit.clamp(1, MAX_PAGE)) + 1;
        let sql = format!(
            "SELECT {COLUMNS} FROM delivery d LEFT JOIN incident i ON i.number = d.incident WHERE {}
             ORDER BY d.first_at DESC, d.incident DESC, d.revision DESC, d.receiver DESC LIMIT {limit}",
            all.text()
        );
        let client = self.client().await?;
        let statement =
            client.prepare_cached(&sql).await.map_err(StoreError::query("to prepare the list of deliveries"))?;
        let rows = client.query(&statement, &all.values()).await.map_err(StoreError::query("to list deliveries"))?;
        rows.iter().map(entry).collect()
    }

    /// How many there are, over all pages.
    pub async fn count_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        let all = Where::of(filter);
        let sql = format!(
            "SELECT count(*) FROM delivery d LEFT JOIN incident i ON i.number = d.incident WHERE {}",
            all.text()
        );
        let client = self.client().await?;
        let row = client.query_one(&sql, &all.values()).await.map_err(StoreError::query("to count deliveries"))?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    /// One delivery, if the scope admits its channel.
    pub async fn delivery(
        &self,
        id: &DeliveryId,
        scope: Option<&LabelScope>,
    ) -> Result<Option<DeliveryEntry>, StoreError> {
        let filter = DeliveryFilter { scope: scope.cloned(), ..DeliveryFilter::default() };
        let mut all = Where::of(&filter);
        all.and("d.incident = {}", id.number.0);
        all.and("d.revision = {}", signed(id.revision));
        all.and("d.receiver = {}", id.receiver.to_string());
        let sql = format!(
            "SELECT {COLUMNS} FROM delivery d LEFT JOIN incident i ON i.number = d.incident WHERE {}",
            all.text()
        );
        let client = self.client().await?;
        let row = client.query_opt(&sql, &all.values()).await.map_err(StoreError::query("to read a delivery"))?;
        row.as_ref().map(entry).transpose()
    }

    /// Makes a delivery ready to be tried again, with an entry in the audit trail: attempts and time begin anew. What
    /// is then to be published is the latest revision of its incident; publishing it twice does no harm.
    pub async fn reopen_delivery(
        &self,
        id: &DeliveryId,
        scope: Option<&LabelScope>,
        by: &ChangedBy,
    ) -> Result<Resend, StoreError> {
        let what = "to send a delivery again";
        if self.delivery(id, scope).await?.is_none() {
            return Ok(Resend::Unknown);
        }
        let mut client = self.client().await?;
        let tx = client.transaction().await.map_err(StoreError::query(what))?;
        let receiver = id.receiver.as_str();
        let row = tx
            .query_opt(
                "SELECT d.outcome, d.kind, d.resends, i.notice, coalesce(s.delivered_revision, 0) AS delivered
                 FROM delivery d JOIN incident i ON i.number = d.incident
                 LEFT JOIN delivery_state s ON s.receiver = d.receiver AND s.incident = d.incident
                 WHERE d.receiver = $1 AND d.incident = $2 AND d.revision = $3 FOR UPDATE OF d",
                &[&receiver, &id.number.0, &signed(id.revision)],
            )
            .await
            .map_err(StoreError::query(what))?;
        let Some(row) = row else { return Ok(Resend::Unknown) };
        let outcome: String = row.get("outcome");
        if matches!(outcome.as_str(), "delivered" | "superseded")
            || row.get::<_, i32>("delivered") >= signed(id.revision)
        {
            return Ok(Resend::Delivered);
        }
        let nth = unsigned(row.get("resends")) + 1;
        let corrupt = |reason: String| StoreError::Corrupt { what: "a delivery", reason };
        let kind = row.get::<_, &str>("kind").parse::<ReceiverKind>().map_err(corrupt)?;
        let notice = serde_json::from_value(row.get("notice")).map_err(|e| corrupt(e.to_string()))?;
        let job = NotifyJob { receiver: id.receiver.clone(), kind, notice, deadline: None };
        // That of the latest revision, too: it may have been given up as well.
        tx.execute(
            "UPDATE delivery SET resends = $5, attempts = 0, outcome = 'deferred', first_at = now(), at = now(),
                 detail = 'sent again by ' || $6
             WHERE receiver = $1 AND incident = $2 AND revision IN ($3, $4) AND outcome NOT IN ('delivered', 'superseded')",
            &[
                &receiver,
                &id.number.0,
                &signed(id.revision),
                &signed(job.notice.revision),
                &signed(nth),
                &by.actor,
            ],
        )
        .await
        .map_err(StoreError::query(what))?;
        let before = json!({"outcome": outcome});
        let after = json!({"outcome": "deferred", "revision": job.notice.revision, "resends": nth});
        audit::write(&tx, by, ("resend", "Delivery", &id.to_string()), Some(before), Some(after), 0).await?;
        tx.commit().await.map_err(StoreError::query(what))?;
        Ok(Resend::Ready { job: Box::new(job), nth })
    }
}

fn entry(row: &Row) -> Result<DeliveryEntry, StoreError> {
    Ok(DeliveryEntry {
        row: delivery_row(row)?,
        sequence: row.get::<_, Option<i64>>("sequence").map(wrapped),
        resends: unsigned(row.get("resends")),
        channel: row.get("of_channel"),
        title: row.get("title"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_each_has_one_text() {
        for good in ["1042-2-noc", "1-1-slack-noc-2", "0-0-a"] {
            assert_eq!(good.parse::<DeliveryId>().unwrap().to_string(), good);
        }
        for bad in ["", "1042", "1042-2", "1042-2-", "-1-2-noc", "01-2-noc", "1-+2-noc", "1-2-Noc", "x-1-noc"] {
            assert_eq!(bad.parse::<DeliveryId>(), Err(DeliveryIdError), "{bad}");
        }
    }
}
