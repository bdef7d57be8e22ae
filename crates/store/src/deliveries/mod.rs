//! The delivery log and what each receiver knows of each incident.
//!
//! The order of calls makes a second attempt harmless: [`Store::delivery_begin`] takes the lease and says what is
//! known, [`Store::delivery_sending`] writes that something is about to leave, [`Store::delivery_end`] what became of
//! it. Between the send and `delivery_end` there is a window that no log closes: after a crash in it the attempt is
//! made again, with the same identifiers (sequence, Message-ID, webhook-id), so that the other side may tell.

mod list;

use std::time::Duration;

use ow_domain::incident::{ChangeKind, Delivery, DeliveryOutcome, IncidentNumber, NotifyJob, ReceiverKind};
use ow_domain::{ReceiverId, Time};
use serde_json::Value;
use tokio_postgres::{Client, NoTls, Row};

pub use list::{DeliveryEntry, DeliveryFilter, DeliveryId, DeliveryIdError, DeliveryKey, Resend};

use crate::pool::DropGuard;
use crate::{Store, StoreError, from_sql_time, sql_time};

/// Engines to be had at the same time: notifier replicas.
const MAX_ENGINE_SLOTS: i32 = 64;

/// Rows deleted by one statement, so that a long backlog holds no lock for long.
const DELETE_ROWS: i64 = 10_000;

/// What is known before an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryState {
    pub delivered_revision: u32,
    /// Highest raise or update taken up so far, this one included.
    pub seen_revision: u32,
    /// Highest raise or update taken up before this job.
    pub seen_before: u32,
    /// A raise or update reached the receiver, or may have.
    pub announced: bool,
    pub closed_revision: Option<u32>,
    pub thread: Thread,
    /// Of this very revision.
    pub outcome: Option<DeliveryOutcome>,
    pub detail: String,
    /// Attempts made before.
    pub attempts: u32,
    /// An attempt was begun and its end never logged.
    pub interrupted: bool,
    pub first_at: Time,
}

/// Where the incident's first message is, so that later ones join it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thread {
    pub slack_channel: Option<String>,
    pub slack_ts: Option<String>,
    pub email_root: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Begin {
    /// Another notifier tells this receiver of this incident just now.
    Busy(Duration),
    Ready(DeliveryState),
}

/// An attempt that is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// This one included.
    pub attempts: u32,
    /// Running number per receiver, the same in every attempt; wraps at 2^32.
    pub sequence: u32,
}

/// What [`Store::delivery_end`] changes of the state, besides the log row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryEnd {
    /// `None`: as it was.
    pub announced: Option<bool>,
    pub closed: bool,
    pub thread: Thread,
}

/// One row of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    pub delivery: Delivery,
    /// Begun, its end not logged: being sent just now, or interrupted; `delivery.outcome` is then `Deferred`.
    pub pending: bool,
    pub first_at: Time,
}

/// A receiver as configured.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceiverRow {
    pub name: String,
    pub spec: Value,
}

/// An SNMP engine held by this process for as long as this value lives.
pub struct EngineClaim {
    pub slot: u32,
    pub engine_id: Vec<u8>,
    /// Already counted up and stored for this start.
    pub boots: u32,
    client: Client,
    _driver: DropGuard,
}

impl std::fmt::Debug for EngineClaim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineClaim").field("slot", &self.slot).field("boots", &self.boots).finish_non_exhaustive()
    }
}

impl EngineClaim {
    /// True when the connection that held it is gone: another notifier may have it now.
    pub fn is_lost(&self) -> bool {
        self.client.is_closed()
    }
}

impl Store {
    /// All receivers, by name.
    pub async fn receivers(&self) -> Result<Vec<ReceiverRow>, StoreError> {
        let rows = self
            .client()
            .await?
            .query("SELECT name, spec FROM receiver ORDER BY name", &[])
            .await
            .map_err(StoreError::query("to read the receivers"))?;
        Ok(rows.iter().map(|row| ReceiverRow { name: row.get(0), spec: row.get(1) }).collect())
    }

