//! Runs checks and feeds what they say to the alarms.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ow_domain::capture::{Capture, Outcome as ExchangeOutcome, Protocol};
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::{Evidence, Subject};
use ow_domain::{Severity, StreamId, Time, TrackId};

use super::blind::Blind;
use super::{Finding, proof};
use crate::alarms::{Alarms, LastFail, Siblings};
use crate::hold::Input;
use crate::input::host_of;
use crate::outcome::{Evaluation, Fail, Outcome, Result};
use crate::registry::{self, CheckDef, Given, InputKind, Run, Scope};
use crate::settings::Settings;

/// Longest message of a finding in bytes: what an SNMP DisplayString holds.
pub const MAX_MESSAGE_BYTES: usize = 255;

pub(crate) struct Runner<'a> {
    settings: Arc<Settings>,
    policy: &'a ChannelPolicy,
    now: Time,
    in_grace: bool,
    outcome: Outcome,
    /// What the probe cannot know now.
    pub blind: Blind,
    /// A condition was raised, changed or cleared.
    pub changed: bool,
    pub findings: Vec<Finding>,
    pub panicked: Vec<&'static str>,
    /// Checks that came to a result, by their place in the catalogue.
    pub evaluated: Evaluated,
}

/// A set of checks, by their place in the catalogue.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evaluated([u64; 8]);

