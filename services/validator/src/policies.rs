//! The policies of all channels, followed in KV `CONFIG`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ow_bus::{Bucket, Bus, BusError, Change, KvWatch};
use ow_domain::policy::ChannelPolicy;
use ow_domain::{ChannelId, Partition};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type Map = Arc<BTreeMap<ChannelId, Arc<ChannelPolicy>>>;

/// The policies as they are now; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Policies(watch::Receiver<Map>);

impl Policies {
    /// Waits for the first state, then follows changes until `shutdown`.
    pub(crate) async fn follow(bus: &Bus, shutdown: CancellationToken) -> Result<Self, BusError> {
        let mut changes: KvWatch<ChannelPolicy> = bus.kv::<ChannelPolicy>(Bucket::Config).watch(">").await?;
        let mut all = BTreeMap::new();
        loop {
            match changes.next().await {
                Change::UpToDate => break,
                change => apply(&mut all, change),
            }
        }
        let (sender, receiver) = watch::channel(Arc::new(all.clone()));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    change = changes.next() => apply(&mut all, change),
                }
                sender.send_replace(Arc::new(all.clone()));
            }
        });
        Ok(Self(receiver))
    }

    pub(crate) fn now(&self) -> Map {
        self.0.borrow().clone()
    }

    /// Enabled channels of one partition.
    pub(crate) fn enabled_in(&self, partition: Partition) -> Vec<Arc<ChannelPolicy>> {
        let in_partition = |p: &&Arc<ChannelPolicy>| p.enabled && Partition::of(&p.channel) == partition;
        self.now().values().filter(in_partition).cloned().collect()
    }
}

fn apply(all: &mut BTreeMap<ChannelId, Arc<ChannelPolicy>>, change: Change<ChannelPolicy>) {
    match change {
        Change::Put(entry) => drop(all.insert(entry.value.channel.clone(), Arc::new(entry.value))),
        Change::Deleted { key, .. } => drop(ChannelId::new(&key).ok().and_then(|id| all.remove(&id))),
        Change::UpToDate => {}
    }
}
