//! `ottwatch capture`: what a stream answers, with the fetcher's own engine, into a bundle.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ow_contracts::Recorded;
use ow_contracts::bundle::{Counts, Header, Writer};
use ow_domain::capture::{Capture, Tick, printable_url};
use ow_domain::job::FetchJob;
use ow_domain::policy::ChannelPolicy;
use ow_domain::{ChannelId, Partition, ProbeId, Span, Time};
use ow_fetcher::clock::SteadyClock;
use ow_fetcher::http::{Probe, ProbeOptions};
use ow_fetcher::watch_channel;
use ow_service::{Exit, shutdown};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::check;
use crate::cli::CaptureArgs;

/// Facts waiting for the disk; when full, requests wait.
const QUEUE: usize = 64;

pub async fn main(args: &CaptureArgs) -> Result<Exit> {
    let order = match order(args) {
        Ok(order) => order,
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            return Ok(Exit::Usage);
        }
    };
    let probe = Arc::new(Probe::new(ProbeOptions::default()));
    let clock = probe.clock();
    let started_at = clock.now();
    let path = args.output.clone().unwrap_or_else(|| default_name(started_at));
    let shown = path.display().to_string();
    if path.exists() {
        eprintln!("{shown} is there already; name another file with -o");
        return Ok(Exit::Usage);
    }
    let header = Header::new(concat!("ottwatch ", env!("CARGO_PKG_VERSION")), started_at, order.policy.clone());
    let partial = partial_of(&path);
    let file = create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    let (facts, waiting) = mpsc::channel(QUEUE);
    let writing = tokio::task::spawn_blocking(move || write(file, &header, waiting));

    eprintln!("capturing {} for {} into {shown}", printable_url(&args.url), args.duration);
    let stop = shutdown::on_signals()?;
    watch(order, probe, clock, facts, args.duration.0, stop).await?;
    let counts = writing.await?.with_context(|| format!("cannot write {}", partial.display()))?;
    std::fs::rename(&partial, &path).with_context(|| format!("cannot name the finished file {shown}"))?;
    let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
    eprintln!("{shown}: {} captures, {} ticks, {bytes} bytes", counts.captures, counts.ticks);
    if counts.captures == 0 {
        bail!("no request was made in the time given");
    }
    Ok(Exit::Ok)
}

/// What to watch.
struct Order {
    policy: ChannelPolicy,
    job: FetchJob,
}

fn order(args: &CaptureArgs) -> Result<Order, Vec<String>> {
    let mut problems = Vec::new();
    if !check::is_http(&args.url) {
        let shown = printable_url(&args.url);
        problems
            .push(format!("{shown:?} is not an http or https URL; example: https://origin.example/vtv3/master.m3u8"));
    }
    let mut headers = Vec::new();
    for header in &args.headers {
        match header.split_once(':') {
            Some((name, value)) if is_header_name(name.trim()) => {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            // The value may be a secret.
            _ => problems.push("--header: is not NAME: VALUE; example: --header 'X-Token: 123'".to_owned()),
        }
    }
    let channel = ChannelId::new(&args.channel).map_err(|e| problems.push(format!("--channel: {e}"))).ok();
    let terms = check::terms(args.template.as_deref(), args.ca.as_deref()).map_err(|p| problems.extend(p)).ok();
    let (Some(channel), Some(terms), true) = (channel, terms, problems.is_empty()) else { return Err(problems) };
    let mut policy = check::policy(channel, &args.url, &terms).map_err(|e| vec![e.to_string()])?;
    for stream in &mut policy.streams {
        stream.headers.clone_from(&headers);
    }
    let job = FetchJob {
        channel: policy.channel.clone(),
        probe: ProbeId::new("check").map_err(|e| vec![e.to_string()])?,
        revision: policy.revision,
        streams: policy.streams.clone(),
        limits: policy.limits.clone(),
    };
    Ok(Order { policy, job })
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// `capture-20261122T094107Z.jsonl.zst`
fn default_name(at: Time) -> PathBuf {
    let digits: String = at.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    PathBuf::from(format!("capture-{digits}Z.jsonl.zst"))
}

/// Where the file grows until it is whole.
fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes until the queue ends; then the file is whole and on the disk.
fn write(file: File, header: &Header, mut waiting: mpsc::Receiver<Recorded>) -> io::Result<Counts> {
    let mut writer = Writer::new(BufWriter::new(file), header)?;
    while let Some(fact) = waiting.blocking_recv() {
        match fact {
            Recorded::Capture(capture) => writer.capture(&capture)?,
            Recorded::Tick(tick) => writer.tick(&tick)?,
        }
    }
    let counts = writer.counts();
    let mut out = writer.finish()?;
    out.flush()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(counts)
}

/// Watches, with a tick at every whole second, until the time is over or `stop`. Ends early when nobody takes the facts.
async fn watch(
    order: Order,
    probe: Arc<Probe>,
    clock: SteadyClock,
    facts: mpsc::Sender<Recorded>,
    duration: Duration,
    stop: CancellationToken,
) -> Result<()> {
    let partition = Partition::of(&order.policy.channel);
    let (sender, mut captures) = mpsc::channel::<Capture>(QUEUE);
    let end = stop.child_token();
    let watching = tokio::spawn(watch_channel(order.job, probe, sender, end.clone()));
    let over = tokio::time::sleep(duration);
    tokio::pin!(over);
    let mut next = Time::from_unix_micros(clock.now().unix_seconds() * 1_000_000);
    loop {
        next += Span::from_secs(1);
        let at = clock.instant(next);
        // Captures until the next whole second, then the tick.
        loop {
            let fact = tokio::select! {
                biased;
                () = &mut over, if !end.is_cancelled() => {
                    end.cancel();
                    continue;
                }
                capture = captures.recv() => match capture {
                    Some(capture) => Recorded::Capture(Box::new(capture)),
                    None => {
                        watching.await?;
                        return Ok(());
                    }
                },
                () = tokio::time::sleep_until(at) => break,
            };
            if facts.send(fact).await.is_err() {
                end.cancel();
            }
        }
        if facts.send(Recorded::Tick(Tick { partition, at: next })).await.is_err() {
            end.cancel();
        }
    }
}
