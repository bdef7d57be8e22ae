//! The consume loop: bounded concurrency, explicit outcomes, acknowledgement after the effects.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, AckKind};
use futures_util::{FutureExt, StreamExt};
use ow_contracts::{Message, Subject};
use ow_domain::Time;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::received::acknowledge;
use crate::{Bus, BusError, ConsumerSpec, Outcome, Received, TraceContext, dead};

/// How long one pull request stands.
const PULL_EXPIRES: Duration = Duration::from_secs(2);
/// After this the server is taken for gone, and the request is made again.
const PULL_TIMEOUT: Duration = Duration::from_secs(4);
const AFTER_ERROR: Duration = Duration::from_millis(250);
pub(crate) const AFTER_PANIC: Duration = Duration::from_secs(5);

/// A message of known type with where it came from.
#[derive(Debug, Clone)]
pub struct Delivered<M> {
    pub message: M,
    pub subject: Subject,
    pub seq: u64,
    pub stored_at: Time,
    /// 1 is the first delivery.
    pub attempt: u32,
    pub trace: TraceContext,
}

/// Handles messages of one type. Called for several at once; the same message may come more than once.
pub trait Handler<M: Message>: Send + Sync + 'static {
    fn handle(&self, delivered: Delivered<M>) -> impl Future<Output = Outcome> + Send;
}

/// Handles messages that are not read yet. [`Handler`]s are wrapped in [`Typed`].
pub(crate) trait RawHandler: Send + Sync + 'static {
    fn handle_raw(&self, received: Received) -> impl Future<Output = Outcome> + Send;
}

struct Typed<M, H>(Arc<H>, std::marker::PhantomData<fn(M)>);

impl<M: Message, H: Handler<M>> RawHandler for Typed<M, H> {
    async fn handle_raw(&self, received: Received) -> Outcome {
        let message = match received.decode::<M>() {
            Ok(message) => message,
            Err(error) => return error.into(),
        };
        let Received { subject, seq, stored_at, attempt, trace, .. } = received;
        self.0.handle(Delivered { message, subject, seq, stored_at, attempt, trace }).await
    }
}

impl Bus {
    /// Hands the messages of a durable consumer to `handler` until `shutdown`, then finishes those in hand. The caller
    /// bounds the wait for that by its own drain deadline. What cannot be read goes to the dead letters.
    pub async fn consume<M: Message, H: Handler<M>>(
        &self,
        spec: ConsumerSpec,
        handler: Arc<H>,
        shutdown: CancellationToken,
    ) -> Result<(), BusError> {
        self.consume_raw(spec, Typed(handler, std::marker::PhantomData), shutdown).await
    }

    pub(crate) async fn consume_raw<H: RawHandler>(
        &self,
        spec: ConsumerSpec,
        handler: H,
        shutdown: CancellationToken,
    ) -> Result<(), BusError> {
        let worker = Arc::new(Worker { bus: self.clone(), handler, spec });
        let slots = Arc::new(Semaphore::new(worker.spec.concurrency.max(1)));
        let tasks = TaskTracker::new();
        let mut consumer: Option<PullConsumer> = None;
        while !shutdown.is_cancelled() {
            let Some(ready) = &consumer else {
                match self.durable(&worker.spec).await {
                    Ok(made) => consumer = Some(made),
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            consumer = worker.spec.durable,
                            "consumer is not available yet"
                        );
                        pause(&shutdown).await;
                    }
                }
                continue;
            };
            let slot = tokio::select! {
                () = shutdown.cancelled() => break,
                slot = slots.clone().acquire_owned() => slot,
            };
            let Ok(slot) = slot else { break };
            let free = 1 + slots.available_permits();
            if let Err(error) = pull_once(ready, free, slot, &slots, &worker, &tasks, &shutdown).await {
                tracing::warn!(%error, consumer = worker.spec.durable, "pull failed and is made again");
                consumer = None;
                pause(&shutdown).await;
            }
        }
        tasks.close();
        tasks.wait().await;
        Ok(())
    }

    async fn durable(&self, spec: &ConsumerSpec) -> Result<PullConsumer, BusError> {
        let stream = self.stream(&self.stream_name(spec.stream)).await?;
        let made = stream.create_consumer(spec.config(self)).await;
        made.map_err(BusError::request(format!("set up consumer {}", spec.durable)))
    }
}

async fn pause(shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(AFTER_ERROR) => {}
    }
}

/// One pull request for as many messages as there are free slots, and its messages.
async fn pull_once<H: RawHandler>(
    consumer: &PullConsumer,
    free: usize,
    slot: OwnedSemaphorePermit,
    slots: &Arc<Semaphore>,
    worker: &Arc<Worker<H>>,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), async_nats::Error> {
    let mut slot = Some(slot);
    let mut batch: pull::Batch = consumer.fetch().max_messages(free).expires(PULL_EXPIRES).messages().await?;
    loop {
        let next = tokio::select! {
            () = shutdown.cancelled() => break,
            next = tokio::time::timeout(PULL_TIMEOUT, batch.next()) => next,
        };
        let message = match next {
            Err(_) | Ok(None) => return Ok(()),
            Ok(Some(message)) => message?,
        };
        let slot = match slot.take() {
            Some(slot) => slot,
            None => slots.clone().acquire_owned().await?,
        };
        let worker = worker.clone();
        tasks.spawn(async move {
            worker.work(message).await;
            drop(slot);
        });
    }
    // What is already on its way to us goes to another replica at once, not after the ack wait.
    while let Some(Some(Ok(message))) = batch.next().now_or_never() {
        acknowledge(&message, AckKind::Nak(None)).await;
    }
    Ok(())
}

struct Worker<H> {
    bus: Bus,
    handler: H,
    spec: ConsumerSpec,
}

impl<H: RawHandler> Worker<H> {
    async fn work(&self, message: jetstream::Message) {
        let received = match Received::from_stream(&self.bus, &message) {
            Ok(received) => received,
            Err(error) => return tracing::error!(%error, "a message without stream information was ignored"),
        };
        let span = received.span(&self.spec.durable);
        async {
            let trace = received.trace;
            let handled = trace.scope(self.handler.handle_raw(received.clone()));
            let outcome =
                with_progress(&message, self.spec.ack_wait, handled).await.unwrap_or(Outcome::Later(AFTER_PANIC));
            match outcome {
                Outcome::Done => acknowledge(&message, AckKind::Ack).await,
                Outcome::Later(delay) => acknowledge(&message, AckKind::Nak(Some(delay))).await,
                Outcome::Reject(reason) => {
                    dead::bury(&self.bus, self.spec.stream, &self.spec.durable, &received, &message, reason).await;
                }
            }
        }
        .instrument(span)
        .await;
    }
}

/// Runs a handler, telling the server every third of the ack wait that work goes on. `None`: it panicked.
pub(crate) async fn with_progress(
    message: &jetstream::Message,
    ack_wait: Duration,
    handled: impl Future<Output = Outcome>,
) -> Option<Outcome> {
    let mut handled = std::pin::pin!(AssertUnwindSafe(handled).catch_unwind());
    loop {
        match tokio::time::timeout(ack_wait / 3, &mut handled).await {
            Ok(Ok(outcome)) => return Some(outcome),
            Ok(Err(_)) => {
                tracing::error!("a handler panicked; its message will come again");
                return None;
            }
            Err(_) => acknowledge(message, AckKind::Progress).await,
        }
    }
}
