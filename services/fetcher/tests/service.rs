//! The service on a real bus: leases, captures on their subjects, take-over.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ow_bus::{Bucket, Bus};
use ow_contracts::Subject;
use ow_domain::capture::{Capture, ObjectKind, Protocol};
use ow_domain::job::{Depth, FetchJob, FetchLimits, ProbeHeartbeat, StreamJob};
use ow_domain::{ChannelId, ProbeId, StreamId};
use ow_fetcher::{Deps, FetcherConfig, run};
use ow_origin::OriginConfig;
use ow_service::Ops;
use ow_testkit::{eventually, test_bus_config};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(30);

fn job(channel: &str, url: String, revision: u64) -> FetchJob {
    FetchJob {
        channel: ChannelId::new(channel).unwrap(),
        probe: ProbeId::new("hcm-1").unwrap(),
        revision,
        streams: vec![StreamJob {
            stream: StreamId::new("hls").unwrap(),
            protocol: Protocol::Hls,
            url,
            headers: vec![],
            depth: Depth::Manifest,
        }],
        limits: FetchLimits::default(),
    }
}

struct Fetcher {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), ow_fetcher::FetcherError>>,
}

fn fetcher(bus: Bus, replica: &str) -> Fetcher {
    let stop = CancellationToken::new();
    let config = FetcherConfig { probe: "hcm-1".into(), slots: 10, native_roots: false, ..FetcherConfig::default() };
    let deps = Deps { bus, ops: Ops::default(), replica: replica.into() };
    Fetcher { task: tokio::spawn(run(config, deps, stop.clone())), stop }
}

impl Fetcher {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_are_watched_spread_taken_over_and_withdrawn() {
    let origin = ow_origin::start(OriginConfig { segment_ms: 2_000, ..OriginConfig::default() }).await.unwrap();
    let config = test_bus_config();
    let bus = Bus::connect(config.clone()).await.unwrap();
    bus.ensure_topology(&ow_bus::Limits::tests()).await.unwrap();
    let seen: Arc<Mutex<Vec<Capture>>> = Arc::default();
    let mut tail = bus.tail(&Subject::raw("capture.>")).await.unwrap();
    let store = seen.clone();
    let reports: Arc<Mutex<Vec<Capture>>> = Arc::default();
    let reported = reports.clone();
    let tailing = tokio::spawn(async move {
        while let Some(received) = tail.next().await {
            let capture: Capture = received.decode().unwrap();
            // Each fetcher reports under the same channel of the probe.
            if capture.object == ObjectKind::Probe {
                reported.lock().unwrap().push(capture);
            } else {
                store.lock().unwrap().push(capture);
            }
        }
    });
    let channels = ["a", "b", "c", "d"];
    for channel in channels {
        bus.put_job(&job(channel, origin.hls_ts(channel), 1)).await.unwrap();
    }
    let first = fetcher(Bus::connect(config.clone()).await.unwrap(), "f1");
    // A poll of a channel that began after `from` captures.
    let polled = |channel: &'static str, from: usize, revision: u64| {
        let seen = seen.clone();
        async move {
            let seen = seen.lock().unwrap();
            seen.iter().skip(from).any(|c| {
                c.channel.as_str() == channel && c.object == ObjectKind::MediaPlaylist && c.job_revision == revision
            })
        }
    };
    for channel in channels {
        eventually(channel, DEADLINE, || polled(channel, 0, 1)).await;
    }
    let second = fetcher(Bus::connect(config.clone()).await.unwrap(), "f2");
    let held = || async {
        let entries = bus.kv::<ProbeHeartbeat>(Bucket::Probes).entries("hcm-1.*").await.unwrap();
        entries.into_iter().map(|e| (e.value.replica, e.value.held)).collect::<BTreeMap<_, _>>()
    };
    eventually("two channels each", DEADLINE, || async {
        let held = held().await;
        held.get("f1") == Some(&2) && held.get("f2") == Some(&2)
    })
    .await;
    // A changed job is taken over at once, by whoever holds it.
    let from = seen.lock().unwrap().len();
    bus.put_job(&job("a", origin.hls_cmaf("a"), 2)).await.unwrap();
    eventually("the new revision", Duration::from_secs(15), || polled("a", from, 2)).await;
    // One goes in order: the other one has all.
    first.end().await;
    let from = seen.lock().unwrap().len();
    for channel in channels {
        let revision = if channel == "a" { 2 } else { 1 };
        eventually(channel, DEADLINE, || polled(channel, from, revision)).await;
    }
    // A withdrawn one ends.
    bus.purge_job(&ProbeId::new("hcm-1").unwrap(), &ChannelId::new("b").unwrap()).await.unwrap();
    eventually("three channels", DEADLINE, || async { held().await.get("f2") == Some(&3) }).await;
    // Within one run of a fetcher the captures of a channel come in their order.
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let all = seen.lock().unwrap().clone();
    for capture in &all {
        let last = last.entry(capture.channel.as_str()).or_default();
        assert!(capture.seq == *last + 1 || capture.seq == 1, "{} {} after {last}", capture.channel, capture.seq);
        *last = capture.seq;
    }
    second.end().await;
    assert!(all.iter().any(|c| c.probe_facts.as_ref().is_some_and(|f| f.schedule.is_some_and(|s| s.polls > 0))));
    eventually("two goodbyes", DEADLINE, || async {
        let reports = reports.lock().unwrap();
        let facts = || reports.iter().filter_map(|c| c.probe_facts.as_ref());
        ["f1", "f2"].iter().all(|name| facts().any(|f| f.replica == *name && f.leaving))
            && facts().any(|f| f.replica == "f1" && !f.leaving && f.held > 0)
            && reports.iter().all(|c| c.channel.as_str() == "probe-hcm-1")
    })
    .await;
    tailing.abort();
}
