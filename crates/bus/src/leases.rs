//! Leases by the engine: one standing message per channel and probe, held by in-progress acknowledgements.
//!
//! What to watch is in the bucket `FETCH_JOBS` and may change at any time; the message in `JOBS` only says that there
//! is something to hold, and is never replaced (docs/adr/0001). The server gives a message to one fetcher at a time and
//! to another one when the first is silent for 3 s. `LEASES` names the holder, which tells a woken sleeper that it has
//! lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, AckKind};
use bytes::Bytes;
use futures_util::StreamExt;
use ow_contracts::{Message, Subject};
use ow_domain::job::{FetchJob, ProbeHeartbeat};
use ow_domain::{ChannelId, ProbeId};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::publish::is_refused_as_second;
use crate::received::acknowledge;
use crate::topology::{LEASE_ACK_WAIT, lease_consumer};
use crate::{Bucket, Bus, BusError, Change, Kv, StreamName, members, time};

const PULL_EXPIRES: Duration = Duration::from_secs(1);
/// Small, so that fetchers that start together share what stands.
const LARGEST_PULL: usize = 8;
const AFTER_ERROR: Duration = Duration::from_millis(250);

/// What [`Bus::put_job`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobPut {
    /// A new lease stands.
    New,
    /// One stood already; its holder learns of the new content.
    AlreadyStands,
}

impl Bus {
    /// Makes the job stand: what to do, then the lease. Idempotent.
    pub async fn put_job(&self, job: &FetchJob) -> Result<JobPut, BusError> {
        let key = job_key(&job.probe, &job.channel);
        let kv = self.kv::<FetchJob>(Bucket::FetchJobs);
        if kv.get(&key).await?.is_none_or(|stands| stands.value != *job) {
            kv.put(&key, job).await?;
        }
        // No message id: a job that is withdrawn and wanted again within two minutes must stand again. The limit of
        // one message per subject refuses doubles.
        let mut outgoing = self.outgoing(job)?;
        outgoing.message = strip_id(job)?;
        match self.send(outgoing).await {
            Ok(_) => Ok(JobPut::New),
            Err(BusError::Publish { source, .. }) if is_refused_as_second(&*source) => Ok(JobPut::AlreadyStands),
            Err(error) => Err(error),
        }
    }

    /// Withdraws a job; its holder stops. No error if none stands.
    pub async fn purge_job(&self, probe: &ProbeId, channel: &ChannelId) -> Result<(), BusError> {
        let key = job_key(probe, channel);
        self.kv::<FetchJob>(Bucket::FetchJobs).delete(&key).await?;
        self.kv::<Holder>(Bucket::Leases).delete(&key).await?;
        let stream = self.stream(&self.stream_name(StreamName::Jobs)).await?;
        let subject = self.inner.prefix.subject(Subject::fetch_job(probe, channel).as_str());
        stream.purge().filter(subject).await.map(|_| ()).map_err(BusError::request("withdraw a job"))
    }

    /// All jobs that stand, of all probes.
    pub async fn jobs(&self) -> Result<Vec<FetchJob>, BusError> {
        let entries = self.kv::<FetchJob>(Bucket::FetchJobs).entries(">").await?;
        Ok(entries.into_iter().map(|entry| entry.value).collect())
    }
}

/// The lease message is a token: the content is read from the bucket.
fn strip_id(job: &FetchJob) -> Result<PublishMessage, BusError> {
    let body = serde_json::to_vec(job).map_err(|source| BusError::Encode { what: FetchJob::TYPE, source })?;
    Ok(PublishMessage::build()
        .payload(Bytes::from(body))
        .header(ow_contracts::envelope::CE_TYPE, FetchJob::TYPE)
        .header(ow_contracts::envelope::CONTENT_TYPE, "application/json"))
}

fn job_key(probe: &ProbeId, channel: &ChannelId) -> String {
    format!("{probe}.{channel}")
}

/// Value of bucket `LEASES`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub replica: String,
    /// Differs for every time of holding.
    pub term: String,
}

