//! Connections, migrations and notifications against a real server.

mod server;

use ow_domain::config::{ChangedBy, ConfigChange, ConfigKind, ConfigObject};
use ow_domain::{ChannelId, Slug, StreamId, Time};
use ow_store::measures::Sample;
use ow_store::{CONFIG_CHANNEL, Notification, Retry};
use server::{Server, until};

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_migrate_once() {
    let server = Server::start();
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let store = server.open();
            tokio::spawn(async move { store.migrate().await.unwrap() })
        })
        .collect();
    let mut applied = Vec::new();
    for run in runs {
        applied.push(run.await.unwrap());
    }
    applied.sort_unstable();
    assert_eq!(applied[..3], [0, 0, 0]);
    assert!(applied[3] >= 3, "{applied:?}");
    assert_eq!(server.open().migrate().await.unwrap(), 0);
}

fn receiver(name: &str) -> ConfigChange {
    ConfigChange::Create(ConfigObject {
        kind: ConfigKind::Receiver,
        name: Slug::new(name).unwrap(),
        labels: std::collections::BTreeMap::new(),
        spec: serde_json::json!({}),
        revision: 0,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_retryable_and_the_listener_comes_back() {
    let mut server = Server::start();
    let store = server.migrated().await;
    let by = ChangedBy { actor: "test".into(), source: "test".into() };
    let mut listener = store.listen(CONFIG_CHANNEL).unwrap();
    assert_eq!(listener.recv().await, Some(Notification::Lost));
    store.apply_config(&[receiver("a")], &by).await.unwrap();
    assert_eq!(listener.recv().await, Some(Notification::Said("receiver".to_owned())));

    server.postgres.kill();
    let error = until("the outage is noticed", async || store.ping().await.err()).await;
    assert_ne!(error.retry(), Retry::Never, "{}", error.chain());
    server.postgres.restart().unwrap();
    until("the server is back", async || store.ping().await.ok()).await;
    assert_eq!(listener.recv().await, Some(Notification::Lost));
    store.apply_config(&[receiver("b")], &by).await.unwrap();
    assert_eq!(listener.recv().await, Some(Notification::Said("receiver".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn measures_roll_up_by_minute_and_count_once() {
    let server = Server::start();
    let store = server.migrated().await;
    let (channel, stream) = (ChannelId::new("vtv3").unwrap(), StreamId::new("main").unwrap());
    let minute = Time::parse_rfc3339("2026-11-22T09:41:00Z").unwrap();
    let at = |secs: i64| minute + ow_domain::Span::from_secs(secs);
    let sample = |track: Option<&str>, value| Sample { track: track.map(str::to_owned), name: "x".to_owned(), value };
    let add = async |secs, samples: &[Sample]| store.add_measures(&channel, &stream, at(secs), samples).await.unwrap();
    add(5, &[sample(None, 2.0), sample(Some("video"), 7.0), sample(None, 99.0), sample(Some("bad"), f64::NAN)]).await;
    add(10, &[sample(None, 4.0)]).await;
    add(10, &[sample(None, 4.0)]).await;
    add(5, &[sample(None, 2.0)]).await;
    add(61, &[sample(None, 1.0)]).await;
    let rows = store.measures(&channel, &stream, minute, at(600), 100).await.unwrap();
    let seen: Vec<_> = rows.iter().map(|r| (r.track.as_deref(), r.minute, r.n, r.min, r.max, r.avg, r.last)).collect();
    assert_eq!(
        seen,
        [
            (None, minute, 2, 2.0, 4.0, 3.0, 4.0),
            (Some("video"), minute, 1, 7.0, 7.0, 7.0, 7.0),
            (None, at(60), 1, 1.0, 1.0, 1.0, 1.0),
        ]
    );
}
