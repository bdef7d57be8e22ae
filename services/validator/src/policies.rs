//! The policies of all channels, followed in KV `CONFIG`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ow_bus::{Bucket, Bus, BusError, Change, Entry, KvWatch};
use ow_domain::policy::ChannelPolicy;
use ow_domain::probe::probe_policy;
use ow_domain::{ChannelId, Partition, Time};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::judging::{PolicySource, Standing};

#[derive(Debug, Clone, Default)]
struct All {
    by_channel: BTreeMap<ChannelId, Arc<ChannelPolicy>>,
    /// The channels under which probes report about themselves: of every probe that an enabled channel names.
    probes: BTreeMap<ChannelId, Arc<ChannelPolicy>>,
    /// Channels with a policy that we cannot read, and never could: neither started nor retired.
    unreadable: BTreeSet<ChannelId>,
}

/// The policies as they are now; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Policies(watch::Receiver<Arc<All>>);

impl Policies {
    /// Waits for the first state, then follows changes until `shutdown`. `None` on shutdown.
    pub(crate) async fn follow(bus: &Bus, shutdown: CancellationToken) -> Result<Option<Self>, BusError> {
        let mut changes: KvWatch<Box<RawValue>> = bus.kv(Bucket::Config).watch(">").await?;
        let mut all = All::default();
        loop {
            let change = tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                change = changes.next() => change,
            };
            match change {
                Change::UpToDate => break,
                change => all.apply(change),
            }
        }
        let (sender, receiver) = watch::channel(Arc::new(all.clone()));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    change = changes.next() => all.apply(change),
                }
                sender.send_replace(Arc::new(all.clone()));
            }
        });
        Ok(Some(Self(receiver)))
    }
}

impl PolicySource for Policies {
    fn standing(&self, channel: &ChannelId, at: Time) -> Standing {
        let all = self.0.borrow();
        match all.by_channel.get(channel) {
            Some(policy) if policy.is_on(at) => Standing::Watched(policy.clone()),
            Some(policy) if policy.enabled => Standing::OffAir,
            Some(_) => Standing::Disabled,
            None if all.unreadable.contains(channel) => Standing::Unreadable,
            None => all.probes.get(channel).map_or(Standing::Unknown, |probe| Standing::Watched(probe.clone())),
        }
    }

    fn enabled_in(&self, partition: Partition) -> Vec<ChannelId> {
        let all = self.0.borrow();
        let in_partition = |p: &&Arc<ChannelPolicy>| p.enabled && Partition::of(&p.channel) == partition;
        all.by_channel.values().chain(all.probes.values()).filter(in_partition).map(|p| p.channel.clone()).collect()
    }
}

impl All {
    fn apply(&mut self, change: Change<Box<RawValue>>) {
        self.take(change);
        let enabled = self.by_channel.values().filter(|policy| policy.enabled);
        let named: BTreeSet<_> = enabled.flat_map(|policy| policy.probes.iter().cloned()).collect();
        let wanted: BTreeMap<_, _> = named.iter().filter_map(probe_policy).map(|p| (p.channel.clone(), p)).collect();
        self.probes.retain(|channel, _| wanted.contains_key(channel));
        for (channel, policy) in wanted {
            // A channel that somebody named so comes first.
            if self.by_channel.contains_key(&channel) {
                self.probes.remove(&channel);
            } else {
                self.probes.entry(channel).or_insert_with(|| Arc::new(policy));
            }
        }
    }

    fn take(&mut self, change: Change<Box<RawValue>>) {
        let (key, value) = match change {
            Change::Put(Entry { key, value, .. }) => (key, Some(value)),
            Change::Deleted { key, .. } => (key, None),
            Change::UpToDate => return,
        };
        let Ok(channel) = ChannelId::new(&key) else {
            return tracing::error!(key, "a policy under a key that is no channel was ignored");
        };
        let Some(value) = value else {
            self.by_channel.remove(&channel);
            self.unreadable.remove(&channel);
            return;
        };
        let read = serde_json::from_str::<ChannelPolicy>(value.get()).map_err(|error| error.to_string());
        match read.and_then(|p| if p.channel == channel { Ok(p) } else { Err(format!("it is of {}", p.channel)) }) {
            Ok(policy) => {
                self.unreadable.remove(&channel);
                self.by_channel.insert(channel, Arc::new(policy));
            }
            Err(reason) => {
                tracing::error!(%channel, reason, "a policy cannot be read; the channel stays as it was");
                if !self.by_channel.contains_key(&channel) {
                    self.unreadable.insert(channel);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ow_domain::ProbeId;

    #[test]
    fn every_probe_of_an_enabled_channel_has_a_channel_of_its_own() {
        let probe = ProbeId::new("hcm-1").unwrap();
        let template = probe_policy(&probe).unwrap();
        let policy =
            |name: &str, enabled| ChannelPolicy { channel: ChannelId::new(name).unwrap(), enabled, ..template.clone() };
        let put = |policy: &ChannelPolicy| {
            let value = serde_json::value::to_raw_value(policy).unwrap();
            Change::Put(Entry { key: policy.channel.to_string(), value, revision: 1 })
        };
        let names = |all: &All| all.probes.keys().map(ToString::to_string).collect::<Vec<_>>();
        let mut all = All::default();
        all.apply(put(&policy("vtv3", true)));
        assert_eq!(names(&all), ["probe-hcm-1"]);
        let first = all.probes.values().next().unwrap().clone();
        all.apply(put(&policy("vtv4", true)));
        assert!(Arc::ptr_eq(&first, all.probes.values().next().unwrap()), "unchanged policies stay the same");
        all.apply(put(&policy("vtv3", false)));
        assert_eq!(names(&all), ["probe-hcm-1"]);
        all.apply(Change::Deleted { key: "vtv4".into(), revision: 2 });
        assert_eq!(names(&all), [""; 0], "nobody enabled names it");
        all.apply(put(&policy("probe-hcm-1", true)));
        assert_eq!(names(&all), [""; 0], "a channel of that name comes first");
    }
}
