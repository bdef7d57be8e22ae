//! The unit of ownership of validator and alert-router.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::ChannelId;

/// How many partitions there are. Changing it is a migration of the bus.
pub const N_PARTITIONS: u8 = 32;

/// `fnv1a32(channel) mod 32`, the same as the NATS server's `partition(32,n)` subject transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Partition(u8);

impl Partition {
    pub fn of(channel: &ChannelId) -> Self {
        let hash = channel.as_str().bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        Self((hash % u32::from(N_PARTITIONS)) as u8)
    }

    /// `None` when out of range.
    pub fn new(index: u8) -> Option<Self> {
        (index < N_PARTITIONS).then_some(Self(index))
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..N_PARTITIONS).map(Self)
    }

    pub const fn index(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_fnv1a_32() {
        // Published FNV-1a vectors: "a" = 0xe40c292c, "foobar" = 0xbf9cf968.
        assert_eq!(u32::from(Partition::of(&ChannelId::new("a").unwrap()).index()), 0xe40c_292c % 32);
        assert_eq!(u32::from(Partition::of(&ChannelId::new("foobar").unwrap()).index()), 0xbf9c_f968 % 32);
    }

    #[test]
    fn a_thousand_channels_spread_over_all_partitions() {
        let mut counts = [0; N_PARTITIONS as usize];
        for n in 0..1000 {
            counts[usize::from(Partition::of(&ChannelId::new(&format!("channel-{n}")).unwrap()).index())] += 1;
        }
        assert!(counts.iter().all(|&c| (15..=50).contains(&c)), "{counts:?}");
    }
}
