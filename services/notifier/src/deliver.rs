//! One job, from the bus to the receiver and into the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ow_bus::{Bus, Delivered, Handler, Outcome};
use ow_domain::incident::{ChangeKind, Delivery, DeliveryOutcome, Notice, NotifyJob};
use ow_domain::receiver::ReceiverSpec;
use ow_domain::{ReceiverId, Time};
use ow_store::deliveries::{Begin, DeliveryEnd, DeliveryState, Sending, Thread};
use ow_store::{Retry, Store, StoreError};

use crate::decide::{AfterFailure, Decision, Waiting, after_failure, decide};
use crate::email::Mailer;
use crate::error::{FailureKind, SendError};
use crate::lanes::{Lanes, Turn};
use crate::metrics::Metrics;
use crate::receivers::Receivers;
use crate::retry::Limits;
use crate::slack_api::{Place, SlackApi};
use crate::snmp::TrapSender;
use crate::snmp::varbinds::{self, Sent};
use crate::text::told_severity;
use crate::webhook::Webhooks;
use crate::{email, slack, webhook};

/// One attempt, whatever the receiver. Less than the lease.
const ATTEMPT: Duration = Duration::from_secs(25);
/// After this another notifier may tell the receiver, whatever became of this one.
const LEASE: Duration = Duration::from_secs(30);
/// How long a job waits here for its receiver before it goes back to the bus.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most time for which a receiver that failed is left alone.
const MAX_CLOSED: Duration = Duration::from_secs(10);
/// Slack takes one message a second and channel.
const SLACK_INTERVAL: Duration = Duration::from_secs(1);

/// Everything that a delivery needs.
pub struct Deliverer {
    pub store: Store,
    pub bus: Bus,
    pub receivers: Receivers,
    pub limits: Limits,
    pub public_url: String,
    /// Unique per process: holds leases.
    pub holder: String,
    pub snmp: Arc<dyn TrapSender>,
    pub mailer: Mailer,
    pub slack: SlackApi,
    pub webhooks: Webhooks,
    pub lanes: Lanes,
    pub in_hand: InHand,
    pub metrics: Metrics,
}

/// Jobs in this process, so that of several waiting changes only the last is told.
#[derive(Default)]
pub struct InHand(Mutex<HashMap<Key, Vec<(u32, bool)>>>);

/// Receiver and incident.
type Key = (ReceiverId, i64);

impl InHand {
    fn add(&self, job: &NotifyJob) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.entry(key(job)).or_default().push((job.notice.revision, job.notice.change == ChangeKind::Clear));
    }

    fn remove(&self, job: &NotifyJob) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = map.get_mut(&key(job)) {
            if let Some(at) = list.iter().position(|(revision, _)| *revision == job.notice.revision) {
                list.swap_remove(at);
            }
            if list.is_empty() {
                map.remove(&key(job));
            }
        }
    }

    fn waiting(&self, job: &NotifyJob) -> Waiting {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = Waiting::default();
        for (revision, clear) in map.get(&key(job)).into_iter().flatten() {
            if *clear {
                waiting.clear |= *revision > job.notice.revision;
            } else {
                waiting.notice = waiting.notice.max(*revision);
            }
        }
        waiting
    }
}

fn key(job: &NotifyJob) -> Key {
    (job.receiver.clone(), job.notice.number.0)
}

/// What was sent, and where the incident's thread now is.
struct Receipt {
    detail: String,
    thread: Thread,
}

impl Handler<NotifyJob> for Deliverer {
    async fn handle(&self, delivered: Delivered<NotifyJob>) -> Outcome {
        let job = &delivered.message;
        self.in_hand.add(job);
        let outcome = self.deliver(job, delivered.attempt).await;
        self.in_hand.remove(job);
        match outcome {
            // The answer to whoever tests is in the log; nobody is to send it again.
            Ok(Outcome::Reject(_)) if job.is_test() => Outcome::Done,
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(error = error.chain(), "the delivery log is out of reach; the job comes again");
                match error.retry() {
                    Retry::After(wait) => Outcome::Later(wait.max(Duration::from_secs(1))),
                    Retry::Never => Outcome::Later(Duration::from_secs(30)),
                }
            }
        }
    }
}

