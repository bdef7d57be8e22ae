//! A new connection, each step its own await: addresses, guard, TCP by RFC 8305, TLS, HTTP/1.1.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ow_domain::address::{AddressRules, refusal};
use ow_domain::capture::{FailedAddress, FailureKind, Phase, TlsFacts};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::metered::{Metered, WireTimes};
use super::outcome::{Fault, connect_kind, tls_fault};
use super::resolve::{Names, interleave};
use super::tls::{self, TlsProfiles};

/// Everything that makes two connections interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub https: bool,
    pub host: String,
    pub port: u16,
    pub rules: AddressRules,
    pub extra_roots_pem: Option<Arc<str>>,
}

/// A byte stream to a server.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Opens streams to addresses.
pub trait Dial: Send + Sync + 'static {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>>;
}

/// TCP.
#[derive(Debug, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            // Small requests must not wait for the acknowledgement of the last one.
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}

/// Time limits of the steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepLimits {
    pub dns: Duration,
    pub connect: Duration,
    pub tls: Duration,
    /// End of the whole exchange.
    pub deadline: Instant,
}

impl StepLimits {
    fn of(&self, step: Duration) -> Duration {
        step.min(self.deadline.saturating_duration_since(Instant::now()))
    }
}

pub(crate) struct Connection {
    pub sender: http1::SendRequest<Empty<Bytes>>,
    pub remote: SocketAddr,
    pub tls: Option<TlsFacts>,
    pub times: Arc<WireTimes>,
}

/// What the making of a connection showed, also when it failed.
#[derive(Debug, Default)]
pub(crate) struct ConnectReport {
    pub dns: Option<Duration>,
    pub connect: Option<Duration>,
    pub tls: Option<Duration>,
    pub remote: Option<SocketAddr>,
    pub failed: Vec<FailedAddress>,
}

pub(crate) struct Connector {
    pub dial: Arc<dyn Dial>,
    pub names: Names,
    pub profiles: TlsProfiles,
    /// Delay before the next address is tried beside the one under way (RFC 8305 §8: 250 ms).
    pub stagger: Duration,
    pub read_buffer_bytes: usize,
    pub tasks: TaskTracker,
}

impl Connector {
    pub(crate) async fn connect(
        &self,
        target: &Target,
        limits: StepLimits,
        report: &mut ConnectReport,
    ) -> Result<Connection, Fault> {
        let profile = match target.https {
            true => Some(self.profiles.config(target.extra_roots_pem.as_ref())?),
            false => None,
        };
        let addresses = self.addresses(target, limits, report).await?;
        let started = Instant::now();
        let connected =
            race(&*self.dial, &addresses, target.port, self.stagger, limits.of(limits.connect), report).await;
        let (stream, remote) = connected.inspect_err(|_| self.names.forget(&target.host))?;
        report.connect = Some(started.elapsed());
        report.remote = Some(remote);
        let times = WireTimes::new();
        let Some(profile) = profile else {
            let sender = self.handshake(Metered::new(stream, times.clone())).await?;
            return Ok(Connection { sender, remote, tls: None, times });
        };
        let started = Instant::now();
        let name = ServerName::try_from(target.host.clone()).map_err(|_| Fault {
            phase: Phase::Tls,
            kind: FailureKind::BadUrl,
            detail: format!("{} cannot be a name in a certificate", target.host),
        })?;
        let limit = limits.of(limits.tls);
        let handshake = tokio_rustls::TlsConnector::from(profile).connect(name, stream);
        let stream = match tokio::time::timeout(limit, handshake).await {
            Err(_) => {
                let detail = format!("handshake not finished in {} ms", limit.as_millis());
                return Err(Fault { phase: Phase::Tls, kind: FailureKind::TimedOut, detail });
            }
            Ok(done) => done.map_err(|error| tls_fault(&error))?,
        };
        report.tls = Some(started.elapsed());
        let facts = tls::facts(stream.get_ref().1);
        let sender = self.handshake(Metered::new(stream, times.clone())).await?;
        Ok(Connection { sender, remote, tls: Some(facts), times })
    }

