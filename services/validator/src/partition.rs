//! One partition: its judges, what they say, and their snapshots.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::time::Duration;

use ow_bus::{Bucket, Bus, BusError, Outcome, PartitionHandler, PartitionReader, Received};
use ow_checks::{ChannelJudge, Judged};
use ow_contracts::Message;
use ow_domain::capture::{Capture, Tick};
use ow_domain::verdict::{Measures, Position, Verdict};
use ow_domain::{ChannelId, Partition, Span, Time};

use crate::ValidatorConfig;
use crate::metrics::Metrics;
use crate::policies::Policies;
use crate::snapshot::{Snapshots, Written};

/// Wait before a message is handled again when the bus does not take what it leads to.
const AGAIN: Duration = Duration::from_secs(1);

/// The owner of one partition.
pub(crate) struct Owner {
    partition: Partition,
    bus: Bus,
    policies: Policies,
    snapshots: Snapshots,
    metrics: Metrics,
    rebuild: Duration,
    snapshot_every: Span,
    epoch: i64,
    channels: BTreeMap<ChannelId, Held>,
    /// Said and not yet taken by the bus.
    unsent: VecDeque<Output>,
    /// Another process owns this partition and has gone further.
    fenced: bool,
}

struct Held {
    judge: ChannelJudge,
    /// Revision of the snapshot in KV; `None`: none known.
    revision: Option<u64>,
    snapshot_at: Time,
    n_panics: u64,
}

