//! Partitions and leases: one owner each, take-over, hand-over, through kills of owners and of the server.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{job, second, tick};
use ow_bus::{
    Bus, JobPut, LeaseChange, LeaseConfig, LeaseTaker, Outcome, PartitionHandler, PartitionReader, PartitionedConfig,
    PartitionedConsumer, Publisher, Received, StreamName,
};
use ow_domain::{ChannelId, Partition, ProbeId};
use ow_local::{LocalNats, NatsOptions};
use ow_testkit::{DEADLINE, eventually, eventually_some, test_bus};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// What all owners saw, in the order in which they finished it.
#[derive(Default)]
struct Ledger {
    /// Per partition: (replica, second).
    handled: Mutex<BTreeMap<u8, Vec<(String, i64)>>>,
    busy: Mutex<BTreeSet<u8>>,
    overlapped: AtomicBool,
    replayed: Mutex<Vec<(u8, Vec<i64>)>>,
    released: Mutex<Vec<String>>,
}

impl Ledger {
    fn owners(&self) -> BTreeMap<u8, String> {
        let handled = self.handled.lock().unwrap();
        handled.iter().filter_map(|(p, all)| Some((*p, all.last()?.0.clone()))).collect()
    }
    fn n_of(&self, replica: &str) -> usize {
        self.owners().values().filter(|r| *r == replica).count()
    }
    fn seconds(&self, partition: u8) -> Vec<i64> {
        self.handled
            .lock()
            .unwrap()
            .get(&partition)
            .map(|all| all.iter().map(|(_, s)| *s).collect())
            .unwrap_or_default()
    }
}

struct Recorder {
    replica: String,
    ledger: Arc<Ledger>,
}

