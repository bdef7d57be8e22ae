//! All named faults, one after the other on each core.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use ow_domain::capture::Protocol;
use ow_domain::{Severity, Span};
use ow_origin::{FaultScript, NamedFault, Near, OriginConfig, Profile};

use crate::expected;
use crate::play::{Finding, Played, Subject, play};

const SEGMENT_MS: u32 = 4_000;
/// Clean time before a fault: longer than the grace after the start of a channel.
const LEAD: Duration = Duration::from_secs(60);
/// How long a fault lasts.
const FAULT: Duration = Duration::from_secs(100);
/// Clean time after it.
const AFTER: Duration = Duration::from_secs(120);
/// 2026-11-02T03:04:05Z: any time will do, but always the same.
const START_US: i64 = 1_793_588_645_000_000;
/// 2026-01-01T00:00:00Z: media time 0 of the origin.
const EPOCH_US: i64 = 1_767_225_600_000_000;
/// Before a wrap.
const NEAR_US: i64 = 100_000_000;

/// Faults only by the rules of Apple's authoring specification, which a template asks for.
const APPLE_RULES: &[&str] = &["F17"];

/// Origins with advertisement breaks have one a minute; the template says so where the rhythm is the fault.
const AD_RHYTHM: &[&str] = &["F72"];
const AD_BREAK_INTERVAL_S: f64 = 60.0;

/// What came of one fault.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub fault: &'static NamedFault,
    pub expected: &'static [&'static str],
    /// The catalogue has the first of the expected checks.
    pub exists: bool,
    /// The finding that told of the fault: of the first check listed that told.
    pub found: Option<Finding>,
    /// From the beginning of the fault to that alarm.
    pub took: Option<Span>,
    /// Alarms of checks that are not listed, above information, raised while it lasted.
    pub unlisted: Vec<Finding>,
    /// Alarms before it began.
    pub before: Vec<Finding>,
    /// Listed alarms that were still there at the end, clean time after it; those of events end by their age.
    pub standing: Vec<Finding>,
    pub n_captures: usize,
}

impl Outcome {
    /// The first listed check raised, and nothing unlisted above warning.
    pub fn passed(&self) -> bool {
        self.found.as_ref().is_some_and(|f| f.check == self.expected[0])
            && self.before.is_empty()
            && self.unlisted.iter().all(|f| f.severity <= Severity::Warning)
    }
}

/// A channel of this packaging with nothing wrong, for so long.
pub fn clean(profile: Profile, origin: OriginConfig, lasts: Duration) -> Result<Played> {
    play(&subject(profile, OriginConfig { segment_ms: SEGMENT_MS, ..origin }, START_US, lasts))
}

fn subject(profile: Profile, origin: OriginConfig, start_us: i64, lasts: Duration) -> Subject {
    let protocol = if profile.is_dash() { Protocol::Dash } else { Protocol::Hls };
    Subject {
        origin,
        entry: profile.entry("ch1"),
        protocol,
        start_us,
        lasts,
        apple_rules: false,
        ad_break_interval_s: None,
    }
}

/// Plays one fault.
pub fn run(fault: &'static NamedFault) -> Result<Outcome> {
    let lead = if fault.always { Duration::ZERO } else { LEAD };
    let lasts = fault.lasts_ms.map_or(FAULT, Duration::from_millis);
    let for_ms = if fault.always { None } else { Some(lasts.as_millis() as u64) };
    let script = FaultScript { cycle_ms: None, steps: fault.steps(lead.as_millis() as u64, for_ms) };
    let origin =
        OriginConfig { segment_ms: SEGMENT_MS, phase_shift: fault.near.is_none(), script, ..OriginConfig::default() };
    let origin = fault.prepare(origin);
    let start_us = match fault.near {
        None => START_US,
        Some(Near::PtsWrap) => wrap_us(1 << 33) - NEAR_US,
        Some(Near::Tfdt32Wrap) => wrap_us(1 << 32) - NEAR_US,
    };
    let after = if fault.always { Duration::ZERO } else { AFTER };
    let watched = subject(fault.profile, origin, start_us, lead + lasts + after);
    let apple_rules = APPLE_RULES.contains(&fault.id.as_str());
    let ad_break_interval_s = AD_RHYTHM.contains(&fault.id.as_str()).then_some(AD_BREAK_INTERVAL_S);
    let played = play(&Subject { apple_rules, ad_break_interval_s, ..watched })?;
    Ok(judge(fault, played, span(lead), span(lead + lasts)))
}

/// UTC of the last wrap of a 90 kHz clock of so many ticks before [`START_US`].
fn wrap_us(ticks: i128) -> i64 {
    let wraps = i128::from(START_US - EPOCH_US) * 90_000 / 1_000_000 / ticks;
    EPOCH_US + (wraps * ticks * 1_000_000 / 90_000) as i64
}

fn span(duration: Duration) -> Span {
    Span::from_micros(duration.as_micros() as i64)
}

fn judge(fault: &'static NamedFault, played: Played, from: Span, to: Span) -> Outcome {
    let expected = expected::checks(&fault.id);
    let exists = ow_checks::registry::all().iter().any(|c| c.id == expected[0]);
    let rank = |f: &&Finding| (expected.iter().position(|c| *c == f.check), f.raised);
    let during = |f: &&Finding| f.raised >= from;
    let listed = |f: &&Finding| expected.contains(&f.check.as_str());
    let found = played.findings.iter().filter(during).filter(listed).min_by_key(rank).cloned();
    let took = found.as_ref().map(|f| f.raised - from);
    let of = |keep: &dyn Fn(&&Finding) -> bool| played.findings.iter().filter(keep).cloned().collect::<Vec<_>>();
    Outcome {
        fault,
        expected,
        exists,
        took,
        unlisted: of(&|f| during(f) && f.raised <= to && !listed(f) && f.severity >= Severity::Warning),
        before: of(&|f| !during(f) && f.severity >= Severity::Warning),
        standing: of(&|f| !fault.always && listed(f) && !f.event && f.until >= played.ended),
        found,
        n_captures: played.n_captures,
    }
}

/// All faults whose name begins with one of `names` (empty: all), in their order; `told` hears of each as it ends.
pub fn run_all(names: &[String], told: impl Fn(&Outcome) + Sync) -> Result<Vec<Outcome>> {
    let wanted: Vec<&'static NamedFault> = NamedFault::all()
        .iter()
        .filter(|f| names.is_empty() || names.iter().any(|n| f.id.to_lowercase().starts_with(&n.to_lowercase())))
        .collect();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Outcome>)>> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(wanted.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(fault) = wanted.get(at) else { return };
                    let outcome = run(fault);
                    if let Ok(outcome) = &outcome {
                        told(outcome);
                    }
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}
