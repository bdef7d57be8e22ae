//! The last verdict of each channel, followed from KV `STATUS`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use ow_bus::{Change, KvWatch};
use ow_domain::verdict::Verdict;
use tokio_util::sync::CancellationToken;

use crate::events::Pending;

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

/// Keeps the board true and notes in `pending` which channels have changed.
pub async fn follow(mut watch: KvWatch<Verdict>, board: StatusBoard, pending: Pending, stop: CancellationToken) {
    // What was there before is no news.
    let mut is_news = false;
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => return,
            change = watch.next() => change,
        };
        let key = match &change {
            Change::Put(entry) => Some(entry.key.clone()),
            Change::Deleted { key, .. } => Some(key.clone()),
            Change::UpToDate => {
                is_news = true;
                None
            }
        };
        board.change(change);
        if let Some(key) = key.filter(|_| is_news) {
            pending.channel(&key);
        }
    }
}
