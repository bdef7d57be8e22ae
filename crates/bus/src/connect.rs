//! One connection, and what it is known by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, Context, context::ContextBuilder};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;

use crate::{BusConfig, BusError, StreamPrefix};

/// Oldest nats-server that does what we ask of it: docs/adr/0001.
pub const SERVER_FLOOR: &str = "2.14.0";
/// Wait for one publish acknowledgement before the message is sent again with the same id.
pub(crate) const ACK_TIMEOUT: Duration = Duration::from_secs(1);
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// A connection to the bus. Cheap to clone; all clones share the connection, which reconnects for ever.
#[derive(Debug, Clone)]
pub struct Bus {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub client: Client,
    /// Publish: short ack wait.
    pub js: Context,
    /// Everything else.
    pub admin: Context,
    pub prefix: StreamPrefix,
    pub source: String,
    pub publish_deadline: Duration,
    /// Turns true when the connection is closed for good.
    pub closed: watch::Receiver<bool>,
}

impl Bus {
    /// Connects, waiting up to `connect_wait` for a server, and checks its version.
    pub async fn connect(config: BusConfig) -> Result<Self, BusError> {
        let servers = config.servers()?;
        let start = Instant::now();
        let (ended, closed) = watch::channel(false);
        let ended = Arc::new(ended);
        let client = loop {
            let ended = ended.clone();
            let reporting = options(&config).await?.event_callback(move |event| {
                if matches!(event, Event::Closed) {
                    ended.send_replace(true);
                }
                report(event)
            });
            let error = match reporting.connect(&servers[..]).await {
                Ok(client) => break client,
                Err(error) => error,
            };
            if matches!(error.kind(), ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation) {
                return Err(BusError::Refused { servers: config.url.clone(), source: error.into() });
            }
            if start.elapsed() >= config.connect_wait {
                return Err(BusError::Connect {
                    servers: config.url.clone(),
                    waited: config.connect_wait,
                    source: error.into(),
                });
            }
            tracing::debug!(error = &error as &dyn std::error::Error, "no NATS server yet");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        check_version(&client.server_info().version)?;
        let js = ContextBuilder::new().timeout(ACK_TIMEOUT).build(client.clone());
        let admin = ContextBuilder::new().timeout(ADMIN_TIMEOUT).build(client.clone());
        let BusConfig { prefix, name: source, publish_deadline, .. } = config;
        Ok(Self { inner: Arc::new(Inner { client, js, admin, prefix, source, publish_deadline, closed }) })
    }

    /// Is there a server at the other end just now?
    pub fn is_connected(&self) -> bool {
        self.inner.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Version of the server we are connected to.
    pub fn server_version(&self) -> String {
        self.inner.client.server_info().version
    }

    pub fn prefix(&self) -> &StreamPrefix {
        &self.inner.prefix
    }

    /// Hands everything written to the server. For the end of a service, after its publishers are flushed.
    pub async fn flush(&self) -> Result<(), BusError> {
        let flush = tokio::time::timeout(ADMIN_TIMEOUT, self.inner.client.flush()).await;
        match flush {
            Ok(done) => done.map_err(BusError::request("flush the connection")),
            Err(late) => Err(BusError::request("flush the connection")(late)),
        }
    }

    /// Ends the connection of all clones in order: everything written is handed over, nothing is taken any more. For
    /// the end of a process that ends its server next.
    pub async fn close(&self) -> Result<(), BusError> {
        self.flush().await?;
        self.inner.client.drain().await.map_err(BusError::request("close the connection"))?;
        let mut closed = self.inner.closed.clone();
        let closed = tokio::time::timeout(ADMIN_TIMEOUT, closed.wait_for(|closed| *closed)).await;
        closed.map(|_| ()).map_err(BusError::request("close the connection"))
    }

    /// A stream by its full name, without asking the server.
    pub(crate) async fn stream(&self, name: &str) -> Result<jetstream::stream::Stream<()>, BusError> {
        let stream = self.inner.admin.get_stream_no_info(name).await;
        stream.map_err(BusError::request(format!("use stream {name}")))
    }
}

async fn options(config: &BusConfig) -> Result<ConnectOptions, BusError> {
    let mut options = ConnectOptions::new()
        .name(&config.name)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            let doubled = Duration::from_millis(50 << attempt.min(5));
            doubled.min(LONGEST_RECONNECT_DELAY)
        })
        .connection_timeout(Duration::from_secs(5))
        .ping_interval(Duration::from_secs(10))
        .client_capacity(2048);
    if let Some(user) = &config.user {
        let password = match &config.password_file {
            Some(path) => tokio::fs::read_to_string(path).await.map_err(|error| BusError::Config {
                key: "password_file",
                value: path.display().to_string(),
                reason: error.to_string(),
                example: "\"/etc/ottwatch/nats.password\"",
            })?,
            None => String::new(),
        };
        // Each user may listen only to its own inboxes: nats.conf.
        options = options
            .user_and_password(user.clone(), password.trim_end_matches(['\r', '\n']).to_owned())
            .custom_inbox_prefix(format!("_INBOX_{user}"));
    }
    if let Some(path) = &config.ca_file {
        options = options.add_root_certificates(path.clone());
    }
    Ok(options)
}

async fn report(event: Event) {
    match event {
        Event::Connected => tracing::info!("connected to the bus"),
        Event::Draining | Event::Closed => tracing::debug!(event = %event, "bus connection event"),
        Event::Disconnected => tracing::warn!("disconnected from the bus"),
        Event::SlowConsumer(subscription) => {
            tracing::warn!(subscription, "a subscription is too slow and lost messages")
        }
        Event::ServerError(error) => tracing::error!(%error, "the NATS server reports an error"),
        Event::ClientError(error) => tracing::warn!(%error, "the NATS client reports an error"),
        other => tracing::info!(event = %other, "bus connection event"),
    }
}

/// `2.15.1`, `2.14.0-RC.2`. A version that cannot be read is too old.
fn check_version(found: &str) -> Result<(), BusError> {
    let numbers = |text: &str| -> Option<Vec<u32>> {
        let core = text.split(['-', '+']).next()?;
        core.split('.').map(|part| part.parse().ok()).collect()
    };
    match (numbers(found), numbers(SERVER_FLOOR)) {
        (Some(ours), Some(floor)) if ours >= floor => Ok(()),
        _ => Err(BusError::ServerTooOld { found: found.to_owned(), floor: SERVER_FLOOR }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_the_floor_are_refused() {
        for (version, good) in [
            ("2.14.0", true),
            ("2.15.1", true),
            ("2.14.0-RC.1", true),
            ("3.0.0", true),
            ("2.13.9", false),
            ("2.9.10", false),
            ("", false),
            ("dev", false),
        ] {
            assert_eq!(check_version(version).is_ok(), good, "{version:?}");
        }
    }
}
