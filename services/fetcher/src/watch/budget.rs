//! Request and bandwidth budgets per origin, shared by all channels of a fetcher.
//!
//! Two token buckets per origin. A class may use them only above its reserve, so that when tokens run short the less
//! important requests stop first (CHECKS 5.3).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ow_domain::job::FetchLimits;
use tokio::time::Instant;

/// Origins remembered; idle ones are forgotten first.
const MAX_ORIGINS: usize = 4_096;
/// How long a manifest waits for tokens before it goes in debt: absence of playlists must not come from us.
const MANIFEST_PATIENCE: Duration = Duration::from_secs(1);

/// What a request is for, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Entry,
    MediaPlaylist,
    NewSegment,
    Init,
    OldestSegment,
    Extra,
}

impl Priority {
    /// Share of the buckets that stays for the more important, in tenths.
    const fn reserve(self) -> f64 {
        match self {
            Self::Entry => 0.0,
            Self::MediaPlaylist => 0.05,
            Self::NewSegment | Self::Init => 0.15,
            Self::OldestSegment => 0.4,
            Self::Extra => 0.6,
        }
    }
}

/// Budgets of all origins.
#[derive(Debug, Default)]
pub struct Budgets {
    origins: Mutex<HashMap<String, Origin>>,
}

#[derive(Debug)]
struct Origin {
    requests: f64,
    bits: f64,
    at: Instant,
}

impl Budgets {
    /// Waits for a token, `patience` at most. False: the request is not to be made. Manifests go in any case, late.
    pub async fn take(&self, origin: &str, limits: &FetchLimits, priority: Priority, patience: Duration) -> bool {
        let is_manifest = priority <= Priority::MediaPlaylist;
        let until = Instant::now() + if is_manifest { MANIFEST_PATIENCE } else { patience };
        loop {
            let now = Instant::now();
            let Err(wait) = self.try_take(origin, limits, priority, is_manifest && now >= until, now) else {
                return true;
            };
            if priority >= Priority::OldestSegment || (now + wait > until && !is_manifest) {
                return false;
            }
            tokio::time::sleep(wait.min(until.saturating_duration_since(now)).max(Duration::from_millis(1))).await;
        }
    }

    /// Pays for what came.
    pub fn pay(&self, origin: &str, bytes: u64) {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = origins.get_mut(origin) {
            known.bits -= bytes as f64 * 8.0;
        }
    }

    fn try_take(
        &self,
        origin: &str,
        limits: &FetchLimits,
        priority: Priority,
        in_debt: bool,
        now: Instant,
    ) -> Result<(), Duration> {
        let rps = f64::from(limits.origin_rps.max(1));
        let bps = f64::from(limits.origin_mbps.max(1)) * 1e6;
        // One second of each may come at once.
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if origins.len() >= MAX_ORIGINS && !origins.contains_key(origin) {
            origins.retain(|_, o| now.saturating_duration_since(o.at) < Duration::from_secs(60));
        }
        let known = origins.entry(origin.to_owned()).or_insert(Origin { requests: rps, bits: bps, at: now });
        let passed = now.saturating_duration_since(known.at).as_secs_f64();
        known.requests = (known.requests + passed * rps).min(rps);
        known.bits = (known.bits + passed * bps).min(bps);
        known.at = known.at.max(now);
        let reserve = priority.reserve();
        let short_requests = (rps * reserve).min(rps - 1.0).max(0.0) + 1.0 - known.requests;
        let short_bits = bps * reserve - known.bits;
        if in_debt || (short_requests <= 0.0 && short_bits <= 0.0) {
            known.requests -= 1.0;
            return Ok(());
        }
        let wait = (short_requests / rps).max(short_bits / bps).max(0.001);
        Err(Duration::from_secs_f64(wait.min(60.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_important_stop_first() {
        let budgets = Budgets::default();
        let limits = FetchLimits { origin_rps: 100, origin_mbps: 8, ..FetchLimits::default() };
        let start = Instant::now();
        let mut granted = HashMap::new();
        for priority in
            [Priority::Extra, Priority::OldestSegment, Priority::NewSegment, Priority::MediaPlaylist, Priority::Entry]
        {
            let mut n = 0;
            while budgets.try_take("o", &limits, priority, false, start).is_ok() {
                n += 1;
            }
            granted.insert(format!("{priority:?}"), n);
        }
        assert_eq!(granted["Extra"], 40);
        assert_eq!(granted["OldestSegment"], 20);
        assert_eq!(granted["NewSegment"], 25);
        assert_eq!(granted["MediaPlaylist"], 10);
        assert_eq!(granted["Entry"], 5);
        assert!(budgets.try_take("other", &limits, Priority::Extra, false, start).is_ok(), "origins are apart");
        let later = start + Duration::from_secs(1);
        assert!(budgets.try_take("o", &limits, Priority::Extra, false, later).is_ok(), "tokens come back");
        // 1.5 MB at 8 Mbit/s are 1.5 s.
        budgets.pay("o", 1_500_000);
        let wait = budgets.try_take("o", &limits, Priority::Entry, false, later).unwrap_err();
        assert!((0.4..0.6).contains(&wait.as_secs_f64()), "{wait:?}");
        assert!(budgets.try_take("o", &limits, Priority::Entry, true, later).is_ok(), "manifests may go in debt");
    }
}
