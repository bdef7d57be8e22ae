//! The fetcher about itself: clock, lateness, reach, load (docs/adr/0008). Measured once a second; the newest facts go
//! with captures, and as a report of the probe. It judges nothing.

mod clock;
mod control;
mod load;
mod sntp;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ow_domain::Span;
use ow_domain::capture::{Exchange, FailureKind, Outcome, Phase};
use ow_domain::probe::{IngressFacts, ProbeFacts};
use tokio_util::sync::CancellationToken;

use crate::clock::SteadyClock;
use clock::Dates;
use control::Control;
use load::{LoopLag, Schedule};

/// A measurement is made this often.
const EVERY: Duration = Duration::from_secs(1);
/// One in so many measurements is a report.
const REPORT_EVERY: u32 = 5;
/// The beat of the event loop whose lateness is measured.
const BEAT: Duration = Duration::from_millis(100);
/// Servers of time are asked this often.
const NTP_EVERY: Duration = Duration::from_secs(30);

/// What to measure with.
#[derive(Debug, Clone, Default)]
pub struct OwnSettings {
    /// Name of this process, unique on the probe.
    pub replica: String,
    /// `host:port` of independent places that accept connections; a probe that reaches none of them is cut off.
    pub control_targets: Vec<String>,
    /// `host` or `host:port` of SNTP servers.
    pub ntp_servers: Vec<String>,
    /// Capacity of the link, Mbit/s; 0 is unknown.
    pub link_mbps: u32,
}

/// Measures; shared by all channels of a process.
#[derive(Debug)]
pub struct OwnWatch {
    settings: OwnSettings,
    clock: SteadyClock,
    control: Control,
    received: AtomicU64,
    schedule: Mutex<Schedule>,
    dates: Mutex<Dates>,
    latest: Mutex<Option<Arc<ProbeFacts>>>,
}

impl OwnWatch {
    pub fn new(settings: OwnSettings, clock: SteadyClock) -> Self {
        Self {
            control: Control::new(settings.control_targets.clone()),
            settings,
            clock,
            received: AtomicU64::new(0),
            schedule: Mutex::default(),
            dates: Mutex::default(),
            latest: Mutex::default(),
        }
    }

