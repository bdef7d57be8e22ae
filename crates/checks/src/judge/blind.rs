//! What a probe in trouble cannot know (CHECKS 1.3): checks that would blame the channel for it answer unknown.

use ow_domain::probe::ProbeFacts;
use ow_domain::{Severity, Span, Time};
use serde::{Deserialize, Serialize};

use crate::input::ProbeLoad;
use crate::outcome::{Outcome, Result};
use crate::registry::{self, Given, InputKind};
use crate::settings::Settings;

/// Facts older than this say nothing of now.
const FRESH: Span = Span::from_secs(15);
/// Wall clock is in doubt for so long after UTC stepped.
const AFTER_STEP: Span = Span::from_secs(60);

/// Needs the probe's UTC.
const BY_CLOCK: [&str; 15] = [
    "dash-live-edge-lag",
    "dash-segment-early",
    "dash-segment-expired-early",
    "dash-segment-late",
    "dash-timeline-removed-early",
    "dash-utctiming-skew",
    "hls-live-latency-pdt",
    "http-server-clock-skew",
    "http-tls-cert-expiry",
    "llhls-latency",
    "lldash-latency",
    "dash-mpd-period-future",
    "dash-presentation-delay",
    "xp-live-edge-skew",
    "hls-pdt-future",
];

/// Compares when something was asked with when it was due, or how long it took.
const BY_SCHEDULE: [&str; 26] = [
    "dash-live-edge-lag",
    "dash-segment-expired-early",
    "dash-segment-late",
    "dash-timeline-stale",
    "hls-align-live-edge-skew",
    "hls-align-rendition-frozen",
    "hls-live-latency-pdt",
    "hls-playlist-stale",
    "hls-segment-expired-early",
    "hls-stale-copy-served",
    "http-body-stall",
    "http-connect-slow",
    "http-dns-slow",
    "http-download-slow",
    "http-last-modified-stale",
    "http-packager-header-stale",
    "http-stale-age",
    "http-throughput-below-bitrate",
    "http-timeout",
    "http-ttfb-slow",
    "lldash-chunk-gap",
    "lldash-latency",
    "llhls-latency",
    "llhls-part-stale",
    "seg-media-clock-drift",
    "xp-live-edge-skew",
];

/// Measures the path, which our own downloads fill.
const BY_BANDWIDTH: [&str; 5] =
    ["http-body-stall", "http-download-slow", "http-throughput-below-bitrate", "http-timeout", "lldash-chunk-gap"];

/// What a probe is blind for now.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Blind {
    /// When the facts came.
    at: Option<Time>,
    clock: bool,
    /// UTC stepped: wall clock is in doubt until then.
    clock_until: Option<Time>,
    starved: bool,
    network: bool,
    egress: bool,
}

impl Blind {
    /// Takes new facts, judged by the channel's own limits; a check that is off blinds nothing. The first breach counts:
    /// holds are for those who are woken, not for what may be believed.
    pub fn learn(&mut self, facts: &ProbeFacts, settings: &Settings, now: Time) {
        *self = Self { at: Some(now), clock_until: self.clock_until, ..Self::default() };
        let input = ProbeLoad { facts };
        let mut out = Outcome::default();
        for (index, run) in registry::by_input(InputKind::ProbeLoad) {
            let (check, in_force) = (registry::all()[*index], &settings.checks[*index]);
            if !in_force.enabled {
                continue;
            }
            out.evaluations.clear();
            input.give(run, &in_force.params, &mut out);
            let worst = out.evaluations.iter().filter_map(|e| match &e.result {
                Result::Fail(fail) => Some(fail.severity),
                _ => None,
            });
            let Some(worst) = worst.max() else { continue };
            match check.id {
                "self-clock-offset" => self.clock = worst >= Severity::Major,
                "self-time-step" => self.clock_until = Some(now + AFTER_STEP),
                "self-probe-starved" => self.starved = worst >= Severity::Major,
                "self-network-control-failed" => self.network = true,
                "self-egress-saturated" => self.egress = true,
                _ => {}
            }
        }
    }

    /// Whether a result of this check would rather be one of the probe's trouble.
    pub fn hides(&self, check: &str, now: Time) -> bool {
        let has = |list: &[&str]| list.contains(&check);
        if self.clock_until.is_some_and(|until| now < until) && has(&BY_CLOCK) {
            return true;
        }
        if self.at.is_none_or(|at| now - at > FRESH) {
            return false;
        }
        self.network && (check.starts_with("http-") || check == "dash-utctiming-unreachable")
            || self.clock && has(&BY_CLOCK)
            || self.starved && has(&BY_SCHEDULE)
            || self.egress && has(&BY_BANDWIDTH)
    }
}