impl Deliverer {
    async fn deliver(&self, job: &NotifyJob, bus_attempt: u32) -> Result<Outcome, StoreError> {
        let spec = match self.receivers.get(&job.receiver).await? {
            Some(Ok(spec)) => spec,
            Some(Err(reason)) => {
                return self.unusable(job, format!("the receiver's settings are wrong: {reason}")).await;
            }
            None => return self.unusable(job, "the receiver does not exist (any more)".to_owned()).await,
        };
        let lane = self.lanes.get(&lane_name(&job.receiver, &spec));
        let turn = match lane.turn(priority(job), PATIENCE).await {
            Ok(turn) => turn,
            Err(wait) => {
                // An older change that gets its turn first must know that this one follows.
                self.store.delivery_seen(job).await?;
                return Ok(Outcome::Later(self.limits.with_jitter(wait, &job.idempotency_key())));
            }
        };
        let state = match self.store.delivery_begin(job, &self.holder, LEASE).await? {
            Begin::Ready(state) => state,
            Begin::Busy(left) => return Ok(Outcome::Later(left.min(Duration::from_secs(1)))),
        };
        let now = now();
        let waiting = self.in_hand.waiting(job);
        match decide(job, &state, waiting, spec.min_severity(), bus_attempt, now, &self.limits) {
            Decision::Send => self.attempt(job, &spec, &state, turn).await,
            Decision::WaitForRaise => {
                self.store.delivery_release(job, &self.holder).await?;
                Ok(Outcome::Later(Duration::from_secs(1)))
            }
            Decision::Repeat(outcome) => {
                self.store.delivery_release(job, &self.holder).await?;
                let delivery = delivery(job, outcome, state.attempts, now, state.detail.clone());
                Ok(self.publish(&delivery, Outcome::Done).await)
            }
            Decision::Superseded { reason, closes } => {
                // One more than the attempts made: the id of the fact is made of it.
                let attempts = if state.attempts == 0 { 0 } else { state.attempts + 1 };
                let delivery = delivery(job, DeliveryOutcome::Superseded, attempts, now, reason.to_owned());
                let end = DeliveryEnd { closed: closes, ..DeliveryEnd::default() };
                self.end(&delivery, &end, Outcome::Done).await
            }
            Decision::Expired(reason) => {
                let delivery = delivery(job, DeliveryOutcome::Failed, state.attempts + 1, now, reason.clone());
                self.end(&delivery, &DeliveryEnd::default(), Outcome::Reject(reason)).await
            }
        }
    }

    async fn attempt(
        &self,
        job: &NotifyJob,
        spec: &ReceiverSpec,
        state: &DeliveryState,
        turn: Turn,
    ) -> Result<Outcome, StoreError> {
        turn.pace(interval(spec)).await;
        let sending = self.store.delivery_sending(job).await?;
        let sent = tokio::time::timeout(ATTEMPT, self.send(job, spec, state, sending)).await;
        let sent = sent.unwrap_or_else(|_| Err(SendError::transient("it took too long").uncertain()));
        let now = now();
        let result = match sent {
            Ok(receipt) => {
                turn.open();
                let delivery = delivery(job, DeliveryOutcome::Delivered, sending.attempts, now, receipt.detail);
                let closed = job.notice.change == ChangeKind::Clear;
                let end = DeliveryEnd { announced: None, closed, thread: receipt.thread };
                self.end(&delivery, &end, Outcome::Done).await
            }
            Err(error) => {
                tracing::warn!(
                    receiver = %job.receiver, incident = %job.notice.number, revision = job.notice.revision,
                    attempts = sending.attempts, error = error.detail, "a receiver was not told"
                );
                // What was possibly heard must be closed later; what surely was not is as before.
                let announced = if error.uncertain { None } else { Some(state.announced) };
                let end = DeliveryEnd { announced, ..DeliveryEnd::default() };
                match after_failure(job, error.kind, sending.attempts, state.first_at, now, &self.limits) {
                    AfterFailure::Again(wait) => {
                        match error.kind {
                            FailureKind::Throttled(asked) => turn.close_for(asked),
                            _ => turn.close_for(wait.min(MAX_CLOSED)),
                        }
                        let delivery = delivery(job, DeliveryOutcome::Deferred, sending.attempts, now, error.detail);
                        self.end(&delivery, &end, Outcome::Later(wait)).await
                    }
                    AfterFailure::GiveUp => {
                        let reason = format!("{} to {}: {}", job.notice.number, job.receiver, error.detail);
                        let delivery = delivery(job, DeliveryOutcome::Failed, sending.attempts, now, error.detail);
                        self.end(&delivery, &end, Outcome::Reject(reason)).await
                    }
                }
            }
        };
        drop(turn);
        result
    }

