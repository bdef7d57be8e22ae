//! Through a private server and a validator: from the publish of a capture to the verdict that follows from it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ow_bus::{Bucket, Bus, BusConfig, Limits, Tail};
use ow_checks::bench::{synthetic_captures, synthetic_policy};
use ow_contracts::Subject;
use ow_domain::capture::Capture;
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::Verdict;
use ow_domain::{Partition, Span};
use ow_local::{LocalNats, NatsOptions};
use ow_service::Ops;
use tokio_util::sync::CancellationToken;

const N_VERDICTS: usize = 2_000;
const WARM_UP: usize = 100;

pub fn run() -> Result<String> {
    let home = tempfile::tempdir()?;
    let nats = LocalNats::start(NatsOptions::new(home.path()))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut latencies = runtime.block_on(latencies(nats.client_url()))?;
    runtime.shutdown_background();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let mut out = String::from("| verdicts | p50 | p99 | worst |\n|---|---|---|---|\n");
    writeln!(out, "| {} | {:.2} ms | {:.2} ms | {:.2} ms |", latencies.len(), at(0.5), at(0.99), at(1.0))?;
    Ok(out)
}

async fn latencies(url: String) -> Result<Vec<Duration>> {
    let bus = Bus::connect(BusConfig::new(url, "ottwatch/bench")).await?;
    bus.ensure_topology(&Limits::tests()).await?;
    let policy = synthetic_policy().context("the policy of the bench")?;
    bus.kv::<ChannelPolicy>(Bucket::Config).put(policy.channel.as_str(), &policy).await?;
    let deps = ow_validator::Deps { bus: bus.clone(), ops: Ops::default(), replica: "bench".to_owned() };
    let shutdown = CancellationToken::new();
    let validator = tokio::spawn(ow_validator::run(Default::default(), deps, shutdown.clone()));
    let mut verdicts = bus.tail(&Subject::verdicts_of(Partition::of(&policy.channel))).await?;
    let mut latencies = Vec::new();
    let playlists = synthetic_captures(1);
    let playlist = playlists.first().context("a capture")?;
    for n in 0..WARM_UP + N_VERDICTS {
        let capture = minute(playlist, n as i64);
        let start = Instant::now();
        let seq = bus.publish(&capture).await?.seq;
        let verdict = tokio::time::timeout(Duration::from_secs(30), next(&mut verdicts, seq)).await;
        verdict.context("no verdict within 30 s")??;
        if n >= WARM_UP {
            latencies.push(start.elapsed());
        }
    }
    shutdown.cancel();
    validator.await??;
    ensure!(latencies.len() == N_VERDICTS);
    Ok(latencies)
}

/// The same answer, minutes later: a verdict is due with each.
fn minute(playlist: &Capture, n: i64) -> Capture {
    let mut capture = playlist.clone();
    capture.id = format!("bench-{n}");
    capture.exchange.t_req += Span::from_secs(61 * n);
    capture.exchange.t_end += Span::from_secs(61 * n);
    capture
}

/// The verdict at the place of the capture.
async fn next(verdicts: &mut Tail, seq: u64) -> Result<Verdict> {
    loop {
        let verdict: Verdict = verdicts.next().await.context("the connection was closed")?.decode()?;
        if verdict.position.seq == seq {
            return Ok(verdict);
        }
    }
}
