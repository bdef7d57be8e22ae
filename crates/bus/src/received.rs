//! One message as it came, and what may become of it.

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::{self, AckKind};
use bytes::Bytes;
use futures_util::StreamExt;
use ow_contracts::envelope::{self, DecodeError};
use ow_contracts::{Message, Recorded, Subject};
use ow_domain::Time;
use ow_domain::error::chain;
use std::time::Duration;

use crate::follow::Follower;
use crate::{Bus, BusError, StreamName, TraceContext};

/// What a handler says of its message. Only the bus acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Handled, and its effects are durable.
    Done,
    /// Not now: again after this delay.
    Later(Duration),
    /// Never: to the dead letters, with this reason.
    Reject(String),
}

impl From<DecodeError> for Outcome {
    fn from(error: DecodeError) -> Self {
        Self::Reject(chain(&error))
    }
}

/// A message of any type, not yet read.
#[derive(Debug, Clone)]
pub struct Received {
    /// Below the root.
    pub subject: Subject,
    /// Sequence in its stream; 0 if it came by core NATS ([`Tail`]).
    pub seq: u64,
    /// When the server stored it.
    pub stored_at: Time,
    /// Deliveries so far, this one included: 1 is the first.
    pub attempt: u32,
    /// The trace it belongs to.
    pub trace: TraceContext,
    headers: Option<HeaderMap>,
    payload: Bytes,
}

impl Received {
    pub(crate) fn from_stream(bus: &Bus, message: &jetstream::Message) -> Result<Self, async_nats::Error> {
        let info = message.info()?;
        Ok(Self {
            seq: info.stream_sequence,
            stored_at: crate::time::from_nats(info.published),
            attempt: u32::try_from(info.delivered).unwrap_or(u32::MAX),
            ..Self::from_core(bus, message)
        })
    }

    pub(crate) fn from_core(bus: &Bus, message: &async_nats::Message) -> Self {
        let headers = message.headers.clone();
        let parent = headers.as_ref().and_then(|h| h.get(envelope::TRACEPARENT)).map(|v| v.as_str());
        Self {
            subject: Subject::raw(bus.inner.prefix.strip(message.subject.as_str())),
            seq: 0,
            stored_at: crate::time::now(),
            attempt: 1,
            trace: parent.and_then(TraceContext::parse).map_or_else(TraceContext::root, TraceContext::child),
            headers,
            payload: message.payload.clone(),
        }
    }

    /// A header, such as `ce-type`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str)
    }

    /// True for messages of this type. Messages without a type may be of any.
    pub fn is<M: Message>(&self) -> bool {
        self.header(envelope::CE_TYPE).is_none_or(|found| found == M::TYPE)
    }

    /// Reads the message; the decompressed body is at most [`envelope::MAX_BODY_BYTES`].
    pub fn decode<M: Message>(&self) -> Result<M, DecodeError> {
        envelope::decode(|name| self.header(name), &self.payload)
    }

    /// Reads a message of the capture stream.
    pub fn recorded(&self) -> Result<Recorded, DecodeError> {
        Recorded::decode(|name| self.header(name), &self.payload)
    }

    /// The JSON as text, for showing it.
    pub fn body(&self) -> Result<String, DecodeError> {
        let body = envelope::decode_body(self.header(envelope::CONTENT_ENCODING), &self.payload)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    pub(crate) fn payload(&self) -> &Bytes {
        &self.payload
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let pairs = self.headers.iter().flat_map(HeaderMap::iter);
        pairs.flat_map(|(name, values)| values.iter().map(move |v| (name.to_string(), v.to_string())))
    }

    pub(crate) fn span(&self, consumer: &str) -> tracing::Span {
        let trace_id = format!("{:032x}", self.trace.trace_id);
        tracing::info_span!("message", consumer, subject = %self.subject, seq = self.seq, trace_id)
    }
}

/// Acknowledges in the background; a lost acknowledgement is only a redelivery.
pub(crate) async fn acknowledge(message: &jetstream::Message, kind: AckKind) {
    if let Err(error) = message.ack_with(kind).await {
        tracing::warn!(%error, "acknowledgement was not sent; the message will come again");
    }
}

/// Most messages that [`Bus::stored`] reads.
pub const MAX_STORED: u64 = 10_000;

/// Messages as they are published, without any guarantee: for `ottwatch tail` and live views.
#[derive(Debug)]
pub struct Tail {
    bus: Bus,
    subscriber: async_nats::Subscriber,
}

impl Tail {
    /// `None` when the connection is closed for good.
    pub async fn next(&mut self) -> Option<Received> {
        Some(Received::from_core(&self.bus, &self.subscriber.next().await?))
    }
}

impl Bus {
    /// Listens to a subject below the root, wildcards allowed: `alert.critical.>`.
    pub async fn tail(&self, subject: &Subject) -> Result<Tail, BusError> {
        let full = self.inner.prefix.subject(subject.as_str());
        let subscribed = self.inner.client.subscribe(full).await;
        let subscriber = subscribed.map_err(BusError::request(format!("listen to {subject}")))?;
        // The server knows of it before we return, so that nothing published from now on is missed.
        self.flush().await?;
        Ok(Tail { bus: self.clone(), subscriber })
    }

    /// Everything that a stream holds now on a subject below the root, in its order; at most [`MAX_STORED`].
    pub async fn stored(&self, stream: StreamName, subject: &Subject) -> Result<Vec<Received>, BusError> {
        let filter = self.inner.prefix.subject(subject.as_str());
        let (mut follower, n) = Follower::start(self, self.stream_name(stream), filter, DeliverPolicy::All).await?;
        let mut stored = Vec::new();
        while (stored.len() as u64) < n.min(MAX_STORED) {
            let (message, place) = follower.next().await;
            stored.push(
                Received::from_stream(self, &message)
                    .map_err(|error| BusError::Request { what: format!("read {subject}"), source: error })?,
            );
            if place.n_pending == 0 {
                break;
            }
        }
        Ok(stored)
    }

    /// What a stream holds now on a subject below the root, from the first message stored at or after `from`, in its
    /// order and without loading it all. Ends with what was there when this was called.
    pub async fn recorded(&self, stream: StreamName, subject: &Subject, from: Time) -> Result<Recording, BusError> {
        let filter = self.inner.prefix.subject(subject.as_str());
        let start_time = crate::time::to_nats(from);
        let start = DeliverPolicy::ByStartTime { start_time };
        let (follower, n_left) = Follower::start(self, self.stream_name(stream), filter, start).await?;
        Ok(Recording { bus: self.clone(), follower, n_left })
    }

    /// When a stream was made, Unix milliseconds: positions of another epoch are of another stream.
    pub async fn epoch(&self, stream: StreamName) -> Result<i64, BusError> {
        let stream = self.stream(&self.stream_name(stream)).await?;
        let info = stream.get_info().await.map_err(BusError::request("read when the stream was made"))?;
        Ok(i64::try_from(info.created.unix_timestamp_nanos() / 1_000_000).unwrap_or_default())
    }
}

/// See [`Bus::recorded`].
pub struct Recording {
    bus: Bus,
    follower: Follower,
    n_left: u64,
}

impl Recording {
    /// `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Received>, BusError> {
        if self.n_left == 0 {
            return Ok(None);
        }
        let (message, place) = self.follower.next().await;
        // What expires while it is read makes the rest shorter; what is new does not make it longer.
        self.n_left = (self.n_left - 1).min(place.n_pending);
        let received = Received::from_stream(&self.bus, &message);
        received.map(Some).map_err(|source| BusError::Request { what: "read what is recorded".to_owned(), source })
    }
}
