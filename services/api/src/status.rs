//! The last verdict of each channel, followed from KV `STATUS`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use ow_bus::{Change, KvWatch};
use ow_domain::verdict::Verdict;
use tokio_util::sync::CancellationToken;

/// Bounded by the number of channels.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard(Arc<RwLock<BTreeMap<String, Arc<Verdict>>>>);

impl StatusBoard {
    pub fn get(&self, channel: &str) -> Option<Arc<Verdict>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(channel).cloned()
    }

    /// All of them as they are now.
    pub fn all(&self) -> BTreeMap<String, Arc<Verdict>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: Change<Verdict>) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Put(entry) => drop(map.insert(entry.key, Arc::new(entry.value))),
            Change::Deleted { key, .. } => drop(map.remove(&key)),
            Change::UpToDate => {}
        }
    }
}

pub async fn follow(mut watch: KvWatch<Verdict>, board: StatusBoard, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            change = watch.next() => board.change(change),
        }
    }
}
