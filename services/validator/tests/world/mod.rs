//! A bus, validators that can be killed, facts at chosen times, and what was said of them.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ow_bus::{Bucket, Bus, BusConfig, ConsumerSpec, Delivered, Handler, Kv, Outcome, StreamName};
use ow_checks::bench::{synthetic_captures, synthetic_policy};
use ow_contracts::{DeadLetter, Message, Subject};
use ow_domain::capture::{Capture, ManifestBody, Outcome as Ended, Tick};
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::Verdict;
use ow_domain::{ChannelId, Partition, Severity, Span, Time};
use ow_service::{HumanDuration, Ops};
use ow_testkit::{DEADLINE, eventually_some};
use ow_validator::{Deps, ValidatorConfig};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub const CHANNEL: &str = "vtv3";
/// The playlist stops growing at this second.
pub const FROZEN_AT: i64 = 60;
/// First poll that is more than 1.5 target durations after that.
pub const RAISED_AT: i64 = 72;
const POLL_S: i64 = 3;
const TARGET_S: i64 = 6;
const URL: &str = "http://origin.example/live/index.m3u8";

pub fn channel() -> ChannelId {
    ChannelId::new(CHANNEL).unwrap()
}

/// Second `s` of the test's own time.
pub fn at(s: i64) -> Time {
    Time::from_unix_micros(1_767_225_600_000_000) + Span::from_secs(s)
}

pub fn policy(revision: u64) -> ChannelPolicy {
    let mut policy = ChannelPolicy { channel: channel(), name: "VTV3".into(), revision, ..synthetic_policy().unwrap() };
    policy.streams[0].url = URL.into();
    policy
}

/// The media playlist as it was answered at second `s`: one segment more every six seconds, until it froze.
pub fn capture(s: i64) -> Capture {
    let newest = s.min(FROZEN_AT) / TARGET_S;
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{TARGET_S}\n#EXT-X-MEDIA-SEQUENCE:{}\n",
        100 + newest
    );
    for n in newest..newest + 6 {
        text.push_str(&format!("#EXTINF:{TARGET_S}.000,\nseg{}.ts\n", 100 + n));
    }
    let mut capture = synthetic_captures(1).remove(0);
    capture.id = format!("capture-{s}");
    capture.channel = channel();
    capture.seq = u64::try_from(s).unwrap() + 1;
    capture.track = None;
    capture.exchange.url = URL.into();
    capture.exchange.t_req = at(s);
    capture.exchange.t_end = at(s) + Span::from_millis(20);
    if let Ended::Response(response) = &mut capture.exchange.outcome {
        response.body_bytes = text.len() as u64;
        response.content_length = Some(text.len() as u64);
        response.digest = Some(format!("{newest:064x}"));
    }
    capture.body = Some(ManifestBody { text, lossy: false });
    capture
}

pub fn tick(s: i64) -> Tick {
    Tick { partition: Partition::of(&channel()), at: at(s) }
}

#[derive(Clone)]
pub struct Heard<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Heard<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Message> Handler<T> for Heard<T> {
    async fn handle(&self, delivered: Delivered<T>) -> Outcome {
        self.0.lock().unwrap().push(delivered.message);
        Outcome::Done
    }
}

pub struct World {
    pub bus: Bus,
    url: String,
    verdicts: Heard<Verdict>,
    letters: Heard<DeadLetter>,
}

impl World {
    /// On a bus of its own, with the policy of the channel.
    pub async fn start() -> Self {
        let url = ow_testkit::nats().client_url();
        Self::on(ow_testkit::test_bus().await.unwrap(), url).await
    }

    pub async fn on(bus: Bus, url: String) -> Self {
        let (verdicts, letters) = (Heard::default(), Heard::default());
        let world = Self { bus, url, verdicts: verdicts.clone(), letters: letters.clone() };
        world.put_policy(&policy(1)).await;
        let spec = ConsumerSpec::all_of(StreamName::Verdicts, "test", Subject::raw("verdict.>"), 1);
        let bus = world.bus.clone();
        tokio::spawn(
            async move { bus.consume::<Verdict, _>(spec, Arc::new(verdicts), CancellationToken::new()).await },
        );
        let spec = ConsumerSpec::all_of(StreamName::Dead, "test", Subject::raw("dead.>"), 1);
        let bus = world.bus.clone();
        tokio::spawn(
            async move { bus.consume::<DeadLetter, _>(spec, Arc::new(letters), CancellationToken::new()).await },
        );
        world
    }

    pub async fn put_policy(&self, policy: &ChannelPolicy) {
        self.bus.kv::<ChannelPolicy>(Bucket::Config).put(policy.channel.as_str(), policy).await.unwrap();
    }

    pub async fn remove_policy(&self) {
        self.bus.kv::<Value>(Bucket::Config).delete(CHANNEL).await.unwrap();
    }

