//! One verdict, or one look at what time and rules have changed: compare, record, remember.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ow_alerting::{ChannelAlarms, Context, Decision, Plan, reassess, step};
use ow_bus::Outcome;
use ow_domain::ChannelId;
use ow_domain::incident::IncidentNumber;
use ow_domain::verdict::Verdict;
use ow_service::Health;
use ow_store::alarms::StepOutcome;
use ow_store::{Retry, Store, StoreError};
use tokio::sync::Notify;

use crate::convert::{alarms_of, record_of};
use crate::metrics::{Metrics, VerdictOutcome};
use crate::routes::CurrentRules;

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
    pub rules: CurrentRules,
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
        let Some(rules) = self.rules.borrow().clone() else {
            return Ok(Outcome::Later(UNTIL_ROUTES));
        };
        for _ in 0..N_TRIES {
            // Taken out: after an error nobody knows what was recorded, and it is read again.
            let mut alarms = match cache.remove(channel) {
                Some(alarms) => alarms,
                None => alarms_of(self.store.load_channel_alarms(channel).await?),
            };
            let context = Context { routes: &rules.routes, mutes: &rules.mutes, now: crate::now() };
            let plan = match step(&alarms, verdict, &context) {
                Decision::Stale => {
                    cache.insert(channel.clone(), alarms);
                    self.metrics.verdict(VerdictOutcome::Stale);
                    return Ok(Outcome::Done);
                }
                Decision::Act(plan) => plan,
            };
            match self.store.record_step(&record_of(channel, &plan)).await? {
                StepOutcome::Overtaken => {
                    tracing::info!(%channel, "somebody else acted on this channel; reading it again");
                    self.metrics.verdict(VerdictOutcome::Overtaken);
                }
                StepOutcome::Recorded(numbers) => {
                    alarms.apply(&plan, &numbers);
                    cache.insert(channel.clone(), alarms);
                    self.metrics.verdict(VerdictOutcome::Acted);
                    self.tell_of(channel, &plan, &numbers);
                    return Ok(Outcome::Done);
                }
            }
        }
        Ok(Outcome::Later(AFTER_OVERTAKEN))
    }

    /// What has run out, begun or ended by the clock, for one channel. `false`: others were faster all the time; look
    /// again later.
    pub async fn reassess(&self, channel: &ChannelId) -> Result<bool, StoreError> {
        let Some(rules) = self.rules.borrow().clone() else { return Ok(false) };
        for _ in 0..N_TRIES {
            let alarms = alarms_of(self.store.load_channel_alarms(channel).await?);
            let context = Context { routes: &rules.routes, mutes: &rules.mutes, now: crate::now() };
            let Some(plan) = reassess(&alarms, &context) else { return Ok(true) };
            if let StepOutcome::Recorded(numbers) = self.store.record_step(&record_of(channel, &plan)).await? {
                self.tell_of(channel, &plan, &numbers);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Log, metrics, and a sign for who sends.
    fn tell_of(&self, channel: &ChannelId, plan: &Plan, numbers: &[IncidentNumber]) {
        let mut raised = numbers.iter();
        for change in &plan.changes {
            let number = change.incident.or_else(|| raised.next().copied()).unwrap_or(change.notice.number);
            let notice = &change.notice;
            tracing::info!(
                %channel, incident = %number, change = %notice.change, severity = %notice.severity,
                check = notice.check, operation = notice.operation.as_ref().map(|o| o.kind.as_str()),
                n_told = change.jobs.len(), "incident changed"
            );
            if !change.is_info() {
                self.metrics.change(change.kind);
            }
        }
        if !plan.changes.is_empty() {
            self.wake.notify_one();
        }
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
