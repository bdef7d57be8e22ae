//! Partitions: each is handled by one replica at a time, strictly in order.
//!
//! The server pins one client per partition (`max_ack_pending` 1), which gives exclusiveness and order; who asks for
//! which partition is ours ([`crate::members`]). A pin is a lease, not a fence: a stopped owner that wakes finishes
//! the message in its hand. So outputs carry derived ids, and snapshots are written by revision.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind};
use futures_util::StreamExt;
use ow_domain::{N_PARTITIONS, Partition};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::consume::{AFTER_PANIC, with_progress};
use crate::received::acknowledge;
use crate::topology::{PARTITION_ACK_WAIT, PIN_GROUP, partition_consumer, partition_subject};
use crate::{Bucket, Bus, BusError, Outcome, Received, StreamName, dead, members};

const PIN_HEADER: &str = "Nats-Pin-Id";
/// Below the pin's timeout, so that a pull always stands.
const PULL_EXPIRES: Duration = Duration::from_millis(1_200);
const PULL_HEARTBEAT: Duration = Duration::from_millis(500);
const AFTER_ERROR: Duration = Duration::from_millis(250);
/// Longest wait in place before a `Later` message is offered to the handler again.
const LONGEST_LATER: Duration = Duration::from_secs(30);
/// A message on which the handler panics this often goes to the dead letters.
const MAX_PANICS: u32 = 3;

/// The thinking part of one partition. One value lives as long as this replica asks for the partition; `acquired`
/// begins each time of owning it.
pub trait PartitionHandler: Send + 'static {
    /// This replica owns the partition now, and `reader.next_seq` is the next message. Load the snapshot here and
    /// replay from it. Whatever was in memory from an earlier time of owning is stale. `Err` is tried again.
    fn acquired(
        &mut self,
        reader: &PartitionReader,
    ) -> impl Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send;

    /// The next message in order. Acknowledged after `Done`. `Later` waits in place: order holds, the partition stands.
    fn handle(&mut self, message: &Received) -> impl Future<Output = Outcome> + Send;

    /// This replica no longer owns the partition, or is about to give it up: write the last snapshot here.
    fn released(&mut self) -> impl Future<Output = ()> + Send;
}

/// Which stream to own partitions of, as whom.
#[derive(Debug, Clone)]
pub struct PartitionedConfig {
    /// `validator`; part of the consumers' names.
    pub service: String,
    /// Name of this process, unique among those of the service; a slug.
    pub replica: String,
    /// [`StreamName::Captures`] or [`StreamName::Verdicts`].
    pub stream: StreamName,
}

/// The messages of a partition that were handled before, for rebuilding state.
#[derive(Debug, Clone)]
pub struct PartitionReader {
    bus: Bus,
    stream: StreamName,
    pub partition: Partition,
    /// When the stream was created, Unix milliseconds: positions of another epoch are of another stream.
    pub epoch: i64,
    /// Sequence of the first message not handled yet; all before it are.
    pub next_seq: u64,
}

impl PartitionReader {
    /// Messages with `from_seq <= seq < next_seq`, in order. What has expired meanwhile is left out.
    pub fn replay(&self, from_seq: u64) -> Replay {
        Replay { reader: self.clone(), next: from_seq.max(1), batch: None, consumer: None }
    }

    /// Messages of the last `window`, for a new owner without a snapshot.
    pub async fn seq_before(&self, window: Duration) -> Result<u64, BusError> {
        let start = time::OffsetDateTime::now_utc() - window;
        let consumer = self.consumer(DeliverPolicy::ByStartTime { start_time: start }).await?;
        let what = || format!("find the start of partition {}", self.partition);
        let mut batch = consumer
            .batch()
            .max_messages(1)
            .expires(Duration::from_secs(2))
            .messages()
            .await
            .map_err(BusError::request(what()))?;
        match batch.next().await {
            Some(message) => {
                let message = message.map_err(BusError::request(what()))?;
                Ok(message.info().map_err(BusError::request(what()))?.stream_sequence.min(self.next_seq))
            }
            None => Ok(self.next_seq),
        }
    }

    /// Sequence of the newest message of the whole stream now: what claims to be of a later one is of another history.
    pub async fn last_seq(&self) -> Result<u64, BusError> {
        let stream = self.bus.stream(&self.bus.stream_name(self.stream)).await?;
        let info = stream.get_info().await.map_err(BusError::request("read the end of the stream"))?;
        Ok(info.state.last_sequence)
    }

