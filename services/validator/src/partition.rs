//! One partition: its judges, what they say, and their snapshots.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ow_bus::{Bus, BusError, Outcome, PartitionHandler, PartitionReader, Received};
use ow_checks::{ChannelJudge, Judged};
use ow_contracts::Message;
use ow_domain::capture::{Capture, Tick};
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::{Measures, Position, Verdict};
use ow_domain::{ChannelId, Partition, Severity, Span, Time};

use crate::ValidatorConfig;
use crate::metrics::Metrics;
use crate::policies::{Policies, Standing};
use crate::snapshot::{Snapshots, Statuses, Written};

/// A capture that ended so long after the server stored it is of a probe whose clock is wrong.
const FUTURE: Span = Span::from_secs(300);
/// Wait before a message is handled again when the bus does not take what it leads to.
const AGAIN: Duration = Duration::from_secs(1);

/// The owner of one partition.
pub(crate) struct Owner {
    partition: Partition,
    bus: Bus,
    policies: Policies,
    snapshots: Snapshots,
    statuses: Statuses,
    metrics: Metrics,
    rebuild: Duration,
    snapshot_every: Span,
    epoch: i64,
    channels: BTreeMap<ChannelId, Held>,
    /// Last verdicts of channels without a judge: closed at the next tick when nobody wants them any more.
    orphans: BTreeMap<ChannelId, Verdict>,
    /// Sequence of the message judged last, whose outputs may still wait in `unsent`.
    judged: Option<u64>,
    /// Said and not yet taken by the bus.
    unsent: VecDeque<Output>,
    /// Channels whose conditions changed since their last snapshot.
    changed: BTreeSet<ChannelId>,
    /// Another process owns this partition and has gone further.
    fenced: bool,
}

struct Held {
    judge: ChannelJudge,
    /// The policy in force, as the map gave it.
    policy: Option<Arc<ChannelPolicy>>,
    snapshot_at: Time,
    n_panics: u64,
}

enum Output {
    Verdict(Box<Verdict>),
    Measures(Measures),
    /// The channel is no longer watched.
    Forget(ChannelId),
}

/// Messages handled before rebuild state; what they led to was said, and what was said is not taken back by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Replay,
    Live,
}

impl Owner {
    pub(crate) fn new(
        partition: Partition,
        bus: Bus,
        policies: Policies,
        metrics: Metrics,
        config: &ValidatorConfig,
    ) -> Self {
        Self {
            partition,
            snapshots: Snapshots::new(&bus, partition),
            statuses: Statuses::new(&bus, partition),
            bus,
            policies,
            metrics,
            rebuild: config.rebuild.0,
            snapshot_every: Span::from_std(config.snapshot_every.0),
            epoch: 0,
            channels: BTreeMap::new(),
            orphans: BTreeMap::new(),
            judged: None,
            unsent: VecDeque::new(),
            changed: BTreeSet::new(),
            fenced: false,
        }
    }

    /// Judges one message; what is to be said is in `unsent` then.
    fn judge(&mut self, message: &Received, mode: Mode) -> Result<(), Outcome> {
        let position = Position { epoch: self.epoch, seq: message.seq };
        if message.header(ow_contracts::envelope::CE_TYPE) == Some(Tick::TYPE) {
            let tick: Tick = message.decode()?;
            if tick.partition != self.partition {
                return Err(Outcome::Reject(format!("a tick of partition {} in {}", tick.partition, self.partition)));
            }
            if mode == Mode::Live {
                self.metrics.ticks.inc();
            }
            self.tick(tick.at, position, mode);
            return Ok(());
        }
        let capture: Capture = message.decode()?;
        let channel = capture.channel.clone();
        if Partition::of(&channel) != self.partition {
            return Err(Outcome::Reject(format!("a capture of {channel} in partition {}", self.partition)));
        }
        if capture.exchange.t_end - message.stored_at > FUTURE {
            // The judge's time never steps back: one fact of tomorrow would stop it until then.
            if mode == Mode::Live {
                self.metrics.from_the_future.inc();
            }
            return Err(Outcome::Reject(format!(
                "the probe's clock is ahead: the request ended at {}",
                capture.exchange.t_end
            )));
        }
        if mode == Mode::Live {
            self.metrics.captures.inc();
            self.metrics.lag_us.set((message.stored_at - capture.exchange.t_end).micros());
        }
        if !self.align(&channel, capture.exchange.t_req) {
            if mode == Mode::Live {
                self.metrics.unknown_channel.inc();
            }
            return Ok(());
        }
        if let Some(held) = self.channels.get_mut(&channel) {
            let judged = held.judge.apply(&capture, position);
            self.take(channel, judged);
        }
        Ok(())
    }

    fn tick(&mut self, at: Time, position: Position, mode: Mode) {
        if mode == Mode::Live {
            self.retire_unwanted(at, position);
            // A channel that is watched from now on has a verdict from now on.
            for channel in self.policies.enabled_in(self.partition) {
                self.align(&channel, at);
            }
        }
        for channel in self.channels.keys().cloned().collect::<Vec<_>>() {
            self.align(&channel, at);
            if let Some(held) = self.channels.get_mut(&channel) {
                let judged = held.judge.tick(at, position);
                self.take(channel, judged);
            }
        }
    }

