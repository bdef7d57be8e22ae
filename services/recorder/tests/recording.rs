//! The service on real NATS and PostgreSQL, with a sink that answers as InfluxDB does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use ow_bus::{Bus, BusConfig, Limits};
use ow_domain::capture::Protocol;
use ow_domain::verdict::{Measures, Position, StreamState, TrackMeasures, Verdict};
use ow_domain::{ChannelId, Severity, Span, StreamId, Time, TrackId};
use ow_local::{LocalNats, LocalPostgres, NatsOptions, PgOptions};
use ow_recorder::influx::Influx;
use ow_recorder::{Config, Deps, InfluxConfig};
use ow_service::{HumanDuration, Ops};
use ow_store::{Store, StoreConfig};
use tokio_util::sync::CancellationToken;

fn now() -> Time {
    Time::from_unix_micros(jiff::Timestamp::now().as_microsecond())
}

fn channel() -> ChannelId {
    ChannelId::new("vtv3").unwrap()
}

fn stream() -> StreamId {
    StreamId::new("main").unwrap()
}

fn measures(at: Time, age: f64, tracks: &[&str]) -> Measures {
    let values = |pairs: &[(&str, f64)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect::<BTreeMap<_, _>>();
    Measures {
        channel: channel(),
        stream: stream(),
        protocol: Protocol::Hls,
        probe: None,
        at,
        window_s: 10.0,
        values: values(&[("playlist_age_seconds", age)]),
        responses: [("2xx".to_owned(), 12)].into(),
        tracks: tracks
            .iter()
            .map(|t| TrackMeasures {
                track: TrackId::new(t).unwrap(),
                values: values(&[("declared_bits_per_second", 5e6), ("measured_bits_per_second", 4.5e6)]),
            })
            .collect(),
    }
}

fn verdict(seq: u64, severity: Severity, up: bool) -> Verdict {
    Verdict {
        channel: channel(),
        name: "VTV3".to_owned(),
        position: Position { epoch: 1, seq },
        as_of: now(),
        policy_revision: 1,
        retired: None,
        severity,
        conditions: Vec::new(),
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
        streams: vec![StreamState {
            stream: stream(),
            protocol: Protocol::Hls,
            up,
            n_tracks: 1,
            max_height: None,
            last_capture_at: None,
            newest_content_age_s: None,
        }],
    }
}

async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Requests as they came; answers with the statuses given, then 204.
#[derive(Clone, Default)]
struct Sink {
    answers: Arc<Mutex<Vec<StatusCode>>>,
    taken: Arc<Mutex<Vec<(String, String, String)>>>,
}

impl Sink {
    async fn start(answers: &[StatusCode]) -> (Self, String) {
        let sink = Self { answers: Arc::new(Mutex::new(answers.to_vec())), ..Self::default() };
        let app = Router::new().route("/api/v2/write", post(Self::write)).with_state(sink.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (sink, url)
    }

    async fn write(State(sink): State<Self>, uri: Uri, headers: HeaderMap, body: String) -> StatusCode {
        let mut answers = sink.answers.lock().unwrap();
        if !answers.is_empty() {
            return answers.remove(0);
        }
        let token = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        sink.taken.lock().unwrap().push((uri.query().unwrap_or_default().to_owned(), token, body));
        StatusCode::NO_CONTENT
    }

    fn lines(&self) -> Vec<String> {
        self.taken
            .lock()
            .unwrap()
            .iter()
            .flat_map(|(_, _, body)| body.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

fn influx(url: String) -> InfluxConfig {
    InfluxConfig {
        url,
        org: "noc team".to_owned(),
        flush_interval: HumanDuration(Duration::from_millis(50)),
        ..InfluxConfig::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn measures_become_rollups_metrics_and_lines() {
    let home = tempfile::tempdir().unwrap();
    let postgres = LocalPostgres::start(PgOptions { fast_tests: true, ..PgOptions::new(home.path()) }).unwrap();
    let nats = LocalNats::start(NatsOptions::new(home.path())).unwrap();
    let bus = Bus::connect(BusConfig::new(nats.client_url(), "test")).await.unwrap();
    bus.ensure_topology(&Limits::tests()).await.unwrap();
    let store = Store::connect(StoreConfig::new(postgres.dsn())).await.unwrap();
    store.migrate().await.unwrap();
    let (sink, url) = Sink::start(&[StatusCode::SERVICE_UNAVAILABLE]).await;
    let token_file = home.path().join("token");
    std::fs::write(&token_file, "s3cret\n").unwrap();
    let config = Config {
        stale_after: HumanDuration(Duration::from_secs(4)),
        influx: InfluxConfig { token_file: Some(token_file), ..influx(url) },
        ..Config::default()
    };
    let (ops, shutdown) = (Ops::default(), CancellationToken::new());
    let deps = Deps { bus: bus.clone(), store: store.clone(), ops: ops.clone() };
    let service = tokio::spawn(ow_recorder::run(config, deps, shutdown.clone()));
    let has = async |line: &str| until(line, async || ops.metrics_text().contains(line).then_some(())).await;

    let start = now();
    let rollups = async |n_messages| {
        until("the rollups", async || {
            let (channel, stream, from) = (channel(), stream(), start - Span::from_secs(7200));
            let rows = store.measures(&channel, &stream, from, now() + Span::from_secs(60), 100).await.unwrap();
            let n = rows.iter().filter(|r| r.name == "playlist_age_seconds").map(|r| r.n).sum::<u64>();
            (n == n_messages).then_some(rows)
        })
        .await
    };
    bus.publish(&measures(start - Span::from_secs(3600), 9.0, &["old"])).await.unwrap();
    bus.publish(&measures(start, 2.5, &["video", "audio"])).await.unwrap();
    bus.publish(&verdict(1, Severity::Major, true)).await.unwrap();
    has("ottwatch_channel_severity{channel=\"vtv3\"} 5").await;
    has("ottwatch_stream_up{channel=\"vtv3\",stream=\"main\"} 1").await;
    has("ottwatch_stream_playlist_age_seconds{channel=\"vtv3\",stream=\"main\"} 2.5").await;
    let rate =
        "ottwatch_rendition_bits_per_second{channel=\"vtv3\",stream=\"main\",rendition=\"audio\",kind=\"measured\"}";
    has(&format!("{rate} 4500000")).await;
    assert!(!ops.metrics_text().contains("\"old\""));

    rollups(2).await;

    // A rendition and then the channel go away.
    bus.publish(&measures(now(), 1.0, &["video"])).await.unwrap();
    until("the rendition is gone", async || (!ops.metrics_text().contains("audio")).then_some(())).await;
    bus.publish(&Verdict { retired: Some("channel-removed".to_owned()), ..verdict(2, Severity::Cleared, false) })
        .await
        .unwrap();
    until("the channel is gone", async || (!ops.metrics_text().contains("ottwatch_channel_severity{")).then_some(()))
        .await;
    assert!(!ops.metrics_text().contains("ottwatch_stream_up{"));
    until("stale series are gone", async || (!ops.metrics_text().contains("vtv3")).then_some(())).await;

    let rows = rollups(3).await;
    assert!(rows.iter().any(|r| r.name == "responses_2xx" && r.last == 12.0 && r.track.is_none()));
    assert!(rows.iter().any(|r| r.track.as_deref() == Some("audio") && r.name == "declared_bits_per_second"));

    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(20), service).await.unwrap().unwrap().unwrap();
    let lines = sink.lines();
    assert_eq!(lines.len(), 3 + 4, "{lines:?}");
    let expected = format!(
        "ow_stream,channel=vtv3,format=hls,stream=main playlist_age_seconds=2.5,responses_2xx=12i {}",
        start.unix_micros() / 1000
    );
    assert!(lines.contains(&expected), "{lines:?}");
    let (query, token, _) = sink.taken.lock().unwrap()[0].clone();
    assert_eq!((query.as_str(), token.as_str()), ("org=noc+team&bucket=ottwatch&precision=ms", "Token s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_do_not_fit_or_are_refused_are_dropped_and_counted() {
    let (sink, url) = Sink::start(&[StatusCode::BAD_REQUEST, StatusCode::TOO_MANY_REQUESTS]).await;
    let ops = Ops::default();
    let config = InfluxConfig { queue_lines: 3, batch_lines: 2, ..influx(url) };
    let writer = Arc::new(Influx::new(config, &ops).unwrap());
    writer.push((0..5).map(|n| format!("m x={n}i 1")).collect());
    assert!(ops.metrics_text().contains("ottwatch_influx_dropped_lines_total 2"), "the oldest two");
    let stop = CancellationToken::new();
    let task = tokio::spawn({
        let (writer, stop) = (writer.clone(), stop.clone());
        async move { writer.run(stop).await }
    });
    until("the last line is written", async || (!sink.lines().is_empty()).then_some(())).await;
    // Lines 2 and 3 were refused for good; line 4 was put off and then taken.
    assert_eq!(sink.lines(), ["m x=4i 1"]);
    assert!(ops.metrics_text().contains("ottwatch_influx_dropped_lines_total 4"), "{}", ops.metrics_text());
    writer.push(vec!["m x=9i 1".to_owned()]);
    stop.cancel();
    task.await.unwrap();
    assert_eq!(sink.lines(), ["m x=4i 1", "m x=9i 1"]);
}

#[test]
fn wrong_settings_are_refused_without_showing_secrets() {
    for (url, part) in
        [("influx:8086", "neither http nor https"), ("http://bob:hunter2@influx:8086", "token_file"), ("::", "no URL")]
    {
        let error = Influx::new(influx(url.to_owned()), &Ops::default()).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
    }
    let config = InfluxConfig { token_file: Some("/does/not/exist".into()), ..influx("http://127.0.0.1:1".into()) };
    assert!(Influx::new(config, &Ops::default()).unwrap_err().to_string().contains("token_file"));
}
