//! The state of a channel, and its change.

use ow_domain::incident::{ChangeKind, IncidentNumber, Notice};
use ow_domain::operation::{OperationKind, SuppressionKind};
use ow_domain::verdict::Position;
use ow_domain::{ChannelId, Severity, Time};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Transaction;

use super::{ChangeRecord, ChannelRecord, ForcedClear, OpenIncident, StepOutcome, StepRecord, rank};
use crate::{ALARM_CHANNEL, Store, StoreError, from_sql_time, sql_time};

/// As kept in `bigint`. Sequences of JetStream stay far below.
fn seq(position: Position) -> i64 {
    i64::try_from(position.seq).unwrap_or(i64::MAX)
}

/// Texts of the watched stream may hold U+0000, which `jsonb` does not.
fn json(value: &impl Serialize) -> Result<Value, StoreError> {
    let mut value = serde_json::to_value(value)
        .map_err(|error| StoreError::Corrupt { what: "a notice", reason: error.to_string() })?;
    without_nul(&mut value);
    Ok(value)
}

fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(map) => map.values_mut().for_each(without_nul),
        _ => {}
    }
}

impl Store {
    /// The open incidents of a channel and the position they stand for.
    pub async fn load_channel_alarms(&self, channel: &ChannelId) -> Result<ChannelRecord, StoreError> {
        let client = self.client().await?;
        // The position first: when a step comes in between, the position is too old and the next step is refused.
        let read = client
            .prepare_cached("SELECT epoch, seq, operations FROM channel_progress WHERE channel = $1")
            .await
            .map_err(StoreError::query("to prepare reading the progress of a channel"))?;
        let row = client
            .query_opt(&read, &[&channel.as_str()])
            .await
            .map_err(StoreError::query("to read the progress of a channel"))?;
        let operations = row.as_ref().map_or(0, |row| row.get::<_, i64>(2).unsigned_abs());
        let acted = row.map(|row| Position { epoch: row.get(0), seq: row.get::<_, i64>(1).unsigned_abs() });
        let read = client
            .prepare_cached(
                "SELECT number, notice, receivers, indeterminate, owed FROM incident
                 WHERE channel = $1 AND state = 'open'",
            )
            .await
            .map_err(StoreError::query("to prepare reading the open incidents of a channel"))?;
        let rows = client
            .query(&read, &[&channel.as_str()])
            .await
            .map_err(StoreError::query("to read the open incidents of a channel"))?;
        let corrupt = |error: serde_json::Error| StoreError::Corrupt { what: "an incident", reason: error.to_string() };
        let mut open = Vec::with_capacity(rows.len());
        for row in rows {
            open.push(OpenIncident {
                number: IncidentNumber(row.get(0)),
                notice: serde_json::from_value(row.get(1)).map_err(corrupt)?,
                told: serde_json::from_value(row.get(2)).map_err(corrupt)?,
                indeterminate: row.get(3),
                owed: row.get(4),
            });
        }
        let read = client
            .prepare_cached("SELECT fingerprint, incident, at FROM forced_clear WHERE channel = $1")
            .await
            .map_err(StoreError::query("to prepare reading what was closed by hand"))?;
        let rows = client
            .query(&read, &[&channel.as_str()])
            .await
            .map_err(StoreError::query("to read what was closed by hand"))?;
        let forced = rows.iter().map(|row| ForcedClear {
            fingerprint: row.get(0),
            number: IncidentNumber(row.get(1)),
            at: from_sql_time(row.get(2)),
        });
        Ok(ChannelRecord { acted, operations, open, forced: forced.collect() })
    }