    /// Addresses that may be asked, in the order to try them.
    async fn addresses(
        &self,
        target: &Target,
        limits: StepLimits,
        report: &mut ConnectReport,
    ) -> Result<Vec<IpAddr>, Fault> {
        let found: Arc<[IpAddr]> = match target.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(literal) => [literal].into(),
            Err(_) => {
                let started = Instant::now();
                let found = self.names.find(&target.host, limits.of(limits.dns)).await;
                let found = found.inspect_err(|_| report.dns = Some(started.elapsed()))?;
                report.dns = found.took;
                found.addresses
            }
        };
        let mut allowed = Vec::with_capacity(found.len());
        let mut why = "no address";
        for address in interleave(&found) {
            match refusal(address, target.rules) {
                None => allowed.push(address),
                Some(reason) => {
                    why = reason;
                    report.failed.push(FailedAddress {
                        addr: SocketAddr::new(address, target.port).to_string(),
                        failure: FailureKind::AddressForbidden,
                    });
                }
            }
        }
        if allowed.is_empty() {
            let addr = report.failed.first().map_or_else(|| target.host.clone(), |f| f.addr.clone());
            let detail = format!(
                "{addr} may not be asked: {why}; the channel's limits allow_private and allow_link_local permit such addresses"
            );
            return Err(Fault { phase: Phase::Policy, kind: FailureKind::AddressForbidden, detail });
        }
        Ok(allowed)
    }

    async fn handshake<S>(&self, stream: S) -> Result<http1::SendRequest<Empty<Bytes>>, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .read_buf_exact_size(Some(self.read_buffer_bytes))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| super::outcome::request_fault(&error))?;
        // The connection's own error also reaches the request in flight: here is nothing left to tell.
        self.tasks.spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// Tries the addresses in order, the next one after `stagger` or at once after a failure; the first that connects wins.
async fn race(
    dial: &dyn Dial,
    addresses: &[IpAddr],
    port: u16,
    stagger: Duration,
    limit: Duration,
    report: &mut ConnectReport,
) -> Result<(Box<dyn Wire>, SocketAddr), Fault> {
    let deadline = Instant::now() + limit;
    let mut waiting = addresses.iter().map(|a| SocketAddr::new(*a, port));
    let mut pending: Vec<SocketAddr> = Vec::new();
    let mut attempts = FuturesUnordered::new();
    let mut first: Option<(SocketAddr, io::Error)> = None;
    let mut next = waiting.next();
    loop {
        if let Some(address) = next.take() {
            pending.push(address);
            attempts.push(async move { (address, dial.dial(address).await) });
        }
        let more = waiting.len() > 0;
        tokio::select! {
            biased;
            Some((address, done)) = attempts.next() => {
                pending.retain(|p| *p != address);
                match done {
                    Ok(stream) => return Ok((stream, address)),
                    Err(error) => {
                        report.failed.push(FailedAddress { addr: address.to_string(), failure: connect_kind(&error) });
                        first.get_or_insert((address, error));
                        next = waiting.next();
                        if next.is_none() && attempts.is_empty() {
                            break;
                        }
                    }
                }
            }
            () = tokio::time::sleep(stagger), if more => next = waiting.next(),
            () = tokio::time::sleep_until(deadline) => {
                report.failed.extend(pending.iter().map(|p| FailedAddress { addr: p.to_string(), failure: FailureKind::TimedOut }));
                let tried = pending.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let detail = format!("no connection to {tried} in {} ms", limit.as_millis());
                return Err(Fault { phase: Phase::Connect, kind: FailureKind::TimedOut, detail });
            }
        }
    }
    let (kind, detail) = match &first {
        Some((address, error)) => (connect_kind(error), format!("{address}: {error}")),
        None => (FailureKind::Other, "no address to try".to_owned()),
    };
    Err(Fault { phase: Phase::Connect, kind, detail })
}
