//! What is kept in KV of each channel: the snapshot of its judge (`STATE`, key `<partition>.<channel>`) and its last
//! verdict (`STATUS`, key `<channel>`). Both carry a position, and an earlier one never replaces a later one.

use std::collections::BTreeMap;

use ow_bus::{Bucket, Bus, BusError, Entry, Kv};
use ow_checks::ChannelJudge;
use ow_domain::verdict::{Position, Verdict};
use ow_domain::{ChannelId, Partition};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Raised when old snapshots cannot be understood any more: they are ignored then.
const FORMAT: u32 = 1;

#[derive(Debug, Deserialize)]
pub(crate) struct Snapshot {
    format: u32,
    pub(crate) position: Position,
    pub(crate) judge: ChannelJudge,
}

#[derive(Serialize)]
struct SnapshotRef<'a> {
    format: u32,
    position: Position,
    judge: &'a ChannelJudge,
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// Somebody else has written a later position: we are no longer the owner.
    Fenced,
}

/// A bucket whose values have a `position`, as one owner writes it: by revision.
#[derive(Debug, Clone)]
struct Latest {
    kv: Kv<Box<RawValue>>,
    /// Revision of what we read or wrote last, by key.
    revisions: BTreeMap<String, u64>,
}

impl Latest {
    fn new(bus: &Bus, bucket: Bucket) -> Self {
        Self { kv: bus.kv(bucket), revisions: BTreeMap::new() }
    }

    async fn write(&mut self, key: &str, value: &impl Serialize, position: Position) -> Result<Written, BusError> {
        let value = serde_json::value::to_raw_value(value)
            .map_err(|source| BusError::Encode { what: "validator state", source })?;
        let first = match self.revisions.get(key) {
            Some(revision) => self.kv.update(key, &value, *revision).await,
            None => self.kv.create(key, &value).await,
        };
        let revision = match first {
            Err(BusError::Conflict { .. }) => match self.after_conflict(key, &value, position).await? {
                Some(revision) => revision,
                None => return Ok(Written::Fenced),
            },
            other => other?,
        };
        self.revisions.insert(key.to_owned(), revision);
        Ok(Written::Done)
    }

    /// Ours is written over one that knows less or cannot be read, never over one that knows more (`None`).
    #[expect(clippy::borrowed_box, reason = "the bucket's value is the box")]
    async fn after_conflict(&self, key: &str, value: &Box<RawValue>, ours: Position) -> Result<Option<u64>, BusError> {
        #[derive(Deserialize)]
        struct Placed {
            position: Position,
        }
        match self.kv.get(key).await {
            Ok(None) => self.kv.create(key, value).await.map(Some),
            Ok(Some(stored)) => {
                let theirs = serde_json::from_str::<Placed>(stored.value.get());
                if theirs.is_ok_and(|theirs| theirs.position > ours) {
                    return Ok(None);
                }
                self.kv.update(key, value, stored.revision).await.map(Some)
            }
            Err(BusError::Value { .. }) => self.kv.put(key, value).await.map(Some),
            Err(error) => Err(error),
        }
    }

    async fn remove(&mut self, key: &str) -> Result<(), BusError> {
        self.kv.delete(key).await?;
        self.revisions.remove(key);
        Ok(())
    }
}

/// Snapshots of the judges of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots {
    partition: Partition,
    latest: Latest,
}

impl Snapshots {
    pub(crate) fn new(bus: &Bus, partition: Partition) -> Self {
        Self { partition, latest: Latest::new(bus, Bucket::State) }
    }

    fn key(&self, channel: &ChannelId) -> String {
        format!("{}.{channel}", self.partition)
    }

    /// The snapshots that can be read, and the number of those that cannot. Whoever loads is the owner: whatever
    /// stands may be written over.
    pub(crate) async fn load(&mut self) -> Result<(Vec<Snapshot>, u64), BusError> {
        self.latest.revisions.clear();
        let mut read = Vec::new();
        let mut n_unreadable = 0;
        for Entry { key, value, revision } in self.latest.kv.entries(&format!("{}.*", self.partition)).await? {
            match serde_json::from_str::<Snapshot>(value.get()) {
                Ok(snapshot) if snapshot.format == FORMAT => read.push(snapshot),
                other => {
                    n_unreadable += 1;
                    let reason = other.err().map_or_else(|| "another format".to_owned(), |e| e.to_string());
                    tracing::warn!(key, reason, "a snapshot cannot be read; its channel starts as new");
                }
            }
            self.latest.revisions.insert(key, revision);
        }
        Ok((read, n_unreadable))
    }

    pub(crate) async fn write(&mut self, judge: &ChannelJudge) -> Result<Written, BusError> {
        let position = judge.position();
        let key = self.key(&judge.policy().channel);
        self.latest.write(&key, &SnapshotRef { format: FORMAT, position, judge }, position).await
    }

    pub(crate) async fn remove(&mut self, channel: &ChannelId) -> Result<(), BusError> {
        let key = self.key(channel);
        self.latest.remove(&key).await
    }
}

/// The last verdict of each channel of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Statuses {
    partition: Partition,
    latest: Latest,
}

impl Statuses {
    pub(crate) fn new(bus: &Bus, partition: Partition) -> Self {
        Self { partition, latest: Latest::new(bus, Bucket::Status) }
    }

    /// What was said last of each channel of the partition.
    pub(crate) async fn load(&mut self) -> Result<Vec<Verdict>, BusError> {
        self.latest.revisions.clear();
        let mut verdicts = Vec::new();
        for Entry { key, value, revision } in self.latest.kv.entries("*").await? {
            if ChannelId::new(&key).is_ok_and(|channel| Partition::of(&channel) == self.partition) {
                verdicts.extend(serde_json::from_str::<Verdict>(value.get()).ok());
                self.latest.revisions.insert(key, revision);
            }
        }
        Ok(verdicts)
    }

    pub(crate) async fn write(&mut self, verdict: &Verdict) -> Result<Written, BusError> {
        self.latest.write(verdict.channel.as_str(), verdict, verdict.position).await
    }

    pub(crate) async fn remove(&mut self, channel: &ChannelId) -> Result<(), BusError> {
        self.latest.remove(channel.as_str()).await
    }
}
