//! Publishing: with a derived id, acknowledged by the server, sent again with the same id until a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use ow_contracts::{Message, envelope};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::{Bus, BusError, TraceContext};

const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The server has stored the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Sequence in the stream.
    pub seq: u64,
    /// It was there already: a message with this id was published within the last two minutes.
    pub duplicate: bool,
}

/// Subject, headers and body of one message, ready to be sent any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub subject: String,
    pub message: PublishMessage,
}

impl Bus {
    /// Publishes and waits for the acknowledgement, at most `publish_deadline`. Safe to call again after an error: the
    /// id is the same. The message belongs to the trace of the message being handled, or starts a new one.
    pub async fn publish<M: Message>(&self, message: &M) -> Result<Published, BusError> {
        self.send(self.outgoing(message)?).await
    }

    pub(crate) fn outgoing<M: Message>(&self, message: &M) -> Result<Outgoing, BusError> {
        let trace = TraceContext::current().map_or_else(TraceContext::root, TraceContext::child);
        let encoded = envelope::encode(message, &self.inner.source, Some(&trace.to_string()))
            .map_err(|source| BusError::Encode { what: M::TYPE, source })?;
        let mut publish = PublishMessage::build().payload(Bytes::from(encoded.body));
        for (name, value) in encoded.headers {
            publish = publish.header(name, value.as_str());
        }
        let subject = self.inner.prefix.subject(message.subject().as_str());
        Ok(Outgoing { subject, message: publish.message_id(message.message_id().0) })
    }

    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<Published, BusError> {
        let first = self.send_once(&outgoing).await;
        self.settle(outgoing, first, Instant::now()).await
    }

    async fn send_once(&self, outgoing: &Outgoing) -> Result<PublishAckFuture, PublishError> {
        self.inner.js.send_publish(outgoing.subject.clone(), outgoing.message.clone()).await
    }

    /// Waits for the acknowledgement of what was sent; sends again until it comes or the deadline is over.
    async fn settle(
        &self,
        outgoing: Outgoing,
        first: Result<PublishAckFuture, PublishError>,
        start: Instant,
    ) -> Result<Published, BusError> {
        let mut attempt = first;
        loop {
            let error = match attempt {
                Ok(ack) => match ack.await {
                    Ok(PublishAck { sequence, duplicate, .. }) => return Ok(Published { seq: sequence, duplicate }),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let permanent = match error.kind() {
                PublishErrorKind::MaxPayloadExceeded => return Err(BusError::TooLarge { subject: outgoing.subject }),
                PublishErrorKind::WrongLastSequence | PublishErrorKind::WrongLastMessageId => true,
                // In a full work queue of one per subject, the one that stands answers for ours.
                PublishErrorKind::Other => is_refused_as_second(&error),
                _ => false,
            };
            if permanent || start.elapsed() >= self.inner.publish_deadline {
                let Outgoing { subject, .. } = outgoing;
                return Err(BusError::Publish { subject, waited: start.elapsed(), source: error.into() });
            }
            tracing::debug!(%error, subject = outgoing.subject, "publish was not acknowledged and is sent again");
            tokio::time::sleep(RETRY_PAUSE).await;
            attempt = self.send_once(&outgoing).await;
        }
    }
}

/// The stream holds one message per subject, and there is one.
pub(crate) fn is_refused_as_second(error: &(dyn std::error::Error + 'static)) -> bool {
    ow_domain::error::chain(error).contains("maximum messages per subject exceeded")
}

/// Publishes without waiting for each acknowledgement: at most so many are in flight, then [`Publisher::publish`]
/// waits. First sends leave in the order of the calls; one that must be sent again may come after later ones.
#[derive(Debug, Clone)]
pub struct Publisher {
    bus: Bus,
    slots: Arc<Semaphore>,
    n_slots: u32,
    tasks: TaskTracker,
    n_failed: Arc<AtomicU64>,
}

impl Publisher {
    /// 256 in flight reach about 60,000 messages/s on one connection.
    pub fn new(bus: Bus, max_in_flight: u32) -> Self {
        let n_slots = max_in_flight.max(1);
        Self {
            bus,
            slots: Arc::new(Semaphore::new(n_slots as usize)),
            n_slots,
            tasks: TaskTracker::new(),
            n_failed: Arc::default(),
        }
    }

    /// Sends, waiting only for a free slot (so facts wait, and nothing grows). Errors here are permanent ones; a
    /// message that is not acknowledged within the deadline is counted and logged.
    pub async fn publish<M: Message>(&self, message: &M) -> Result<(), BusError> {
        let outgoing = self.bus.outgoing(message)?;
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return Ok(()) };
        let start = Instant::now();
        let first = self.bus.send_once(&outgoing).await;
        let (bus, n_failed) = (self.bus.clone(), self.n_failed.clone());
        self.tasks.spawn(async move {
            let subject = outgoing.subject.clone();
            if let Err(error) = bus.settle(outgoing, first, start).await {
                n_failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    subject,
                    "a message was not published and is lost"
                );
            }
            drop(slot);
        });
        Ok(())
    }

    /// Messages lost since the start.
    pub fn n_failed(&self) -> u64 {
        self.n_failed.load(Ordering::Relaxed)
    }

    /// Messages in flight now.
    pub fn n_in_flight(&self) -> u32 {
        self.n_slots - u32::try_from(self.slots.available_permits()).unwrap_or(self.n_slots)
    }

    /// Waits until everything published so far is acknowledged or given up.
    pub async fn flush(&self) {
        // All slots are free again only when nothing is in flight.
        let _all = self.slots.acquire_many(self.n_slots).await;
    }
}