/// Who takes leases, and how many at most.
#[derive(Debug, Clone)]
pub struct LeaseConfig {
    pub probe: ProbeId,
    /// Name of this process, unique on the probe; a slug.
    pub replica: String,
    pub version: String,
    pub region: Option<String>,
    /// Channels this process can hold.
    pub slots: usize,
}

/// Takes leases while there are free slots, up to the fair share of this replica. Shows the probe's heartbeat.
#[derive(Debug)]
pub struct LeaseTaker {
    leases: mpsc::Receiver<Lease>,
    tasks: TaskTracker,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    bus: Bus,
    config: LeaseConfig,
    held: AtomicUsize,
    /// What stands for this probe, by channel.
    jobs: watch::Sender<Option<BTreeMap<String, FetchJob>>>,
    members: watch::Sender<Option<BTreeMap<String, ProbeHeartbeat>>>,
    /// Last holder known of each channel.
    holders: watch::Sender<HashMap<String, Holder>>,
    /// Leases above the fair share: so many may be given back.
    surplus: watch::Sender<u64>,
    drain: CancellationToken,
}

impl LeaseTaker {
    /// Starts taking until `shutdown`. Then no more are taken, and each lease tells its holder to stop.
    pub async fn start(bus: Bus, config: LeaseConfig, shutdown: CancellationToken) -> Result<Self, BusError> {
        let pattern = format!("{}.*", config.probe);
        let jobs = bus.kv::<FetchJob>(Bucket::FetchJobs).watch(&pattern).await?;
        let holders = bus.kv::<Holder>(Bucket::Leases).watch(&pattern).await?;
        let heartbeats = bus.kv::<ProbeHeartbeat>(Bucket::Probes);
        let present = heartbeats.watch(&pattern).await?;
        let shared = Arc::new(Shared {
            bus,
            held: AtomicUsize::new(0),
            jobs: watch::Sender::new(None),
            members: watch::Sender::new(None),
            holders: watch::Sender::new(HashMap::new()),
            surplus: watch::Sender::new(0),
            drain: shutdown.clone(),
            config,
        });
        let tasks = TaskTracker::new();
        let probe = shared.config.probe.to_string();
        let key = format!("{probe}.{}", shared.config.replica);
        let beat = shared.clone();
        tasks.spawn(members::show(heartbeats, key, move || beat.heartbeat(), shutdown.clone()));
        let of_probe = (probe.clone(), shared.jobs.clone(), shutdown.clone());
        tasks.spawn(async move { members::follow(jobs, &of_probe.0, of_probe.1, of_probe.2).await });
        let of_probe = (probe.clone(), shared.members.clone(), shutdown.clone());
        tasks.spawn(async move { members::follow(present, &of_probe.0, of_probe.1, of_probe.2).await });
        tasks.spawn(follow_holders(holders, shared.clone(), probe));
        tasks.spawn(give_back_surplus(shared.clone()));
        let (sender, leases) = mpsc::channel(1);
        tasks.spawn(take(shared.clone(), sender, tasks.clone()));
        tasks.close();
        Ok(Self { leases, tasks, shared, shutdown })
    }

    /// The next lease; `None` after shutdown.
    pub async fn next(&mut self) -> Option<Lease> {
        self.leases.recv().await
    }

    /// Channels held now.
    pub fn n_held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// After shutdown: waits until every lease is given back. Leases that were not yet taken by [`Self::next`] are too.
    pub async fn drained(mut self) {
        self.shutdown.cancel();
        self.leases.close();
        while let Some(lease) = self.leases.recv().await {
            drop(lease);
        }
        self.tasks.wait().await;
    }
}

impl Shared {
    fn heartbeat(&self) -> ProbeHeartbeat {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        ProbeHeartbeat {
            probe: self.config.probe.clone(),
            replica: self.config.replica.clone(),
            version: self.config.version.clone(),
            at: time::now(),
            slots: count(self.config.slots),
            held: count(self.held.load(Ordering::Relaxed)),
            region: self.config.region.clone(),
        }
    }