    /// Does all of `step` or nothing. When the answer is lost (the connection breaks during commit), read the channel
    /// again: its position says whether it was done.
    #[tracing::instrument(skip_all, fields(channel = %step.channel, n_changes = step.changes.len()))]
    pub async fn record_step(&self, step: &StepRecord) -> Result<StepOutcome, StoreError> {
        let mut client = self.client().await?;
        let sql = match step.advance {
            Some(_) => {
                "INSERT INTO channel_progress AS p (channel, epoch, seq, as_of) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (channel) DO UPDATE SET epoch = $2, seq = $3, as_of = $4, acted_at = now()
                 WHERE p.epoch = $5 AND p.seq = $6 AND p.operations = $7"
            }
            None => {
                "UPDATE channel_progress SET operations = operations + 1
                 WHERE channel = $1 AND epoch = $2 AND seq = $3 AND operations = $4"
            }
        };
        let fence =
            client.prepare_cached(sql).await.map_err(StoreError::query("to prepare the progress of a channel"))?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a step"))?;
        // Takes the lock of the channel's row: a second writer waits here and is refused when the first has committed.
        let (channel, operations) = (step.channel.as_str(), i64::try_from(step.operations).unwrap_or(i64::MAX));
        let before = (step.before.map(|p| p.epoch), step.before.map(seq));
        let n_rows = match step.advance {
            Some((to, as_of)) => {
                let (epoch, to, as_of) = (to.epoch, seq(to), sql_time(as_of));
                transaction.execute(&fence, &[&channel, &epoch, &to, &as_of, &before.0, &before.1, &operations]).await
            }
            None => transaction.execute(&fence, &[&channel, &before.0, &before.1, &operations]).await,
        }
        .map_err(StoreError::query("to advance a channel"))?;
        if n_rows == 0 {
            return Ok(StepOutcome::Overtaken);
        }
        let mut numbers = Vec::new();
        for change in &step.changes {
            let number = match change.number {
                None => {
                    let number = insert(&transaction, change).await?;
                    numbers.push(number);
                    number
                }
                Some(number) => {
                    if !update(&transaction, change, number).await? {
                        return Ok(StepOutcome::Overtaken);
                    }
                    number
                }
            };
            log_and_promise(&transaction, change, number).await?;
        }
        for (number, indeterminate) in &step.confirmations {
            transaction
                .execute("UPDATE incident SET indeterminate = $2 WHERE number = $1", &[&number.0, indeterminate])
                .await
                .map_err(StoreError::query("to mark an incident"))?;
        }
        if !step.forgotten.is_empty() {
            transaction
                .execute(
                    "DELETE FROM forced_clear WHERE channel = $1 AND fingerprint = ANY ($2)",
                    &[&channel, &step.forgotten],
                )
                .await
                .map_err(StoreError::query("to forget what was closed by hand"))?;
        }
        transaction.commit().await.map_err(StoreError::query("to commit a step"))?;
        Ok(StepOutcome::Recorded(numbers))
    }
}

fn numbered(notice: &Notice, number: IncidentNumber) -> Notice {
    Notice { number, ..notice.clone() }
}

async fn insert(transaction: &Transaction<'_>, change: &ChangeRecord) -> Result<IncidentNumber, StoreError> {
    let notice = &change.notice;
    // The number comes before the row, so that the notice in the row can carry it.
    let number: i64 = transaction
        .query_one("SELECT nextval(pg_get_serial_sequence('incident', 'number'))", &[])
        .await
        .map_err(StoreError::query("to number an incident"))?
        .get(0);
    transaction
        .execute(
            "INSERT INTO incident (number, channel, fingerprint, check_id, severity, severity_rank, state, revision, info,
                 raised_at, updated_at, indeterminate, notice, receivers, suppressed)
             OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $10, $11, $12, $13, $14)",
            &[
                &number,
                &notice.channel.as_str(),
                &notice.fingerprint,
                &notice.check,
                &notice.severity.as_str(),
                &rank(notice.severity),
                &revision(notice),
                &!change.publish,
                &sql_time(notice.raised_at),
                &sql_time(notice.at),
                &change.indeterminate,
                &json(&numbered(notice, IncidentNumber(number)))?,
                &json(&change.told)?,
                &!notice.suppressed.is_empty(),
            ],
        )
        .await
        .map_err(StoreError::query("to record an incident"))?;
    Ok(IncidentNumber(number))
}

