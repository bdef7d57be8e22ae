//! Names to addresses: the system resolver behind a trait, a time limit, and a small cache.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use ow_domain::capture::{FailureKind, Phase};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::outcome::Fault;

/// Names kept at most.
const MAX_CACHED: usize = 1_024;
/// Addresses of one name kept at most.
const MAX_ADDRESSES: usize = 16;
/// Lookups at once: each holds a thread of the blocking pool until the system resolver gives up.
const MAX_LOOKUPS: usize = 64;

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("the name does not exist")]
    NotFound,
    #[error("the resolver failed: {0}")]
    Failed(String),
}

/// Finds the addresses of a host name, in the order of preference.
pub trait Resolve: Send + Sync + 'static {
    fn resolve(&self, host: String) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>>;
}

/// The resolver of the machine (`getaddrinfo`).
#[derive(Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(async move {
            match tokio::net::lookup_host((host.as_str(), 0)).await {
                Ok(found) => Ok(found.map(|socket| socket.ip()).collect()),
                Err(error) => Err(classify(&error.to_string())),
            }
        })
    }
}

/// `getaddrinfo` errors reach us only as the text of `gai_strerror` in the C locale.
fn classify(text: &str) -> ResolveError {
    const NOT_FOUND: [&str; 4] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname provided",
    ];
    if NOT_FOUND.iter().any(|known| text.contains(known)) {
        ResolveError::NotFound
    } else {
        ResolveError::Failed(text.rsplit(": ").next().unwrap_or(text).to_owned())
    }
}

struct Cached {
    addresses: Arc<[IpAddr]>,
    since: Instant,
}

/// Lookups with a time limit; an answer is used again for `keep`, since only new connections ask.
pub(crate) struct Names {
    resolver: Arc<dyn Resolve>,
    keep: Duration,
    lookups: Semaphore,
    cache: Mutex<HashMap<String, Cached>>,
}

/// Addresses of a host, and how long the lookup took if one was made.
pub(crate) struct Found {
    pub addresses: Arc<[IpAddr]>,
    pub took: Option<Duration>,
}

impl Names {
    pub(crate) fn new(resolver: Arc<dyn Resolve>, keep: Duration) -> Self {
        Self { resolver, keep, lookups: Semaphore::new(MAX_LOOKUPS), cache: Mutex::default() }
    }

    pub(crate) async fn find(&self, host: &str, timeout: Duration) -> Result<Found, Fault> {
        if let Some(addresses) = self.cached(host) {
            return Ok(Found { addresses, took: None });
        }
        let started = Instant::now();
        let answer = tokio::time::timeout(timeout, self.ask(host)).await;
        let fail = |kind, detail| Err(Fault { phase: Phase::Dns, kind, detail });
        match answer {
            Err(_) => fail(FailureKind::TimedOut, format!("no answer for {host} in {} ms", timeout.as_millis())),
            Ok(Err(ResolveError::NotFound)) => fail(FailureKind::NameNotFound, format!("{host} does not exist")),
            Ok(Err(ResolveError::Failed(why))) => fail(FailureKind::ResolverFailed, format!("{host}: {why}")),
            Ok(Ok(found)) if found.is_empty() => {
                fail(FailureKind::ResolverFailed, format!("the answer for {host} has no address"))
            }
            Ok(Ok(mut found)) => {
                found.truncate(MAX_ADDRESSES);
                let addresses: Arc<[IpAddr]> = found.into();
                self.store(host, &addresses);
                Ok(Found { addresses, took: Some(started.elapsed()) })
            }
        }
    }

    /// One retry when the resolver failed (not when it said that the name does not exist): single lost answers are
    /// not worth an alarm (`dns_retries` of `http-dns-failure`).
    async fn ask(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let _permit = self.lookups.acquire().await;
        match self.resolver.resolve(host.to_owned()).await {
            Err(ResolveError::Failed(_)) => self.resolver.resolve(host.to_owned()).await,
            answer => answer,
        }
    }

    fn cached(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(host).filter(|c| c.since.elapsed() < self.keep).map(|c| c.addresses.clone())
    }

    fn store(&self, host: &str, addresses: &Arc<[IpAddr]>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CACHED {
            cache.retain(|_, c| c.since.elapsed() < self.keep);
        }
        if cache.len() < MAX_CACHED {
            cache.insert(host.to_owned(), Cached { addresses: addresses.clone(), since: Instant::now() });
        }
    }

    /// Forgets a name whose addresses did not answer, so that the next connection asks again.
    pub(crate) fn forget(&self, host: &str) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }
}

/// RFC 8305 §4: alternate families, beginning with the family that the resolver put first.
pub(crate) fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (mut same, mut other): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|a| a.is_ipv4() == first.is_ipv4());
    let mut out = Vec::with_capacity(addresses.len());
    same.reverse();
    other.reverse();
    loop {
        let (a, b) = (same.pop(), other.pop());
        if a.is_none() && b.is_none() {
            return out;
        }
        out.extend(a);
        out.extend(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolver_texts_say_whether_the_name_exists() {
        for (text, expected) in [
            ("failed to lookup address information: Name or service not known", ResolveError::NotFound),
            ("failed to lookup address information: No address associated with hostname", ResolveError::NotFound),
            (
                "failed to lookup address information: Temporary failure in name resolution",
                ResolveError::Failed("Temporary failure in name resolution".into()),
            ),
        ] {
            assert_eq!(classify(text), expected);
        }
    }

    #[test]
    fn families_alternate_from_the_preferred_one() {
        let ips = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<IpAddr>>();
        for (given, expected) in [
            (ips(&["::1", "::2", "10.0.0.1", "::3"]), ips(&["::1", "10.0.0.1", "::2", "::3"])),
            (ips(&["10.0.0.1", "10.0.0.2", "::1"]), ips(&["10.0.0.1", "::1", "10.0.0.2"])),
            (ips(&[]), ips(&[])),
        ] {
            assert_eq!(interleave(&given), expected);
        }
    }
}
