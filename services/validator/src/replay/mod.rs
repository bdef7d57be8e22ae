//! Judging recorded facts again, by the code that judges live ones ([`crate::judging`]).
//!
//! The same facts at the same positions, from the same start state, give the same verdicts, bit by bit. [`Replayer`]
//! judges; [`Comparison`] holds what it says against what was published; [`AlarmLog`] turns verdicts into alarms, and
//! [`differences`] tells which of two judgements differ.

mod alarms;
mod compare;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ow_contracts::Recorded;
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::{Position, Verdict};
use ow_domain::{ChannelId, Partition, Time};

pub use alarms::{Alarm, AlarmDifference, AlarmLog, differences};
pub use compare::{Comparison, Difference, FieldDifference, MAX_PUBLISHED, Summary, field_differences};

use crate::judging::{Fact, Mode, Output, PartitionJudge, PolicySource, Refused, Standing, Step};

/// Policies that do not change.
#[derive(Debug, Clone, Default)]
pub struct FixedPolicies(Arc<Fixed>);

#[derive(Debug, Default)]
struct Fixed {
    policies: BTreeMap<ChannelId, Arc<ChannelPolicy>>,
    /// Channels that were watched only from a place on.
    begins: BTreeMap<ChannelId, u64>,
    /// Place of the fact being judged.
    seq: AtomicU64,
}

impl FixedPolicies {
    pub fn new(policies: impl IntoIterator<Item = ChannelPolicy>) -> Self {
        Self::beginning(policies, BTreeMap::new())
    }

    /// Channels of `begins` are judged from the fact of that sequence on, as a validator does to which their policy
    /// came only then.
    pub fn beginning(policies: impl IntoIterator<Item = ChannelPolicy>, begins: BTreeMap<ChannelId, u64>) -> Self {
        let policies = policies.into_iter().map(|p| (p.channel.clone(), Arc::new(p))).collect();
        Self(Arc::new(Fixed { policies, begins, seq: AtomicU64::new(0) }))
    }

    fn has_begun(&self, channel: &ChannelId) -> bool {
        self.0.begins.get(channel).is_none_or(|begin| self.0.seq.load(Ordering::Relaxed) >= *begin)
    }
}

impl PolicySource for FixedPolicies {
    fn standing(&self, channel: &ChannelId, at: Time) -> Standing {
        match self.0.policies.get(channel).filter(|_| self.has_begun(channel)) {
            Some(policy) if policy.is_on(at) => Standing::Watched(policy.clone()),
            Some(policy) if policy.enabled => Standing::OffAir,
            Some(_) => Standing::Disabled,
            None => Standing::Unknown,
        }
    }

    fn enabled_in(&self, partition: Partition) -> Vec<ChannelId> {
        let in_partition = |p: &&Arc<ChannelPolicy>| p.enabled && Partition::of(&p.channel) == partition;
        let all = self.0.policies.values().filter(in_partition).map(|p| p.channel.clone());
        all.filter(|channel| self.has_begun(channel)).collect()
    }
}

/// Judges of recorded facts, of any number of partitions.
#[derive(Debug)]
pub struct Replayer {
    policies: FixedPolicies,
    partitions: BTreeMap<Partition, PartitionJudge<FixedPolicies>>,
}

impl Replayer {
    pub fn new(policies: FixedPolicies) -> Self {
        Self { policies, partitions: BTreeMap::new() }
    }

    /// Judges one fact as a live validator would. Facts of partitions without a channel of ours lead to nothing.
    pub fn judge(&mut self, fact: Fact<'_>, position: Position) -> Result<Step, Refused> {
        let partition = match fact {
            Fact::Tick(tick) => tick.partition,
            Fact::Capture { capture, .. } => Partition::of(&capture.channel),
        };
        self.policies.0.seq.store(position.seq, Ordering::Relaxed);
        let judge = match self.partitions.entry(partition) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if self.policies.enabled_in(partition).is_empty() => return Ok(Step::default()),
            Entry::Vacant(free) => free.insert(PartitionJudge::new(partition, self.policies.clone())),
        };
        judge.judge(fact, position, Mode::Live)
    }

    /// Everything that is wrong with a channel after the last fact; `None` when it is not judged.
    pub fn verdict(&self, channel: &ChannelId) -> Option<Verdict> {
        Some(self.partitions.get(&Partition::of(channel))?.channel(channel)?.verdict())
    }
}

/// The verdicts of a step, in order.
pub fn verdicts(step: &Step) -> impl Iterator<Item = &Verdict> {
    step.outputs.iter().filter_map(|output| match output {
        Output::Verdict(verdict) => Some(&**verdict),
        Output::Measures(_) | Output::Forget(_) => None,
    })
}

/// A recorded fact as the judges take it.
pub fn fact_of(recorded: &Recorded, stored_at: Time) -> Fact<'_> {
    match recorded {
        Recorded::Tick(tick) => Fact::Tick(tick),
        Recorded::Capture(capture) => Fact::Capture { capture, stored_at },
    }
}