    /// Takes up a job: takes the lease on receiver and incident for `lease`, and makes the log row.
    pub async fn delivery_begin(&self, job: &NotifyJob, holder: &str, lease: Duration) -> Result<Begin, StoreError> {
        let what = "to begin a delivery";
        let mut client = self.client().await?;
        let tx = client.transaction().await.map_err(StoreError::query(what))?;
        let receiver = job.receiver.as_str();
        let (number, revision) = (job.notice.number.0, signed(job.notice.revision));
        tx.execute(
            "INSERT INTO delivery_state (receiver, incident) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&receiver, &number],
        )
        .await
        .map_err(StoreError::query(what))?;
        let state = tx
            .query_one(
                "SELECT *, coalesce(extract(epoch FROM lease_until - now()), 0)::float8 AS lease_left
                 FROM delivery_state WHERE receiver = $1 AND incident = $2 FOR UPDATE",
                &[&receiver, &number],
            )
            .await
            .map_err(StoreError::query(what))?;
        let lease_left: f64 = state.get("lease_left");
        let other = state.get::<_, Option<String>>("lease_holder").is_some_and(|h| h != holder);
        if other && lease_left > 0.0 {
            return Ok(Begin::Busy(Duration::from_secs_f64(lease_left.min(lease.as_secs_f64()))));
        }
        let seen_before: i32 = state.get("seen_revision");
        let seen = if job.notice.change == ChangeKind::Clear { seen_before } else { seen_before.max(revision) };
        tx.execute(
            "UPDATE delivery_state SET seen_revision = $3, lease_holder = $4, updated_at = now(),
                 lease_until = now() + make_interval(secs => $5) WHERE receiver = $1 AND incident = $2",
            &[&receiver, &number, &seen, &holder, &lease.as_secs_f64()],
        )
        .await
        .map_err(StoreError::query(what))?;
        tx.execute(
            "INSERT INTO delivery (receiver, incident, revision, kind, change, outcome)
             VALUES ($1, $2, $3, $4, $5, 'pending') ON CONFLICT DO NOTHING",
            &[&receiver, &number, &revision, &job.kind.as_str(), &job.notice.change.as_str()],
        )
        .await
        .map_err(StoreError::query(what))?;
        let log = tx
            .query_one(
                "SELECT outcome, attempts, detail, first_at FROM delivery
                 WHERE receiver = $1 AND incident = $2 AND revision = $3",
                &[&receiver, &number, &revision],
            )
            .await
            .map_err(StoreError::query(what))?;
        tx.commit().await.map_err(StoreError::query(what))?;
        let outcome: String = log.get("outcome");
        let attempts = unsigned(log.get("attempts"));
        Ok(Begin::Ready(DeliveryState {
            delivered_revision: unsigned(state.get("delivered_revision")),
            seen_revision: unsigned(seen),
            seen_before: unsigned(seen_before),
            announced: state.get("announced"),
            closed_revision: state.get::<_, Option<i32>>("closed_revision").map(unsigned),
            thread: Thread {
                slack_channel: state.get("slack_channel"),
                slack_ts: state.get("slack_ts"),
                email_root: state.get("email_root"),
            },
            outcome: outcome_from(&outcome),
            detail: log.get("detail"),
            attempts,
            interrupted: outcome == "pending" && attempts > 0,
            first_at: from_sql_time(log.get("first_at")),
        }))
    }

    /// Notes that a raise or update is on its way, without taking it up.
    pub async fn delivery_seen(&self, job: &NotifyJob) -> Result<(), StoreError> {
        if job.notice.change == ChangeKind::Clear {
            return Ok(());
        }
        self.client()
            .await?
            .execute(
                "INSERT INTO delivery_state AS s (receiver, incident, seen_revision) VALUES ($1, $2, $3)
                 ON CONFLICT (receiver, incident) DO UPDATE SET seen_revision = greatest(s.seen_revision, $3)",
                &[&job.receiver.as_str(), &job.notice.number.0, &signed(job.notice.revision)],
            )
            .await
            .map_err(StoreError::query("to note a change"))?;
        Ok(())
    }

    /// Gives the lease back without anything having been sent.
    pub async fn delivery_release(&self, job: &NotifyJob, holder: &str) -> Result<(), StoreError> {
        self.client()
            .await?
            .execute(
                "UPDATE delivery_state SET lease_holder = NULL, lease_until = NULL
                 WHERE receiver = $1 AND incident = $2 AND lease_holder = $3",
                &[&job.receiver.as_str(), &job.notice.number.0, &holder],
            )
            .await
            .map_err(StoreError::query("to release a delivery"))?;
        Ok(())
    }

