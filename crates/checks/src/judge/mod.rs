//! The judge of one channel: captures in, verdicts out.
//!
//! [`ChannelJudge`] holds the state of one channel and nothing else; equal captures and positions give equal verdicts.
//! `route` decides which checks see a capture, `run` feeds what they say to the alarms, `memory` is what is
//! remembered, `measures` the numbers on the side.

pub(crate) mod blind;
pub(crate) mod measures;
pub(crate) mod memory;
mod parents;
pub(crate) mod proof;
mod route;
mod run;

pub(crate) use route::short_hash;

use std::collections::BTreeMap;
use std::sync::Arc;

use ow_domain::capture::{Capture, ObjectKind};
use ow_domain::policy::ChannelPolicy;
use ow_domain::probe::probe_of;
use ow_domain::verdict::{Condition, Evidence, Measures, Position, StreamState, Subject, Verdict};
use ow_domain::{ProbeId, Severity, Span, StreamId, Time, TrackId};
use serde::{Deserialize, Serialize};

use crate::alarms::{Alarms, merge};
use crate::registry;
use crate::settings::Settings;

use blind::Blind;
use memory::{HostMemory, Reports, StreamMemory};

/// A verdict is published at least this often.
const VERDICT_EVERY: Span = Span::from_secs(60);
/// A rendition of which nothing came for so long, while others of its stream were loaded, is gone.
const TRACK_GONE: Span = Span::from_secs(120);
/// A host that was not asked for so long, while others were, is no longer part of the channel.
const HOST_GONE: Span = Span::from_secs(300);
/// Probes whose captures are judged side by side.
const MAX_PROBES: usize = 16;
const MAX_HOSTS: usize = 64;

/// Result of one capture or tick.
#[derive(Debug, Default)]
pub struct Judged {
    /// The complete verdict, when the list of conditions or a severity changed, and once a minute.
    pub verdict: Option<Verdict>,
    /// The verdict is there because something changed.
    pub changed: bool,
    /// Every failing evaluation, also below its hold.
    pub findings: Vec<Finding>,
    /// Numbers of each stream, about every ten seconds.
    pub measures: Vec<Measures>,
}

/// One failing evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub check: String,
    pub severity: Severity,
    pub subject: Subject,
    pub at: Time,
    pub value: String,
    pub limit: String,
    /// One sentence, at most 255 bytes.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The alarm of this subject is active after it.
    pub raised: bool,
}

/// All that is known of one channel. Serialisable: a snapshot plus the captures after its position gives the same
/// state again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelJudge {
    policy: ChannelPolicy,
    /// Start of the grace in which only transport and parse checks may raise.
    grace_from: Time,
    position: Position,
    /// Time of the last fact; never steps back.
    now: Time,
    probes: BTreeMap<ProbeId, ProbeMemory>,
    published: Published,
    /// Checks that panicked, by id.
    #[serde(default)]
    panics: BTreeMap<String, u64>,
    #[serde(skip)]
    settings: Option<Arc<Settings>>,
    /// Since the judge was made or read from a snapshot.
    #[serde(skip)]
    evaluated: run::Evaluated,
}

/// What one probe sees of the channel. Conditions of several probes are united.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ProbeMemory {
    streams: BTreeMap<StreamId, StreamMemory>,
    hosts: BTreeMap<String, HostMemory>,
    alarms: Alarms,
    /// What the probe cannot know now.
    #[serde(default)]
    blind: Blind,
    /// Its reports about itself, where the policy is its own.
    #[serde(default)]
    reports: Reports,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Published {
    at: Option<Time>,
    /// Fingerprint, severity, indeterminate.
    list: Vec<(String, Severity, bool)>,
}

impl ChannelJudge {
    /// Starts to watch at `at`.
    pub fn new(policy: ChannelPolicy, at: Time) -> Self {
        Self {
            settings: Some(Arc::new(Settings::new(&policy.checks))),
            policy,
            grace_from: at,
            position: Position::default(),
            now: at,
            probes: BTreeMap::new(),
            published: Published::default(),
            panics: BTreeMap::new(),
            evaluated: run::Evaluated::default(),
        }
    }

    /// Takes a changed policy. New entry URLs start the grace again; alarms of what is gone close at the next tick.
    pub fn set_policy(&mut self, policy: ChannelPolicy, at: Time) {
        let entries = |p: &ChannelPolicy| -> Vec<(StreamId, String)> {
            p.streams.iter().map(|s| (s.stream.clone(), s.url.clone())).collect()
        };
        if entries(&policy) != entries(&self.policy) {
            self.grace_from = at.max(self.now);
        }
        self.settings = Some(Arc::new(Settings::new(&policy.checks)));
        self.policy = policy;
        // The next fact publishes a verdict under the new revision.
        self.published.at = None;
    }

