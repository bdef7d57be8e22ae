//! One partition: its judges, what they say, and their snapshots.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::time::Duration;

use ow_bus::{Bus, BusError, Outcome, PartitionHandler, PartitionReader, Received};
use ow_contracts::Recorded;
use ow_domain::verdict::Position;
use ow_domain::{ChannelId, Partition, Span};

use crate::ValidatorConfig;
use crate::judging::{Mode, Output, PartitionJudge, Refused};
use crate::metrics::Metrics;
use crate::policies::Policies;
use crate::replay::fact_of;
use crate::snapshot::{Snapshots, Statuses, Written};

/// Wait before a message is handled again when the bus does not take what it leads to.
const AGAIN: Duration = Duration::from_secs(1);

/// The owner of one partition.
pub(crate) struct Owner {
    partition: Partition,
    bus: Bus,
    judges: PartitionJudge<Policies>,
    snapshots: Snapshots,
    statuses: Statuses,
    metrics: Metrics,
    rebuild: Duration,
    snapshot_every: Span,
    epoch: i64,
    /// Sequence of the message judged last, whose outputs may still wait in `unsent`.
    judged: Option<u64>,
    /// Said and not yet taken by the bus.
    unsent: VecDeque<Output>,
    /// Channels whose conditions changed since their last snapshot.
    changed: BTreeSet<ChannelId>,
    /// Channels counted in the metrics.
    n_shown: i64,
    /// Another process owns this partition and has gone further.
    fenced: bool,
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
            judges: PartitionJudge::new(partition, policies),
            metrics,
            rebuild: config.rebuild.0,
            snapshot_every: Span::from_std(config.snapshot_every.0),
            epoch: 0,
            judged: None,
            unsent: VecDeque::new(),
            changed: BTreeSet::new(),
            n_shown: 0,
            fenced: false,
        }
    }

    /// Judges one message; what is to be said is in `unsent` then.
    fn judge(&mut self, message: &Received, mode: Mode) -> Result<(), Outcome> {
        let position = Position { epoch: self.epoch, seq: message.seq };
        let fact = message.recorded()?;
        let step = self.judges.judge(fact_of(&fact, message.stored_at), position, mode).map_err(|refused| {
            if mode == Mode::Live && matches!(refused, Refused::FromTheFuture { .. }) {
                self.metrics.from_the_future.inc();
            }
            Outcome::Reject(refused.to_string())
        })?;
        match &fact {
            _ if mode == Mode::Rebuild => {}
            Recorded::Tick(_) => drop(self.metrics.ticks.inc()),
            Recorded::Capture(capture) => {
                self.metrics.captures.inc();
                self.metrics.lag_us.set((message.stored_at - capture.exchange.t_end).micros());
            }
        }
        if mode == Mode::Live && step.is_of_unknown_channel {
            self.metrics.unknown_channel.inc();
        }
        for (channel, n) in step.panicked {
            self.metrics.check_panics.inc_by(n);
            let panics = self.judges.channel(&channel).map(|judge| judge.panics());
            tracing::error!(%channel, ?panics, "a check failed by a defect of ours");
        }
        self.unsent.extend(step.outputs);
        self.changed.extend(step.changed);
        self.show_channels();
        Ok(())
    }

    /// Keeps the number of channels in the metrics true.
    fn show_channels(&mut self) {
        let n = i64::try_from(self.judges.n_channels()).unwrap_or(i64::MAX);
        if n != self.n_shown {
            self.metrics.channels.inc_by(n - self.n_shown);
            self.n_shown = n;
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
        if self.fenced {
            return;
        }
        let Some(held) = self.judges.held_mut(channel) else { return };
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
            self.judges.remember(verdict);
        }
        let (snapshots, n_unreadable) = self.snapshots.load().await?;
        self.metrics.snapshot_failures.inc_by(n_unreadable);
        let last_seq = reader.last_seq().await?;
        for snapshot in snapshots {
            // One that is ahead of the next message was written before acknowledgements that the server has lost: its
            // channel waits until the messages are past it. Of another stream, or past its end: another history.
            let ours = snapshot.position.epoch == reader.epoch && snapshot.position.seq <= last_seq;
            if ours && Partition::of(&snapshot.judge.policy().channel) == self.partition {
                self.judges.resume(snapshot.judge);
            }
        }
        let oldest = self.judges.held().map(|(_, held)| held.judge.position().seq + 1).min();
        let from = match oldest {
            Some(oldest) if self.judges.knows_all() => oldest,
            oldest => reader.seq_before(self.rebuild).await?.min(oldest.unwrap_or(u64::MAX)),
        };
        let mut replay = reader.replay(from);
        let mut n = 0_u64;
        while let Some(message) = replay.next().await? {
            n += 1;
            // What cannot be read was rejected when it was handled the first time.
            let _ = self.judge(&message, Mode::Rebuild);
            self.unsent.clear();
        }
        self.changed.clear();
        // The owner before may have died with something unsaid: the next fact gives a verdict in any case.
        self.judges.speak_again();
        self.show_channels();
        self.metrics.replayed.inc_by(n);
        tracing::info!(from, next = reader.next_seq, n, channels = self.judges.n_channels(), "partition taken over");
        Ok(())
    }

    fn forget_all(&mut self) {
        self.judges.clear();
        self.show_channels();
        self.judged = None;
        self.unsent.clear();
        self.changed.clear();
        self.fenced = false;
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
            .judges
            .held()
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
            for channel in self.judges.held().map(|(id, _)| id.clone()).collect::<Vec<_>>() {
                self.snapshot(&channel).await;
            }
        }
        self.forget_all();
        self.metrics.partitions.dec();
    }
}
