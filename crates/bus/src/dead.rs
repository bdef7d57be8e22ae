//! Dead letters: messages that were rejected, or that the server gave up after too many deliveries.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::jetstream::{self, AckKind};
use ow_contracts::DeadLetter;
use ow_domain::error::chain;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::consume::RawHandler;
use crate::received::acknowledge;
use crate::{Bus, BusError, ConsumerSpec, Outcome, Received, StreamName, time};

/// How long a message waits that could not be written to the dead letters.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Copies a rejected message to the dead letters, and only then tells the server never to deliver it again.
pub(crate) async fn bury(
    bus: &Bus,
    stream: StreamName,
    consumer: &str,
    received: &Received,
    message: &jetstream::Message,
    reason: String,
) {
    tracing::warn!(reason, "a message was rejected");
    let letter = DeadLetter {
        stream: stream.as_str().to_owned(),
        subject: received.subject.to_string(),
        seq: received.seq,
        consumer: consumer.to_owned(),
        reason,
        at: time::now(),
        headers: received.headers().collect(),
        payload_base64: base64(received.payload()),
    };
    match publish(bus, letter).await {
        Ok(()) => acknowledge(message, AckKind::Term).await,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a rejected message could not be kept and will come again"
            );
            acknowledge(message, AckKind::Nak(Some(AFTER_FAILURE))).await;
        }
    }
}

/// Publishes; a letter too large for the server goes without the payload, which stays in its stream's history.
async fn publish(bus: &Bus, mut letter: DeadLetter) -> Result<(), BusError> {
    match bus.publish(&letter).await {
        Err(BusError::TooLarge { .. }) => {
            letter.reason.push_str(" (payload left out: too large)");
            letter.payload_base64 = String::new();
            bus.publish(&letter).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}

impl Bus {
    /// The dead-letter mover: what the server gave up (max deliveries, terminated) is copied to `dead.<stream>` with
    /// the reason, and leaves its work queue. One process is enough; more do no harm.
    pub async fn move_dead_letters(&self, shutdown: CancellationToken) -> Result<(), BusError> {
        let mover = Mover { bus: self.clone() };
        self.consume_raw(ConsumerSpec::dead_letters(4), mover, shutdown).await
    }
}

struct Mover {
    bus: Bus,
}

/// `io.nats.jetstream.advisory.v1.max_deliver` and `.terminated`, as far as we read them.
#[derive(Deserialize)]
struct Advisory {
    #[serde(rename = "type")]
    kind: String,
    stream: String,
    consumer: String,
    stream_seq: u64,
    #[serde(default)]
    deliveries: u64,
    #[serde(default)]
    reason: String,
}

impl RawHandler for Mover {
    async fn handle_raw(&self, received: Received) -> Outcome {
        let advisory: Advisory = match serde_json::from_slice(received.payload()) {
            Ok(advisory) => advisory,
            Err(error) => return Outcome::Reject(chain(&error)),
        };
        match self.move_one(&advisory).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a dead letter could not be moved yet");
                Outcome::Later(AFTER_FAILURE)
            }
        }
    }
}

impl Mover {
    async fn move_one(&self, advisory: &Advisory) -> Result<(), BusError> {
        let Some(name) = StreamName::ALL.into_iter().find(|n| self.bus.stream_name(*n) == advisory.stream) else {
            return Ok(());
        };
        let stream = self.bus.stream(&advisory.stream).await?;
        let original = match stream.get_raw_message(advisory.stream_seq).await {
            Ok(original) => original,
            // A rejected message left its queue after its copy was made.
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(()),
            Err(error) => return Err(BusError::request("read a message that was given up")(error)),
        };
        let given_up = advisory.kind.contains("max_deliver");
        let reason = if given_up {
            format!("given up after {} deliveries", advisory.deliveries)
        } else {
            format!("terminated {}", advisory.reason).trim_end().to_owned()
        };
        let letter = DeadLetter {
            stream: name.as_str().to_owned(),
            subject: self.bus.inner.prefix.strip(original.subject.as_str()).to_owned(),
            seq: advisory.stream_seq,
            consumer: advisory.consumer.clone(),
            reason,
            at: time::now(),
            headers: flatten(&original.headers),
            payload_base64: base64(&original.payload),
        };
        tracing::warn!(
            stream = letter.stream,
            subject = letter.subject,
            reason = letter.reason,
            "a message was given up"
        );
        publish(&self.bus, letter).await?;
        if given_up && name.is_work_queue() {
            let deleted = stream.delete_message(advisory.stream_seq).await;
            deleted.map_err(BusError::request("delete a message that was given up"))?;
        }
        Ok(())
    }
}

fn flatten(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter();
    pairs.flat_map(|(name, values)| values.iter().map(move |v| (name.to_string(), v.to_string()))).collect()
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}