    pub fn policy(&self) -> &ChannelPolicy {
        &self.policy
    }

    /// Place of the last fact judged.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Time of the last fact judged.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How often each check panicked since the judge was made.
    pub fn panics(&self) -> &BTreeMap<String, u64> {
        &self.panics
    }

    /// Checks that came to a result (pass or fail) since the judge was made, in the order of the catalogue.
    pub fn evaluated(&self) -> Vec<&'static str> {
        let all = registry::all().iter().enumerate();
        all.filter(|(index, _)| self.evaluated.contains(*index)).map(|(_, check)| check.id).collect()
    }

    /// What fails now, also below its hold: check and subject.
    pub fn failing(&self) -> Vec<(String, Subject)> {
        self.probes.values().flat_map(|memory| memory.alarms.failing()).collect()
    }

    /// Judges one capture. One that was judged before (by its position) or is of another channel changes nothing.
    pub fn apply(&mut self, capture: &Capture, position: Position) -> Judged {
        let mut judged = Judged::default();
        if position <= self.position || capture.channel != self.policy.channel {
            return judged;
        }
        self.position = position;
        self.now = self.now.max(capture.exchange.t_end);
        let wanted = self.policy.probes.is_empty() || self.policy.probes.contains(&capture.probe);
        let is_report = capture.object == ObjectKind::Probe;
        let known_stream = is_report || self.policy.streams.iter().any(|s| s.stream == capture.stream);
        let room = self.probes.contains_key(&capture.probe) || self.probes.len() < MAX_PROBES;
        let mut changed = false;
        if wanted && known_stream && room && self.policy.enabled {
            let mut memory = self.probes.remove(&capture.probe).unwrap_or_default();
            let mut run = run::Runner::new(self.settings(), &self.policy, self.now, self.in_grace());
            match (is_report, &capture.probe_facts) {
                (true, Some(facts)) => {
                    route::own::heard(&mut memory.reports, &mut memory.alarms, &mut run, capture, facts);
                }
                (true, None) => {}
                (false, facts) => {
                    if let Some(facts) = facts {
                        memory.blind.learn(facts, run.settings(), self.now);
                    }
                    run.blind = memory.blind.clone();
                    route::capture(&mut memory, &mut run, capture, &self.policy);
                }
            }
            changed = run.changed;
            judged.findings = run.findings;
            self.evaluated.extend(run.evaluated);
            for id in run.panicked {
                *self.panics.entry(id.to_owned()).or_default() += 1;
            }
            if let Some(stream) = memory.streams.get_mut(&capture.stream) {
                judged.measures.extend(stream.flush(&self.policy.channel, &capture.stream, &capture.probe, self.now));
            }
            self.probes.insert(capture.probe.clone(), memory);
        }
        self.conclude(&mut judged, changed);
        judged
    }

    /// Time passed: judges absence, ages alarms, publishes the minute's verdict.
    pub fn tick(&mut self, at: Time, position: Position) -> Judged {
        let mut judged = Judged::default();
        if position <= self.position {
            return judged;
        }
        self.position = position;
        self.now = self.now.max(at);
        let now = self.now;
        let settings = self.settings();
        let policy = &self.policy;
        let mut changed = false;
        if let Some(probe) = probe_of(policy) {
            let memory = self.probes.entry(probe.clone()).or_default();
            let mut run = run::Runner::new(settings.clone(), policy, now, false);
            route::own::silence(&mut memory.reports, &mut memory.alarms, &mut run, probe, self.grace_from);
            changed = run.changed;
            judged.findings = run.findings;
            self.evaluated.extend(run.evaluated);
        }
        self.probes.retain(|probe, memory| {
            let wanted = policy.probes.is_empty() || policy.probes.contains(probe);
            if !wanted {
                changed |= !memory.alarms.conditions().is_empty();
            }
            wanted
        });
        for (probe, memory) in &mut self.probes {
            memory.streams.retain(|id, _| policy.streams.iter().any(|s| s.stream == *id));
            for (id, stream) in &mut memory.streams {
                stream.forget_tracks(now);
                judged.measures.extend(stream.flush(&policy.channel, id, probe, now));
            }
            // Compared with the last request to any host: silence of the probe is no proof that a host is gone.
            let asked = memory.hosts.values().filter_map(|h| h.asked_at).max();
            memory.hosts.retain(|_, host| host.asked_at.zip(asked).is_some_and(|(at, last)| last - at < HOST_GONE));
            let (streams, hosts, reports) = (&memory.streams, &memory.hosts, &memory.reports);
            let rules_of = |check: &str| {
                let index = registry::all().iter().position(|c| c.id == check)?;
                settings.checks[index].enabled.then(|| settings.rules(index))
            };
            let alive = |subject: &Subject| match (&subject.stream, &subject.track) {
                (None, Some(fetcher)) => reports.replicas.keys().any(|name| TrackId::from_text(name) == *fetcher),
                (None, None) => subject.host.as_ref().is_none_or(|host| hosts.contains_key(host)),
                (Some(stream), None) => streams.contains_key(stream),
                (Some(stream), Some(track)) => streams.get(stream).is_some_and(|s| s.tracks.contains_key(track)),
            };
            changed |= memory.alarms.tick(now, rules_of, alive);
        }
        self.conclude(&mut judged, changed);
        judged
    }

    /// The last verdict of a channel that is no longer watched: nothing is wrong any more, for `reason`.
    pub fn retire(&self, reason: &str, at: Time, position: Position) -> Verdict {
        let mut verdict = self.verdict();
        verdict.conditions.clear();
        verdict.severity = Severity::Cleared;
        verdict.retired = Some(reason.to_owned());
        verdict.as_of = at.max(self.now);
        verdict.position = position.max(self.position);
        verdict.streams.clear();
        verdict
    }

    /// Everything that is wrong now.
    pub fn verdict(&self) -> Verdict {
        let conditions = self.conditions();
        let ever_ok = self.probes.values().any(|p| p.reports.ever || p.streams.values().any(|s| s.ever_ok));
        let severity = match conditions.iter().map(|c| c.severity).max() {
            Some(worst) => worst,
            None if ever_ok => Severity::Cleared,
            None => Severity::Indeterminate,
        };
        Verdict {
            channel: self.policy.channel.clone(),
            name: self.policy.name.clone(),
            position: self.position,
            as_of: self.now,
            policy_revision: self.policy.revision,
            retired: None,
            severity,
            conditions,
            labels: self.policy.labels.clone(),
            packager: self.policy.packager.clone(),
            region: self.policy.region.clone(),
            runbook: self.policy.runbook.clone(),
            streams: self.stream_states(),
        }
    }

    /// Active conditions of all probes, sorted by fingerprint.
    pub fn conditions(&self) -> Vec<Condition> {
        let mut all = BTreeMap::new();
        for memory in self.probes.values() {
            for condition in memory.alarms.conditions().into_values() {
                merge(&mut all, condition);
            }
        }
        all.into_values().collect()
    }

    fn settings(&mut self) -> Arc<Settings> {
        let checks = &self.policy.checks;
        self.settings.get_or_insert_with(|| Arc::new(Settings::new(checks))).clone()
    }

    fn in_grace(&self) -> bool {
        self.settings.as_ref().is_some_and(|s| self.now - self.grace_from < s.startup_grace)
    }

    /// Decides whether a verdict is due.
    fn conclude(&mut self, judged: &mut Judged, changed: bool) {
        let due = self.published.at.is_none_or(|at| self.now - at >= VERDICT_EVERY);
        if !changed && !due {
            return;
        }
        let verdict = self.verdict();
        let list: Vec<(String, Severity, bool)> =
            verdict.conditions.iter().map(|c| (c.fingerprint.clone(), c.severity, c.indeterminate)).collect();
        judged.changed = list != self.published.list;
        if !judged.changed && !due {
            return;
        }
        self.published = Published { at: Some(self.now), list };
        judged.verdict = Some(verdict);
    }

    fn stream_states(&self) -> Vec<StreamState> {
        let mut states = Vec::new();
        for job in &self.policy.streams {
            let seen: Vec<&StreamMemory> = self.probes.values().filter_map(|p| p.streams.get(&job.stream)).collect();
            states.push(StreamState {
                stream: job.stream.clone(),
                protocol: job.protocol,
                up: seen.iter().any(|s| s.ever_ok && s.n_failed < 3),
                n_tracks: seen.iter().map(|s| s.tracks.len() as u32).max().unwrap_or(0),
                max_height: seen.iter().filter_map(|s| s.max_height).max(),
                last_capture_at: seen.iter().filter_map(|s| s.last_capture_at).max(),
                newest_content_age_s: seen.iter().filter_map(|s| s.newest_age(self.now)).min().map(Span::secs_f64),
            });
        }
        states
    }
}

impl StreamMemory {
    /// Drops renditions that are no longer asked for while the stream as a whole still is.
    fn forget_tracks(&mut self, now: Time) {
        let newest = self.tracks.values().map(|t| t.last_seen).max();
        let Some(newest) = newest.filter(|newest| now - *newest < Span::from_secs(30)) else { return };
        self.tracks.retain(|_, track| {
            let patience = track.target_duration.unwrap_or(Span::ZERO).mul_ratio(10, 1).max(TRACK_GONE);
            newest - track.last_seen < patience
        });
    }
}
