//! Wrong guesses cost time: per account and per address, twice as much with each, across restarts and replicas.
//!
//! An attempt counts as wrong before it is looked at and is taken back when it was right, so that a thousand guesses
//! sent at once get no further than a thousand sent one by one.

use std::net::IpAddr;

use ow_domain::{Span, Time};

use crate::{Store, StoreError, from_sql_time, sql_time};

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThrottleKey {
    text: String,
    free: u32,
}

impl ThrottleKey {
    /// An account by its name, whether it is there or not.
    pub fn account(name: &str, policy: &ThrottlePolicy) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(127).collect();
        Self { text: format!("account:{name}"), free: policy.free_per_account }
    }

    /// A network address; of IPv6 the first 64 bits, which is what one subscriber has.
    pub fn address(address: IpAddr, policy: &ThrottlePolicy) -> Self {
        let text = match address.to_canonical() {
            IpAddr::V4(v4) => format!("address:{v4}"),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                format!("address:{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        };
        Self { text, free: policy.free_per_address }
    }
}

/// How much a wrong guess costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// Guesses before the first wait.
    pub free_per_account: u32,
    pub free_per_address: u32,
    /// The first wait; each further one is twice as long.
    pub first_wait: Span,
    pub longest_wait: Span,
    /// Without an attempt for this long all is forgotten.
    pub forget: Span,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            free_per_account: 5,
            free_per_address: 20,
            first_wait: Span::from_secs(1),
            longest_wait: Span::from_secs(15 * 60),
            forget: Span::from_secs(24 * 3600),
        }
    }
}

impl ThrottlePolicy {
    /// How long the next attempt must wait after `n_failures`, of which `free` cost nothing.
    pub fn wait(&self, n_failures: u32, free: u32) -> Option<Span> {
        let n_doublings = n_failures.checked_sub(free.max(1))?;
        let factor = 1_i64.checked_shl(n_doublings.min(40)).unwrap_or(i64::MAX);
        Some(Span::from_micros(self.first_wait.micros().saturating_mul(factor)).min(self.longest_wait))
    }
}

/// The attempt is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    pub until: Time,
}

impl Store {
    /// Counts an attempt on all keys, unless one of them is waiting: then none is counted.
    pub async fn count_attempt(
        &self,
        keys: &[ThrottleKey],
        policy: &ThrottlePolicy,
        now: Time,
    ) -> Result<Result<(), Blocked>, StoreError> {
        let mut keys = keys.to_vec();
        // One order for all, so that two attempts never wait for each other.
        keys.sort();
        keys.dedup();
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin counting an attempt"))?;
        let mut until: Option<Time> = None;
        for key in &keys {
            let row = transaction
                .query_one(
                    // The update locks the row of an earlier attempt; it changes nothing.
                    "INSERT INTO access_throttle AS t (key, n_failures, last_at) VALUES ($1, 0, $2)
                     ON CONFLICT (key) DO UPDATE SET key = t.key RETURNING n_failures, last_at, blocked_until",
                    &[&key.text, &sql_time(now)],
                )
                .await
                .map_err(StoreError::query("to read earlier attempts"))?;
            let blocked = row.get::<_, Option<_>>("blocked_until").map(from_sql_time);
            if let Some(blocked) = blocked.filter(|blocked| *blocked > now) {
                until = until.max(Some(blocked));
                continue;
            }
            let old = now.since(from_sql_time(row.get("last_at"))) > policy.forget;
            let n_failures = if old { 0 } else { row.get::<_, i32>("n_failures") }.saturating_add(1);
            let wait = policy.wait(n_failures.unsigned_abs(), key.free);
            transaction
                .execute(
                    "UPDATE access_throttle SET n_failures = $2, last_at = $3, blocked_until = $4 WHERE key = $1",
                    &[&key.text, &n_failures, &sql_time(now), &wait.map(|wait| sql_time(now + wait))],
                )
                .await
                .map_err(StoreError::query("to count an attempt"))?;
        }
        if let Some(until) = until {
            return Ok(Err(Blocked { until }));
        }
        transaction.commit().await.map_err(StoreError::query("to commit an attempt"))?;
        Ok(Ok(()))
    }

    /// The attempt was right: the account's wrong guesses are forgotten, the address gets this one back.
    pub async fn forgive_attempt(&self, keys: &[ThrottleKey]) -> Result<(), StoreError> {
        let client = self.client().await?;
        for key in keys {
            let statement = if key.text.starts_with("account:") {
                "DELETE FROM access_throttle WHERE key = $1"
            } else {
                "UPDATE access_throttle SET n_failures = greatest(n_failures - 1, 0), blocked_until = NULL WHERE key = $1"
            };
            client.execute(statement, &[&key.text]).await.map_err(StoreError::query("to forgive an attempt"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = ThrottlePolicy::default();
        let seconds = |n| policy.wait(n, 5).map(|wait| wait.micros() / 1_000_000);
        assert_eq!([1, 4].map(seconds), [None, None]);
        assert_eq!([5, 6, 7, 10, 14, 15].map(seconds), [Some(1), Some(2), Some(4), Some(32), Some(512), Some(900)]);
        assert_eq!(seconds(u32::MAX), Some(900));
        assert_eq!(policy.wait(1, 0), Some(Span::from_secs(1)), "nothing is free for ever");
    }

    #[test]
    fn one_subscriber_is_one_address() {
        let policy = ThrottlePolicy::default();
        let key = |text: &str| ThrottleKey::address(text.parse().unwrap(), &policy).text;
        assert_eq!(key("192.0.2.7"), "address:192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_eq!(key("2001:db8:1:2:3::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        let long = ThrottleKey::account(&"x".repeat(5000), &policy);
        assert!(long.text.len() < 200);
    }
}
