//! A notifier on a bus and a store of its own.

use std::time::Duration;

use ow_bus::Bus;
use ow_domain::ReceiverId;
use ow_domain::config::{ChangedBy, ConfigChange};
use ow_domain::incident::{Delivery, DeliveryOutcome, Notice, NotifyJob, ReceiverKind};
use ow_notifier::{Config, Deps};
use ow_service::{HumanDuration, Ops};
use ow_store::Store;
use ow_testkit::{eventually_some, test_bus, test_store};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A busy machine of two cores runs eight builds beside the tests.
pub const LONG: Duration = Duration::from_secs(60);

pub struct Bench {
    pub bus: Bus,
    pub store: Store,
    pub home: tempfile::TempDir,
    running: Option<(CancellationToken, JoinHandle<Result<(), ow_notifier::RunError>>)>,
}

impl Bench {
    pub async fn new() -> Self {
        let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
        let mut bench = Self { bus, store, home: tempfile::tempdir().unwrap(), running: None };
        bench.start();
        bench
    }

    /// A second notifier on the bus and store of another.
    pub fn beside(&self) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut bench = Self { bus: self.bus.clone(), store: self.store.clone(), home, running: None };
        bench.start();
        bench
    }

    pub fn start(&mut self) {
        let stop = CancellationToken::new();
        let config = Config {
            public_url: "https://ott.example".to_owned(),
            settings_wait: HumanDuration(Duration::from_secs(1)),
            max_attempts: 6,
            ..Config::default()
        };
        let deps = Deps { bus: self.bus.clone(), store: self.store.clone(), ops: Ops::default() };
        let task = tokio::spawn(ow_notifier::run(config, deps, stop.clone()));
        self.running = Some((stop, task));
    }

    pub async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    /// A secret in a file; gives its path.
    pub fn secret(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Configures a receiver, as `ottwatch apply` does.
    pub async fn receiver(&self, name: &str, spec: Value) {
        let problems = ow_domain::receiver::ReceiverSpec::from_json(&spec).err();
        assert_eq!(problems, None);
        let object = serde_json::from_value(serde_json::json!({
            "kind": "Receiver", "name": name, "labels": {}, "spec": spec, "revision": 0
        }));
        let by = ChangedBy { actor: "test".into(), source: "test".into() };
        self.store.apply_config(&[ConfigChange::Create(object.unwrap())], &by).await.unwrap();
    }

    pub async fn tell(&self, receiver: &str, kind: ReceiverKind, notice: Notice) {
        let job = NotifyJob { receiver: ReceiverId::new(receiver).unwrap(), kind, notice, deadline: None };
        self.bus.publish(&job).await.unwrap();
    }

    /// Waits for the log row of a revision to have this outcome.
    pub async fn logged(&self, receiver: &str, notice: &Notice, outcome: DeliveryOutcome) -> Delivery {
        let what = format!("{} revision {} {outcome:?} at {receiver}", notice.number, notice.revision);
        eventually_some(&what, LONG, || async {
            let rows = self.store.deliveries_of(notice.number).await.unwrap();
            let mut known = rows.into_iter().filter(|row| !row.pending).map(|row| row.delivery);
            known.find(|d| d.receiver.as_str() == receiver && d.revision == notice.revision && d.outcome == outcome)
        })
        .await
    }

    /// Tells and waits until it is delivered.
    pub async fn deliver(&self, receiver: &str, kind: ReceiverKind, notice: Notice) -> Delivery {
        self.tell(receiver, kind, notice.clone()).await;
        self.logged(receiver, &notice, DeliveryOutcome::Delivered).await
    }
}
