//! `ottwatch check`: the same fetching, timeline and checks as the services, in one process without servers.

mod report;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ow_checks::{ChannelJudge, Judged};
use ow_config::{SourceFile, template_settings};
use ow_domain::capture::{Capture, FailureKind, Outcome, Protocol, printable_url};
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::job::{Depth, FetchJob, FetchLimits, StreamJob};
use ow_domain::ladder::LadderContract;
use ow_domain::policy::{ChannelClass, ChannelPolicy, CheckSettings};
use ow_domain::verdict::Position;
use ow_domain::{ChannelId, ProbeId, StreamId, Time};
use ow_fetcher::http::{Probe, ProbeOptions};
use ow_fetcher::watch_channel;
use ow_service::{Exit, shutdown};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{CheckArgs, Output};
use report::{Report, ReportFinding};

/// What a template sets for all URLs.
pub struct Terms {
    class: ChannelClass,
    depth: Depth,
    limits: FetchLimits,
    checks: CheckSettings,
    ladder: Option<LadderContract>,
}

pub async fn main(args: &CheckArgs) -> Result<Exit> {
    let terms = match terms(args.template.as_deref(), args.ca.as_deref()) {
        Ok(terms) => Arc::new(terms),
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            return Ok(Exit::Usage);
        }
    };
    let wrong: Vec<&String> = args.urls.iter().filter(|url| !is_http(url)).collect();
    if !wrong.is_empty() {
        for url in wrong {
            let shown = printable_url(url);
            eprintln!("{shown:?} is not an http or https URL; example: https://origin.example/vtv3/master.m3u8");
        }
        return Ok(Exit::Usage);
    }
    let stop = shutdown::on_signals()?;
    let probe = Arc::new(Probe::new(ProbeOptions::default()));
    let mut runs = JoinSet::new();
    for (index, url) in args.urls.iter().cloned().enumerate() {
        let (terms, probe, stop, duration) = (terms.clone(), probe.clone(), stop.clone(), args.duration.0);
        runs.spawn(async move { (index, watch(index, &url, &terms, probe, duration, stop).await) });
    }
    let mut reports = BTreeMap::new();
    while let Some(run) = runs.join_next().await {
        let (index, report) = run?;
        reports.insert(index, report?);
    }
    let reports: Vec<Report> = reports.into_values().collect();
    let text = match args.output {
        Output::Table => report::table(&reports),
        Output::Json => report::json(&reports)?,
        Output::Ndjson => report::ndjson(&reports)?,
        Output::Junit => report::junit(&reports, args.fail_on),
    };
    // A closed pipe is the reader's wish.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    if args.output != Output::Table {
        // The plain sentence goes where it does not disturb the machine.
        for report in &reports {
            eprintln!("{}", report.sentence());
        }
    }
    Ok(report::exit_of(&reports, args.fail_on))
}

pub fn is_http(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
}

/// Defaults, then the template, then the options.
pub fn terms(template: Option<&Path>, ca: Option<&Path>) -> Result<Terms, Vec<String>> {
    let mut terms = Terms {
        class: ChannelClass::default(),
        depth: Depth::default(),
        limits: FetchLimits::default(),
        checks: CheckSettings::default(),
        ladder: None,
    };
    if let Some(path) = template {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| vec![format!("{name}: cannot be read: {e}")])?;
        let documents = ow_config::read(&[SourceFile { name: name.clone(), text }])
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let objects: Vec<ConfigObject> = documents.into_iter().map(|d| d.object).collect();
        let templates: Vec<&ConfigObject> = objects.iter().filter(|o| o.kind == ConfigKind::Template).collect();
        let Some(last) = templates.last() else {
            return Err(vec![format!("{name}: holds no document of kind Template")]);
        };
        let settings = template_settings(&objects, &last.name).map_err(|e| vec![format!("{name}: {e}")])?;
        terms = Terms {
            class: settings.class,
            depth: settings.depth,
            limits: settings.limits,
            checks: settings.checks,
            ladder: settings.ladder,
        };
    }
    if let Some(path) = ca {
        let pem =
            std::fs::read_to_string(path).map_err(|e| vec![format!("--ca {}: cannot be read: {e}", path.display())])?;
        if !pem.contains("BEGIN CERTIFICATE") {
            return Err(vec![format!("--ca {}: holds no PEM certificate", path.display())]);
        }
        terms.limits.extra_roots_pem = Some(pem);
    }
    // A look of a minute has no time for a grace; the checks have their own where they need one.
    terms.checks.startup_grace_s.get_or_insert(0.0);
    Ok(terms)
}

