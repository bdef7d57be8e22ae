//! The policies of all channels, followed in KV `CONFIG`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ow_bus::{Bucket, Bus, BusError, Change, Entry, KvWatch};
use ow_domain::policy::ChannelPolicy;
use ow_domain::{ChannelId, Partition, Time};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::judging::{PolicySource, Standing};

#[derive(Debug, Clone, Default)]
struct All {
    by_channel: BTreeMap<ChannelId, Arc<ChannelPolicy>>,
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
            None => Standing::Unknown,
        }
    }

    fn enabled_in(&self, partition: Partition) -> Vec<ChannelId> {
        let all = self.0.borrow();
        let in_partition = |p: &&Arc<ChannelPolicy>| p.enabled && Partition::of(&p.channel) == partition;
        all.by_channel.values().filter(in_partition).map(|p| p.channel.clone()).collect()
    }
}

impl All {
    fn apply(&mut self, change: Change<Box<RawValue>>) {
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
