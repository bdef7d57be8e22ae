//! The judging of one partition: facts in order in, what is to be said out. No bus, no clock.
//!
//! Live judging, the rebuild of state by a new owner, and the replay of recorded facts ([`crate::replay`]) are this
//! same code; they differ in where facts come from and in what is done with what is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use ow_checks::{ChannelJudge, Judged};
use ow_domain::capture::{Capture, Tick};
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::{Measures, Position, Verdict};
use ow_domain::{ChannelId, Partition, Severity, Span, Time};

/// A capture that ended so long after the server stored it is of a probe whose clock is wrong.
const FUTURE: Span = Span::from_secs(300);

/// The policies in force.
pub trait PolicySource {
    fn standing(&self, channel: &ChannelId, at: Time) -> Standing;
    /// Enabled channels of one partition.
    fn enabled_in(&self, partition: Partition) -> Vec<ChannelId>;
}

/// How a channel stands.
#[derive(Debug, Clone)]
pub enum Standing {
    Watched(Arc<ChannelPolicy>),
    /// There is a policy of a form that we do not know: as it was.
    Unreadable,
    Disabled,
    /// An event before its start or after its end.
    OffAir,
    Unknown,
}

/// One message of the capture stream.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    Tick(&'a Tick),
    Capture {
        capture: &'a Capture,
        /// When the server stored it: what claims to have ended long after that is not believed.
        stored_at: Time,
    },
}

/// What is to be said, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Verdict(Box<Verdict>),
    Measures(Measures),
    /// The channel is no longer watched.
    Forget(ChannelId),
}

/// Facts handled before rebuild state; what they led to was said, and what was said is not taken back by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Rebuild,
    Live,
}

/// What one fact led to.
#[derive(Debug, Default)]
pub struct Step {
    pub outputs: Vec<Output>,
    /// Channels whose list of conditions changed.
    pub changed: Vec<ChannelId>,
    /// The capture is of a channel that nobody wants watched.
    pub is_of_unknown_channel: bool,
    /// Channels with checks that panicked, and how often now.
    pub panicked: Vec<(ChannelId, u64)>,
}

/// Why a fact is not judged at all. Repeating it does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{what} in partition {partition}")]
    OtherPartition { what: String, partition: Partition },
    #[error("the probe's clock is ahead: the request ended at {ended_at}")]
    FromTheFuture { ended_at: Time },
}

/// The judges of one partition.
#[derive(Debug)]
pub struct PartitionJudge<P> {
    partition: Partition,
    policies: P,
    channels: BTreeMap<ChannelId, Held>,
    /// Last verdicts of channels without a judge: closed at the next tick when nobody wants them any more.
    orphans: BTreeMap<ChannelId, Verdict>,
}

/// One channel's judge and what is kept beside it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) judge: ChannelJudge,
    /// The policy in force, as the source gave it.
    policy: Option<Arc<ChannelPolicy>>,
    /// Time of the facts at the last snapshot.
    pub(crate) snapshot_at: Time,
    n_panics: u64,
}

impl<P: PolicySource> PartitionJudge<P> {
    pub fn new(partition: Partition, policies: P) -> Self {
        Self { partition, policies, channels: BTreeMap::new(), orphans: BTreeMap::new() }
    }

    /// Judges one fact.
    pub fn judge(&mut self, fact: Fact<'_>, position: Position, mode: Mode) -> Result<Step, Refused> {
        let mut step = Step::default();
        match fact {
            Fact::Tick(tick) => {
                if tick.partition != self.partition {
                    return Err(self.foreign(format!("a tick of partition {}", tick.partition)));
                }
                self.tick(tick.at, position, mode, &mut step);
            }
            Fact::Capture { capture, stored_at } => {
                let channel = &capture.channel;
                if Partition::of(channel) != self.partition {
                    return Err(self.foreign(format!("a capture of {channel}")));
                }
                if capture.exchange.t_end - stored_at > FUTURE {
                    // The judge's time never steps back: one fact of tomorrow would stop it until then.
                    return Err(Refused::FromTheFuture { ended_at: capture.exchange.t_end });
                }
                if !self.align(channel, capture.exchange.t_req) {
                    step.is_of_unknown_channel = true;
                } else if let Some(held) = self.channels.get_mut(channel) {
                    let judged = held.judge.apply(capture, position);
                    held.take(channel, judged, &mut step);
                }
            }
        }
        Ok(step)
    }

    fn foreign(&self, what: String) -> Refused {
        Refused::OtherPartition { what, partition: self.partition }
    }

    fn tick(&mut self, at: Time, position: Position, mode: Mode, step: &mut Step) {
        if mode == Mode::Live {
            self.retire_unwanted(at, position, step);
            // A channel that is watched from now on has a verdict from now on.
            for channel in self.policies.enabled_in(self.partition) {
                self.align(&channel, at);
            }
        }
        for channel in self.channels.keys().cloned().collect::<Vec<_>>() {
            self.align(&channel, at);
            if let Some(held) = self.channels.get_mut(&channel) {
                let judged = held.judge.tick(at, position);
                held.take(&channel, judged, step);
            }
        }
    }

