//! The service against a real server: verdicts, a killed replica, policies, removal.

use std::time::Duration;

use ow_bus::{Bucket, Bus, BusConfig, Tail};
use ow_checks::ChannelJudge;
use ow_checks::bench::{synthetic_captures, synthetic_policy};
use ow_contracts::Subject;
use ow_domain::capture::{Capture, Tick};
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::{Position, Verdict};
use ow_domain::{Partition, Severity, Span, Time};
use ow_service::Ops;
use ow_testkit::{DEADLINE, eventually_some, test_bus_config};
use ow_validator::{Deps, ValidatorConfig};
use tokio_util::sync::CancellationToken;

/// A validator in a runtime of its own, so that it can be killed: nothing of it runs on, nothing is drained.
struct Replica {
    runtime: tokio::runtime::Runtime,
    shutdown: CancellationToken,
}

impl Replica {
    fn start(config: &BusConfig, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let shutdown = CancellationToken::new();
        let (config, name, token) = (config.clone(), name.to_owned(), shutdown.clone());
        runtime.spawn(async move {
            let bus = Bus::connect(config).await.unwrap();
            let deps = Deps { bus, ops: Ops::default(), replica: name };
            ow_validator::run(ValidatorConfig::default(), deps, token).await.unwrap();
        });
        Self { runtime, shutdown }
    }

    fn kill(self) {
        self.runtime.shutdown_background();
    }

    fn end(self) {
        self.shutdown.cancel();
        self.runtime.shutdown_background();
    }
}

/// One channel on a bus of its own.
struct World {
    config: BusConfig,
    bus: Bus,
    policy: ChannelPolicy,
    verdicts: Tail,
    /// Published so far, with the places in the stream.
    captures: Vec<(Capture, u64)>,
    playlist: Capture,
}

impl World {
    async fn new() -> Self {
        let config = test_bus_config();
        let bus = Bus::connect(config.clone()).await.unwrap();
        bus.ensure_topology(&ow_bus::Limits::tests()).await.unwrap();
        let mut policy = synthetic_policy().unwrap();
        policy.checks.startup_grace_s = Some(0.0);
        let verdicts = bus.tail(&Subject::verdict(&policy.channel)).await.unwrap();
        let playlist = synthetic_captures(1).remove(0);
        let world = Self { config, bus, policy, verdicts, captures: Vec::new(), playlist };
        world.put_policy().await;
        world
    }

    async fn put_policy(&self) {
        self.bus.kv::<ChannelPolicy>(Bucket::Config).put(self.policy.channel.as_str(), &self.policy).await.unwrap();
    }

    fn at(&self, second: f64) -> Time {
        self.playlist.exchange.t_req + Span::from_secs_f64(second)
    }

    /// The same body again at a later time.
    async fn frozen_at(&mut self, second: f64) {
        let mut capture = self.playlist.clone();
        capture.seq = self.captures.len() as u64 + 1;
        capture.id = format!("capture-{}", capture.seq);
        capture.exchange.t_req = self.at(second);
        capture.exchange.t_end = self.at(second) + Span::from_millis(10);
        let seq = self.bus.publish(&capture).await.unwrap().seq;
        self.captures.push((capture, seq));
    }

    async fn tick_at(&self, second: f64) {
        let tick = Tick { partition: Partition::of(&self.policy.channel), at: self.at(second) };
        self.bus.publish(&tick).await.unwrap();
    }

    async fn next_verdict(&mut self) -> Verdict {
        let received = tokio::time::timeout(DEADLINE, self.verdicts.next()).await;
        received.expect("a verdict comes").expect("the subscription stands").decode().unwrap()
    }

    /// Status in the bucket once everything published so far was judged.
    async fn settled(&self) -> Verdict {
        let last = self.captures.last().unwrap().1;
        let status = self.bus.kv::<Verdict>(Bucket::Status);
        let channel = self.policy.channel.as_str();
        eventually_some("the last capture is in the verdict", DEADLINE, || async {
            status.get(channel).await.unwrap().map(|e| e.value).filter(|v| v.position.seq >= last)
        })
        .await
    }
}

