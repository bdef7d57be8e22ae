//! The scheduler against a real NATS server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ow_bus::{
    Bucket, Bus, BusConfig, ConsumerSpec, Delivered, Handler, LeaseConfig, LeaseTaker, Limits, Outcome, StreamName,
};
use ow_contracts::Subject;
use ow_domain::capture::{Protocol, Tick};
use ow_domain::job::{Depth, FetchLimits, ProbeHeartbeat, StreamJob};
use ow_domain::policy::{ChannelClass, ChannelPolicy, CheckSettings};
use ow_domain::{ChannelId, Partition, ProbeId, StreamId, Time};
use ow_local::{LocalNats, NatsOptions};
use ow_scheduler::{Deps, SchedulerConfig, run};
use ow_service::{HumanDuration, Ops};
use ow_testkit::{DEADLINE, eventually, eventually_some, test_bus};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn policy(channel: &str, probes: &[&str]) -> ChannelPolicy {
    ChannelPolicy {
        channel: ChannelId::new(channel).unwrap(),
        name: channel.to_uppercase(),
        revision: 1,
        enabled: true,
        class: ChannelClass::Linear,
        streams: vec![StreamJob {
            stream: StreamId::new("main").unwrap(),
            protocol: Protocol::Hls,
            url: "http://127.0.0.1/m.m3u8".into(),
            headers: Vec::new(),
            depth: Depth::Full,
        }],
        probes: probes.iter().map(|p| ProbeId::new(p).unwrap()).collect(),
        limits: FetchLimits::default(),
        checks: CheckSettings::default(),
        ladder: None,
        event_start: None,
        event_end: None,
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
    }
}

struct Replica {
    ops: Ops,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(bus: &Bus) -> Self {
        let (ops, shutdown) = (Ops::default(), CancellationToken::new());
        let deps = Deps { bus: bus.clone(), ops: ops.clone() };
        let config = SchedulerConfig {
            make_topology: false,
            reconcile_interval: HumanDuration(Duration::from_millis(500)),
            probe_grace: HumanDuration(Duration::ZERO),
            ..SchedulerConfig::default()
        };
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { run(config, deps, stop).await.unwrap() });
        Self { ops, shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    /// Value of a metric without labels; not a number before it is registered.
    fn metric(&self, name: &str) -> f64 {
        let text = self.ops.metrics_text();
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.map_or(f64::NAN, |value| value.parse().unwrap())
    }
}

async fn put(bus: &Bus, policy: &ChannelPolicy) {
    bus.kv(Bucket::Config).put(policy.channel.as_str(), policy).await.unwrap();
}

/// `probe.channel` of all jobs that stand.
async fn jobs(bus: &Bus) -> BTreeSet<String> {
    bus.jobs().await.unwrap().iter().map(|job| format!("{}.{}", job.probe, job.channel)).collect()
}

async fn jobs_are(bus: &Bus, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|e| (*e).to_owned()).collect();
    eventually(&format!("jobs {expected:?}"), DEADLINE, || async { jobs(bus).await == expected }).await;
}

