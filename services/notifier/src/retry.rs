//! How often and how long something is tried.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Attempts for a raise or update; with the waits of [`Limits::back_off`] about a quarter of an hour.
    pub max_attempts: u32,
    /// How long a clear is tried: what was announced is closed.
    pub clear_for: Duration,
    pub first_wait: Duration,
    pub max_wait: Duration,
    pub max_wait_clear: Duration,
    /// Least wait after an error that a person has to mend.
    pub settings_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_attempts: 20,
            clear_for: Duration::from_secs(24 * 3600),
            first_wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(60),
            max_wait_clear: Duration::from_secs(300),
            settings_wait: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Doubles from the first wait to the most.
    pub fn back_off(&self, attempts: u32, clear: bool) -> Duration {
        let most = if clear { self.max_wait_clear } else { self.max_wait };
        self.first_wait.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(most)
    }

    /// Up to a fifth more, derived from `key`: many jobs that fail together do not come back together.
    pub fn with_jitter(&self, wait: Duration, key: &str) -> Duration {
        // FNV-1a: any hash that spreads will do.
        let hash = key.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        wait + wait.mul_f64(f64::from(hash % 1000) / 5000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_spread() {
        let limits = Limits::default();
        let waits: Vec<u64> = (1..9).map(|n| limits.back_off(n, false).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(limits.back_off(u32::MAX, true), limits.max_wait_clear);
        let spread: std::collections::HashSet<_> =
            (0..50).map(|n| limits.with_jitter(Duration::from_secs(10), &format!("INC-{n}/1/noc/1"))).collect();
        assert!(spread.len() > 40 && spread.iter().all(|d| (10.0..=12.0).contains(&d.as_secs_f64())));
    }
}
