//! Real servers, routers that can be killed, and a receiver that keeps what it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ow_alert_router::{Config, Deps};
use ow_bus::{Bus, BusConfig, ConsumerSpec, Delivered, Handler, Limits, Outcome};
use ow_domain::capture::Protocol;
use ow_domain::config::{ChangedBy, ConfigChange, ConfigKind, ConfigObject};
use ow_domain::incident::{NotifyJob, ReceiverKind};
use ow_domain::verdict::{Condition, Position, Subject, Verdict};
use ow_domain::{ChannelId, Severity, Slug, StreamId, Time};
use ow_local::{LocalNats, LocalPostgres, NatsOptions, PgOptions};
use ow_service::Ops;
use ow_store::{Store, StoreConfig};
use tokio_util::sync::CancellationToken;

pub struct World {
    pub nats: LocalNats,
    pub postgres: LocalPostgres,
    pub bus: Bus,
    pub store: Store,
    _home: tempfile::TempDir,
}

impl World {
    /// Servers with streams, schema, and one webhook receiver `noc` that hears of everything.
    pub async fn start() -> Self {
        Self::start_with(true).await
    }

    /// Postgres keeps what it has committed when it is killed.
    pub async fn start_durable() -> Self {
        Self::start_with(false).await
    }

    async fn start_with(fast_tests: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let postgres = PgOptions { fast_tests, ..PgOptions::new(home.path()) };
        let postgres = LocalPostgres::start(postgres).unwrap();
        let nats = LocalNats::start(NatsOptions::new(home.path())).unwrap();
        let bus = Bus::connect(BusConfig::new(nats.client_url(), "test")).await.unwrap();
        bus.ensure_topology(&Limits::tests()).await.unwrap();
        let store = Store::connect(StoreConfig::new(postgres.dsn())).await.unwrap();
        store.migrate().await.unwrap();
        let world = Self { nats, postgres, bus, store, _home: home };
        world.configure("noc", "severity>=warning").await;
        world
    }

    /// A webhook receiver and a route to it, which goes on.
    pub async fn configure(&self, receiver: &str, matcher: &str) {
        let object = |kind, name: &str, spec| {
            ConfigChange::Create(ConfigObject {
                kind,
                name: Slug::new(name).unwrap(),
                labels: BTreeMap::new(),
                spec,
                revision: 0,
            })
        };
        let changes = [
            object(
                ConfigKind::Receiver,
                receiver,
                serde_json::json!({"type": "webhook", "url": "http://127.0.0.1:9/"}),
            ),
            object(
                ConfigKind::Route,
                receiver,
                serde_json::json!({"order": 10, "match": [matcher], "receivers": [receiver], "continue": true}),
            ),
        ];
        let by = ChangedBy { actor: "test".to_owned(), source: "test".to_owned() };
        self.store.apply_config(&changes, &by).await.unwrap();
    }

    /// A router with a runtime, connections and health of its own, as a process has.
    pub fn router(&self, replica: &str) -> Router {
        let (url, dsn, replica) = (self.nats.client_url(), self.postgres.dsn(), replica.to_owned());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (ops, shutdown) = (Ops::default(), CancellationToken::new());
        let (deps_ops, token) = (ops.clone(), shutdown.clone());
        let task = runtime.spawn(async move {
            let bus = Bus::connect(BusConfig::new(url, replica.clone())).await.unwrap();
            let store = Store::open(StoreConfig::new(dsn)).unwrap();
            let deps = Deps { bus, store, ops: deps_ops, replica };
            ow_alert_router::run(Config::default(), deps, token).await.unwrap();
        });
        Router { runtime: Some(runtime), ops, shutdown, task: Some(task) }
    }

    /// Keeps the notify jobs that come from now on, and those that wait.
    pub fn receive(&self) -> Received {
        let jobs = Received::default();
        let (bus, handler) = (self.bus.clone(), Arc::new(jobs.clone()));
        let spec = ConsumerSpec::notifier(ReceiverKind::Webhook, 1);
        tokio::spawn(async move { bus.consume::<NotifyJob, _>(spec, handler, CancellationToken::new()).await });
        jobs
    }

    pub async fn publish(&self, verdict: &Verdict) {
        self.bus.publish(verdict).await.unwrap();
    }
}

pub struct Router {
    runtime: Option<tokio::runtime::Runtime>,
    pub ops: Ops,
    shutdown: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Router {
    /// As `kill -9`: nothing is finished or handed over.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(task) = self.task.take() {
            tokio::time::timeout(Duration::from_secs(25), task).await.expect("the router stops").unwrap();
        }
        self.kill();
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Clone, Default)]
pub struct Received(Arc<Mutex<Vec<NotifyJob>>>);

impl Handler<NotifyJob> for Received {
    async fn handle(&self, delivered: Delivered<NotifyJob>) -> Outcome {
        self.0.lock().unwrap().push(delivered.message);
        Outcome::Done
    }
}

impl Received {
    /// `raise a INC-1/1 minor`, in the order of arrival.
    pub fn lines(&self) -> Vec<String> {
        let line = |job: &NotifyJob| {
            let n = &job.notice;
            format!("{}: {} {} {}/{} {}", job.receiver, n.change, n.check, n.number, n.revision, n.severity)
        };
        self.0.lock().unwrap().iter().map(line).collect()
    }

    pub fn jobs(&self) -> Vec<NotifyJob> {
        self.0.lock().unwrap().clone()
    }

    pub async fn wait_for(&self, n_jobs: usize) -> Vec<String> {
        until(&format!("{n_jobs} jobs"), async || {
            let lines = self.lines();
            (lines.len() >= n_jobs).then_some(lines)
        })
        .await
    }
}

pub fn condition(check: &str, severity: Severity) -> Condition {
    let subject = Subject {
        protocol: Some(Protocol::Hls),
        stream: Some(StreamId::new("main").unwrap()),
        host: None,
        track: None,
        reason: None,
    };
    Condition {
        fingerprint: subject.fingerprint(check),
        check: check.to_owned(),
        title: "HLS playlist stale".to_owned(),
        severity,
        subject,
        first_failed_at: Time::from_unix_micros(1_000_000),
        raised_at: Time::from_unix_micros(2_000_000),
        last_failed_at: Time::from_unix_micros(3_000_000),
        count: 3,
        value: "404".to_owned(),
        limit: "2xx".to_owned(),
        message: "404 for a listed segment".to_owned(),
        evidence: None,
        indeterminate: false,
        event: false,
    }
}

pub fn verdict(channel: &str, seq: u64, conditions: Vec<Condition>) -> Verdict {
    Verdict {
        channel: ChannelId::new(channel).unwrap(),
        name: channel.to_uppercase(),
        position: Position { epoch: 1, seq },
        as_of: Time::from_unix_micros(i64::try_from(seq).unwrap() * 1_000_000),
        policy_revision: 1,
        retired: None,
        severity: conditions.iter().map(|c| c.severity).max().unwrap_or(Severity::Cleared),
        conditions,
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
        streams: Vec::new(),
    }
}

/// Waits until `probe` gives something.
pub async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "not within 40 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