    async fn send(
        &self,
        job: &NotifyJob,
        spec: &ReceiverSpec,
        state: &DeliveryState,
        sending: Sending,
    ) -> Result<Receipt, SendError> {
        let (notice, url) = (&job.notice, self.public_url.as_str());
        // An update that is the first thing told is told as a raise is.
        let change = match notice.change {
            ChangeKind::Update if !state.announced => ChangeKind::Raise,
            change => change,
        };
        let mut thread = Thread::default();
        let detail = match spec {
            ReceiverSpec::Snmp(spec) => {
                let sent = Sent { sequence: sending.sequence, resend: sending.attempts > 1 };
                let first = Notice { change, ..notice.clone() };
                let mut receipts = Vec::new();
                for base in [Some(&spec.base_oid), spec.also_base_oid.as_ref()].into_iter().flatten() {
                    let base = varbinds::parse_oid(base)
                        .ok_or_else(|| SendError::settings(format!("base_oid: {base:?} is no object identifier")))?;
                    let notification = varbinds::varbinds(&first, spec, &base, url, sent);
                    receipts.push(self.snmp.send(spec, &notification).await?);
                }
                receipts.join("; ")
            }
            ReceiverSpec::Email(spec) => {
                let root = state.thread.email_root.as_deref();
                let rendered = email::render(notice, &job.receiver, spec, url, root);
                let detail = self.mailer.send(spec, &rendered).await?;
                if root.is_none() {
                    thread.email_root = Some(rendered.message_id);
                }
                detail
            }
            ReceiverSpec::Slack(spec) => {
                let place = match (&state.thread.slack_channel, &state.thread.slack_ts) {
                    (Some(channel), Some(ts)) => Some(Place { channel: channel.clone(), ts: ts.clone() }),
                    _ => None,
                };
                let rendered = slack::render(notice, spec, url);
                let receipt = self.slack.send(spec, change, &rendered, place.as_ref()).await?;
                if let Some(place) = receipt.place {
                    (thread.slack_channel, thread.slack_ts) = (Some(place.channel), Some(place.ts));
                }
                receipt.detail
            }
            ReceiverSpec::Webhook(spec) => {
                let rendered = webhook::render(notice, &job.receiver, url);
                self.webhooks.send(spec, &rendered, now()).await?
            }
        };
        Ok(Receipt { detail, thread })
    }

    /// Nothing can be sent for want of settings. The log says so, as for any other failure.
    async fn unusable(&self, job: &NotifyJob, reason: String) -> Result<Outcome, StoreError> {
        let state = match self.store.delivery_begin(job, &self.holder, LEASE).await? {
            Begin::Ready(state) => state,
            Begin::Busy(left) => return Ok(Outcome::Later(left.min(Duration::from_secs(1)))),
        };
        let delivery = delivery(job, DeliveryOutcome::Failed, state.attempts + 1, now(), reason.clone());
        self.end(&delivery, &DeliveryEnd::default(), Outcome::Reject(reason)).await
    }

    /// First the log, then the fact, then (by the caller's return) the acknowledgement.
    async fn end(&self, delivery: &Delivery, end: &DeliveryEnd, outcome: Outcome) -> Result<Outcome, StoreError> {
        self.store.delivery_end(delivery, end, &self.holder).await?;
        self.metrics.delivered(delivery.kind, delivery.outcome);
        Ok(self.publish(delivery, outcome).await)
    }

    async fn publish(&self, delivery: &Delivery, outcome: Outcome) -> Outcome {
        match self.bus.publish(delivery).await {
            Ok(_) => outcome,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a delivery was not published");
                match outcome {
                    // The log knows the end: the job comes again only to have it published.
                    Outcome::Done => Outcome::Later(Duration::from_secs(2)),
                    other => other,
                }
            }
        }
    }
}

fn delivery(job: &NotifyJob, outcome: DeliveryOutcome, attempts: u32, at: Time, detail: String) -> Delivery {
    Delivery {
        receiver: job.receiver.clone(),
        kind: job.kind,
        number: job.notice.number,
        revision: job.notice.revision,
        change: job.notice.change,
        outcome,
        attempts,
        at,
        detail,
    }
}

/// Slack counts per channel, so receivers of one channel share a lane.
fn lane_name(receiver: &ReceiverId, spec: &ReceiverSpec) -> String {
    match spec {
        ReceiverSpec::Slack(s) => match &s.channel {
            Some(channel) => format!("slack {} {channel}", s.api_url),
            None => receiver.to_string(),
        },
        _ => receiver.to_string(),
    }
}

fn interval(spec: &ReceiverSpec) -> Duration {
    match spec {
        ReceiverSpec::Snmp(s) => Duration::from_secs(1) / s.per_second.max(1),
        ReceiverSpec::Slack(_) => SLACK_INTERVAL,
        ReceiverSpec::Email(_) | ReceiverSpec::Webhook(_) => Duration::ZERO,
    }
}

/// The worst first; of one severity, raises before clears.
fn priority(job: &NotifyJob) -> u8 {
    told_severity(&job.notice) as u8 * 2 + u8::from(job.notice.change != ChangeKind::Clear)
}

/// UTC by the system clock.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
