//! The one follower of a process: what has changed is gathered, merged and told at most four times a second.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ow_domain::Severity;
use ow_domain::incident::IncidentNumber;
use ow_domain::verdict::Verdict;
use ow_store::alarms::{IncidentFilter, IncidentRow, IncidentState};
use ow_store::{Listener, Notification, Store, StoreError};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::hub::{Draft, Hub, Kind};
use crate::routes::alarms::alarm;
use crate::status::StatusBoard;

/// One object is told at most once in this time.
const MERGE: Duration = Duration::from_millis(250);
/// Alarms read at a time.
const PART: usize = 500;
/// Changed objects that wait; with more it is cheaper for all to read the lists again.
const MAX_WAITING: usize = 20_000;
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// What has changed and is not told yet.
#[derive(Debug, Clone, Default)]
pub struct Pending(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    alarms: BTreeSet<i64>,
    channels: BTreeSet<String>,
    kinds: BTreeSet<String>,
    /// Something may have been missed.
    lost: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.alarms.is_empty() && self.channels.is_empty() && self.kinds.is_empty() && !self.lost
    }

    /// With what came since.
    fn merge(&mut self, other: Self) {
        self.alarms.extend(other.alarms);
        self.channels.extend(other.channels);
        self.kinds.extend(other.kinds);
        self.lost |= other.lost;
    }
}

impl Pending {
    fn with(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut waiting);
        if waiting.alarms.len() + waiting.channels.len() > MAX_WAITING {
            *waiting = Waiting { lost: true, ..Waiting::default() };
        }
        drop(waiting);
        self.0.wake.notify_one();
    }

    /// The state of a channel is another.
    pub fn channel(&self, name: &str) {
        self.with(|waiting| {
            waiting.channels.insert(name.to_owned());
        });
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
pub struct Follower {
    pub store: Store,
    pub status: StatusBoard,
    pub pending: Pending,
    pub hub: Hub,
}

/// Severities as they were told last, so that a view sees what leaves it. Of open alarms, and of channels.
#[derive(Debug, Default)]
struct Told {
    alarms: HashMap<i64, Severity>,
    channels: HashMap<String, Arc<Verdict>>,
}

impl Follower {
    pub async fn run(self, alarms: Listener, config: Listener, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = gather(alarms, &self.pending, |waiting, text| {
                if let Ok(number) = text.parse() {
                    waiting.alarms.insert(number);
                }
            }) => {}
            () = gather(config, &self.pending, |waiting, kind| {
                waiting.kinds.insert(kind);
            }) => {}
            () = self.tell() => {}
        }
    }

    async fn tell(&self) {
        let mut told = Told::default();
        loop {
            self.pending.0.wake.notified().await;
            tokio::time::sleep(MERGE).await;
            let mut waiting = self.pending.take();
            if waiting.is_empty() {
                continue;
            }
            if std::mem::take(&mut waiting.lost) {
                self.hub.reset();
            }
            for kind in std::mem::take(&mut waiting.kinds) {
                self.hub.publish(Draft {
                    kind: Kind::Config,
                    channel: None,
                    labels: Default::default(),
                    severities: Vec::new(),
                    data: json!({"kind": kind}),
                });
            }
            for name in std::mem::take(&mut waiting.channels) {
                self.tell_channel(&mut told, name);
            }
            if let Err(error) = self.tell_alarms(&mut told, &mut waiting).await {
                tracing::warn!(error = %error.chain(), "changed alarms were not read and will be again");
                self.pending.with(|since| since.merge(waiting));
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
    }

    fn tell_channel(&self, told: &mut Told, name: String) {
        let Some(verdict) = self.status.get(&name) else {
            let before = told.channels.remove(&name);
            self.hub.publish(Draft {
                kind: Kind::Channel,
                channel: Some(name.clone()),
                labels: before.map(|verdict| verdict.labels.clone()).unwrap_or_default(),
                severities: Severity::ALL.to_vec(),
                data: json!({"name": name, "removed": true}),
            });
            return;
        };
        // A verdict comes every minute, too, when all is as it was.
        let before = told.channels.insert(name.clone(), verdict.clone());
        let shown = |verdict: &Verdict| (verdict.severity, verdict.conditions.len(), verdict.policy_revision);
        if before.as_deref().map(shown) == Some(shown(&verdict)) {
            return;
        }
        self.hub.publish(Draft {
            kind: Kind::Channel,
            channel: Some(name.clone()),
            labels: verdict.labels.clone(),
            severities: before.map(|b| b.severity).into_iter().chain([verdict.severity]).collect(),
            data: json!({
                "name": name,
                "display_name": verdict.name,
                "severity": verdict.severity,
                "n_conditions": verdict.conditions.len(),
                "as_of": verdict.as_of,
                "policy_revision": verdict.policy_revision,
                "removed": false,
            }),
        });
    }

    /// What was told is taken out of `waiting`.
    async fn tell_alarms(&self, told: &mut Told, waiting: &mut Waiting) -> Result<(), StoreError> {
        while !waiting.alarms.is_empty() {
            let part: Vec<i64> = waiting.alarms.iter().take(PART).copied().collect();
            let filter = IncidentFilter {
                numbers: part.iter().copied().map(IncidentNumber).collect(),
                limit: u32::try_from(PART).unwrap_or(u32::MAX),
                sort: ow_store::alarms::Sort::Oldest,
                ..IncidentFilter::default()
            };
            for row in self.store.list_incidents(&filter).await?.incidents {
                self.tell_alarm(told, &row);
            }
            waiting.alarms.retain(|number| part.binary_search(number).is_err());
        }
        Ok(())
    }

    fn tell_alarm(&self, told: &mut Told, row: &IncidentRow) {
        let before = match row.state {
            IncidentState::Open => told.alarms.insert(row.number.0, row.severity),
            IncidentState::Cleared => told.alarms.remove(&row.number.0),
        };
        self.hub.publish(Draft {
            kind: Kind::Alarm,
            channel: Some(row.notice.channel.to_string()),
            labels: row.notice.labels.clone(),
            severities: before.or(row.notice.previous_severity).into_iter().chain([row.severity]).collect(),
            data: alarm(row),
        });
    }
}

/// Ends never.
async fn gather(mut listener: Listener, pending: &Pending, add: impl Fn(&mut Waiting, String)) {
    while let Some(note) = listener.recv().await {
        pending.with(|waiting| match note {
            Notification::Said(text) => add(waiting, text),
            Notification::Lost => waiting.lost = true,
        });
    }
}