    /// Writes, before it leaves, that an attempt is made: counts it, and gives the delivery its running number when
    /// it has none yet.
    pub async fn delivery_sending(&self, job: &NotifyJob) -> Result<Sending, StoreError> {
        let announces = job.notice.change != ChangeKind::Clear;
        let row = self
            .client()
            .await?
            .query_one(
                "WITH log AS (
                     SELECT sequence FROM delivery WHERE receiver = $1 AND incident = $2 AND revision = $3),
                 next AS (
                     INSERT INTO delivery_target (receiver, sequence) SELECT $1, 1 FROM log WHERE log.sequence IS NULL
                     ON CONFLICT (receiver) DO UPDATE SET sequence = delivery_target.sequence + 1 RETURNING sequence),
                 state AS (
                     UPDATE delivery_state SET announced = announced OR $4 WHERE receiver = $1 AND incident = $2)
                 UPDATE delivery SET attempts = attempts + 1, outcome = 'pending', at = now(),
                     sequence = coalesce(sequence, (SELECT next.sequence FROM next))
                 WHERE receiver = $1 AND incident = $2 AND revision = $3 RETURNING attempts, sequence",
                &[&job.receiver.as_str(), &job.notice.number.0, &signed(job.notice.revision), &announces],
            )
            .await
            .map_err(StoreError::query("to log an attempt"))?;
        Ok(Sending { attempts: unsigned(row.get(0)), sequence: wrapped(row.get(1)) })
    }

    /// Logs what became of an attempt and gives the lease back, in one transaction.
    pub async fn delivery_end(&self, delivery: &Delivery, end: &DeliveryEnd, holder: &str) -> Result<(), StoreError> {
        let what = "to log a delivery";
        let mut client = self.client().await?;
        let tx = client.transaction().await.map_err(StoreError::query(what))?;
        let receiver = delivery.receiver.as_str();
        let (number, revision) = (delivery.number.0, signed(delivery.revision));
        tx.execute(
            "UPDATE delivery SET outcome = $4, detail = $5, at = $6
             WHERE receiver = $1 AND incident = $2 AND revision = $3",
            &[&receiver, &number, &revision, &outcome_text(delivery.outcome), &delivery.detail, &sql_time(delivery.at)],
        )
        .await
        .map_err(StoreError::query(what))?;
        let delivered = if delivery.outcome == DeliveryOutcome::Delivered { revision } else { 0 };
        let closed = end.closed.then_some(revision);
        tx.execute(
            "UPDATE delivery_state SET
                 delivered_revision = greatest(delivered_revision, $3),
                 announced = coalesce($4, announced),
                 closed_revision = greatest(closed_revision, $5),
                 slack_channel = coalesce($6, slack_channel),
                 slack_ts = coalesce($7, slack_ts),
                 email_root = coalesce($8, email_root),
                 lease_until = CASE WHEN lease_holder = $9 THEN NULL ELSE lease_until END,
                 lease_holder = CASE WHEN lease_holder = $9 THEN NULL ELSE lease_holder END,
                 updated_at = now()
             WHERE receiver = $1 AND incident = $2",
            &[
                &receiver,
                &number,
                &delivered,
                &end.announced,
                &closed,
                &end.thread.slack_channel,
                &end.thread.slack_ts,
                &end.thread.email_root,
                &holder,
            ],
        )
        .await
        .map_err(StoreError::query(what))?;
        tx.commit().await.map_err(StoreError::query(what))
    }

    /// The log of one incident, oldest first, at most 1,000 rows.
    pub async fn deliveries_of(&self, number: IncidentNumber) -> Result<Vec<DeliveryRow>, StoreError> {
        let rows = self
            .client()
            .await?
            .query("SELECT * FROM delivery WHERE incident = $1 ORDER BY at, receiver LIMIT 1000", &[&number.0])
            .await
            .map_err(StoreError::query("to read the delivery log"))?;
        rows.iter().map(delivery_row).collect()
    }

    /// Forgets rows that nothing has touched for `keep`, of incidents that are over. Returns how many log rows went.
    pub async fn delete_old_deliveries(&self, keep: Duration) -> Result<u64, StoreError> {
        let (client, _driver) = self.upkeep().await?;
        let mut n_log = 0;
        for (table, column) in [("delivery", "at"), ("delivery_state", "updated_at")] {
            let what = "to delete old deliveries";
            let delete = format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                     SELECT d.ctid FROM {table} d WHERE d.{column} < now() - make_interval(secs => $1) AND NOT EXISTS
                         (SELECT 1 FROM incident i WHERE i.number = d.incident AND i.state = 'open') LIMIT $2))"
            );
            let delete = client.prepare(&delete).await.map_err(StoreError::query(what))?;
            loop {
                let n = client
                    .execute(&delete, &[&keep.as_secs_f64(), &DELETE_ROWS])
                    .await
                    .map_err(StoreError::query(what))?;
                n_log += if table == "delivery" { n } else { 0 };
                if n < DELETE_ROWS.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(n_log)
    }

    /// True for exactly one caller per `interval` and receiver, over all notifiers; gives the running number to use.
    pub async fn claim_heartbeat(&self, receiver: &ReceiverId, interval: Duration) -> Result<Option<u32>, StoreError> {
        let row = self
            .client()
            .await?
            .query_opt(
                "INSERT INTO delivery_target AS t (receiver, sequence, heartbeat_at) VALUES ($1, 1, now())
                 ON CONFLICT (receiver) DO UPDATE SET sequence = t.sequence + 1, heartbeat_at = now()
                 WHERE t.heartbeat_at IS NULL OR t.heartbeat_at <= now() - make_interval(secs => $2)
                 RETURNING sequence",
                &[&receiver.as_str(), &interval.as_secs_f64()],
            )
            .await
            .map_err(StoreError::query("to claim a heartbeat"))?;
        Ok(row.map(|row| wrapped(row.get(0))))
    }

    /// Open incidents that somebody is told of.
    pub async fn count_open_incidents(&self) -> Result<u32, StoreError> {
        let row = self
            .client()
            .await?
            .query_one("SELECT count(*) FROM incident WHERE state = 'open' AND NOT info", &[])
            .await
            .map_err(StoreError::query("to count the open incidents"))?;
        Ok(u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX))
    }

    /// Takes the lowest free SNMP engine and counts its boots up, durably, before it is used. A new slot gets
    /// `new_engine_id`. It is held by an advisory lock on a connection of its own.
    pub async fn claim_snmp_engine(&self, new_engine_id: &[u8]) -> Result<EngineClaim, StoreError> {
        let what = "to claim an SNMP engine";
        let (client, connection) =
            self.postgres_config()?.connect(NoTls).await.map_err(|error| StoreError::Connect(Box::new(error)))?;
        let driver = DropGuard(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "the connection that holds the SNMP engine ended");
            }
        }));
        for slot in 0..MAX_ENGINE_SLOTS {
            let held: bool = client
                .query_one(
                    "SELECT pg_try_advisory_lock(hashtextextended('ottwatch-snmp-engine/' || current_schema() || '/' || $1::int4, 0))",
                    &[&slot],
                )
                .await
                .map_err(StoreError::query(what))?
                .get(0);
            if !held {
                continue;
            }
            let row = client
                .query_one(
                    "INSERT INTO snmp_engine AS e (slot, engine_id, boots) VALUES ($1, $2, 1)
                     ON CONFLICT (slot) DO UPDATE SET boots = least(e.boots + 1, 2147483647) RETURNING engine_id, boots",
                    &[&slot, &new_engine_id],
                )
                .await
                .map_err(StoreError::query(what))?;
            return Ok(EngineClaim {
                slot: unsigned(slot),
                engine_id: row.get(0),
                boots: u32::try_from(row.get::<_, i64>(1)).unwrap_or(u32::MAX),
                client,
                _driver: driver,
            });
        }
        Err(StoreError::Conflict { what: "every SNMP engine slot" })
    }
}