    async fn consumer(&self, deliver_policy: DeliverPolicy) -> Result<PullConsumer, BusError> {
        let filter = partition_subject(self.stream, self.partition);
        let config = pull::Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            filter_subject: self.bus.inner.prefix.subject(filter.as_str()),
            // Named, as permissions are given on `CONSUMER.CREATE.<stream>.<name>.<filter>`.
            name: Some(uuid::Uuid::new_v4().simple().to_string()),
            inactive_threshold: Duration::from_secs(30),
            memory_storage: true,
            num_replicas: 1,
            ..Default::default()
        };
        let stream = self.bus.stream(&self.bus.stream_name(self.stream)).await?;
        let made = stream.create_consumer(config).await;
        made.map_err(BusError::request(format!("replay partition {}", self.partition)))
    }
}

/// See [`PartitionReader::replay`].
pub struct Replay {
    reader: PartitionReader,
    next: u64,
    consumer: Option<PullConsumer>,
    batch: Option<pull::Batch>,
}

impl Replay {
    /// `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Received>, BusError> {
        let what = || format!("replay partition {}", self.reader.partition);
        if self.next >= self.reader.next_seq {
            return Ok(None);
        }
        let mut was_empty = false;
        loop {
            let consumer = match &self.consumer {
                Some(consumer) => consumer,
                None => {
                    let policy = DeliverPolicy::ByStartSequence { start_sequence: self.next };
                    self.consumer.insert(self.reader.consumer(policy).await?)
                }
            };
            let batch = match &mut self.batch {
                Some(batch) => batch,
                None => {
                    // Not waiting: what is replayed is all there.
                    let asked = consumer.batch().max_messages(500).expires(Duration::from_secs(5)).messages().await;
                    self.batch.insert(asked.map_err(BusError::request(what()))?)
                }
            };
            let Some(message) = batch.next().await else {
                self.batch = None;
                if was_empty {
                    return Ok(None);
                }
                was_empty = true;
                continue;
            };
            let message = message.map_err(BusError::request(what()))?;
            let received = Received::from_stream(&self.reader.bus, &message).map_err(BusError::request(what()))?;
            if received.seq >= self.reader.next_seq {
                self.next = self.reader.next_seq;
                return Ok(None);
            }
            self.next = received.seq + 1;
            return Ok(Some(received));
        }
    }
}

/// Runs the partitions that fall to this replica.
#[derive(Debug)]
pub struct PartitionedConsumer;

impl PartitionedConsumer {
    /// Owns partitions until `shutdown`, then hands them over: the message in hand is finished, `released` called, the
    /// pin given up. `make` gives the handler of a partition. The caller bounds the wait by its own drain deadline.
    /// When a partition's task breaks down, all are handed over and `Err` returned: none is left without an owner in
    /// silence.
    pub async fn run<H, F>(
        bus: Bus,
        config: PartitionedConfig,
        make: F,
        shutdown: CancellationToken,
    ) -> Result<(), BusError>
    where
        H: PartitionHandler,
        F: Fn(Partition) -> H + Send + Sync + 'static,
    {
        let epoch = bus.epoch(config.stream).await?;

        let kv = bus.kv::<String>(Bucket::Members);
        let watch = kv.watch(&format!("{}.*", config.service)).await?;
        let tasks = TaskTracker::new();
        let stop = shutdown.child_token();
        // Presence goes before the partitions do, so that the others get ready while we finish.
        let key = format!("{}.{}", config.service, config.replica);
        let replica = config.replica.clone();
        tasks.spawn(members::show(kv, key, move || replica.clone(), stop.clone()));
        let (sender, present) = watch::channel(None);
        let service = config.service.clone();
        let stop_following = stop.clone();
        tasks.spawn(async move { members::follow(watch, &service, sender, stop_following).await });

        let make = Arc::new(make);
        let mut owners = JoinSet::new();
        for partition in Partition::all() {
            let owner = Owner {
                bus: bus.clone(),
                config: config.clone(),
                partition,
                epoch,
                present: present.clone(),
                shutdown: stop.clone(),
            };
            let make = make.clone();
            let span = tracing::info_span!("partition", service = config.service, partition = partition.index());
            owners.spawn(async move { owner.run(|| make(partition)).await }.instrument(span));
        }
        tasks.close();
        let mut broken = None;
        while let Some(ended) = owners.join_next().await {
            if let Err(error) = ended {
                stop.cancel();
                broken = Some(BusError::request("go on with a partition: its handler broke down")(error));
            }
        }
        stop.cancel();
        tasks.wait().await;
        broken.map_or(Ok(()), Err)
    }
}

