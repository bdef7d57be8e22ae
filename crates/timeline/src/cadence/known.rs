//! Which segments were planned already.

use std::collections::{HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::SegmentKey;

/// A set that forgets its oldest members. Bounded by [`Self::shrink`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    order: VecDeque<SegmentKey>,
    set: HashSet<SegmentKey>,
}

impl Known {
    /// True when it was not known.
    pub fn insert(&mut self, key: SegmentKey) -> bool {
        let new = self.set.insert(key);
        if new {
            self.order.push_back(key);
        }
        new
    }

    pub fn contains(&self, key: SegmentKey) -> bool {
        self.set.contains(&key)
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn shrink(&mut self, max: usize) {
        while self.order.len() > max {
            if let Some(old) = self.order.pop_front() {
                self.set.remove(&old);
            }
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.order.len()
    }
}
