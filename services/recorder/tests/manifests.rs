//! Manifests on real NATS and PostgreSQL, also while the store is away.

use std::time::Duration;

use ow_bus::{Bus, BusConfig, Limits, StreamName};
use ow_contracts::Subject;
use ow_domain::capture::{Capture, Failure, FailureKind, ManifestBody, ObjectKind, Outcome, Phase};
use ow_domain::{ChannelId, Span, Time};
use ow_local::{LocalNats, LocalPostgres, NatsOptions, PgOptions};
use ow_recorder::{Config, Deps, ManifestConfig};
use ow_service::{HumanDuration, Ops};
use ow_store::manifests::{ManifestFilter, StoredLoad};
use ow_store::{Store, StoreConfig};
use tokio_util::sync::CancellationToken;

fn start() -> Time {
    Time::from_unix_micros(jiff::Timestamp::now().as_microsecond()) - Span::from_secs(600)
}

/// A media playlist loaded at second `s`; the text makes the digest.
fn capture(from: Time, s: i64, text: &str) -> Capture {
    let sample = include_str!("../../../schemas/samples/ottwatch.capture.v1.json");
    let mut capture: Capture = serde_json::from_str(sample).unwrap();
    capture.id = format!("c-{s}");
    capture.object = ObjectKind::MediaPlaylist;
    capture.exchange.url = "http://bob:pw@origin.example/a/index.m3u8?token=s3cret".into();
    capture.exchange.t_end = from + Span::from_secs(s);
    capture.body = Some(ManifestBody { text: text.to_owned(), lossy: false });
    if let Outcome::Response(response) = &mut capture.exchange.outcome {
        let sum = text.bytes().fold(7_u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
        (response.status, response.digest) = (200, Some(format!("{sum:064x}")));
    }
    capture
}

async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "not within 40 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_kept_as_they_change_and_an_outage_loses_none() {
    let home = tempfile::tempdir().unwrap();
    // Durable: it is killed, and what was written must still be there.
    let mut postgres = LocalPostgres::start(PgOptions::new(home.path())).unwrap();
    let nats = LocalNats::start(NatsOptions::new(home.path())).unwrap();
    let bus = Bus::connect(BusConfig::new(nats.client_url(), "test")).await.unwrap();
    bus.ensure_topology(&Limits::tests()).await.unwrap();
    let store = Store::connect(StoreConfig::new(postgres.dsn())).await.unwrap();
    store.migrate().await.unwrap();
    let manifests =
        ManifestConfig { prune_interval: HumanDuration(Duration::from_secs(3_600)), ..ManifestConfig::default() };
    let config = Config { manifests, ..Config::default() };
    let (ops, shutdown) = (Ops::default(), CancellationToken::new());
    let deps = Deps { bus: bus.clone(), store: store.clone(), ops: ops.clone() };
    let service = tokio::spawn(ow_recorder::run(config.clone(), deps, shutdown.clone()));
    // Its consumers begin with what comes after them.
    until("the consumers are there", async || {
        let probe = capture(start(), 0, "#EXTM3U probe");
        let probe = Capture {
            channel: ChannelId::new("probe").unwrap(),
            id: format!("{:?}", std::time::Instant::now()),
            ..probe
        };
        bus.publish(&probe).await.unwrap();
        ops.metrics_text().contains("ottwatch_manifest_loads_total 1").then_some(())
    })
    .await;

    let t = start();
    let channel = capture(t, 0, "").channel;
    let loads = async || -> Vec<StoredLoad> {
        let filter = ManifestFilter::default();
        store.manifest_loads(&channel, t, t + Span::from_secs(10_000), &filter, 1_000).await.unwrap_or_default()
    };
    let playlist = |n: i64| format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{n}\n");
    for s in 0..10 {
        // A new one every second load.
        bus.publish(&capture(t, s, &playlist(s / 2))).await.unwrap();
    }
    let mut failed = capture(t, 10, "");
    failed.body = None;
    failed.exchange.outcome =
        Outcome::Failed(Failure { phase: Phase::Connect, kind: FailureKind::Refused, detail: "refused".into() });
    bus.publish(&failed).await.unwrap();
    let mut segment = capture(t, 11, "");
    (segment.object, segment.body) = (ObjectKind::Segment, None);
    bus.publish(&segment).await.unwrap();
    let seen = until("five playlists and a failure", async || Some(loads().await).filter(|l| l.len() >= 6)).await;
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(seen.iter().all(|l| l.url == "http://origin.example/a/index.m3u8" && l.object == "media-playlist"));
    assert_eq!(seen[5].failure.as_deref(), Some("connect refused: refused"));
    let served = store.manifests_at(&channel, t + Span::from_secs(5), &ManifestFilter::default()).await.unwrap();
    assert_eq!((served.len(), served[0].text.as_str()), (1, playlist(2).as_str()));

    // The store goes away: captures wait, the bus goes on, and what comes meanwhile is there afterwards.
    postgres.kill();
    for s in 20..220 {
        bus.publish(&capture(t, s, &playlist(s))).await.unwrap();
    }
    until("the outage is told", async || (!ops.health.is_ready()).then_some(())).await;
    postgres.restart().unwrap();
    let seen = until("all that came", async || Some(loads().await).filter(|l| l.len() >= 206)).await;
    assert_eq!(seen.len(), 206);
    assert_eq!(store.manifest_body(seen[205].digest.as_deref().unwrap()).await.unwrap(), Some(playlist(219)));
    until("it is well again", async || ops.health.is_ready().then_some(())).await;

    // In order to the end, also with the store away.
    postgres.kill();
    bus.publish(&capture(t, 300, &playlist(300))).await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(20), service).await.unwrap().unwrap().unwrap();
    postgres.restart().unwrap();
    let (deps, shutdown) =
        (Deps { bus: bus.clone(), store: store.clone(), ops: Ops::default() }, CancellationToken::new());
    let service = tokio::spawn(ow_recorder::run(config, deps, shutdown.clone()));
    until("what the last one had in hand", async || Some(loads().await).filter(|l| l.len() == 207)).await;
    let dead = bus.stored(StreamName::Dead, &Subject::raw("dead.>")).await.unwrap();
    assert!(dead.is_empty(), "{}", dead.len());
    shutdown.cancel();
    service.await.unwrap().unwrap();
}