/// One partition in one replica.
struct Owner {
    bus: Bus,
    config: PartitionedConfig,
    partition: Partition,
    epoch: i64,
    present: watch::Receiver<Option<BTreeMap<String, String>>>,
    shutdown: CancellationToken,
}

/// A time of owning: as long as the pin is the same, or no message went elsewhere in between.
#[derive(Debug)]
struct Tenure {
    pin: Option<String>,
    last_seq: u64,
    last_consumer_seq: u64,
}

impl Owner {
    async fn run<H: PartitionHandler>(mut self, make: impl Fn() -> H) {
        while self.wait_for(true).await {
            let mut handler = make();
            self.own(&mut handler).await;
        }
    }

    /// Waits until the partition is ours (or not ours); false on shutdown.
    async fn wait_for(&mut self, ours: bool) -> bool {
        let (replica, partition) = (self.config.replica.clone(), self.partition);
        let changed = self.present.wait_for(|members| is_ours(members.as_ref(), &replica, partition) == ours);
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            changed = changed => changed.is_ok(),
        }
    }

    /// From asking for the partition to giving it up.
    async fn own<H: PartitionHandler>(&mut self, handler: &mut H) {
        let mut tenure: Option<Tenure> = None;
        let give_up = CancellationToken::new();
        let (sender, mut messages) = mpsc::channel(4);
        let reader = tokio::spawn(
            read(self.bus.clone(), self.config.clone(), self.partition, sender, give_up.clone()).in_current_span(),
        );
        loop {
            let message = tokio::select! {
                biased;
                // Ends on shutdown (false) and when the partition falls to another (true).
                _ = self.wait_for(false) => break,
                message = messages.recv() => message,
            };
            let Some(message) = message else { break };
            self.work(handler, &mut tenure, message).await;
        }
        give_up.cancel();
        let _ = reader.await;
        while let Ok(message) = messages.try_recv() {
            acknowledge(&message, AckKind::Nak(None)).await;
        }
        if tenure.is_some() {
            handler.released().await;
            // Only the holder gives up the pin: an unpin by another would cut off the new owner.
            let name =
                partition_consumer(&self.bus, &self.config.service, self.config.stream, self.partition).durable_name;
            let stream = self.bus.stream(&self.bus.stream_name(self.config.stream)).await;
            if let (Ok(stream), Some(name)) = (stream, name)
                && let Err(error) = stream.unpin_consumer(&name, PIN_GROUP).await
            {
                tracing::debug!(%error, "the pin ends by its timeout");
            }
        }
    }

    async fn work<H: PartitionHandler>(
        &self,
        handler: &mut H,
        tenure: &mut Option<Tenure>,
        message: jetstream::Message,
    ) {
        let (Ok(received), Ok(info)) = (Received::from_stream(&self.bus, &message), message.info()) else {
            return tracing::error!("a message without stream information was ignored");
        };
        let consumer_seq = info.consumer_sequence;
        let pin = received.header(PIN_HEADER).map(str::to_owned);
        let continues = tenure.as_ref().is_some_and(|t| t.pin == pin || consumer_seq == t.last_consumer_seq + 1);
        if continues
            && let Some(tenure) = tenure
            && received.seq <= tenure.last_seq
        {
            // Handled, but its acknowledgement got lost.
            tenure.last_consumer_seq = consumer_seq;
            return acknowledge(&message, AckKind::Ack).await;
        }
        let span = received.span(&self.config.service);
        async {
            if !continues {
                if tenure.take().is_some() {
                    handler.released().await;
                }
                if !self.acquire(handler, &message, received.seq).await {
                    return acknowledge(&message, AckKind::Nak(None)).await;
                }
            }
            *tenure = Some(Tenure { pin, last_seq: received.seq, last_consumer_seq: consumer_seq });
            self.settle(handler, &message, &received).await;
        }
        .instrument(span)
        .await;
    }

    /// Calls `acquired` until it works; false on shutdown.
    async fn acquire<H: PartitionHandler>(&self, handler: &mut H, message: &jetstream::Message, next_seq: u64) -> bool {
        let reader = PartitionReader {
            bus: self.bus.clone(),
            stream: self.config.stream,
            partition: self.partition,
            epoch: self.epoch,
            next_seq,
        };
        loop {
            let mut failed = None;
            let load = async {
                failed = handler.acquired(&reader).await.err();
                Outcome::Done
            };
            let outcome = with_progress(message, PARTITION_ACK_WAIT, load).await;
            match (outcome, failed) {
                (Some(Outcome::Done), None) => return true,
                (_, Some(error)) => tracing::error!(
                    error = &*error as &dyn std::error::Error,
                    "a partition could not be taken over yet"
                ),
                (_, None) => {}
            }
            if self.pause(message, AFTER_ERROR * 4).await {
                return false;
            }
        }
    }

    async fn settle<H: PartitionHandler>(&self, handler: &mut H, message: &jetstream::Message, received: &Received) {
        let mut n_panics = 0;
        loop {
            let handled = received.trace.scope(handler.handle(received));
            let outcome = with_progress(message, PARTITION_ACK_WAIT, handled).await.unwrap_or_else(|| {
                n_panics += 1;
                if n_panics < MAX_PANICS {
                    return Outcome::Later(AFTER_PANIC);
                }
                // One poisonous message must not hold up the rest for ever.
                Outcome::Reject(format!("its handler broke down on it {n_panics} times"))
            });
            match outcome {
                Outcome::Done => return acknowledge(message, AckKind::Ack).await,
                Outcome::Reject(reason) => {
                    let consumer = format!("{}-{}", self.config.service, self.partition);
                    return dead::bury(&self.bus, self.config.stream, &consumer, received, message, reason).await;
                }
                Outcome::Later(delay) => {
                    if self.pause(message, delay.min(LONGEST_LATER)).await {
                        return acknowledge(message, AckKind::Nak(None)).await;
                    }
                }
            }
        }
    }

    /// Waits with the message in hand; true if shutdown came first.
    async fn pause(&self, message: &jetstream::Message, delay: Duration) -> bool {
        let wait = async {
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(delay) => {}
            }
            Outcome::Done
        };
        let _ = with_progress(message, PARTITION_ACK_WAIT, wait).await;
        self.shutdown.is_cancelled()
    }
}