fn stale(verdict: &Verdict) -> Option<(Severity, Time)> {
    let condition = verdict.conditions.iter().find(|c| c.check == "hls-playlist-stale")?;
    Some((condition.severity, condition.raised_at))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_playlist_gives_one_verdict_and_a_killed_replica_changes_nothing() {
    let mut world = World::new().await;
    let first = Replica::start(&world.config, "first");
    world.frozen_at(0.0).await;
    assert!(world.next_verdict().await.conditions.is_empty());
    world.frozen_at(6.0).await;
    world.frozen_at(9.2).await;
    let raised = world.next_verdict().await;
    assert_eq!(stale(&raised).unwrap().0, Severity::Minor);
    // Unchanged: told no second time. The next verdict is the one that comes of the next change.
    world.frozen_at(12.0).await;
    first.kill();

    let second = Replica::start(&world.config, "second");
    world.frozen_at(18.2).await;
    let worse = verdict_after(&mut world, &raised).await;
    assert_eq!(stale(&worse), Some((Severity::Major, stale(&raised).unwrap().1)), "the same alarm goes on");
    assert!(worse.position > raised.position);

    // What the service says is what the captures say, whoever judged them.
    let mut judge = ChannelJudge::new(world.policy.clone(), world.playlist.exchange.t_req);
    for (capture, seq) in &world.captures {
        judge.apply(capture, Position { epoch: worse.position.epoch, seq: *seq });
    }
    assert_eq!(worse, judge.verdict());
    assert_eq!(world.settled().await, worse);
    second.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_snapshot_the_captures_give_the_same_alarm() {
    let mut world = World::new().await;
    let first = Replica::start(&world.config, "first");
    world.frozen_at(0.0).await;
    world.frozen_at(9.2).await;
    let raised = eventually_verdict(&mut world, |v| stale(v).is_some()).await;
    let state = world.bus.kv::<serde_json::Value>(Bucket::State);
    let key = format!("{}.{}", Partition::of(&world.policy.channel), world.policy.channel);
    eventually_some("a snapshot is written", DEADLINE, || async { state.get(&key).await.unwrap() }).await;
    first.kill();
    state.delete(&key).await.unwrap();

    let second = Replica::start(&world.config, "second");
    world.frozen_at(18.2).await;
    let worse = verdict_after(&mut world, &raised).await;
    assert_eq!(stale(&worse), Some((Severity::Major, stale(&raised).unwrap().1)));
    second.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_is_taken_and_a_removed_channel_is_retired() {
    let mut world = World::new().await;
    let replica = Replica::start(&world.config, "only");
    world.frozen_at(0.0).await;
    world.frozen_at(9.2).await;
    eventually_verdict(&mut world, |v| stale(v).is_some()).await;

    world.policy.revision = 2;
    world.policy.name = "Renamed".into();
    world.put_policy().await;
    let mut second = 10.0;
    let changed = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            world.tick_at(second).await;
            second += 1.0;
            let next = tokio::time::timeout(Duration::from_millis(200), world.verdicts.next()).await;
            if let Ok(Some(received)) = next {
                let verdict: Verdict = received.decode().unwrap();
                if verdict.policy_revision == 2 {
                    return verdict;
                }
            }
        }
    });
    let changed = changed.await.expect("the policy is taken within 5 s");
    assert_eq!((changed.name.as_str(), stale(&changed).is_some()), ("Renamed", true));

    world.bus.kv::<ChannelPolicy>(Bucket::Config).delete(world.policy.channel.as_str()).await.unwrap();
    let retired = loop {
        world.tick_at(second).await;
        second += 1.0;
        let next = tokio::time::timeout(Duration::from_millis(200), world.verdicts.next()).await;
        if let Ok(Some(received)) = next {
            let verdict: Verdict = received.decode().unwrap();
            if verdict.retired.is_some() {
                break verdict;
            }
        }
        assert!(second < 200.0, "a removed channel is retired");
    };
    assert!(retired.conditions.is_empty() && retired.severity == Severity::Cleared);
    replica.end();
}

/// The verdict after `last`. A message that was judged and not acknowledged is judged again: its verdict is the same,
/// with the same message id, so the stream keeps one; a plain subscription like ours sees both.
async fn verdict_after(world: &mut World, last: &Verdict) -> Verdict {
    loop {
        let verdict = world.next_verdict().await;
        if verdict.position != last.position {
            return verdict;
        }
        assert_eq!(verdict, *last, "judged again, judged the same");
    }
}

async fn eventually_verdict(world: &mut World, is: impl Fn(&Verdict) -> bool) -> Verdict {
    loop {
        let verdict = world.next_verdict().await;
        if is(&verdict) {
            return verdict;
        }
    }
}
