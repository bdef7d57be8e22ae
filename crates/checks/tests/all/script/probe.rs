//! The probe about itself: `at T probe ...` is judged by a judge of its own, and every capture after it carries its facts.

use ow_checks::{ChannelJudge, Finding, Judged};
use ow_domain::capture::Capture;
use ow_domain::probe::{
    ClockFacts, ClockSource, ControlFacts, IngressFacts, MemoryFacts, ProbeFacts, ScheduleFacts, probe_policy, report,
};
use ow_domain::verdict::{Condition, Position};
use ow_domain::{ProbeId, Span, Time};

use super::{START, Words};

/// The judge of the probe; it starts to expect reports with the first of them, or with `policy watch-probe`.
pub struct Own {
    judge: ChannelJudge,
    facts: Option<ProbeFacts>,
    heard: bool,
}

impl Own {
    pub fn new() -> Self {
        let policy = probe_policy(&ProbeId::new("hcm-1").unwrap()).unwrap();
        Self { judge: ChannelJudge::new(policy, START), facts: None, heard: false }
    }

    /// `at 5 probe offset=3 disp=0.01 polls=100 late=40 lag=0.3 control=3/3 rate=900 link=1000 rss=90 limit=100 held=4`
    pub fn report(&mut self, words: &Words<'_>, at: Time, position: Position) -> Judged {
        self.heard = true;
        let us = |key: &str| words.number(key).map(|s| Span::from_secs_f64(s).micros());
        let mut facts = ProbeFacts::new(*words.options.get("replica").unwrap_or(&"a"), at);
        facts.held = words.number("held").unwrap_or(0.0) as u32;
        facts.leaving = words.has("leaving");
        if us("offset").is_some() {
            let source = if words.has("http-date") { ClockSource::HttpDate } else { ClockSource::Ntp };
            let (offset_us, dispersion_us) = (us("offset").unwrap_or(0), us("disp").unwrap_or(0));
            facts.clock = Some(ClockFacts { offset_us, dispersion_us, source });
        }
        facts.time_step_us = us("step");
        if let Some(polls) = words.number("polls") {
            let late = words.number("late").unwrap_or(0.0) as u32;
            let loop_lag_p99_us = us("lag").unwrap_or(0);
            facts.schedule = Some(ScheduleFacts { polls: polls as u32, late, loop_lag_p99_us });
        }
        if let Some((failed, targets)) = words.options.get("control").and_then(|text| text.split_once('/')) {
            let (targets, failed) = (targets.parse().unwrap(), failed.parse().unwrap());
            facts.control = Some(ControlFacts { targets, failed, at });
        }
        if let (Some(rate), Some(link)) = (words.number("rate"), words.number("link")) {
            let bits = |mbps: f64| (mbps * 1e6) as u64;
            facts.ingress = Some(IngressFacts { bits_per_second: bits(rate), link_bits_per_second: bits(link) });
        }
        if let (Some(rss), Some(limit)) = (words.number("rss"), words.number("limit")) {
            let mib = |n: f64| (n * 1_048_576.0) as u64;
            facts.memory = Some(MemoryFacts { resident_bytes: mib(rss), limit_bytes: mib(limit) });
        }
        self.facts = Some(facts.clone());
        let capture = report(&ProbeId::new("hcm-1").unwrap(), at, Some(facts)).unwrap();
        self.judge.apply(&capture, position)
    }

    /// As the fetcher does it: facts go with the captures of channels.
    pub fn attach(&self, capture: &mut Capture) {
        if let Some(facts) = &self.facts {
            capture.clock_uncertainty_us = capture.clock_uncertainty_us.max(facts.clock_uncertainty_us());
            capture.probe_facts = Some(Box::new(facts.clone()));
        }
    }

    /// Silence is judged once somebody reported.
    pub fn tick(&mut self, at: Time, position: Position) -> Vec<Finding> {
        if !self.heard {
            return Vec::new();
        }
        let text = serde_json::to_string(&self.judge).unwrap();
        self.judge = serde_json::from_str(&text).unwrap();
        self.judge.tick(at, position).findings
    }

    pub fn conditions(&self) -> Vec<Condition> {
        self.judge.conditions()
    }
}
