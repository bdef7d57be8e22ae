//! Snapshots of judges in KV `STATE`, key `<partition>.<channel>`.

use ow_bus::{Bucket, Bus, BusError, Entry, Kv};
use ow_checks::ChannelJudge;
use ow_domain::verdict::Position;
use ow_domain::{ChannelId, Partition};
use serde::{Deserialize, Serialize};

/// Raised when old snapshots cannot be understood any more: they are ignored then.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    format: u32,
    pub(crate) position: Position,
    pub(crate) judge: ChannelJudge,
}

#[derive(Debug, Clone)]
pub(crate) struct Snapshots(Kv<serde_json::Value>);

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Revision(u64),
    /// Somebody else has written a later position: we are no longer the owner.
    Fenced,
}

impl Snapshots {
    pub(crate) fn new(bus: &Bus) -> Self {
        Self(bus.kv(Bucket::State))
    }

    /// Snapshots of one partition that can be read, with their revisions, and the number of those that cannot.
    pub(crate) async fn load(&self, partition: Partition) -> Result<(Vec<(Snapshot, u64)>, u64), BusError> {
        let mut read = Vec::new();
        let mut n_unreadable = 0;
        for Entry { key, value, revision } in self.0.entries(&format!("{partition}.*")).await? {
            match serde_json::from_value::<Snapshot>(value) {
                Ok(snapshot) if snapshot.format == FORMAT => read.push((snapshot, revision)),
                other => {
                    n_unreadable += 1;
                    let reason = other.err().map_or_else(|| "another format".to_owned(), |e| e.to_string());
                    tracing::warn!(key, reason, "a snapshot cannot be read; its channel starts as new");
                }
            }
        }
        Ok((read, n_unreadable))
    }

    /// Writes by revision; `None` when we know of none.
    pub(crate) async fn write(
        &self,
        partition: Partition,
        judge: &ChannelJudge,
        revision: Option<u64>,
    ) -> Result<Written, BusError> {
        let position = judge.position();
        let key = format!("{partition}.{}", judge.policy().channel);
        let value = serde_json::to_value(Snapshot { format: FORMAT, position, judge: judge.clone() })
            .map_err(|source| BusError::Encode { what: "validator snapshot", source })?;
        let first = match revision {
            Some(revision) => self.0.update(&key, &value, revision).await,
            None => self.0.create(&key, &value).await,
        };
        match first {
            Ok(revision) => Ok(Written::Revision(revision)),
            Err(BusError::Conflict { .. }) => self.after_conflict(&key, &value, position).await,
            Err(error) => Err(error),
        }
    }

    /// Ours is written over one that knows less (a lost acknowledgement, an unreadable one), never over one that
    /// knows more.
    async fn after_conflict(&self, key: &str, value: &serde_json::Value, ours: Position) -> Result<Written, BusError> {
        let Some(stored) = self.0.get(key).await? else {
            return self.0.create(key, value).await.map(Written::Revision);
        };
        let theirs: Option<Position> =
            stored.value.get("position").and_then(|p| serde_json::from_value(p.clone()).ok());
        if theirs.is_some_and(|theirs| theirs > ours) {
            return Ok(Written::Fenced);
        }
        self.0.update(key, value, stored.revision).await.map(Written::Revision)
    }

    pub(crate) async fn remove(&self, partition: Partition, channel: &ChannelId) -> Result<(), BusError> {
        self.0.delete(&format!("{partition}.{channel}")).await
    }
}