    /// How many leases this replica should hold: what stands, spread by slots over the replicas present. `None` until
    /// jobs and members are known.
    fn fair_share(&self) -> Option<usize> {
        let n_jobs = self.jobs.borrow().as_ref()?.len();
        let members = self.members.borrow();
        let others = members.as_ref()?.iter().filter(|(replica, _)| **replica != self.config.replica);
        let others: usize = others.map(|(_, heartbeat)| heartbeat.slots as usize).sum();
        Some(share(n_jobs, self.config.slots, others))
    }
}

/// `n_jobs * mine / (mine + others)`, rounded up, at most `mine`.
fn share(n_jobs: usize, mine: usize, others: usize) -> usize {
    let all = mine.saturating_add(others).max(1);
    n_jobs.saturating_mul(mine).div_ceil(all).min(mine)
}

async fn follow_holders(mut watch: crate::KvWatch<Holder>, shared: Arc<Shared>, probe: String) {
    loop {
        let change = tokio::select! {
            () = shared.drain.cancelled() => return,
            change = watch.next() => change,
        };
        let channel = |key: &str| key.strip_prefix(&probe).and_then(|k| k.strip_prefix('.')).unwrap_or(key).to_owned();
        match change {
            Change::Put(entry) => {
                shared.holders.send_modify(|holders| drop(holders.insert(channel(&entry.key), entry.value)));
            }
            Change::Deleted { key, .. } => {
                shared.holders.send_modify(|holders| drop(holders.remove(&channel(&key))));
            }
            Change::UpToDate => {}
        }
    }
}

/// Once a second, marks a quarter of what is held above the fair share for giving back: gently, as each is a short gap.
async fn give_back_surplus(shared: Arc<Shared>) {
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = shared.drain.cancelled() => return,
            _ = beat.tick() => {}
        }
        let Some(fair) = shared.fair_share() else { continue };
        let above = shared.held.load(Ordering::Relaxed).saturating_sub(fair);
        let n = if above == 0 { 0 } else { above.div_ceil(4) as u64 };
        shared.surplus.send_replace(n);
    }
}

/// Pulls as many as there are free slots below the fair share.
async fn take(shared: Arc<Shared>, leases: mpsc::Sender<Lease>, tasks: TaskTracker) {
    let mut consumer: Option<PullConsumer> = None;
    let mut jobs = shared.jobs.subscribe();
    let mut members = shared.members.subscribe();
    while !shared.drain.is_cancelled() {
        let free = shared.fair_share().unwrap_or(0).saturating_sub(shared.held.load(Ordering::Relaxed));
        if free == 0 {
            tokio::select! {
                () = shared.drain.cancelled() => return,
                _ = jobs.changed() => {}
                _ = members.changed() => {}
                () = tokio::time::sleep(AFTER_ERROR) => {}
            }
            continue;
        }
        let pulled = match pull(&shared, &mut consumer, free.min(LARGEST_PULL), &leases, &tasks).await {
            Ok(pulled) => pulled,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "leases cannot be taken yet");
                consumer = None;
                false
            }
        };
        if !pulled && consumer.is_none() {
            tokio::select! {
                () = shared.drain.cancelled() => return,
                () = tokio::time::sleep(AFTER_ERROR) => {}
            }
        }
    }
}

async fn pull(
    shared: &Arc<Shared>,
    consumer: &mut Option<PullConsumer>,
    n: usize,
    leases: &mpsc::Sender<Lease>,
    tasks: &TaskTracker,
) -> Result<bool, BusError> {
    let what = || "take leases".to_owned();
    let ready = match consumer {
        Some(ready) => ready,
        None => {
            let stream = shared.bus.stream(&shared.bus.stream_name(StreamName::Jobs)).await?;
            let config = lease_consumer(&shared.bus, &shared.config.probe);
            consumer.insert(stream.create_consumer(config).await.map_err(BusError::request(what()))?)
        }
    };
    let mut batch =
        ready.fetch().max_messages(n).expires(PULL_EXPIRES).messages().await.map_err(BusError::request(what()))?;
    let mut any = false;
    loop {
        // The request lives a second; silence beyond that means that the server is gone.
        let next = tokio::select! {
            () = shared.drain.cancelled() => None,
            next = tokio::time::timeout(PULL_EXPIRES * 2, batch.next()) => next.ok().flatten(),
        };
        let Some(message) = next else { break };
        any = true;
        accept(shared, message.map_err(BusError::request(what()))?, leases, tasks).await?;
    }
    if shared.drain.is_cancelled() {
        use futures_util::FutureExt;
        while let Some(Some(Ok(message))) = batch.next().now_or_never() {
            acknowledge(&message, AckKind::Nak(None)).await;
        }
    }
    Ok(any)
}