/// The policy of one look at one URL, by probe `check`.
pub fn policy(channel: ChannelId, url: &str, terms: &Terms) -> Result<ChannelPolicy> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let protocol = if path.ends_with(".mpd") { Protocol::Dash } else { Protocol::Hls };
    let stream = StreamJob {
        stream: StreamId::new("main")?,
        protocol,
        url: url.to_owned(),
        headers: Vec::new(),
        depth: terms.depth,
    };
    Ok(ChannelPolicy {
        channel,
        name: printable_url(url),
        revision: 1,
        enabled: true,
        class: terms.class,
        streams: vec![stream],
        probes: vec![ProbeId::new("check")?],
        limits: terms.limits.clone(),
        checks: terms.checks.clone(),
        ladder: terms.ladder.clone(),
        event_start: None,
        event_end: None,
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
    })
}

async fn watch(
    index: usize,
    url: &str,
    terms: &Terms,
    probe: Arc<Probe>,
    duration: Duration,
    stop: CancellationToken,
) -> Result<Report> {
    let policy = policy(ChannelId::new(&format!("check-{index}"))?, url, terms)?;
    let job = FetchJob {
        channel: policy.channel.clone(),
        probe: ProbeId::new("check")?,
        revision: 1,
        streams: policy.streams.clone(),
        limits: policy.limits.clone(),
    };
    let clock = probe.clock();
    let started_at = clock.now();
    let mut look = Look::new(ChannelJudge::new(policy, started_at));
    let (sender, mut captures) = mpsc::channel::<Capture>(256);
    let end = stop.child_token();
    let watching = tokio::spawn(watch_channel(job, probe, sender, end.clone()));
    let over = tokio::time::sleep(duration);
    tokio::pin!(over);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = &mut over, if !end.is_cancelled() => end.cancel(),
            () = stop.cancelled(), if !end.is_cancelled() => end.cancel(),
            _ = second.tick() => look.tick(clock.now()),
            capture = captures.recv() => match capture {
                Some(capture) => look.capture(&capture),
                None => break,
            },
        }
    }
    watching.await?;
    Ok(look.report(printable_url(url), started_at, clock.now()))
}

/// One URL being looked at.
struct Look {
    judge: ChannelJudge,
    seq: u64,
    n_requests: u64,
    n_answers: u64,
    refused: Option<String>,
    findings: BTreeMap<String, ReportFinding>,
}

impl Look {
    fn new(judge: ChannelJudge) -> Self {
        Self { judge, seq: 0, n_requests: 0, n_answers: 0, refused: None, findings: BTreeMap::new() }
    }

    fn next(&mut self) -> Position {
        self.seq += 1;
        Position { epoch: 0, seq: self.seq }
    }

    fn tick(&mut self, at: Time) {
        let position = self.next();
        let judged = self.judge.tick(at, position);
        self.take(judged);
    }

    fn capture(&mut self, capture: &Capture) {
        match &capture.exchange.outcome {
            // Our own rules, not the stream.
            Outcome::Failed(f) if matches!(f.kind, FailureKind::AddressForbidden | FailureKind::BadUrl) => {
                self.refused = Some(f.detail.clone());
            }
            Outcome::Failed(_) => self.n_requests += 1,
            Outcome::Response(_) => {
                self.n_requests += 1;
                self.n_answers += 1;
            }
        }
        let position = self.next();
        let judged = self.judge.apply(capture, position);
        self.take(judged);
    }

    fn take(&mut self, judged: Judged) {
        for found in judged.findings {
            let key = found.subject.fingerprint(&found.check);
            let entry = self.findings.entry(key).or_insert_with(|| ReportFinding {
                check: found.check.clone(),
                severity: found.severity,
                subject: found.subject.clone(),
                first_seen: found.at,
                last_seen: found.at,
                count: 0,
                value: String::new(),
                limit: String::new(),
                message: String::new(),
                standing: false,
                evidence: None,
            });
            entry.count += 1;
            entry.last_seen = found.at;
            entry.standing |= found.raised;
            // The worst one speaks; of equals the last.
            if found.severity >= entry.severity {
                entry.severity = found.severity;
                entry.value = found.value;
                entry.limit = found.limit;
                entry.message = found.message;
                entry.evidence = found.evidence;
            }
        }
    }

    fn report(mut self, url: String, started_at: Time, ended_at: Time) -> Report {
        for (check, subject) in self.judge.failing() {
            if let Some(finding) = self.findings.get_mut(&subject.fingerprint(&check)) {
                finding.standing = true;
            }
        }
        let mut findings: Vec<ReportFinding> = self.findings.into_values().collect();
        findings.sort_by(|a, b| {
            let key = |f: &ReportFinding| (std::cmp::Reverse((f.standing, f.severity)), f.check.clone(), f.first_seen);
            key(a).cmp(&key(b))
        });
        let mut checks_run: Vec<String> = self.judge.evaluated().into_iter().map(str::to_owned).collect();
        checks_run.sort_unstable();
        let could_not_tell = match (&self.refused, self.n_requests, self.n_answers) {
            (Some(reason), _, 0) => Some(reason.clone()),
            (None, 0, _) => Some("no request was made in the time given".to_owned()),
            _ => None,
        };
        Report { url, started_at, ended_at, n_requests: self.n_requests, findings, checks_run, could_not_tell }
    }
}
