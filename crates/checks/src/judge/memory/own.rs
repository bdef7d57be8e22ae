//! What the judge of a probe itself remembers: who reported when.

use std::collections::BTreeMap;

use ow_domain::Time;
use ow_domain::probe::ProbeFacts;
use serde::{Deserialize, Serialize};

/// Fetcher processes of one probe.
const MAX_REPLICAS: usize = 64;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reports {
    pub replicas: BTreeMap<String, Replica>,
    /// Somebody reported at some time.
    pub ever: bool,
}

/// One fetcher process as it reported last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replica {
    /// When the judge heard of it last.
    pub heard_at: Time,
    /// Channels it held then.
    pub held: u32,
    /// Channels that all others held then.
    pub others: u32,
}

impl Reports {
    pub fn hear(&mut self, facts: &ProbeFacts, now: Time) {
        self.ever = true;
        if facts.leaving {
            self.replicas.remove(&facts.replica);
            return;
        }
        if !self.replicas.contains_key(&facts.replica) && self.replicas.len() >= MAX_REPLICAS {
            return;
        }
        let others = self.held_without(&facts.replica);
        self.replicas.insert(facts.replica.clone(), Replica { heard_at: now, held: facts.held, others });
    }

    /// Channels that all but one hold, as they reported last.
    pub fn held_without(&self, replica: &str) -> u32 {
        let others = self.replicas.iter().filter(|(name, _)| *name != replica);
        others.fold(0, |sum, (_, r)| sum.saturating_add(r.held))
    }

    /// Others took over what a silent one held.
    pub fn taken_over(&self, name: &str, replica: &Replica) -> bool {
        self.held_without(name) >= replica.held.saturating_add(replica.others)
    }
}
