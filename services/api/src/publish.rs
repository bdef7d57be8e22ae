//! Stored configuration -> compiled policies in KV `CONFIG`.

use std::collections::{BTreeMap, BTreeSet};

use ow_bus::{Bucket, Bus, BusError, Entry};
use ow_config::CompileError;
use ow_domain::config::ConfigKind;
use ow_domain::policy::ChannelPolicy;
use ow_store::{Store, StoreError};

/// What one comparison found and did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Revision of the stored configuration that was compiled.
    pub revision: u64,
    /// Channels whose policy was written.
    pub written: Vec<String>,
    /// Channels that are no longer configured.
    pub removed: Vec<String>,
    pub n_unchanged: usize,
    /// Changed by somebody else at the same time; the next comparison looks again.
    pub conflicts: Vec<String>,
    /// Channels that give no policy; the last good one stays in force.
    pub invalid: Vec<CompileError>,
}

/// The comparison could not be finished; nothing is lost, do it again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error("the stored configuration could not be read")]
    Store(#[from] StoreError),
    #[error("the compiled policies could not be written")]
    Bus(#[from] BusError),
}

/// Makes KV `CONFIG` equal to what the stored configuration compiles to. Any number of processes may do it at once:
/// equal content is not written, and what another one wrote in between is never overwritten.
///
/// The revision of a policy grows with every change of its content and never falls below that of the configuration.
pub async fn reconcile_config(store: &Store, bus: &Bus) -> Result<Report, ReconcileError> {
    let bucket = bus.kv::<ChannelPolicy>(Bucket::Config);
    // In this order: what is read from the store is then at least as new as what made the entries, so that a write at
    // the entry's revision can only lead forward.
    let entries = bucket.entries(">").await?;
    let snapshot = store.load_config().await?;
    let mut entries: BTreeMap<String, Entry<ChannelPolicy>> =
        entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
    let (policies, invalid) = ow_config::compile_all(&snapshot.objects);
    let configured: BTreeSet<&str> = snapshot.of(ConfigKind::Channel).map(|channel| channel.name.as_str()).collect();
    let mut report = Report { revision: snapshot.revision, invalid, ..Report::default() };
    for mut policy in policies {
        let key = policy.channel.to_string();
        let written = match entries.remove(&key) {
            Some(entry) => {
                policy.revision = entry.value.revision;
                if policy == entry.value {
                    report.n_unchanged += 1;
                    continue;
                }
                policy.revision = snapshot.revision.max(entry.value.revision + 1);
                bucket.update(&key, &policy, entry.revision).await
            }
            None => {
                policy.revision = snapshot.revision;
                bucket.create(&key, &policy).await
            }
        };
        match written {
            Ok(_) => report.written.push(key),
            Err(BusError::Conflict { .. }) => report.conflicts.push(key),
            Err(error) => return Err(error.into()),
        }
    }
    for key in entries.into_keys().filter(|key| !configured.contains(key.as_str())) {
        bucket.delete(&key).await?;
        report.removed.push(key);
    }
    Ok(report)
}