/// `false`: the incident is not open at the revision before.
async fn update(
    transaction: &Transaction<'_>,
    change: &ChangeRecord,
    number: IncidentNumber,
) -> Result<bool, StoreError> {
    let notice = &change.notice;
    let over = notice.change == ChangeKind::Clear;
    let ack = notice.ack.as_ref();
    // A cleared incident keeps the severity it had.
    let severity = if over { notice.previous_severity.unwrap_or(Severity::Indeterminate) } else { notice.severity };
    let n_rows = transaction
        .execute(
            "UPDATE incident SET severity = $2, severity_rank = $3, revision = $4, updated_at = $5, notice = $6,
                 receivers = $7, indeterminate = $8, state = CASE WHEN $9 THEN 'cleared' ELSE 'open' END,
                 cleared_at = $10, clear_reason = $11, acked_by = $12, acked_at = $13, ack_note = $14, ack_until = $15,
                 suppressed = $16, owed = $17, due_at = $18
             WHERE number = $1 AND state = 'open' AND revision = $4 - 1",
            &[
                &number.0,
                &severity.as_str(),
                &rank(severity),
                &revision(notice),
                &sql_time(notice.at),
                &json(&numbered(notice, number))?,
                &json(&change.told)?,
                &change.indeterminate,
                &over,
                &notice.cleared_at.map(sql_time),
                &notice.clear_reason,
                &ack.map(|a| &a.by),
                &ack.map(|a| sql_time(a.at)),
                &ack.and_then(|a| a.note.as_ref()),
                &ack.and_then(|a| a.until).map(sql_time),
                &!notice.suppressed.is_empty(),
                &change.owed,
                &due_at(notice).filter(|_| !over).map(sql_time),
            ],
        )
        .await
        .map_err(StoreError::query("to change an incident"))?;
    if over && notice.operation.as_ref().is_some_and(|o| o.kind == OperationKind::Resolve) {
        transaction
            .execute(
                "INSERT INTO forced_clear (channel, fingerprint, incident, at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (channel, fingerprint) DO UPDATE SET incident = $3, at = $4",
                &[&notice.channel.as_str(), &notice.fingerprint, &number.0, &sql_time(notice.at)],
            )
            .await
            .map_err(StoreError::query("to remember what was closed by hand"))?;
    }
    Ok(n_rows == 1)
}

/// When something about it runs out: the acknowledgement or the shelf.
fn due_at(notice: &Notice) -> Option<Time> {
    let shelves = notice.suppressed.iter().filter(|s| s.kind == SuppressionKind::Shelved).filter_map(|s| s.until);
    shelves.chain(notice.ack.as_ref().and_then(|ack| ack.until)).min()
}

/// The line of the event log, and the messages in the outbox.
async fn log_and_promise(
    transaction: &Transaction<'_>,
    change: &ChangeRecord,
    number: IncidentNumber,
) -> Result<(), StoreError> {
    let notice = numbered(&change.notice, number);
    let operation = notice.operation.as_ref();
    transaction
        .execute(
            "INSERT INTO alarm_event (incident, revision, change, old_severity, new_severity, cause, at, actor, until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, 'alert-router'), $9)",
            &[
                &number.0,
                &revision(&notice),
                &operation.map_or(notice.change.as_str(), |o| o.kind.as_str()),
                &notice.previous_severity.map(Severity::as_str),
                &notice.severity.as_str(),
                &operation
                    .map_or(notice.clear_reason.as_ref(), |o| o.note.as_ref())
                    .map(|text| text.replace('\0', "\u{fffd}")),
                &sql_time(notice.at),
                &operation.map(|o| &o.by),
                &operation.and_then(|o| o.until).map(sql_time),
            ],
        )
        .await
        .map_err(StoreError::query("to log a change"))?;
    let mut kinds: Vec<&str> = Vec::new();
    let mut payloads = Vec::new();
    for job in &change.jobs {
        let mut job = job.clone();
        job.notice.number = number;
        kinds.push("notify");
        payloads.push(json(&job)?);
    }
    if change.publish {
        let payload = json(&notice)?;
        kinds.extend(["change", "incident"]);
        payloads.extend([payload.clone(), payload]);
    }
    if !kinds.is_empty() {
        transaction
            .execute(
                "INSERT INTO outbox (kind, incident, payload)
                 SELECT kind, $1, payload FROM unnest($2::text[], $3::jsonb[]) WITH ORDINALITY AS m (kind, payload, n) ORDER BY n",
                &[&number.0, &kinds, &payloads],
            )
            .await
            .map_err(StoreError::query("to fill the outbox"))?;
    }
    if change.publish {
        transaction
            .execute("SELECT pg_notify($1, $2)", &[&ALARM_CHANNEL, &number.0.to_string()])
            .await
            .map_err(StoreError::query("to announce a change"))?;
    }
    Ok(())
}

fn revision(notice: &Notice) -> i32 {
    i32::try_from(notice.revision).unwrap_or(i32::MAX)
}
