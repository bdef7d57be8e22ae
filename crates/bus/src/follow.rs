//! Reads a stream in order without acknowledgement, through disconnections and server restarts.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;

use crate::{Bus, BusError};

const AFTER_ERROR: Duration = Duration::from_millis(250);
const PULL_EXPIRES: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(2);

/// An ordered reader: on any gap, error or silence its consumer is made anew after the last message seen.
pub struct Follower {
    context: Context,
    stream: String,
    filter: String,
    start: DeliverPolicy,
    last_seq: u64,
    consumer_seq: u64,
    messages: Option<pull::Stream>,
}

/// Where a message stands in its stream.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub seq: u64,
    /// How many more were there when it was sent.
    pub n_pending: u64,
}

impl Follower {
    /// Starts reading. The second value is how many messages there are to begin with.
    pub async fn start(
        bus: &Bus,
        stream: String,
        filter: String,
        start: DeliverPolicy,
    ) -> Result<(Self, u64), BusError> {
        let context = bus.inner.admin.clone();
        let mut follower = Self { context, stream, filter, start, last_seq: 0, consumer_seq: 0, messages: None };
        let n_pending = follower.open().await?;
        Ok((follower, n_pending))
    }

    async fn open(&mut self) -> Result<u64, BusError> {
        let what = || format!("read {} on {}", self.filter, self.stream);
        let deliver_policy = if self.last_seq == 0 {
            self.start
        } else {
            DeliverPolicy::ByStartSequence { start_sequence: self.last_seq + 1 }
        };
        let config = pull::Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            filter_subject: self.filter.clone(),
            // Named, as permissions are given on `CONSUMER.CREATE.<stream>.<name>.<filter>`.
            name: Some(uuid::Uuid::new_v4().simple().to_string()),
            inactive_threshold: Duration::from_secs(30),
            memory_storage: true,
            num_replicas: 1,
            ..Default::default()
        };
        let stream = self.context.get_stream_no_info(&self.stream).await.map_err(BusError::request(what()))?;
        let consumer = stream.create_consumer(config).await.map_err(BusError::request(what()))?;
        let n_pending = consumer.cached_info().num_pending;
        let messages = consumer.stream().max_messages_per_batch(500).expires(PULL_EXPIRES).heartbeat(HEARTBEAT);
        self.messages = Some(messages.messages().await.map_err(BusError::request(what()))?);
        self.consumer_seq = 0;
        Ok(n_pending)
    }

    /// The next message, however long that takes.
    pub async fn next(&mut self) -> (jetstream::Message, Place) {
        loop {
            let Some(messages) = &mut self.messages else {
                if let Err(error) = self.open().await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "reading a stream again failed");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
                continue;
            };
            let message = match messages.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    tracing::debug!(%error, stream = self.stream, "reading a stream was interrupted");
                    self.messages = None;
                    tokio::time::sleep(AFTER_ERROR).await;
                    continue;
                }
                None => {
                    self.messages = None;
                    continue;
                }
            };
            let Ok(info) = message.info() else { continue };
            if info.consumer_sequence != self.consumer_seq + 1 {
                // A batch was lost on the way.
                self.messages = None;
                continue;
            }
            let place = Place { seq: info.stream_sequence, n_pending: info.pending };
            self.consumer_seq += 1;
            self.last_seq = place.seq;
            return (message, place);
        }
    }
}
