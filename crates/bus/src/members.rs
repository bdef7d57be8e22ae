//! Who is there, and whose turn it is: presence keys with a TTL, and a capped rendezvous hash over those present.
//!
//! A wrong list costs a delay, never two owners: exclusiveness is the server's (pin, lease).

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Change, Kv, KvWatch};

/// How often a member shows itself.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// A member not heard of for this long is gone.
pub const TTL: Duration = Duration::from_secs(3);

/// Follows the members below `<group>.`, this one included, in a map that is published on every change. The first
/// value is `None`: nobody acts before the list is complete.
pub async fn follow<T: Serialize + DeserializeOwned + Clone>(
    mut watch: KvWatch<T>,
    group: &str,
    members: watch::Sender<Option<BTreeMap<String, T>>>,
    shutdown: CancellationToken,
) {
    let mut now: BTreeMap<String, T> = BTreeMap::new();
    let mut complete = false;
    let name_of = |key: &str| key.strip_prefix(group).and_then(|k| k.strip_prefix('.')).unwrap_or(key).to_owned();
    loop {
        let change = tokio::select! {
            () = shutdown.cancelled() => return,
            change = watch.next() => change,
        };
        match change {
            Change::Put(entry) => drop(now.insert(name_of(&entry.key), entry.value)),
            Change::Deleted { key, .. } => drop(now.remove(&name_of(&key))),
            Change::UpToDate => complete = true,
        }
        if complete {
            members.send_replace(Some(now.clone()));
        }
    }
}

/// Shows `key` in the bucket until shutdown, then takes it away at once.
pub async fn show<T: Serialize + DeserializeOwned>(
    kv: Kv<T>,
    key: String,
    mut value: impl FnMut() -> T,
    shutdown: CancellationToken,
) {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = beat.tick() => {}
        }
        let shown = value();
        tokio::select! {
            () = shutdown.cancelled() => break,
            written = kv.put_with_ttl(&key, &shown, TTL) => if let Err(error) = written {
                tracing::warn!(error = &error as &dyn std::error::Error, key, "presence could not be shown");
            }
        }
    }
    if let Err(error) = kv.delete(&key).await {
        tracing::debug!(error = &error as &dyn std::error::Error, key, "presence ends by its TTL");
    }
}

/// Which of `n` things each member has: rendezvous hashing, no member above its share rounded up. Depends only on the
/// set of members, so that all members compute the same. A change of members moves few things.
pub fn assign(members: &[&str], n: u8) -> Vec<usize> {
    if members.is_empty() {
        return Vec::new();
    }
    let cap = usize::from(n).div_ceil(members.len());
    let mut load = vec![0; members.len()];
    (0..n)
        .map(|thing| {
            let best = (0..members.len())
                .filter(|&m| load[m] < cap)
                .max_by_key(|&m| (weight(members[m], thing), m))
                .unwrap_or_default();
            load[best] += 1;
            best
        })
        .collect()
}

fn weight(member: &str, thing: u8) -> u64 {
    // FNV-1a with a final mix: the same in every build, as replicas of two versions must agree.
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.write(member.as_bytes());
    hash.write(&[0, thing]);
    let mut x = hash.finish();
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^ (x >> 33)
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(assigned: &[usize], n_members: usize) -> Vec<usize> {
        (0..n_members).map(|m| assigned.iter().filter(|&&a| a == m).count()).collect()
    }

    #[test]
    fn shares_are_equal_and_moves_are_few() {
        let names = ["validator-a", "validator-b", "validator-c"];
        assert!(assign(&[], 32).is_empty());
        assert_eq!(assign(&names[..1], 32), vec![0; 32]);
        for n_members in 1..=3 {
            let counts = counts(&assign(&names[..n_members], 32), n_members);
            assert_eq!(counts.iter().sum::<usize>(), 32);
            assert!(counts.iter().all(|&c| c <= 32usize.div_ceil(n_members)), "{counts:?}");
        }
        let (two, three) = (assign(&names[..2], 32), assign(&names, 32));
        let moved = two.iter().zip(&three).filter(|(a, b)| a != b && **b != 2).count();
        assert!(moved <= 8, "{moved} moved between members that stayed");
    }
}
