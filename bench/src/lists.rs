//! The REST interface on a full database: how long lists take, and the application of a thousand channels.
//!
//! What takes longer than [`PLANS_OVER_MS`] leaves its plan in PostgreSQL's log (auto_explain), whose path is printed:
//! figures without plans say nothing of the next ten million rows.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ow_api::{ApiConfig, Deps};
use ow_bus::{Bus, BusConfig, Limits};
use ow_local::{LocalNats, LocalPostgres, NatsOptions, PgOptions};
use ow_service::Ops;
use ow_store::bench::Fill;
use ow_store::{Store, StoreConfig, Use};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// SHA-256 of `bench`.
const TOKEN_SHA256: &str = "1b32c28cb38c05480eccc1bd60ff97029b57a05c96718b96dad7e9d84894f549";
const N_CHANNELS: usize = 5_000;
const CHANNELS_OF_ONE_APPLY: usize = 1_000;
const N_INCIDENTS: u32 = 334_000;
const N_OPEN: u32 = 2_000;
const N_LOADS: u32 = 100_000;
const REQUESTS: usize = 60;
const PLANS_OVER_MS: u32 = 10;

/// Lists, each as somebody at the dashboard or a program asks for them.
const LISTS: &[&str] = &[
    "/api/v1/channels",
    "/api/v1/channels?limit=500",
    "/api/v1/channels?label.group=g7",
    "/api/v1/channels?q=4711",
    "/api/v1/alarms",
    "/api/v1/alarms?state=all",
    "/api/v1/alarms?state=all&limit=500",
    "/api/v1/alarms?state=cleared&severity=critical",
    "/api/v1/alarms?state=all&channel=ch-00042",
    "/api/v1/alarms?state=all&check=check-17",
    "/api/v1/alarms?state=all&min_severity=major",
    "/api/v1/alarms/200000",
    "/api/v1/alarms/200000/evidence",
    "/api/v1/deliveries",
    "/api/v1/deliveries?receiver=noc-7",
    "/api/v1/deliveries?outcome=failed",
    "/api/v1/deliveries?receiver=noc-10&outcome=failed",
    "/api/v1/deliveries?incident=INC-200000",
    "/api/v1/deliveries?channel=ch-00042",
    "/api/v1/deliveries?from=2026-06-01T00:00:00Z&to=2026-06-02T00:00:00Z",
    "/api/v1/dead-letters",
    "/api/v1/channels/ch-00000/manifests",
    "/api/v1/channels/ch-00000/manifests?playlist=video-3",
    "/api/v1/templates",
    "/api/v1/receivers",
    "/api/v1/routes",
    "/api/v1/probes",
    "/api/v1/groups",
    "/api/v1/silences",
    "/api/v1/incidents",
    "/api/v1/audit",
];

pub fn run() -> Result<String> {
    let home = tempfile::tempdir()?;
    let postgres = LocalPostgres::start(PgOptions::new(home.path()))?;
    let nats = LocalNats::start(NatsOptions::new(home.path()))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let out = runtime.block_on(measure(postgres.dsn(), nats.client_url()))?;
    let kept: PathBuf = std::env::temp_dir().join("ow-bench-postgres.log");
    std::fs::copy(home.path().join("postgres/postgres.log"), &kept).context("the log of PostgreSQL")?;
    Ok(format!("{out}\nPlans of statements over {PLANS_OVER_MS} ms: {}\n", kept.display()))
}

async fn measure(dsn: String, nats: String) -> Result<String> {
    let bus = Bus::connect(BusConfig::new(nats, "bench")).await?;
    bus.ensure_topology(&Limits::tests()).await?;
    let explained = format!(
        "{dsn} options='-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration={PLANS_OVER_MS} \
         -c auto_explain.log_analyze=on'"
    );
    let store = Store::connect(StoreConfig::new(explained)).await?;
    store.migrate().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let config = ApiConfig { token_sha256: TOKEN_SHA256.into(), ..ApiConfig::default() };
    let deps = Deps { bus, store: store.for_use(Use::Requests)?, ops: Ops::default() };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(ow_api::serve(listener, config, deps, stop.clone()));
    let out = tokio::task::spawn_blocking(move || figures(addr, &store)).await??;
    stop.cancel();
    serving.await??;
    Ok(out)
}

fn figures(addr: SocketAddr, store: &Store) -> Result<String> {
    let mut out = String::from("## Configuration applied over HTTP\n\n| channels there | 1,000 more, s |\n|---|---|\n");
    for first in (0..N_CHANNELS).step_by(CHANNELS_OF_ONE_APPLY) {
        let start = Instant::now();
        let (status, body) = request(addr, "POST", "/api/v1/config:apply", &documents(first))?;
        ensure!(status == 200, "apply: {status} {body}");
        writeln!(out, "| {first} | {:.2} |", start.elapsed().as_secs_f64())?;
    }
    let start = Instant::now();
    let fill = Fill { incidents: N_INCIDENTS, open: N_OPEN, loads: N_LOADS };
    let filled = tokio::runtime::Handle::current().block_on(store.fill(fill))?;
    writeln!(out, "\nFilled in {:.0} s: {filled:?}\n", start.elapsed().as_secs_f64())?;
    out.push_str("## Lists over HTTP\n\n| list | items | p50 ms | p95 ms |\n|---|---|---|---|\n");
    for list in LISTS {
        let mut times = Vec::new();
        let mut items = String::new();
        for _ in 0..REQUESTS {
            let start = Instant::now();
            let (status, body) = request(addr, "GET", list, "")?;
            times.push(start.elapsed());
            let body: serde_json::Value = serde_json::from_str(&body)?;
            let n_items = body["items"].as_array().map_or(1, Vec::len);
            items = if status == 200 { n_items.to_string() } else { format!("answered {status}") };
            if status != 200 {
                break;
            }
        }
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(out, "| `{list}` | {items} | {:.1} | {:.1} |", ms(at(0.5)), ms(at(0.95)))?;
    }
    Ok(out)
}

/// 1,000 channels; with the first ones also what they refer to.
fn documents(first: usize) -> String {
    let mut text = String::new();
    if first == 0 {
        text.push_str("{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: p1}}\n");
        for n in 0..20 {
            let _ = writeln!(text, "---\n{{apiVersion: ottwatch/v1, kind: Template, metadata: {{name: t{n}}}}}");
        }
    }
    for n in first..first + CHANNELS_OF_ONE_APPLY {
        let _ = writeln!(
            text,
            "---\n{{apiVersion: ottwatch/v1, kind: Channel, metadata: {{name: ch-{n:05}, labels: {{group: g{}, tier: '{}'}}}}, \
             spec: {{displayName: Channel {n}, template: t{}, probes: [p1], \
             streams: [{{name: main, protocol: hls, url: 'http://origin.example/{n}/master.m3u8'}}]}}}}",
            n % 20,
            n % 3,
            n % 20
        );
    }
    text
}

/// Status and body. A connection of its own for each: that of a client that asks now and then.
fn request(addr: SocketAddr, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer bench\r\nconnection: close\r\n\
         content-type: application/yaml\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no status")?;
    ensure!(!head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "a chunked answer");
    Ok((status, body.to_owned()))
}
