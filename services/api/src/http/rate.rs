//! How often somebody may ask: a bucket of requests for each person, token and unknown address.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::problem::Problem;

/// Most buckets that are kept; about 1 MB.
const MAX_BUCKETS: usize = 10_000;
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `rate` requests per second for long, `burst` at once.
#[derive(Debug)]
pub struct Limiter {
    rate: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// What is left after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub n_requests: u64,
    /// Until all are there again.
    pub reset_s: u64,
    rate: u64,
    burst: u64,
}

impl Limiter {
    /// `rate` 0: no limit.
    pub fn new(rate: u32, burst: u32) -> Option<Self> {
        (rate > 0).then(|| Self { rate: rate.into(), burst: burst.max(1).into(), buckets: Mutex::default() })
    }

    /// Takes a request of `who`; how many are left, or that it is too much.
    pub fn take(&self, who: &str, now: Instant) -> Result<Left, Problem> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(who) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
            if buckets.len() >= MAX_BUCKETS {
                // Ten thousand who all ask right now: to forget them costs less than to refuse the next one.
                buckets.clear();
            }
        }
        let bucket = buckets.entry(who.to_owned()).or_insert(Bucket { left: self.burst, at: now });
        let left = self.filled(*bucket, now);
        if left < 1.0 {
            let wait_s = ((1.0 - left) / self.rate).ceil() as u64;
            let detail = format!("more than {} requests per second, or {} at once", self.rate, self.burst);
            return Err(Problem::too_many(detail, wait_s));
        }
        *bucket = Bucket { left: left - 1.0, at: now };
        Ok(Left {
            n_requests: bucket.left as u64,
            reset_s: ((self.burst - bucket.left) / self.rate).ceil() as u64,
            rate: self.rate as u64,
            burst: self.burst as u64,
        })
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + since * self.rate).min(self.burst)
    }
}

impl Left {
    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
    pub fn tell(self, headers: &mut HeaderMap) {
        let window_s = self.burst.div_ceil(self.rate.max(1)).max(1);
        let policy = format!("\"default\";q={};w={window_s}", self.burst);
        let left = format!("\"default\";r={};t={}", self.n_requests, self.reset_s);
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_each_for_themselves() {
        let limiter = Limiter::new(2, 3).unwrap();
        let start = Instant::now();
        for left in [2, 1, 0] {
            assert_eq!(limiter.take("a", start).unwrap().n_requests, left);
        }
        assert_eq!(limiter.take("a", start).unwrap_err().status(), 429);
        assert!(limiter.take("b", start).is_ok(), "another one has a bucket of their own");
        let later = start + Duration::from_millis(500);
        assert!(limiter.take("a", later).is_ok());
        assert!(limiter.take("a", later).is_err());
        assert_eq!(
            limiter.take("a", start + Duration::from_secs(3600)).unwrap().n_requests,
            2,
            "no more than the burst"
        );
        assert!(Limiter::new(0, 3).is_none());
    }

    #[test]
    fn buckets_are_bounded() {
        let limiter = Limiter::new(1, 2).unwrap();
        let start = Instant::now();
        for n in 0..MAX_BUCKETS + 5 {
            assert!(limiter.take(&n.to_string(), start).is_ok());
        }
        assert!(limiter.buckets.lock().unwrap().len() <= MAX_BUCKETS);
    }

    #[test]
    fn headers_tell_what_is_left() {
        let mut headers = HeaderMap::new();
        Limiter::new(100, 400).unwrap().take("a", Instant::now()).unwrap().tell(&mut headers);
        assert_eq!(headers[RATE_LIMIT], "\"default\";r=399;t=1");
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"default\";q=400;w=4");
    }
}