impl Evaluated {
    fn insert(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    pub fn extend(&mut self, other: Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    pub fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

/// Whom the checks speak of.
pub(crate) struct About<'a> {
    pub capture: &'a Capture,
    pub track: Option<&'a TrackId>,
    /// Live renditions of the stream.
    pub tracks: &'a [TrackId],
}

impl<'a> Runner<'a> {
    pub fn new(settings: Arc<Settings>, policy: &'a ChannelPolicy, now: Time, in_grace: bool) -> Self {
        Self {
            settings,
            policy,
            now,
            in_grace,
            outcome: Outcome::default(),
            blind: Blind::default(),
            changed: false,
            findings: Vec::new(),
            panicked: Vec::new(),
            evaluated: Evaluated::default(),
        }
    }

    pub fn now(&self) -> Time {
        self.now
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn settings_arc(&self) -> Arc<Settings> {
        self.settings.clone()
    }

    pub fn policy(&self) -> &'a ChannelPolicy {
        self.policy
    }

    /// Runs every enabled check that looks at this kind of input.
    pub fn checks<G: Given>(&mut self, alarms: &mut Alarms, about: &About<'_>, input: &G) {
        self.each(alarms, about, G::KIND, |run, params, out| input.give(run, params, out));
    }

    fn each(
        &mut self,
        alarms: &mut Alarms,
        about: &About<'_>,
        kind: InputKind,
        mut call: impl FnMut(&Run, &[f64], &mut Outcome),
    ) {
        let settings = self.settings.clone();
        for (index, run) in registry::by_input(kind) {
            let (index, check) = (*index, registry::all()[*index]);
            let in_force = &settings.checks[index];
            if !in_force.enabled {
                continue;
            }
            self.outcome.evaluations.clear();
            let outcome = &mut self.outcome;
            if catch_unwind(AssertUnwindSafe(|| call(run, &in_force.params, outcome))).is_err() {
                self.panicked.push(check.id);
                self.findings.push(panic_finding(check, about, self.now));
                self.outcome.evaluations.clear();
                continue;
            }
            let mut evaluations = std::mem::take(&mut self.outcome.evaluations);
            if self.blind.hides(check.id, self.now) {
                evaluations.iter_mut().for_each(|e| e.result = Result::Unknown);
            }
            if evaluations.iter().any(|e| !matches!(e.result, Result::Unknown)) {
                self.evaluated.insert(index);
            }
            for evaluation in evaluations {
                self.take(alarms, about, index, check, evaluation);
            }
        }
    }

    fn take(&mut self, alarms: &mut Alarms, about: &About<'_>, index: usize, check: &CheckDef, evaluation: Evaluation) {
        let rules = self.settings.rules(index);
        let parents = super::parents::of(check.id);
        let told = matches!(evaluation.result, Result::Fail(_)) && !parents.is_empty() && {
            let subject = subject(check, about, evaluation.scope, evaluation.track.as_ref(), evaluation.reason);
            parents.iter().any(|parent| alarms.is_active(parent, &subject))
        };
        let quiet = match evaluation.result {
            _ if told => Input::Unknown,
            Result::Pass => Input::Pass,
            Result::Between => Input::Between,
            Result::Unknown => Input::Unknown,
            Result::Fail(fail) => {
                let subject = subject(check, about, evaluation.scope, evaluation.track.as_ref(), evaluation.reason);
                let severity = self.settings.checks[index].severity.unwrap_or(fail.severity);
                let message = cut(&fail.message);
                let evidence = evidence(about.capture, &fail);
                let mut active = false;
                if !self.in_grace || check.raises_in_grace() {
                    let last = LastFail {
                        value: fail.value.clone(),
                        limit: fail.limit.clone(),
                        message: message.clone(),
                        evidence: Some(evidence.clone()),
                    };
                    let siblings = Siblings { tracks: about.tracks, shared: fail.shared };
                    let (changed, is_active) =
                        alarms.fail(check.id, &subject, self.now, severity, last, rules, &siblings);
                    self.changed |= changed;
                    active = is_active;
                }
                self.findings.push(Finding {
                    check: check.id.to_owned(),
                    severity,
                    subject,
                    at: self.now,
                    value: fail.value,
                    limit: fail.limit,
                    message,
                    evidence: Some(evidence),
                    raised: active,
                });
                return;
            }
        };
        // Nothing is remembered of what never failed.
        if alarms.is_empty_for(check.id) {
            return;
        }
        let subject = subject(check, about, evaluation.scope, evaluation.track.as_ref(), evaluation.reason);
        self.changed |= alarms.quiet(check.id, &subject, self.now, quiet, rules);
    }
}

fn subject(
    check: &CheckDef,
    about: &About<'_>,
    scope: Option<Scope>,
    track: Option<&TrackId>,
    reason: Option<&'static str>,
) -> Subject {
    let scope = scope.unwrap_or(check.scope);
    let of_stream = !matches!(scope, Scope::Host | Scope::Probe);
    let (protocol, stream): (Option<Protocol>, Option<StreamId>) =
        if of_stream { (Some(about.capture.protocol), Some(about.capture.stream.clone())) } else { (None, None) };
    Subject {
        protocol,
        stream,
        host: (scope == Scope::Host).then(|| host_of(&about.capture.exchange.origin)),
        track: if matches!(scope, Scope::Track | Scope::Probe) { track.or(about.track).cloned() } else { None },
        reason: reason.map(str::to_owned),
    }
}

/// Response headers that help to find the cause.
const KEPT_HEADERS: [&str; 10] = [
    "age",
    "cache-control",
    "content-length",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "server",
    "via",
    "x-cache",
];

fn evidence(capture: &Capture, fail: &Fail) -> Evidence {
    let exchange = &capture.exchange;
    let response = match &exchange.outcome {
        ExchangeOutcome::Response(response) => Some(response),
        ExchangeOutcome::Failed(_) => None,
    };
    let headers = response.map(|r| {
        r.headers.iter().filter(|(n, _)| KEPT_HEADERS.contains(&n.to_ascii_lowercase().as_str())).cloned().collect()
    });
    let mut facts = fail.facts.clone();
    proof::add(&mut facts, capture);
    if let Some(addr) = &exchange.remote_addr {
        facts.push(("server address".into(), addr.clone()));
    }
    Evidence {
        capture: capture.id.clone(),
        probe: Some(capture.probe.clone()),
        url: exchange.url_without_query(),
        t_req: exchange.t_req,
        t_end: exchange.t_end,
        status: exchange.status(),
        headers: headers.unwrap_or_default(),
        digest: response.and_then(|r| r.digest.clone()),
        previous_digest: fail.previous_digest.clone(),
        line: fail.line,
        facts,
        clock_uncertainty_us: capture.clock_uncertainty_us,
    }
}

/// At most [`MAX_MESSAGE_BYTES`], cut at a character.
fn cut(message: &str) -> String {
    if message.len() <= MAX_MESSAGE_BYTES {
        return message.to_owned();
    }
    let mut end = MAX_MESSAGE_BYTES - 3;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &message[..end])
}

/// A fault of ours, told where whoever looks for the missing check will see it.
fn panic_finding(check: &CheckDef, about: &About<'_>, at: Time) -> Finding {
    Finding {
        check: "self-check-panicked".into(),
        severity: Severity::Warning,
        subject: subject(check, about, Some(Scope::Stream), None, None),
        at,
        value: check.id.to_owned(),
        limit: "a result".into(),
        message: format!("check {} failed inside ottwatch where a result was expected; others go on", check.id),
        evidence: None,
        raised: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{synthetic_captures, synthetic_policy};

    #[test]
    fn a_check_that_panics_is_reported_and_the_others_go_on() {
        let policy = synthetic_policy().unwrap();
        let capture = synthetic_captures(1).remove(0);
        let settings = Arc::new(Settings::new(&policy.checks));
        let mut run = Runner::new(settings, &policy, capture.exchange.t_end, false);
        let mut alarms = Alarms::default();
        let about = About { capture: &capture, track: None, tracks: &[] };
        let mut n_called = 0;
        run.each(&mut alarms, &about, InputKind::Load, |_, _, out| {
            n_called += 1;
            if n_called == 3 {
                out.pass();
                panic!("a defect");
            }
            out.fail(Severity::Minor, "1", "0", "1 where 0 was expected");
        });
        let of_loads = registry::by_input(InputKind::Load);
        assert_eq!(n_called, of_loads.len());
        assert_eq!(run.panicked, [registry::all()[of_loads[2].0].id]);
        let of_ours = run.findings.iter().filter(|f| f.check == "self-check-panicked").count();
        let ids: Vec<_> = of_loads.iter().map(|of_load| registry::all()[of_load.0].id).collect();
        let is_hidden = |id: &&&str| super::super::parents::of(id).iter().any(|parent| ids.contains(parent));
        let n_hidden = ids.iter().filter(is_hidden).count();
        assert_eq!((of_ours, run.findings.len()), (1, of_loads.len() - n_hidden));
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        let long = cut(&"ệ".repeat(200));
        assert!(long.len() <= MAX_MESSAGE_BYTES && long.ends_with("ệ..."), "{long}");
    }
}