    /// Closes what is no longer watched, also what only a last verdict is left of.
    fn retire_unwanted(&mut self, at: Time, position: Position) {
        let policies = self.policies.clone();
        let reason = |channel: &ChannelId| match policies.standing(channel, at) {
            Standing::Watched(_) | Standing::Unreadable => None,
            Standing::Disabled => Some("channel-disabled"),
            Standing::OffAir => Some("event-over"),
            Standing::Unknown => Some("channel-removed"),
        };
        let (unsent, metrics) = (&mut self.unsent, &self.metrics);
        self.channels.retain(|channel, held| {
            let Some(reason) = reason(channel) else { return true };
            metrics.channels.dec();
            unsent.push_back(Output::Verdict(Box::new(held.judge.retire(reason, at, position))));
            unsent.push_back(Output::Forget(channel.clone()));
            false
        });
        for (channel, last) in std::mem::take(&mut self.orphans) {
            let Some(reason) = reason(&channel) else { continue };
            if last.retired.is_none() {
                unsent.push_back(Output::Verdict(Box::new(Verdict {
                    position: position.max(last.position),
                    as_of: at.max(last.as_of),
                    retired: Some(reason.to_owned()),
                    severity: Severity::Cleared,
                    conditions: Vec::new(),
                    streams: Vec::new(),
                    ..last
                })));
            }
            unsent.push_back(Output::Forget(channel));
        }
    }

    /// Makes the judge of a channel if there is none, and gives it the policy of now. False: not watched.
    fn align(&mut self, channel: &ChannelId, at: Time) -> bool {
        let policy = match self.policies.standing(channel, at) {
            Standing::Watched(policy) => policy,
            Standing::Unreadable => return self.channels.contains_key(channel),
            Standing::Disabled | Standing::OffAir | Standing::Unknown => return false,
        };
        match self.channels.get_mut(channel) {
            Some(held) if held.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, &policy)) => {}
            Some(held) => {
                if held.judge.policy() != policy.as_ref() {
                    held.judge.set_policy(policy.as_ref().clone(), at);
                }
                held.policy = Some(policy);
            }
            None => {
                let judge = ChannelJudge::new(policy.as_ref().clone(), at);
                self.hold(channel.clone(), Held::new(judge, Some(policy), Time::UNIX_EPOCH));
            }
        }
        true
    }

    fn hold(&mut self, channel: ChannelId, held: Held) {
        self.orphans.remove(&channel);
        if self.channels.insert(channel, held).is_none() {
            self.metrics.channels.inc();
        }
    }

    /// Queues what was said.
    fn take(&mut self, channel: ChannelId, judged: Judged) {
        if let Some(held) = self.channels.get_mut(&channel) {
            let n_panics: u64 = held.judge.panics().values().sum();
            if n_panics > held.n_panics {
                self.metrics.check_panics.inc_by(n_panics - held.n_panics);
                tracing::error!(%channel, panics = ?held.judge.panics(), "a check failed by a defect of ours");
                held.n_panics = n_panics;
            }
        }
        self.unsent.extend(judged.measures.into_iter().map(Output::Measures));
        self.unsent.extend(judged.verdict.map(|v| Output::Verdict(Box::new(v))));
        if judged.changed {
            self.changed.insert(channel);
        }
    }

    /// Publishes what is queued, in order. Each has a derived id, so a repeated publish is one message.
    async fn send(&mut self) -> Result<(), BusError> {
        while let Some(output) = self.unsent.front() {
            let sent = match output {
                Output::Verdict(verdict) => self.bus.publish(verdict.as_ref()).await.map(drop),
                Output::Measures(measures) => self.bus.publish(measures).await.map(drop),
                Output::Forget(channel) => self.snapshots.remove(channel).await,
            };
            match sent {
                Err(error @ (BusError::TooLarge { .. } | BusError::Encode { .. })) => {
                    // Waiting does not help, and the others must go on.
                    self.metrics.unsendable.inc();
                    let reason = ow_service::telemetry::chain(&error);
                    tracing::error!(reason, "an output can never be sent and is left out");
                }
                Err(error) => return Err(error),
                Ok(()) => self.show().await?,
            }
            self.unsent.pop_front();
        }
        Ok(())
    }

    /// Keeps the first output in `STATUS`, for whoever asks what is wrong now.
    async fn show(&mut self) -> Result<(), BusError> {
        match self.unsent.front() {
            Some(Output::Verdict(verdict)) => {
                self.metrics.verdicts.inc();
                if self.statuses.write(verdict).await? == Written::Fenced {
                    self.fence();
                }
            }
            Some(Output::Forget(channel)) => self.statuses.remove(channel).await?,
            Some(Output::Measures(_)) | None => {}
        }
        Ok(())
    }

    fn fence(&mut self) {
        if !self.fenced {
            self.fenced = true;
            self.metrics.fenced.inc();
            tracing::warn!("another validator has gone further with this partition");
        }
    }

    /// Writes the snapshot of a channel; a failure is logged, the next one comes soon.
    async fn snapshot(&mut self, channel: &ChannelId) {
        let Some(held) = self.channels.get_mut(channel) else { return };
        if self.fenced {
            return;
        }
        held.snapshot_at = held.judge.now();
        match self.snapshots.write(&held.judge).await {
            Ok(Written::Done) => drop(self.metrics.snapshots.inc()),
            Ok(Written::Fenced) => self.fence(),
            Err(error) => {
                self.metrics.snapshot_failures.inc();
                let reason = ow_service::telemetry::chain(&error);
                tracing::warn!(%channel, reason, "a snapshot was not written");
            }
        }
    }

    async fn rebuild(&mut self, reader: &PartitionReader) -> Result<(), BusError> {
        for verdict in self.statuses.load().await? {
            self.orphans.insert(verdict.channel.clone(), verdict);
        }
        let (snapshots, n_unreadable) = self.snapshots.load().await?;
        self.metrics.snapshot_failures.inc_by(n_unreadable);
        let last_seq = reader.last_seq().await?;
        for snapshot in snapshots {
            // One that is ahead of the next message was written before acknowledgements that the server has lost: its
            // channel waits until the messages are past it. Of another stream, or past its end: another history.
            let ours = snapshot.position.epoch == reader.epoch && snapshot.position.seq <= last_seq;
            let channel = snapshot.judge.policy().channel.clone();
            if ours && Partition::of(&channel) == self.partition {
                let at = snapshot.judge.now();
                self.hold(channel, Held::new(snapshot.judge, None, at));
            }
        }
        let oldest = self.channels.values().map(|h| h.judge.position().seq + 1).min();
        let all_known = self.policies.enabled_in(self.partition).iter().all(|c| self.channels.contains_key(c));
        let from = match oldest {
            Some(oldest) if all_known => oldest,
            oldest => reader.seq_before(self.rebuild).await?.min(oldest.unwrap_or(u64::MAX)),
        };
        let mut replay = reader.replay(from);
        let mut n = 0_u64;
        while let Some(message) = replay.next().await? {
            n += 1;
            // What cannot be read was rejected when it was handled the first time.
            let _ = self.judge(&message, Mode::Replay);
            self.unsent.clear();
        }
        self.changed.clear();
        for held in self.channels.values_mut() {
            // The owner before may have died with something unsaid: the next fact gives a verdict in any case.
            let (policy, now) = (held.judge.policy().clone(), held.judge.now());
            held.judge.set_policy(policy, now);
        }
        self.metrics.replayed.inc_by(n);
        tracing::info!(from, next = reader.next_seq, n, channels = self.channels.len(), "partition taken over");
        Ok(())
    }

    fn forget_all(&mut self) {
        self.metrics.channels.dec_by(i64::try_from(self.channels.len()).unwrap_or(0));
        self.channels.clear();
        self.orphans.clear();
        self.judged = None;
        self.unsent.clear();
        self.changed.clear();
        self.fenced = false;
    }
}