enum Output {
    Verdict(Box<Verdict>),
    Measures(Measures),
    /// The channel is no longer watched.
    Forget(ChannelId),
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
            snapshots: Snapshots::new(&bus),
            bus,
            policies,
            metrics,
            rebuild: config.rebuild.0,
            snapshot_every: Span::from_std(config.snapshot_every.0),
            epoch: 0,
            channels: BTreeMap::new(),
            unsent: VecDeque::new(),
            fenced: false,
        }
    }

    /// Judges one message. Gives the channels whose list of conditions changed.
    fn judge(&mut self, message: &Received) -> Result<Vec<ChannelId>, Outcome> {
        let position = Position { epoch: self.epoch, seq: message.seq };
        if message.header(ow_contracts::envelope::CE_TYPE) == Some(Tick::TYPE) {
            let tick: Tick = message.decode()?;
            self.metrics.ticks.inc();
            return Ok(self.tick(tick.at, position));
        }
        let capture: Capture = message.decode()?;
        self.metrics.captures.inc();
        self.metrics.lag_us.set((message.stored_at - capture.exchange.t_end).micros());
        let channel = capture.channel.clone();
        if !self.align(&channel, capture.exchange.t_req) {
            self.metrics.unknown_channel.inc();
            return Ok(Vec::new());
        }
        let Some(held) = self.channels.get_mut(&channel) else { return Ok(Vec::new()) };
        let judged = held.judge.apply(&capture, position);
        Ok(self.take(channel, judged).into_iter().collect())
    }

    fn tick(&mut self, at: Time, position: Position) -> Vec<ChannelId> {
        let wanted = self.policies.enabled_in(self.partition);
        let gone: Vec<ChannelId> =
            self.channels.keys().filter(|id| !wanted.iter().any(|p| p.channel == **id)).cloned().collect();
        for id in gone {
            if let Some(held) = self.channels.remove(&id) {
                self.metrics.channels.dec();
                self.unsent.push_back(Output::Verdict(Box::new(held.judge.retire("channel-removed", at, position))));
                self.unsent.push_back(Output::Forget(id));
            }
        }
        let mut changed = Vec::new();
        for policy in wanted {
            self.align(&policy.channel, at);
            let Some(held) = self.channels.get_mut(&policy.channel) else { continue };
            let judged = held.judge.tick(at, position);
            changed.extend(self.take(policy.channel.clone(), judged));
        }
        changed
    }

    /// Makes the judge of a channel if there is none, and gives it the policy of now. False: not watched.
    fn align(&mut self, channel: &ChannelId, at: Time) -> bool {
        let policies = self.policies.now();
        let Some(policy) = policies.get(channel).filter(|p| p.enabled) else { return false };
        match self.channels.get_mut(channel) {
            Some(held) => {
                if held.judge.policy().revision != policy.revision {
                    held.judge.set_policy(policy.as_ref().clone(), at);
                }
            }
            None => {
                let judge = ChannelJudge::new(policy.as_ref().clone(), at);
                self.metrics.channels.inc();
                let held = Held { judge, revision: None, snapshot_at: Time::UNIX_EPOCH, n_panics: 0 };
                self.channels.insert(channel.clone(), held);
            }
        }
        true
    }

    /// Queues what was said; the channel if its conditions changed.
    fn take(&mut self, channel: ChannelId, judged: Judged) -> Option<ChannelId> {
        if let Some(held) = self.channels.get_mut(&channel) {
            let n_panics = held.judge.panics().values().sum();
            if n_panics > held.n_panics {
                self.metrics.check_panics.inc_by(n_panics - held.n_panics);
                tracing::error!(%channel, panics = ?held.judge.panics(), "a check failed by a defect of ours");
                held.n_panics = n_panics;
            }
        }
        self.unsent.extend(judged.measures.into_iter().map(Output::Measures));
        self.unsent.extend(judged.verdict.map(|v| Output::Verdict(Box::new(v))));
        judged.changed.then_some(channel)
    }

    /// Publishes what is queued, in order. Each has a derived id, so a repeated publish is one message.
    async fn send(&mut self) -> Result<(), BusError> {
        while let Some(output) = self.unsent.front() {
            match output {
                Output::Verdict(verdict) => {
                    self.bus.publish(verdict.as_ref()).await?;
                    self.bus.kv::<Verdict>(Bucket::Status).put(verdict.channel.as_str(), verdict).await?;
                    self.metrics.verdicts.inc();
                }
                Output::Measures(measures) => {
                    self.bus.publish(measures).await?;
                }
                Output::Forget(channel) => {
                    self.snapshots.remove(self.partition, channel).await?;
                    self.bus.kv::<Verdict>(Bucket::Status).delete(channel.as_str()).await?;
                }
            }
            self.unsent.pop_front();
        }
        Ok(())
    }

    /// Writes the snapshot of a channel; a failure is logged, the next one comes soon.
    async fn snapshot(&mut self, channel: &ChannelId) {
        let Some(held) = self.channels.get_mut(channel) else { return };
        if self.fenced {
            return;
        }
        held.snapshot_at = held.judge.now();
        match self.snapshots.write(self.partition, &held.judge, held.revision).await {
            Ok(Written::Revision(revision)) => {
                held.revision = Some(revision);
                self.metrics.snapshots.inc();
            }
            Ok(Written::Fenced) => {
                self.fenced = true;
                tracing::warn!(%channel, "another validator has gone further with this partition");
            }
            Err(error) => {
                self.metrics.snapshot_failures.inc();
                let reason = ow_service::telemetry::chain(&error);
                tracing::warn!(%channel, reason, "a snapshot was not written");
            }
        }
    }

    async fn rebuild(&mut self, reader: &PartitionReader) -> Result<(), BusError> {
        let (snapshots, n_unreadable) = self.snapshots.load(self.partition).await?;
        self.metrics.snapshot_failures.inc_by(n_unreadable);
        for (snapshot, revision) in snapshots {
            // A snapshot may be of the message that is delivered again now: it was written before the acknowledgement.
            // One of another stream, or further on, is of another history.
            let ours = snapshot.position.epoch == reader.epoch && snapshot.position.seq <= reader.next_seq;
            let channel = snapshot.judge.policy().channel.clone();
            if ours && Partition::of(&channel) == self.partition {
                let snapshot_at = snapshot.judge.now();
                let held = Held { judge: snapshot.judge, revision: Some(revision), snapshot_at, n_panics: 0 };
                self.channels.insert(channel, held);
                self.metrics.channels.inc();
            }
        }
        let from = match self.channels.values().map(|h| h.judge.position().seq + 1).min() {
            Some(oldest) => oldest,
            None => reader.seq_before(self.rebuild).await?,
        };
        let mut replay = reader.replay(from);
        let mut n = 0_u64;
        while let Some(message) = replay.next().await? {
            n += 1;
            // What cannot be read was rejected when it was handled the first time.
            let _ = self.judge(&message);
            self.unsent.clear();
        }
        self.metrics.replayed.inc_by(n);
        tracing::info!(from, next = reader.next_seq, n, channels = self.channels.len(), "partition taken over");
        Ok(())
    }

    fn forget_all(&mut self) {
        self.metrics.channels.dec_by(i64::try_from(self.channels.len()).unwrap_or(0));
        self.channels.clear();
        self.unsent.clear();
        self.fenced = false;
    }
}

impl PartitionHandler for Owner {
    async fn acquired(&mut self, reader: &PartitionReader) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.forget_all();
        self.epoch = reader.epoch;
        self.rebuild(reader).await?;
        self.metrics.partitions.inc();
        Ok(())
    }

    async fn handle(&mut self, message: &Received) -> Outcome {
        let changed = match self.judge(message) {
            Ok(changed) => changed,
            Err(outcome) => return outcome,
        };
        if let Err(error) = self.send().await {
            // Judged is judged: the same message again changes nothing and sends the rest.
            let reason = ow_service::telemetry::chain(&error);
            tracing::warn!(reason, "the bus does not take verdicts; the partition waits");
            return Outcome::Later(AGAIN);
        }
        for channel in &changed {
            self.snapshot(channel).await;
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
        let channels: Vec<ChannelId> = self.channels.keys().cloned().collect();
        for channel in channels {
            self.snapshot(&channel).await;
        }
        self.forget_all();
        self.metrics.partitions.dec();
    }
}
