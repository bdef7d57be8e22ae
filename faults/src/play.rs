//! One channel watched in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, ready};
use ow_checks::{ChannelJudge, Judged};
use ow_domain::capture::{Capture, Protocol};
use ow_domain::job::{Depth, FetchJob, StreamJob};
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::Position;
use ow_domain::{ProbeId, Severity, Span, StreamId, Time};
use ow_fetcher::clock::SteadyClock;
use ow_fetcher::http::{Dial, Probe, ProbeOptions, Wire};
use ow_fetcher::watch_channel;
use ow_origin::{Clock, MemoryOrigin, OriginConfig};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const CHANNEL: &str = "ch1";
/// Judged absence: as often as the scheduler ticks.
const TICK: Duration = Duration::from_secs(1);

/// What is watched and for how long.
#[derive(Debug, Clone)]
pub struct Subject {
    pub origin: OriginConfig,
    /// Path of the channel's entry.
    pub entry: String,
    pub protocol: Protocol,
    /// UTC when the watching begins, Unix microseconds.
    pub start_us: i64,
    pub lasts: Duration,
    /// The rules that Apple's authoring specification adds are judged too.
    pub apple_rules: bool,
    /// Longest time between advertisement breaks, seconds.
    pub ad_break_interval_s: Option<f64>,
}

/// A check that failed, in one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub check: String,
    pub severity: Severity,
    /// Rendition or host.
    pub place: String,
    /// When it first raised, since the watching began.
    pub raised: Span,
    /// When it was last there.
    pub until: Span,
    pub message: String,
    /// Cannot go on; ends by its age.
    pub event: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Played {
    /// Every alarm that was raised, by time.
    pub findings: Vec<Finding>,
    pub n_captures: usize,
    /// Time of the last fact judged, since the watching began.
    pub ended: Span,
    /// Checks that came to a result.
    pub evaluated: BTreeSet<&'static str>,
}

/// Watches in virtual time; takes as long as the work does.
pub fn play(subject: &Subject) -> Result<Played> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(watch(subject))
}

/// Every address leads to the origin.
struct InMemory(MemoryOrigin);

impl Dial for InMemory {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(ready(Ok(Box::new(self.0.connect()) as Box<dyn Wire>)))
    }
}

async fn watch(subject: &Subject) -> Result<Played> {
    let origin = MemoryOrigin::new(subject.origin.clone(), Clock::running_from(subject.start_us))?;
    let start = Time::from_unix_micros(subject.start_us);
    let clock = SteadyClock::start_at(start);
    let options =
        ProbeOptions { clock, dial: Arc::new(InMemory(origin)), native_roots: false, ..ProbeOptions::default() };
    let probe = Arc::new(Probe::new(options));
    let policy = policy(subject)?;
    let job = FetchJob {
        channel: policy.channel.clone(),
        probe: ProbeId::new("suite")?,
        revision: 1,
        streams: policy.streams.clone(),
        limits: policy.limits.clone(),
    };
    let (sender, mut captures) = mpsc::channel::<Capture>(256);
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch_channel(job, probe, sender, stop.clone()));
    let mut look = Look { judge: ChannelJudge::new(policy, start), seq: 0, start, raised: BTreeMap::new() };
    let over = tokio::time::sleep(subject.lasts);
    tokio::pin!(over);
    let mut tick = tokio::time::interval(TICK);
    let mut n_captures = 0;
    loop {
        tokio::select! {
            () = &mut over => break,
            _ = tick.tick() => {
                let position = look.next();
                let judged = look.judge.tick(clock.now(), position);
                look.take(&judged);
            }
            capture = captures.recv() => {
                let capture = capture.context("the watching ended by itself")?;
                n_captures += 1;
                let position = look.next();
                let judged = look.judge.apply(&capture, position);
                look.take(&judged);
            }
        }
    }
    stop.cancel();
    drop(captures);
    watching.await?;
    anyhow::ensure!(look.judge.panics().is_empty(), "checks panicked: {:?}", look.judge.panics());
    let evaluated = look.judge.evaluated().into_iter().collect();
    let ended = look.judge.now() - look.start;
    let mut findings: Vec<Finding> = look.raised.into_values().collect();
    findings.sort_by(|a, b| (a.raised, &a.check, &a.place).cmp(&(b.raised, &b.check, &b.place)));
    Ok(Played { findings, n_captures, ended, evaluated })
}

struct Look {
    judge: ChannelJudge,
    seq: u64,
    start: Time,
    raised: BTreeMap<String, Finding>,
}

impl Look {
    fn next(&mut self) -> Position {
        self.seq += 1;
        Position { epoch: 0, seq: self.seq }
    }

    /// What is wrong now; a verdict comes with every change and every minute.
    fn take(&mut self, judged: &Judged) {
        let Some(verdict) = &judged.verdict else {
            let now = self.judge.now() - self.start;
            for condition in self.judge.conditions() {
                if let Some(known) = self.raised.get_mut(&condition.fingerprint) {
                    known.until = now;
                }
            }
            return;
        };
        let now = verdict.as_of - self.start;
        for condition in &verdict.conditions {
            let subject = &condition.subject;
            let track = subject.track.as_ref().map(|t| t.as_str().to_owned());
            let finding = self.raised.entry(condition.fingerprint.clone()).or_insert_with(|| Finding {
                check: condition.check.clone(),
                severity: condition.severity,
                place: track.or_else(|| subject.host.clone()).unwrap_or_default(),
                raised: condition.raised_at - self.start,
                until: now,
                message: condition.message.clone(),
                event: condition.event,
            });
            finding.severity = finding.severity.max(condition.severity);
            finding.until = now;
        }
    }
}

fn policy(subject: &Subject) -> Result<ChannelPolicy> {
    let stream = StreamJob {
        stream: StreamId::new("main")?,
        protocol: subject.protocol,
        url: format!("http://127.0.0.1{}", subject.entry),
        headers: Vec::new(),
        depth: Depth::Full,
    };
    // All else as where nothing is configured.
    let policy = json!({
        "channel": CHANNEL, "name": CHANNEL, "revision": 1, "enabled": true, "streams": [stream], "probes": ["suite"],
        "checks": {"apple_rules": subject.apple_rules, "ad_break_interval_s": subject.ad_break_interval_s},
    });
    serde_json::from_value(policy).context("the policy of the suite")
}