/// Makes a lease of a message: the job is looked up, the holder is written, the keeper starts.
async fn accept(
    shared: &Arc<Shared>,
    message: jetstream::Message,
    leases: &mpsc::Sender<Lease>,
    tasks: &TaskTracker,
) -> Result<(), BusError> {
    let subject = shared.bus.inner.prefix.strip(message.subject.as_str()).to_owned();
    let channel = subject.rsplit('.').next().unwrap_or_default().to_owned();
    let key = format!("{}.{channel}", shared.config.probe);
    let Some(job) = shared.bus.kv::<FetchJob>(Bucket::FetchJobs).get(&key).await? else {
        // Withdrawn between the two steps of a withdrawal; what is left of it goes.
        acknowledge(&message, AckKind::Ack).await;
        return Ok(());
    };
    let holder = Holder { replica: shared.config.replica.clone(), term: uuid::Uuid::new_v4().to_string() };
    let holders: Kv<Holder> = shared.bus.kv(Bucket::Leases);
    holders.put(&key, &holder).await?;
    shared.holders.send_modify(|all| drop(all.insert(channel.clone(), holder.clone())));
    acknowledge(&message, AckKind::Progress).await;
    shared.held.fetch_add(1, Ordering::Relaxed);
    let (state, changes) = watch::channel(LeaseChange::Updated(Arc::new(job.value.clone())));
    let (giver, given_back) = watch::channel(None);
    let keeper = Keeper { shared: shared.clone(), message, channel, holder, job: job.value.clone(), state, given_back };
    tasks.spawn(keeper.keep());
    let lease = Lease { job: Arc::new(job.value), changes, giver };
    if let Err(unsent) = leases.send(lease).await {
        drop(unsent);
    }
    Ok(())
}

/// What happened to a lease.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseChange {
    /// The job reads like this now.
    Updated(Arc<FetchJob>),
    /// The job is no longer wanted. Stop; the lease is gone.
    Withdrawn,
    /// Another replica has it, or may have it as we could not be heard for too long. Stop at once.
    Lost,
    /// Stop, then [`Lease::give_back`]: this process drains, or holds more than its share.
    GiveBack,
}

/// One channel to watch, held as long as this value lives and no [`LeaseChange`] says otherwise. Dropping it gives it
/// back at once.
#[derive(Debug)]
pub struct Lease {
    job: Arc<FetchJob>,
    changes: watch::Receiver<LeaseChange>,
    giver: watch::Sender<Option<AckKind>>,
}

impl Lease {
    /// The job as it was when taken, or as [`Lease::changed`] told last.
    pub fn job(&self) -> &Arc<FetchJob> {
        &self.job
    }

    /// Waits for the next change. Cancel safe. After the end of a lease it tells that end again.
    pub async fn changed(&mut self) -> LeaseChange {
        // The keeper ends only after it told the end.
        let _ = self.changes.changed().await;
        let change = self.changes.borrow_and_update().clone();
        if let LeaseChange::Updated(job) = &change {
            self.job = job.clone();
        }
        change
    }

    /// Another replica may take it, at once. The same as dropping it.
    pub fn give_back(self) {
        self.giver.send_replace(Some(AckKind::Nak(None)));
    }

    /// There is nothing to watch any more; the standing message goes. Rarely right: the scheduler withdraws jobs.
    pub fn done(self) {
        self.giver.send_replace(Some(AckKind::Ack));
    }
}

struct Keeper {
    shared: Arc<Shared>,
    message: jetstream::Message,
    channel: String,
    holder: Holder,
    job: FetchJob,
    state: watch::Sender<LeaseChange>,
    given_back: watch::Receiver<Option<AckKind>>,
}

