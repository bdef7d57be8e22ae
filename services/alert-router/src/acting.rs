//! One verdict: compare, record, remember.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ow_alerting::{ChannelAlarms, Decision, step};
use ow_bus::Outcome;
use ow_domain::ChannelId;
use ow_domain::verdict::Verdict;
use ow_service::Health;
use ow_store::alarms::StepOutcome;
use ow_store::{Retry, Store, StoreError};
use tokio::sync::Notify;

use crate::convert::{alarms_of, record_of};
use crate::metrics::{Metrics, VerdictOutcome};
use crate::routes::CurrentRoutes;

/// How often a channel is read again because somebody else acted on it, before the verdict is put off.
const N_TRIES: usize = 4;
const AFTER_OVERTAKEN: Duration = Duration::from_millis(100);
const UNTIL_ROUTES: Duration = Duration::from_millis(200);
/// For errors that need somebody's hand (a missing table, a refused login): the alarms wait, none is lost.
const AFTER_FAULT: Duration = Duration::from_secs(5);
const PART: &str = "postgres";

/// The alarms of channels as last seen in the store. A guess: the store compares positions and refuses when it is old.
pub type Cache = HashMap<ChannelId, ChannelAlarms>;

/// Acts on verdicts. One verdict of a channel at a time.
#[derive(Debug, Clone)]
pub struct Acting {
    pub store: Store,
    pub routes: CurrentRoutes,
    pub health: Health,
    pub metrics: Metrics,
    /// Told when the outbox has something new.
    pub wake: Arc<Notify>,
}

impl Acting {
    /// `Done` when all effects of the verdict are recorded, by us or by somebody before us.
    pub async fn act(&self, verdict: &Verdict, cache: &mut Cache) -> Outcome {
        match self.try_act(verdict, cache).await {
            Ok(outcome) => {
                self.health.well(PART);
                outcome
            }
            Err(error) => self.put_off(&error),
        }
    }

    async fn try_act(&self, verdict: &Verdict, cache: &mut Cache) -> Result<Outcome, StoreError> {
        let channel = &verdict.channel;
        let Some(routes) = self.routes.borrow().clone() else {
            return Ok(Outcome::Later(UNTIL_ROUTES));
        };
        for _ in 0..N_TRIES {
            // Taken out: after an error nobody knows what was recorded, and it is read again.
            let mut alarms = match cache.remove(channel) {
                Some(alarms) => alarms,
                None => alarms_of(self.store.load_channel_alarms(channel).await?),
            };
            let plan = match step(&alarms, verdict, &routes) {
                Decision::Stale => {
                    cache.insert(channel.clone(), alarms);
                    self.metrics.verdict(VerdictOutcome::Stale);
                    return Ok(Outcome::Done);
                }
                Decision::Act(plan) => plan,
            };
            match self.store.record_step(&record_of(channel, &plan)).await? {
                StepOutcome::Overtaken => {
                    tracing::info!(%channel, "another router acted on this channel; reading it again");
                    self.metrics.verdict(VerdictOutcome::Overtaken);
                }
                StepOutcome::Recorded(numbers) => {
                    alarms.apply(&plan, &numbers);
                    cache.insert(channel.clone(), alarms);
                    self.metrics.verdict(VerdictOutcome::Acted);
                    let mut raised = numbers.iter();
                    for change in &plan.changes {
                        let number = change.incident.or_else(|| raised.next().copied()).unwrap_or(change.notice.number);
                        let notice = &change.notice;
                        tracing::info!(
                            %channel, incident = %number, change = %notice.change, severity = %notice.severity,
                            check = notice.check, n_told = change.jobs.len(), "incident changed"
                        );
                        if !change.is_info() {
                            self.metrics.change(change.kind);
                        }
                    }
                    if !plan.changes.is_empty() {
                        self.wake.notify_one();
                    }
                    return Ok(Outcome::Done);
                }
            }
        }
        Ok(Outcome::Later(AFTER_OVERTAKEN))
    }

    fn put_off(&self, error: &StoreError) -> Outcome {
        let reason = error.chain();
        if error.is_data_fault() && !error.is_unique_violation() {
            tracing::error!(error = reason, "a verdict cannot be recorded");
            self.metrics.verdict(VerdictOutcome::Rejected);
            return Outcome::Reject(reason);
        }
        let delay = match error.retry() {
            Retry::After(delay) => delay,
            Retry::Never => AFTER_FAULT,
        };
        tracing::warn!(error = reason, "a verdict was not recorded and is tried again");
        self.health.ill(PART, reason);
        self.metrics.verdict(VerdictOutcome::Deferred);
        Outcome::Later(delay)
    }
}