    /// Closes what is no longer watched, also what only a last verdict is left of.
    fn retire_unwanted(&mut self, at: Time, position: Position, step: &mut Step) {
        let policies = &self.policies;
        let reason = |channel: &ChannelId| match policies.standing(channel, at) {
            Standing::Watched(_) | Standing::Unreadable => None,
            Standing::Disabled => Some("channel-disabled"),
            Standing::OffAir => Some("event-over"),
            Standing::Unknown => Some("channel-removed"),
        };
        let outputs = &mut step.outputs;
        self.channels.retain(|channel, held| {
            let Some(reason) = reason(channel) else { return true };
            outputs.push(Output::Verdict(Box::new(held.judge.retire(reason, at, position))));
            outputs.push(Output::Forget(channel.clone()));
            false
        });
        for (channel, last) in std::mem::take(&mut self.orphans) {
            let Some(reason) = reason(&channel) else { continue };
            if last.retired.is_none() {
                outputs.push(Output::Verdict(Box::new(Verdict {
                    position: position.max(last.position),
                    as_of: at.max(last.as_of),
                    retired: Some(reason.to_owned()),
                    severity: Severity::Cleared,
                    conditions: Vec::new(),
                    streams: Vec::new(),
                    ..last
                })));
            }
            outputs.push(Output::Forget(channel));
        }
    }

    /// Makes the judge of a channel if there is none, and gives it the policy of now. False: not watched.
    fn align(&mut self, channel: &ChannelId, at: Time) -> bool {
        let policy = match self.policies.standing(channel, at) {
            Standing::Watched(policy) => policy,
            Standing::Unreadable => return self.channels.contains_key(channel),
            Standing::Disabled | Standing::OffAir | Standing::Unknown => return false,
        };
        match self.channels.get_mut(channel) {
            Some(held) if held.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, &policy)) => {}
            Some(held) => {
                if held.judge.policy() != policy.as_ref() {
                    held.judge.set_policy(policy.as_ref().clone(), at);
                }
                held.policy = Some(policy);
            }
            None => {
                let judge = ChannelJudge::new(policy.as_ref().clone(), at);
                self.insert(channel.clone(), Held::new(judge, Some(policy), Time::UNIX_EPOCH));
            }
        }
        true
    }

    fn insert(&mut self, channel: ChannelId, held: Held) {
        self.orphans.remove(&channel);
        self.channels.insert(channel, held);
    }

    /// Goes on with a judge of a snapshot.
    pub fn resume(&mut self, judge: ChannelJudge) {
        let at = judge.now();
        self.insert(judge.policy().channel.clone(), Held::new(judge, None, at));
    }

    /// Notes what was said last of a channel that may have no judge.
    pub(crate) fn remember(&mut self, verdict: Verdict) {
        self.orphans.insert(verdict.channel.clone(), verdict);
    }

    /// Every channel gives a verdict at its next fact: the owner before may have died with something unsaid.
    pub(crate) fn speak_again(&mut self) {
        for held in self.channels.values_mut() {
            let (policy, now) = (held.judge.policy().clone(), held.judge.now());
            held.judge.set_policy(policy, now);
        }
    }

    /// Whether every channel that is to be watched has its judge.
    pub(crate) fn knows_all(&self) -> bool {
        self.policies.enabled_in(self.partition).iter().all(|c| self.channels.contains_key(c))
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = (&ChannelId, &Held)> {
        self.channels.iter()
    }

    pub(crate) fn held_mut(&mut self, channel: &ChannelId) -> Option<&mut Held> {
        self.channels.get_mut(channel)
    }

    /// The judge of a channel.
    pub fn channel(&self, channel: &ChannelId) -> Option<&ChannelJudge> {
        self.channels.get(channel).map(|held| &held.judge)
    }

    /// Channels judged now.
    pub fn n_channels(&self) -> usize {
        self.channels.len()
    }

    pub(crate) fn clear(&mut self) {
        self.channels.clear();
        self.orphans.clear();
    }
}

impl Held {
    fn new(judge: ChannelJudge, policy: Option<Arc<ChannelPolicy>>, snapshot_at: Time) -> Self {
        let n_panics = judge.panics().values().sum();
        Self { judge, policy, snapshot_at, n_panics }
    }

    /// Adds what was said to the step.
    fn take(&mut self, channel: &ChannelId, judged: Judged, step: &mut Step) {
        let n_panics: u64 = self.judge.panics().values().sum();
        if n_panics > self.n_panics {
            step.panicked.push((channel.clone(), n_panics - self.n_panics));
            self.n_panics = n_panics;
        }
        step.outputs.extend(judged.measures.into_iter().map(Output::Measures));
        step.outputs.extend(judged.verdict.map(|v| Output::Verdict(Box::new(v))));
        if judged.changed {
            step.changed.push(channel.clone());
        }
    }
}