    /// A poll began `late` after it was due.
    pub fn polled(&self, late: Span) {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner).polled(Instant::now(), late);
    }

    /// A request ended: its bytes load the link, its `Date` tells a time.
    pub fn received(&self, exchange: &Exchange) {
        let Outcome::Response(response) = &exchange.outcome else { return };
        self.received.fetch_add(response.body_bytes, Ordering::Relaxed);
        self.dates.lock().unwrap_or_else(PoisonError::into_inner).take(exchange);
    }

    /// The newest facts; `None` until the first measurement.
    pub fn latest(&self) -> Option<Arc<ProbeFacts>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far the times of the probe may be from true UTC, microseconds.
    pub fn uncertainty_us(&self) -> i64 {
        let measured = self.latest().map_or(0, |facts| facts.clock_uncertainty_us());
        measured.max(self.clock.uncertainty_us())
    }

    /// After a request that did not get through: waits, a second and a half at most, for a round over the control targets
    /// that began after it, so that its capture carries the reason if it is ours.
    pub async fn explain(&self, exchange: &Exchange) {
        if !is_unreached(exchange) {
            return;
        }
        if let Some(round) = self.control.after(exchange.t_end).await {
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(facts) = latest.as_ref().filter(|f| f.control.is_none_or(|c| c.at < round.at)) {
                *latest = Some(Arc::new(ProbeFacts { control: Some(round), at: round.at, ..(**facts).clone() }));
            }
        }
    }

    /// Measures until `shutdown`. `held` tells how many channels are held, `report` takes a report every five seconds and a
    /// last one that says goodbye.
    pub async fn run<R, F>(&self, held: impl Fn() -> u32, mut report: R, shutdown: CancellationToken)
    where
        R: FnMut(ProbeFacts) -> F,
        F: Future<Output = ()>,
    {
        let control = self.control.run(self.clock);
        let ntp = self.ask_servers();
        let measure = async {
            let mut lag = LoopLag::default();
            let mut due = tokio::time::Instant::now();
            let (mut n_beats, mut n_measured) = (0_u32, 0_u32);
            let (mut before, mut measured_at) = (0, Instant::now());
            let mut moved = self.clock.moved_us();
            let mut step = 0_i64;
            loop {
                due += BEAT;
                tokio::time::sleep_until(due).await;
                let now = tokio::time::Instant::now();
                lag.add(now.saturating_duration_since(due));
                due = due.max(now.checked_sub(BEAT).unwrap_or(now));
                n_beats += 1;
                if !n_beats.is_multiple_of((EVERY.as_millis() / BEAT.as_millis()) as u32) {
                    continue;
                }
                let bytes = self.received.load(Ordering::Relaxed);
                let seconds = measured_at.elapsed().as_secs_f64().max(0.1);
                let rate = (bytes - before) as f64 * 8.0 / seconds;
                (before, measured_at) = (bytes, Instant::now());
                let moved_now = self.clock.moved_us();
                let stepped = moved_now - moved;
                moved = moved_now;
                // A step stands in every measurement until a report has carried it.
                if stepped.abs() > step.abs() {
                    step = stepped;
                }
                let facts = self.facts(held(), &lag, rate as u64, step);
                *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(facts.clone()));
                n_measured += 1;
                if n_measured % REPORT_EVERY == 1 {
                    step = 0;
                    report(facts).await;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = measure => {}
            () = control => {}
            () = ntp => {}
        }
        let goodbye = ProbeFacts { leaving: true, ..ProbeFacts::new(&self.settings.replica, self.clock.now()) };
        report(goodbye).await;
    }

    fn facts(&self, held: u32, lag: &LoopLag, bits_per_second: u64, step: i64) -> ProbeFacts {
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner).facts(Instant::now());
        schedule.loop_lag_p99_us = lag.p99_us();
        let link_bits_per_second = u64::from(self.settings.link_mbps) * 1_000_000;
        ProbeFacts {
            held,
            clock: self.dates.lock().unwrap_or_else(PoisonError::into_inner).facts(self.clock.now()),
            time_step_us: Some(step),
            schedule: Some(schedule),
            control: self.control.last(),
            ingress: (link_bits_per_second > 0).then_some(IngressFacts { bits_per_second, link_bits_per_second }),
            memory: load::memory(),
            ..ProbeFacts::new(&self.settings.replica, self.clock.now())
        }
    }

    /// Asks the configured servers of time; without any this never ends.
    async fn ask_servers(&self) {
        if self.settings.ntp_servers.is_empty() {
            return std::future::pending().await;
        }
        let mut beat = tokio::time::interval(NTP_EVERY);
        loop {
            beat.tick().await;
            let asked = self.settings.ntp_servers.iter().map(|server| sntp::ask(server, self.clock));
            let answers: Vec<_> = futures_util::future::join_all(asked).await.into_iter().flatten().collect();
            // The server whose answer is the most exact.
            if let Some(best) = answers.into_iter().min_by_key(|c| c.dispersion_us) {
                self.dates.lock().unwrap_or_else(PoisonError::into_inner).disciplined(best, self.clock.now());
            }
        }
    }
}

/// No answer, for a reason that may be ours.
fn is_unreached(exchange: &Exchange) -> bool {
    let Outcome::Failed(failure) = &exchange.outcome else { return false };
    matches!(failure.phase, Phase::Dns | Phase::Connect | Phase::Tls | Phase::Request)
        && !matches!(failure.kind, FailureKind::AddressForbidden | FailureKind::BadUrl | FailureKind::OverBudget)
}