fn delivery_row(row: &Row) -> Result<DeliveryRow, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { what: "a delivery", reason };
    let change: String = row.get("change");
    let outcome: String = row.get("outcome");
    Ok(DeliveryRow {
        delivery: Delivery {
            receiver: ReceiverId::new(row.get("receiver")).map_err(|e| corrupt(e.to_string()))?,
            kind: row.get::<_, &str>("kind").parse::<ReceiverKind>().map_err(corrupt)?,
            number: IncidentNumber(row.get("incident")),
            revision: unsigned(row.get("revision")),
            change: [ChangeKind::Raise, ChangeKind::Update, ChangeKind::Clear]
                .into_iter()
                .find(|c| c.as_str() == change)
                .ok_or_else(|| corrupt(format!("change {change:?}")))?,
            // An attempt without an end is one that will be made again.
            outcome: outcome_from(&outcome).unwrap_or(DeliveryOutcome::Deferred),
            attempts: unsigned(row.get("attempts")),
            at: from_sql_time(row.get("at")),
            detail: row.get("detail"),
        },
        pending: outcome == "pending",
        first_at: from_sql_time(row.get("first_at")),
    })
}

fn outcome_text(outcome: DeliveryOutcome) -> &'static str {
    match outcome {
        DeliveryOutcome::Delivered => "delivered",
        DeliveryOutcome::Deferred => "deferred",
        DeliveryOutcome::Failed => "failed",
        DeliveryOutcome::Superseded => "superseded",
    }
}

/// `None`: pending.
fn outcome_from(text: &str) -> Option<DeliveryOutcome> {
    [DeliveryOutcome::Delivered, DeliveryOutcome::Deferred, DeliveryOutcome::Failed, DeliveryOutcome::Superseded]
        .into_iter()
        .find(|o| outcome_text(*o) == text)
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn wrapped(number: i64) -> u32 {
    (number & i64::from(u32::MAX)) as u32
}