impl Held {
    fn new(judge: ChannelJudge, policy: Option<Arc<ChannelPolicy>>, snapshot_at: Time) -> Self {
        let n_panics = judge.panics().values().sum();
        Self { judge, policy, snapshot_at, n_panics }
    }
}

impl PartitionHandler for Owner {
    async fn acquired(&mut self, reader: &PartitionReader) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.forget_all();
        self.epoch = reader.epoch;
        if let Err(error) = self.rebuild(reader).await {
            self.forget_all();
            return Err(error.into());
        }
        self.metrics.partitions.inc();
        Ok(())
    }

    async fn handle(&mut self, message: &Received) -> Outcome {
        // Judged is judged: the same message again only sends the rest.
        if self.judged != Some(message.seq) {
            if let Err(outcome) = self.judge(message, Mode::Live) {
                return outcome;
            }
            self.judged = Some(message.seq);
        }
        if let Err(error) = self.send().await {
            let reason = ow_service::telemetry::chain(&error);
            tracing::warn!(reason, "the bus does not take verdicts; the partition waits");
            return Outcome::Later(AGAIN);
        }
        for channel in std::mem::take(&mut self.changed) {
            self.snapshot(&channel).await;
        }
        let due: Option<ChannelId> = self
            .channels
            .iter()
            .find(|(_, held)| held.judge.now() - held.snapshot_at >= self.snapshot_every)
            .map(|(id, _)| id.clone());
        // One a message: the rest follow with the next ones, so that no message waits for many.
        if let Some(channel) = due {
            self.snapshot(&channel).await;
        }
        Outcome::Done
    }

    async fn released(&mut self) {
        // With something unsaid the message comes again: the next owner judges it from the snapshots before it.
        if self.unsent.is_empty() {
            for channel in self.channels.keys().cloned().collect::<Vec<_>>() {
                self.snapshot(&channel).await;
            }
        }
        self.forget_all();
        self.metrics.partitions.dec();
    }
}