impl Keeper {
    /// Keeps the lease alive until it is given back, withdrawn or lost.
    async fn keep(mut self) {
        let end = self.watch_over().await;
        if let Some(kind) = end {
            acknowledge(&self.message, kind).await;
        }
        self.shared.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// The acknowledgement to end with; `None` if the lease is no longer ours to answer for.
    async fn watch_over(&mut self) -> Option<AckKind> {
        let mut beat = tokio::time::interval(LEASE_ACK_WAIT / 3);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut jobs = self.shared.jobs.subscribe();
        let mut holders = self.shared.holders.subscribe();
        let mut surplus = self.shared.surplus.subscribe();
        let drain = self.shared.drain.clone();
        let mut heard_at = Instant::now();
        let mut told_to_stop = false;
        loop {
            tokio::select! {
                changed = self.given_back.changed() => {
                    let kind = *self.given_back.borrow();
                    // The sender is gone without a word: the lease was dropped.
                    return match (changed.is_err(), kind) {
                        (_, Some(kind)) => Some(kind),
                        (true, None) => Some(AckKind::Nak(None)),
                        (false, None) => continue,
                    };
                }
                _ = beat.tick() => {
                    // The answer only says that the server hears us; a lease that it gave to another is found below.
                    let heard = tokio::time::timeout(LEASE_ACK_WAIT / 3, self.message.double_ack_with(AckKind::Progress)).await;
                    if matches!(heard, Ok(Ok(()))) {
                        heard_at = Instant::now();
                    } else if heard_at.elapsed() >= LEASE_ACK_WAIT {
                        tracing::warn!(channel = self.channel, "the server does not hear us; a lease is given up");
                        return self.end(LeaseChange::Lost);
                    }
                }
                _ = holders.changed() => {
                    let other = holders.borrow_and_update().get(&self.channel).is_some_and(|h| *h != self.holder);
                    if other {
                        tracing::warn!(channel = self.channel, "another fetcher has this lease now");
                        return self.end(LeaseChange::Lost);
                    }
                }
                _ = jobs.changed() => {
                    let now = jobs.borrow_and_update().as_ref().map(|jobs| jobs.get(&self.channel).cloned());
                    match now {
                        Some(None) => return self.end(LeaseChange::Withdrawn),
                        Some(Some(job)) if job != self.job => {
                            self.job = job.clone();
                            if !told_to_stop {
                                self.state.send_replace(LeaseChange::Updated(Arc::new(job)));
                            }
                        }
                        _ => {}
                    }
                }
                () = drain.cancelled(), if !told_to_stop => {
                    told_to_stop = true;
                    self.state.send_replace(LeaseChange::GiveBack);
                }
                _ = surplus.changed(), if !told_to_stop => {
                    // Each mark is for one lease: the first keepers to see it take it.
                    let ours = self.shared.surplus.send_if_modified(|n| {
                        let any = *n > 0;
                        *n = n.saturating_sub(1);
                        any
                    });
                    if ours {
                        told_to_stop = true;
                        self.state.send_replace(LeaseChange::GiveBack);
                    }
                }
            }
        }
    }

    fn end(&self, change: LeaseChange) -> Option<AckKind> {
        self.state.send_replace(change);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_slots() {
        for (n_jobs, mine, others, expected) in [
            (0, 10, 0, 0),
            (10, 100, 0, 10),
            (10, 4, 0, 4),
            (10, 5, 5, 5),
            (11, 5, 5, 5),
            (9, 5, 5, 5),
            (600, 500, 1_000, 200),
            (5, 0, 0, 0),
        ] {
            assert_eq!(share(n_jobs, mine, others), expected, "{n_jobs} jobs, {mine} of {}", mine + others);
        }
    }

    #[test]
    fn the_token_of_a_lease_has_no_message_id() {
        let job = FetchJob {
            channel: ChannelId::new("c").unwrap(),
            probe: ProbeId::new("p").unwrap(),
            revision: 1,
            streams: vec![],
            limits: Default::default(),
        };
        let text =
            format!("{:?}", crate::publish::Outgoing { subject: String::new(), message: strip_id(&job).unwrap() });
        assert!(!text.contains("Nats-Msg-Id"), "{text}");
    }
}