    pub fn state(&self) -> Kv<Value> {
        self.bus.kv(Bucket::State)
    }

    pub fn state_key(&self) -> String {
        format!("{}.{CHANNEL}", Partition::of(&channel()))
    }

    pub async fn status(&self) -> Option<Verdict> {
        self.bus.kv::<Verdict>(Bucket::Status).get(CHANNEL).await.unwrap().map(|entry| entry.value)
    }

    /// Publishes the ticks of the seconds and the captures of every third; gives the sequence of the last.
    pub async fn facts(&self, seconds: std::ops::Range<i64>) -> u64 {
        let mut last = 0;
        for s in seconds {
            last = self.bus.publish(&tick(s)).await.unwrap().seq;
            if s % POLL_S == 0 {
                last = self.bus.publish(&capture(s)).await.unwrap().seq;
            }
        }
        last
    }

    /// A validator with a runtime and a connection of its own, as a process has.
    pub fn validator(&self, replica: &str) -> Validator {
        self.validator_with(replica, ValidatorConfig::default())
    }

    /// One that can only go on from a snapshot.
    pub fn forgetful(&self, replica: &str) -> Validator {
        let rebuild = HumanDuration(Duration::from_millis(1));
        self.validator_with(replica, ValidatorConfig { rebuild, ..ValidatorConfig::default() })
    }

    fn validator_with(&self, replica: &str, config: ValidatorConfig) -> Validator {
        let bus = BusConfig::new(self.url.clone(), replica).with_prefix(self.bus.prefix().clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (ops, shutdown, replica) = (Ops::default(), CancellationToken::new(), replica.to_owned());
        let (deps_ops, token) = (ops.clone(), shutdown.clone());
        let task = runtime.spawn(async move {
            let bus = Bus::connect(bus).await.unwrap();
            ow_validator::run(config, Deps { bus, ops: deps_ops, replica }, token).await.unwrap();
        });
        Validator { runtime: Some(runtime), ops, shutdown, task: Some(task) }
    }

    /// All verdicts of the channel so far, in order.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let mut all = self.verdicts.0.lock().unwrap().clone();
        all.sort_by_key(|v| v.position);
        all
    }

    /// Waits for the first verdict that `wanted` accepts.
    pub async fn verdict(&self, what: &str, wanted: impl Fn(&Verdict) -> bool) -> Verdict {
        eventually_some(what, DEADLINE, || {
            let found = self.verdicts().into_iter().find(|v| wanted(v));
            async move { found }
        })
        .await
    }

    /// Publishes a tick each time, from second `from` on, until a verdict is accepted.
    pub async fn tick_until(&self, from: i64, what: &str, wanted: impl Fn(&Verdict) -> bool) -> Verdict {
        let mut s = from;
        eventually_some(what, DEADLINE, || {
            let found = self.verdicts().into_iter().find(|v| wanted(v));
            let tick = tick(s);
            s += 1;
            async move {
                if found.is_none() {
                    self.bus.publish(&tick).await.unwrap();
                }
                found
            }
        })
        .await
    }

    /// Waits until the validator has handled everything up to a sequence.
    pub async fn handled(&self, seq: u64) {
        eventually_some("everything handled", DEADLINE, || async move {
            let stored = self.state().get(&self.state_key()).await.unwrap();
            let position = stored.and_then(|s| s.value["position"]["seq"].as_u64());
            (position >= Some(seq)).then_some(())
        })
        .await;
    }

    pub async fn dead_letter(&self) -> DeadLetter {
        eventually_some("a dead letter", DEADLINE, || async { self.letters.0.lock().unwrap().first().cloned() }).await
    }
}

pub struct Validator {
    runtime: Option<tokio::runtime::Runtime>,
    pub ops: Ops,
    shutdown: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Validator {
    /// As `kill -9`: nothing is finished, snapshotted or handed over.
    pub fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Drains.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        if let Some(task) = self.task.take() {
            tokio::time::timeout(DEADLINE, task).await.expect("the validator stops").unwrap();
        }
    }

    /// Value of a counter or gauge, by its name after `ottwatch_validator_`.
    pub fn metric(&self, name: &str) -> i64 {
        let text = self.ops.metrics_text();
        let line = text.lines().find_map(|l| l.strip_prefix(&format!("ottwatch_validator_{name} ")));
        line.and_then(|v| v.parse().ok()).unwrap_or_else(|| panic!("no metric {name} in {text}"))
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// `hls-playlist-stale critical`, for each condition.
pub fn lines(verdict: &Verdict) -> Vec<String> {
    verdict.conditions.iter().map(|c| format!("{} {}", c.check, c.severity)).collect()
}

pub fn is_stale(verdict: &Verdict) -> bool {
    verdict.conditions.iter().any(|c| c.check == "hls-playlist-stale")
}

pub fn is_critical(verdict: &Verdict) -> bool {
    verdict.severity == Severity::Critical
}
