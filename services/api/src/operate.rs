//! What people do to alarms: decided by `ow-alerting`, recorded by `ow-store` behind the same fence as verdicts.

use std::collections::BTreeMap;
use std::time::Duration;

use ow_alerting::{OpenAlarm, Order, Plan, Recipient, Refused, operate as decide};
use ow_domain::incident::{IncidentNumber, NotifyJob};
use ow_domain::{ChannelId, Time};
use ow_store::alarms::{ChangeRecord, ChannelRecord, OpenIncident, StepOutcome, StepRecord, Told};
use ow_store::{Store, StoreError};

/// Verdicts come once a second at most, so this is plenty.
const N_TRIES: u32 = 10;
const AFTER_OVERTAKEN: Duration = Duration::from_millis(5);

/// What became of an order for one incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    Changed,
    /// It was so already.
    Unchanged,
    /// It is over.
    NotOpen,
    Refused(Refused),
    /// Others act on the channel all the time.
    Busy,
}

/// Carries an order out for incidents of one channel: all that can be, as one transaction.
pub async fn operate(
    store: &Store,
    channel: &ChannelId,
    numbers: &[IncidentNumber],
    order: &Order,
    by: &str,
) -> Result<BTreeMap<IncidentNumber, Done>, StoreError> {
    for attempt in 0..N_TRIES {
        let record = store.load_channel_alarms(channel).await?;
        let now = now();
        let mut done = BTreeMap::new();
        let mut changes = Vec::new();
        for number in numbers {
            let result = match record.open.iter().find(|open| open.number == *number) {
                None => Done::NotOpen,
                Some(open) => match decide(&open_alarm(open), order, by, now) {
                    Err(refused) => Done::Refused(refused),
                    Ok(None) => Done::Unchanged,
                    Ok(Some(change)) if done.get(number).is_none_or(|d| *d != Done::Changed) => {
                        changes.push(change);
                        Done::Changed
                    }
                    Ok(Some(_)) => Done::Changed,
                },
            };
            done.insert(*number, result);
        }
        if changes.is_empty() {
            return Ok(done);
        }
        let step = step(channel, &record, changes);
        if let StepOutcome::Recorded(_) = store.record_step(&step).await? {
            tracing::info!(%channel, by, operation = order.kind().as_str(), n_incidents = step.changes.len(), "operated");
            return Ok(done);
        }
        tokio::time::sleep(AFTER_OVERTAKEN * (attempt + 1)).await;
    }
    Ok(numbers.iter().map(|number| (*number, Done::Busy)).collect())
}

fn open_alarm(open: &OpenIncident) -> OpenAlarm {
    OpenAlarm {
        incident: open.number,
        notice: open.notice.clone(),
        told: open.told.iter().map(|t| Recipient { receiver: t.receiver.clone(), kind: t.kind }).collect(),
        indeterminate: open.indeterminate,
        owed: open.owed,
    }
}

fn step(channel: &ChannelId, record: &ChannelRecord, changes: Vec<ow_alerting::Change>) -> StepRecord {
    let state = ow_alerting::ChannelAlarms {
        acted: record.acted,
        operations: record.operations,
        ..ow_alerting::ChannelAlarms::default()
    };
    let plan = Plan::standing(&state, changes);
    let changes = plan.changes.iter().map(|change| ChangeRecord {
        number: change.incident,
        notice: change.notice.clone(),
        told: change.told.iter().map(|r| Told { receiver: r.receiver.clone(), kind: r.kind }).collect(),
        jobs: change
            .jobs
            .iter()
            .map(|job| NotifyJob {
                receiver: job.recipient.receiver.clone(),
                kind: job.recipient.kind,
                notice: change.notice_for(job),
                deadline: None,
            })
            .collect(),
        publish: !change.is_info(),
        indeterminate: change.indeterminate,
        owed: change.owed,
    });
    StepRecord {
        channel: channel.clone(),
        before: plan.before,
        operations: plan.operations,
        advance: plan.advance,
        changes: changes.collect(),
        confirmations: Vec::new(),
        forgotten: plan.forgotten.clone(),
    }
}

/// UTC by the system clock.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