fn is_ours(members: Option<&BTreeMap<String, String>>, replica: &str, partition: Partition) -> bool {
    let Some(members) = members else { return false };
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let assigned = members::assign(&names, N_PARTITIONS);
    assigned.get(usize::from(partition.index())).is_some_and(|&owner| names[owner] == replica)
}

/// Keeps pulling while the handler works, as a pin is lost without pulls.
async fn read(
    bus: Bus,
    config: PartitionedConfig,
    partition: Partition,
    messages: mpsc::Sender<jetstream::Message>,
    give_up: CancellationToken,
) {
    while !give_up.is_cancelled() {
        let pulled = tokio::select! {
            () = give_up.cancelled() => return,
            pulled = pull_stream(&bus, &config, partition) => pulled,
        };
        let mut stream = match pulled {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "partition is not available yet");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        loop {
            let next = tokio::select! {
                () = give_up.cancelled() => return,
                next = stream.next() => next,
            };
            match next {
                // One message is in flight; more are redeliveries while the handler is behind, and come again.
                Some(Ok(message)) => drop(messages.try_send(message)),
                Some(Err(error)) if error.kind() == pull::MessagesErrorKind::MissingHeartbeat => {
                    tracing::debug!("no sign of the server on a partition");
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "pulling a partition failed and starts again");
                    tokio::time::sleep(AFTER_ERROR).await;
                    break;
                }
                None => break,
            }
        }
    }
}

async fn pull_stream(bus: &Bus, config: &PartitionedConfig, partition: Partition) -> Result<pull::Stream, BusError> {
    let stream = bus.stream(&bus.stream_name(config.stream)).await?;
    let consumer = partition_consumer(bus, &config.service, config.stream, partition);
    let what = || format!("own partition {partition}");
    let consumer: PullConsumer = stream.create_consumer(consumer).await.map_err(BusError::request(what()))?;
    let pull =
        consumer.stream().group(PIN_GROUP).max_messages_per_batch(32).expires(PULL_EXPIRES).heartbeat(PULL_HEARTBEAT);
    pull.messages().await.map_err(BusError::request(what()))
}