/// Takes all leases of a probe, as a fetcher does.
async fn taker(bus: &Bus, probe: &str, stop: &CancellationToken) -> LeaseTaker {
    let config = LeaseConfig {
        probe: ProbeId::new(probe).unwrap(),
        replica: "r1".into(),
        version: "test".into(),
        region: None,
        slots: 100,
    };
    LeaseTaker::start(bus.clone(), config, stop.clone()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_keep_one_job_per_channel_and_probe() -> anyhow::Result<()> {
    let bus = test_bus().await?;
    put(&bus, &policy("a", &["p1", "p2"])).await;
    let replicas = [Replica::start(&bus), Replica::start(&bus)];
    put(&bus, &policy("b", &["p1"])).await;
    jobs_are(&bus, &["p1.a", "p1.b", "p2.a"]).await;

    let stop = CancellationToken::new();
    let mut taker = taker(&bus, "p1", &stop).await;
    let mut held = Vec::new();
    while held.len() < 2 {
        held.push(tokio::time::timeout(DEADLINE, taker.next()).await?.expect("a lease"));
    }
    let names: BTreeSet<&str> = held.iter().map(|lease| lease.job().channel.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["a", "b"]), "each once, though two replicas put them");

    // A change reaches the holder without a new lease.
    let mut moved = policy("b", &["p1"]);
    moved.streams[0].url = "http://127.0.0.1/new.m3u8".into();
    moved.revision = 2;
    put(&bus, &moved).await;
    let mut lease = held.into_iter().find(|lease| lease.job().channel.as_str() == "b").unwrap();
    tokio::time::timeout(Duration::from_secs(5), async {
        while lease.job().streams[0].url != "http://127.0.0.1/new.m3u8" {
            lease.changed().await;
        }
    })
    .await?;

    for replica in replicas {
        replica.stop().await;
    }
    jobs_are(&bus, &["p1.a", "p1.b", "p2.a"]).await;
    stop.cancel();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_wanted_is_withdrawn() -> anyhow::Result<()> {
    let bus = test_bus().await?;
    for name in ["removed", "disabled", "moved", "over", "stays"] {
        put(&bus, &policy(name, &["p1"])).await;
    }
    let replica = Replica::start(&bus);
    jobs_are(&bus, &["p1.disabled", "p1.moved", "p1.over", "p1.removed", "p1.stays"]).await;

    bus.kv::<ChannelPolicy>(Bucket::Config).delete("removed").await?;
    put(&bus, &ChannelPolicy { enabled: false, ..policy("disabled", &["p1"]) }).await;
    put(&bus, &policy("moved", &["p2"])).await;
    let end = Some(Time::parse_rfc3339("2026-01-01T00:00:00Z").unwrap());
    put(&bus, &ChannelPolicy { class: ChannelClass::Event, event_end: end, ..policy("over", &["p1"]) }).await;
    jobs_are(&bus, &["p1.stays", "p2.moved"]).await;

    // Wanted again within the deduplication window: it stands again, lease included.
    put(&bus, &policy("removed", &["p3"])).await;
    bus.kv::<ChannelPolicy>(Bucket::Config).delete("removed").await?;
    put(&bus, &policy("removed", &["p3"])).await;
    let stop = CancellationToken::new();
    let mut taker = taker(&bus, "p3", &stop).await;
    let lease = tokio::time::timeout(DEADLINE, taker.next()).await?.expect("a lease");
    assert_eq!(lease.job().channel.as_str(), "removed");
    stop.cancel();
    replica.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_repaired() -> anyhow::Result<()> {
    let bus = test_bus().await?;
    put(&bus, &policy("a", &["p1"])).await;
    let replica = Replica::start(&bus);
    jobs_are(&bus, &["p1.a"]).await;
    // Somebody takes everything away behind our back.
    bus.purge_job(&ProbeId::new("p1").unwrap(), &ChannelId::new("a").unwrap()).await?;
    jobs_are(&bus, &["p1.a"]).await;
    // A holder that says that there is nothing to do takes the lease away, and it stands again.
    let stop = CancellationToken::new();
    let mut taker = taker(&bus, "p1", &stop).await;
    tokio::time::timeout(DEADLINE, taker.next()).await?.expect("a lease").done();
    let again = tokio::time::timeout(DEADLINE, taker.next()).await?.expect("the lease stands again");
    assert_eq!(again.job().channel.as_str(), "a");
    eventually("the repair is counted", DEADLINE, || async {
        replica.metric("ottwatch_scheduler_leases_repaired_total") >= 1.0
    })
    .await;
    stop.cancel();
    replica.stop().await;
    Ok(())
}

/// What the stream holds, as often as it holds it.
#[derive(Clone, Default)]
struct Stored(Arc<Mutex<BTreeMap<(Partition, Time), u32>>>);

impl Handler<Tick> for Stored {
    async fn handle(&self, delivered: Delivered<Tick>) -> Outcome {
        let tick = delivered.message;
        *self.0.lock().unwrap().entry((tick.partition, tick.at)).or_default() += 1;
        Outcome::Done
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_has_one_tick_per_partition_whatever_the_number_of_replicas() -> anyhow::Result<()> {
    let bus = test_bus().await?;
    let replicas = [Replica::start(&bus), Replica::start(&bus)];
    let spec = ConsumerSpec::all_of(StreamName::Captures, "test", Subject::raw("capture.*.tick"), 8);
    let (stored, stop) = (Stored::default(), CancellationToken::new());
    let reader = tokio::spawn({
        let (bus, stored, stop) = (bus.clone(), stored.clone(), stop.clone());
        async move { bus.consume(spec, stored.into(), stop).await }
    });
    let seconds = eventually_some("four seconds", DEADLINE, || async {
        let seconds: BTreeSet<Time> = stored.0.lock().unwrap().keys().map(|(_, at)| *at).collect();
        (seconds.len() >= 4).then_some(seconds)
    })
    .await;
    stop.cancel();
    reader.await??;
    let seen = stored.0.lock().unwrap().clone();
    assert!(seconds.iter().all(|second| second.unix_micros() % 1_000_000 == 0), "{seconds:?}");
    assert!(seen.values().all(|n| *n == 1), "{seen:?}");
    // The first and the last second may be cut by the test.
    for second in seconds.iter().skip(1).take(2) {
        assert_eq!(seen.keys().filter(|(_, at)| at == second).count(), 32, "{second}");
    }
    for replica in replicas {
        replica.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_a_live_probe_is_counted_until_one_comes() -> anyhow::Result<()> {
    let bus = test_bus().await?;
    put(&bus, &policy("a", &["p1"])).await;
    let replica = Replica::start(&bus);
    eventually("it is counted", DEADLINE, || async { replica.metric("ottwatch_channels_unwatched") == 1.0 }).await;
    let heartbeat = ProbeHeartbeat {
        probe: ProbeId::new("p1")?,
        replica: "r1".into(),
        version: "test".into(),
        at: Time::UNIX_EPOCH,
        slots: 10,
        held: 0,
        region: None,
    };
    let probes = bus.kv(Bucket::Probes);
    eventually_some("it is watched", DEADLINE, || async {
        probes.put_with_ttl("p1.r1", &heartbeat, Duration::from_secs(60)).await.ok()?;
        (replica.metric("ottwatch_channels_unwatched") == 0.0).then_some(())
    })
    .await;
    replica.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_finds_the_scheduler_waiting() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let mut server = LocalNats::start(NatsOptions::new(home.path()))?;
    let bus = Bus::connect(BusConfig::new(server.client_url(), "ottwatch/test")).await?;
    bus.ensure_topology(&Limits::tests()).await?;
    put(&bus, &policy("a", &["p1"])).await;
    let replica = Replica::start(&bus);
    jobs_are(&bus, &["p1.a"]).await;
    let before = replica.metric("ottwatch_scheduler_ticks_total");
    server.kill();
    eventually("the outage is seen", DEADLINE, || async { !bus.is_connected() }).await;
    server.restart()?;
    put(&bus, &policy("b", &["p1"])).await;
    jobs_are(&bus, &["p1.a", "p1.b"]).await;
    eventually("time passes again", DEADLINE, || async {
        replica.metric("ottwatch_scheduler_ticks_total") >= before + 64.0
    })
    .await;
    eventually("it is well", DEADLINE, || async { replica.ops.health.is_ready() }).await;
    replica.stop().await;
    Ok(())
}
