//! What passes on the bus, kept from the moment of asking.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use ow_bus::Bus;
use ow_contracts::{Message, Subject};
use ow_domain::capture::{Capture, ObjectKind};
use ow_domain::{Time, TrackId};
use tokio_util::task::AbortOnDropHandle;

/// Messages of one type on one subject, in order, with the time they were seen. Ends with this value.
pub struct Tap<M> {
    seen: Arc<Mutex<Vec<(Time, M)>>>,
    _task: AbortOnDropHandle<()>,
}

impl<M: Message + Clone + std::fmt::Debug + Send + 'static> Tap<M> {
    /// `subject` below the root, e.g. `verdict.>`.
    pub async fn start(bus: &Bus, subject: &str) -> Result<Self> {
        let mut tail = bus.tail(&Subject::raw(subject)).await?;
        bus.flush().await?;
        let seen: Arc<Mutex<Vec<(Time, M)>>> = Arc::default();
        let keep = seen.clone();
        let task = tokio::spawn(async move {
            while let Some(message) = tail.next().await {
                if !message.is::<M>() {
                    continue;
                }
                match message.decode::<M>() {
                    Ok(body) => {
                        keep.lock().unwrap_or_else(PoisonError::into_inner).push((message.stored_at, body));
                    }
                    Err(error) => eprintln!("unreadable message on {}: {error}", message.subject),
                }
            }
        });
        Ok(Self { seen, _task: AbortOnDropHandle::new(task) })
    }

    /// All so far.
    pub fn all(&self) -> Vec<M> {
        self.timed().into_iter().map(|(_, message)| message).collect()
    }

    /// All so far, each with the time it was seen here.
    pub fn timed(&self) -> Vec<(Time, M)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first for which `wanted` holds; panics with `what` when none came in time.
    pub async fn wait(&self, what: &str, limit: Duration, wanted: impl Fn(&M) -> bool) -> (Time, M) {
        let end = tokio::time::Instant::now() + limit;
        loop {
            if let Some(found) = self.timed().into_iter().find(|(_, message)| wanted(message)) {
                return found;
            }
            assert!(tokio::time::Instant::now() < end, "{what}: not within {limit:?}; seen: {:?}", self.all());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Tap<Capture> {
    /// Waits until a channel is watched in full: so many segments of each of so many renditions.
    pub async fn wait_watched(&self, channel: &str, n_tracks: usize, n_segments: usize, limit: Duration) {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let mut seen: BTreeMap<TrackId, usize> = BTreeMap::new();
            for (_, capture) in self.timed() {
                if capture.channel.as_str() == channel
                    && capture.object == ObjectKind::Segment
                    && capture.exchange.is_complete_success()
                    && let Some(track) = capture.track
                {
                    *seen.entry(track.id).or_default() += 1;
                }
            }
            if seen.values().filter(|n| **n >= n_segments).count() >= n_tracks {
                return;
            }
            assert!(tokio::time::Instant::now() < end, "{channel} is not watched within {limit:?}: {seen:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