impl PartitionHandler for Recorder {
    async fn acquired(&mut self, reader: &PartitionReader) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        assert!(reader.epoch > 1_600_000_000_000);
        let mut seconds = Vec::new();
        let mut replay = reader.replay(1);
        while let Some(received) = replay.next().await? {
            assert!(received.seq < reader.next_seq);
            seconds.push(second(&received));
        }
        self.ledger.replayed.lock().unwrap().push((reader.partition.index(), seconds));
        Ok(())
    }

    async fn handle(&mut self, message: &Received) -> Outcome {
        let (partition, second) =
            (message.decode::<ow_domain::capture::Tick>().unwrap().partition.index(), second(message));
        if !self.ledger.busy.lock().unwrap().insert(partition) {
            self.ledger.overlapped.store(true, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
        self.ledger.handled.lock().unwrap().entry(partition).or_default().push((self.replica.clone(), second));
        self.ledger.busy.lock().unwrap().remove(&partition);
        Outcome::Done
    }

    async fn released(&mut self) {
        self.ledger.released.lock().unwrap().push(self.replica.clone());
    }
}

/// A replica in a runtime of its own, so that it can end without draining: as a killed process does.
struct Replica {
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl Replica {
    async fn start(bus: &Bus, name: &str, ledger: &Arc<Ledger>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = ow_bus::BusConfig::new(ow_testkit::nats().client_url(), name).with_prefix(bus.prefix().clone());
        let (shutdown, name, ledger) = (CancellationToken::new(), name.to_owned(), ledger.clone());
        let token = shutdown.clone();
        let running = runtime.spawn(async move {
            let bus = Bus::connect(config).await.unwrap();
            let config =
                PartitionedConfig { service: "judge".into(), replica: name.clone(), stream: StreamName::Captures };
            let make = move |_: Partition| Recorder { replica: name.clone(), ledger: ledger.clone() };
            PartitionedConsumer::run(bus, config, make, token).await.unwrap();
        });
        Self { runtime: Some(runtime), shutdown, running: Some(running) }
    }

    fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    async fn drain(mut self) {
        self.shutdown.cancel();
        self.running.take().unwrap().await.unwrap();
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Publishes a tick to each partition, one second after another, until stopped; gives the last second.
fn publish_ticks(bus: &Bus) -> (CancellationToken, tokio::task::JoinHandle<i64>) {
    let (publisher, stop) = (Publisher::new(bus.clone(), 64), CancellationToken::new());
    let token = stop.clone();
    let publishing = tokio::spawn(async move {
        let mut second = 0;
        while !token.is_cancelled() {
            second += 1;
            for partition in 0..32 {
                publisher.publish(&tick(partition, second)).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        publisher.flush().await;
        assert_eq!(publisher.n_failed(), 0);
        second
    });
    (stop, publishing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_has_one_owner_through_join_kill_and_drain() {
    let bus = test_bus().await.unwrap();
    let ledger = Arc::new(Ledger::default());
    let (stop, publishing) = publish_ticks(&bus);

    let a = Replica::start(&bus, "a", &ledger).await;
    eventually("a owns all", DEADLINE, || async { ledger.n_of("a") == 32 }).await;
    let b = Replica::start(&bus, "b", &ledger).await;
    eventually("an even spread", DEADLINE, || async { ledger.n_of("a") == 16 && ledger.n_of("b") == 16 }).await;
    assert!(!ledger.released.lock().unwrap().is_empty(), "a let go properly");
    a.kill();
    eventually("b takes over all", DEADLINE, || async { ledger.n_of("b") == 32 }).await;
    let c = Replica::start(&bus, "c", &ledger).await;
    eventually("c has its share", DEADLINE, || async { ledger.n_of("c") == 16 }).await;
    b.drain().await;
    eventually("c has all", DEADLINE, || async { ledger.n_of("c") == 32 }).await;

    stop.cancel();
    let last = publishing.await.unwrap();
    for partition in 0..32 {
        eventually("the last message", DEADLINE, || async { ledger.seconds(partition).last() == Some(&last) }).await;
        let mut seconds = ledger.seconds(partition);
        // A killed owner may have handled a message whose acknowledgement never left.
        seconds.dedup();
        assert!(seconds.iter().copied().eq(1..=last), "partition {partition} out of order: {seconds:?}");
    }
    assert!(!ledger.overlapped.load(Ordering::Relaxed), "two owners at once");
    // Each new owner could read everything before its first message again.
    for (partition, seconds) in ledger.replayed.lock().unwrap().iter() {
        let n = seconds.len() as i64;
        assert!(seconds.iter().copied().eq(1..=n), "partition {partition} replayed {seconds:?}");
    }
    c.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_breaks_down_ends_the_whole_consumer() {
    let bus = test_bus().await.unwrap();
    let config = PartitionedConfig { service: "judge".into(), replica: "r1".into(), stream: StreamName::Captures };
    let ledger = Arc::new(Ledger::default());
    let make = move |partition: Partition| {
        assert!(partition.index() != 3, "cannot go on with this one");
        Recorder { replica: "r1".into(), ledger: ledger.clone() }
    };
    let run = PartitionedConsumer::run(bus, config, make, CancellationToken::new());
    let ended = tokio::time::timeout(DEADLINE, run).await.expect("it ends by itself");
    assert!(ended.unwrap_err().to_string().contains("broke down"));
}

#[tokio::test]
async fn later_waits_in_place_and_reject_goes_on() {
    let bus = test_bus().await.unwrap();
    let mut letters = common::dead_letters(&bus).await;
    #[derive(Clone, Default)]
    struct Stubborn(Arc<Mutex<Vec<i64>>>);
    impl PartitionHandler for Stubborn {
        async fn acquired(&mut self, _: &PartitionReader) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let n_tries = self.0.lock().unwrap().len();
            self.0.lock().unwrap().push(-1);
            if n_tries == 0 { Err("the store is not there yet".into()) } else { Ok(()) }
        }
        async fn handle(&mut self, message: &Received) -> Outcome {
            let second = second(message);
            let n = { self.0.lock().unwrap().iter().filter(|s| **s == second).count() };
            self.0.lock().unwrap().push(second);
            match (second, n) {
                (1, 0..2) => Outcome::Later(Duration::from_millis(20)),
                (2, _) => Outcome::Reject("no such channel".to_owned()),
                (3, _) => panic!("a defect"),
                _ => Outcome::Done,
            }
        }
        async fn released(&mut self) {}
    }
    for second in 1..=4 {
        bus.publish(&tick(5, second)).await.unwrap();
    }
    let (handler, stop) = (Stubborn::default(), CancellationToken::new());
    let (made, token, bus_too) = (handler.clone(), stop.clone(), bus.clone());
    let config = PartitionedConfig { service: "judge".into(), replica: "a".into(), stream: StreamName::Captures };
    let running = tokio::spawn(PartitionedConsumer::run(bus_too, config, move |_| made.clone(), token));
    let letter = letters.recv().await.unwrap();
    assert_eq!((letter.consumer.as_str(), letter.reason.as_str()), ("judge-5", "no such channel"));
    let poison = letters.recv().await.unwrap();
    assert_eq!(poison.reason, "its handler broke down on it 3 times");
    eventually("all four", DEADLINE, || async { handler.0.lock().unwrap().last() == Some(&4) }).await;
    assert_eq!(*handler.0.lock().unwrap(), [-1, -1, 1, 1, 1, 2, 3, 3, 3, 4]);
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// A fetcher that watches its leases and follows their changes.
struct Fetcher {
    /// By lease, as the server may give a channel to the same fetcher again: channel and revision.
    held: Arc<Mutex<BTreeMap<usize, (ChannelId, u64)>>>,
    lost: Arc<Mutex<Vec<LeaseChange>>>,
    shutdown: CancellationToken,
    runtime: Option<Runtime>,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl Fetcher {
    fn start(bus: &Bus, url: String, replica: &str, slots: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = ow_bus::BusConfig::new(url, replica).with_prefix(bus.prefix().clone());
        let lease_config = LeaseConfig {
            probe: ProbeId::new("hcm-1").unwrap(),
            replica: replica.to_owned(),
            version: "0.1.0".to_owned(),
            region: None,
            slots,
        };
        let shutdown = CancellationToken::new();
        let held: Arc<Mutex<BTreeMap<usize, (ChannelId, u64)>>> = Arc::default();
        let lost: Arc<Mutex<Vec<LeaseChange>>> = Arc::default();
        let (token, held_too, lost_too) = (shutdown.clone(), held.clone(), lost.clone());
        let running = runtime.spawn(async move {
            let bus = Bus::connect(config).await.unwrap();
            let mut taker = LeaseTaker::start(bus, lease_config, token).await.unwrap();
            let mut n_leases = 0;
            while let Some(mut lease) = taker.next().await {
                n_leases += 1;
                let (held, lost) = (held_too.clone(), lost_too.clone());
                tokio::spawn(async move {
                    let channel = lease.job().channel.clone();
                    held.lock().unwrap().insert(n_leases, (channel.clone(), lease.job().revision));
                    loop {
                        match lease.changed().await {
                            LeaseChange::Updated(job) => {
                                held.lock().unwrap().insert(n_leases, (channel.clone(), job.revision));
                            }

                            other => {
                                held.lock().unwrap().remove(&n_leases);
                                if other != LeaseChange::GiveBack {
                                    lost.lock().unwrap().push(other);
                                }
                                return lease.give_back();
                            }
                        }
                    }
                });
            }
            taker.drained().await;
        });
        Self { held, lost, shutdown, runtime: Some(runtime), running: Some(running) }
    }

    fn held(&self) -> BTreeSet<ChannelId> {
        self.held.lock().unwrap().values().map(|(channel, _)| channel.clone()).collect()
    }

    fn revision_of(&self, channel: &ChannelId) -> Option<u64> {
        self.held.lock().unwrap().values().filter(|(held, _)| held == channel).map(|(_, revision)| *revision).max()
    }

    fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    async fn drain(mut self) {
        self.shutdown.cancel();
        self.running.take().unwrap().await.unwrap();
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Every channel is held once.
fn is_partitioned(fetchers: &[&Fetcher], n: usize) -> bool {
    let all: Vec<ChannelId> = fetchers.iter().flat_map(|f| f.held()).collect();
    all.len() == n && all.iter().collect::<BTreeSet<_>>().len() == n
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_shared_taken_over_and_given_back() {
    let bus = test_bus().await.unwrap();
    let url = ow_testkit::nats().client_url();
    for n in 0..20 {
        assert_eq!(bus.put_job(&job("hcm-1", &format!("c{n}"), 1)).await.unwrap(), JobPut::New);
        assert_eq!(bus.put_job(&job("hcm-1", &format!("c{n}"), 1)).await.unwrap(), JobPut::AlreadyStands);
    }
    bus.put_job(&job("hn-1", "c0", 1)).await.unwrap();
    assert_eq!(bus.jobs().await.unwrap().len(), 21);

    let a = Fetcher::start(&bus, url.clone(), "a", 100);
    eventually("a holds all of its probe", DEADLINE, || async { a.held().len() == 20 }).await;
    // A new content reaches the holder; the lease stays.
    assert_eq!(bus.put_job(&job("hcm-1", "c3", 2)).await.unwrap(), JobPut::AlreadyStands);
    let c3 = ChannelId::new("c3").unwrap();
    eventually("the update", DEADLINE, || async { a.revision_of(&c3) == Some(2) }).await;

    // A second fetcher gets its share from the first.
    let b = Fetcher::start(&bus, url.clone(), "b", 100);
    eventually("an even spread", DEADLINE, || async { b.held().len() == 10 && is_partitioned(&[&a, &b], 20) }).await;

    // A killed fetcher's leases go to the other.
    a.kill();
    eventually("b holds all", DEADLINE, || async { b.held().len() == 20 }).await;

    // A withdrawn job stops, and may stand again at once.
    bus.purge_job(&ProbeId::new("hcm-1").unwrap(), &c3).await.unwrap();
    eventually("the withdrawal", DEADLINE, || async { !b.held().contains(&c3) }).await;
    assert_eq!(*b.lost.lock().unwrap(), [LeaseChange::Withdrawn]);
    assert_eq!(bus.put_job(&job("hcm-1", "c3", 2)).await.unwrap(), JobPut::New);
    eventually("the return", DEADLINE, || async { b.held().contains(&c3) }).await;

    // A drain gives back at once: nothing waits for the ack wait.
    let c = Fetcher::start(&bus, url, "c", 100);
    eventually("c has its share", DEADLINE, || async { c.held().len() == 10 }).await;
    b.drain().await;
    eventually("c holds all", DEADLINE, || async { c.held().len() == 20 }).await;
    c.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_bound_what_is_held() {
    let bus = test_bus().await.unwrap();
    for n in 0..5 {
        bus.put_job(&job("hcm-1", &format!("c{n}"), 1)).await.unwrap();
    }
    let url = ow_testkit::nats().client_url();
    let a = Fetcher::start(&bus, url.clone(), "a", 2);
    eventually("two", DEADLINE, || async { a.held().len() == 2 }).await;
    let b = Fetcher::start(&bus, url, "b", 3);
    eventually("all five", DEADLINE, || async { is_partitioned(&[&a, &b], 5) }).await;
    assert_eq!((a.held().len(), b.held().len()), (2, 3));
}

/// A server of its own: it is killed here.
async fn own_server() -> (tempfile::TempDir, Arc<Mutex<LocalNats>>, Bus) {
    let home = tempfile::tempdir().unwrap();
    let nats = LocalNats::start(NatsOptions::new(home.path())).unwrap();
    let bus = Bus::connect(ow_bus::BusConfig::new(nats.client_url(), "ottwatch/test")).await.unwrap();
    bus.ensure_topology(&ow_bus::Limits::tests()).await.unwrap();
    (home, Arc::new(Mutex::new(nats)), bus)
}

async fn kill_and_restart(nats: &Arc<Mutex<LocalNats>>) {
    let nats = nats.clone();
    tokio::task::spawn_blocking(move || {
        let mut nats = nats.lock().unwrap();
        nats.kill();
        nats.restart().unwrap();
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_no_acknowledged_message_and_delivers_all() {
    let (_home, nats, bus) = own_server().await;
    let ledger = Arc::new(Ledger::default());
    let (handler, stop_consuming) = (ledger.clone(), CancellationToken::new());
    let (bus_too, token) = (bus.clone(), stop_consuming.clone());
    let config = PartitionedConfig { service: "judge".into(), replica: "a".into(), stream: StreamName::Captures };
    let make = move |_: Partition| Recorder { replica: "a".into(), ledger: handler.clone() };
    let consuming = tokio::spawn(PartitionedConsumer::run(bus_too, config, make, token));

    let (stop, publishing) = publish_ticks(&bus);
    for _ in 0..2 {
        let so_far = ledger.seconds(7).len();
        eventually("progress", DEADLINE, || async { ledger.seconds(7).len() > so_far + 5 }).await;
        kill_and_restart(&nats).await;
    }
    let so_far = ledger.seconds(7).len();
    eventually("progress after the kills", DEADLINE, || async { ledger.seconds(7).len() > so_far + 5 }).await;
    stop.cancel();
    // Nothing failed: publish_ticks asserts it. So everything must arrive.
    let last = publishing.await.unwrap();
    for partition in 0..32 {
        eventually("every message", DEADLINE, || async {
            let seen: BTreeSet<i64> = ledger.seconds(partition).into_iter().collect();
            (1..=last).all(|second| seen.contains(&second))
        })
        .await;
    }
    stop_consuming.cancel();
    consuming.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_and_watches_survive_a_killed_server() {
    let (_home, nats, bus) = own_server().await;
    for n in 0..6 {
        bus.put_job(&job("hcm-1", &format!("c{n}"), 1)).await.unwrap();
    }
    let url = nats.lock().unwrap().client_url();
    let a = Fetcher::start(&bus, url.clone(), "a", 10);
    let b = Fetcher::start(&bus, url, "b", 10);
    eventually("an even spread", DEADLINE, || async { a.held().len() == 3 && is_partitioned(&[&a, &b], 6) }).await;
    kill_and_restart(&nats).await;
    // The watches go on: a change and a new job reach the holders.
    eventually_some("a write", DEADLINE, || async { bus.put_job(&job("hcm-1", "c0", 2)).await.ok() }).await;
    eventually_some("a new job", DEADLINE, || async { bus.put_job(&job("hcm-1", "c6", 1)).await.ok() }).await;
    let c0 = ChannelId::new("c0").unwrap();
    eventually("the change and the new one", DEADLINE, || async {
        let revision = |f: &Fetcher| f.revision_of(&c0);
        is_partitioned(&[&a, &b], 7) && (revision(&a) == Some(2) || revision(&b) == Some(2))
    })
    .await;
    a.drain().await;
    b.drain().await;
}
