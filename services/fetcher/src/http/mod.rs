//! The HTTP client of the probe: one request, told exactly. Each phase is an await of its own on a connection of our
//! own, so that its time and its failure belong to this request and to nothing else.
//!
//! Memory: per transfer one read buffer ([`ProbeOptions::read_buffer_bytes`], up to twice while a piece is parsed) plus
//! what the sink keeps; per idle connection nothing that was touched. Start reading at [`Probe::fetch`].

mod answer;
mod coding;
mod connect;
mod digest;
mod metered;
mod outcome;
mod pool;
mod resolve;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{self, HeaderName, HeaderValue};
use ow_domain::capture::{
    Exchange, Failure, FailureKind, ObjectKind, Outcome, Phase, Redirect, Timings, printable_url,
};
use ow_domain::job::FetchLimits;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use url::{Position, Url};

pub use coding::{BodySink, Collect, Ignore};
pub use connect::{Dial, TcpDial, Wire};
pub use ow_domain::address::{AddressRules, refusal};
pub use resolve::{Resolve, ResolveError, SystemResolver};

use crate::clock::SteadyClock;
use answer::{BodyRules, ReadBody};
use connect::{ConnectReport, Connection, Connector, StepLimits, Target};
use outcome::Fault;
use pool::{Pool, PoolLimits};

/// Longest URL that is asked.
const MAX_URL_BYTES: usize = 8 << 10;

/// Set-up of a [`Probe`]. Bounds hold for the whole process.
#[derive(Clone)]
pub struct ProbeOptions {
    pub clock: SteadyClock,
    pub resolver: Arc<dyn Resolve>,
    /// Opens connections; TCP by default.
    pub dial: Arc<dyn Dial>,
    pub user_agent: String,
    /// Trust the roots of the machine.
    pub native_roots: bool,
    /// How long an answer of the resolver is used again, by new connections only.
    pub names_kept: Duration,
    /// RFC 8305 connection attempt delay.
    pub stagger: Duration,
    /// Idle connections kept per origin and in all, and for how long.
    pub idle_per_origin: usize,
    pub idle_total: usize,
    pub idle_timeout: Duration,
    /// Exact size of reads from a socket; also the bound of a response head.
    pub read_buffer_bytes: usize,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            clock: SteadyClock::start(),
            resolver: Arc::new(SystemResolver),
            dial: Arc::new(TcpDial),
            user_agent: concat!("ottwatch/", env!("CARGO_PKG_VERSION")).into(),
            native_roots: true,
            names_kept: Duration::from_secs(30),
            stagger: Duration::from_millis(250),
            idle_per_origin: 64,
            idle_total: 1_024,
            idle_timeout: Duration::from_secs(30),
            read_buffer_bytes: 256 << 10,
        }
    }
}

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub dns: Duration,
    pub connect: Duration,
    pub tls: Duration,
    /// Request written to head of the answer.
    pub ttfb: Duration,
    /// Everything, redirects included.
    pub total: Duration,
    /// Bytes of body, before and after content decoding.
    pub max_body_bytes: u64,
    pub max_redirects: u8,
}

impl Limits {
    /// For a manifest: `total` is the larger of the job's bound and `usual` (the target duration).
    pub fn manifest(limits: &FetchLimits, usual: Duration) -> Self {
        Self::new(limits, limits.manifest_timeout_ms, usual, limits.max_manifest_bytes)
    }
    /// For a segment or init section: `total` is the larger of the job's bound and `usual` (twice the duration).
    pub fn segment(limits: &FetchLimits, usual: Duration) -> Self {
        Self::new(limits, limits.segment_timeout_ms, usual, limits.max_segment_bytes)
    }
    fn new(limits: &FetchLimits, least_ms: u32, usual: Duration, max_body_bytes: u64) -> Self {
        let ms = |n: u32| Duration::from_millis(u64::from(n));
        Self {
            dns: ms(limits.dns_timeout_ms),
            connect: ms(limits.connect_timeout_ms),
            tls: ms(limits.tls_timeout_ms),
            ttfb: ms(limits.ttfb_timeout_ms),
            total: ms(least_ms).max(usual).min(Duration::from_secs(300)),
            max_body_bytes,
            max_redirects: limits.max_redirects,
        }
    }
}

/// Where a request may go, and what it trusts there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub rules: AddressRules,
    pub extra_roots_pem: Option<Arc<str>>,
}

impl From<&FetchLimits> for Access {
    fn from(limits: &FetchLimits) -> Self {
        Self {
            rules: AddressRules { allow_private: limits.allow_private, allow_link_local: limits.allow_link_local },
            extra_roots_pem: limits.extra_roots_pem.as_deref().map(Into::into),
        }
    }
}

/// Whether an idle connection may carry the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    Allowed,
    /// The second try after a failure must not meet the same broken connection.
    NewConnection,
}

/// One GET.
#[derive(Debug, Clone)]
pub struct Request {
    pub url: String,
    pub kind: ObjectKind,
    /// Headers of the job; left out when a redirect leads to another origin.
    pub headers: Arc<[(String, String)]>,
    /// Sent as `If-None-Match`.
    pub etag: Option<String>,
    /// First and last byte, both included.
    pub range: Option<(u64, u64)>,
    pub limits: Limits,
    pub access: Access,
    pub reuse: Reuse,
}

/// The client. Cheap to share behind an `Arc`; keeps idle connections and names between requests.
pub struct Probe {
    clock: SteadyClock,
    user_agent: HeaderValue,
    connector: Connector,
    pool: Pool,
    tasks: TaskTracker,
}

/// One hop under way: what is known whatever comes.
struct Hop {
    url: Url,
    timings: Timings,
    report: ConnectReport,
    remote: Option<std::net::SocketAddr>,
    tls: Option<ow_domain::capture::TlsFacts>,
}

impl Probe {
    pub fn new(options: ProbeOptions) -> Self {
        let tasks = TaskTracker::new();
        let agent = HeaderValue::from_str(&options.user_agent);
        Self {
            clock: options.clock,
            user_agent: agent.unwrap_or(HeaderValue::from_static("ottwatch")),
            connector: Connector {
                dial: options.dial,
                names: resolve::Names::new(options.resolver, options.names_kept),
                profiles: tls::TlsProfiles::new(options.native_roots),
                stagger: options.stagger,
                read_buffer_bytes: options.read_buffer_bytes.max(16 << 10),
                tasks: tasks.clone(),
            },
            pool: Pool::new(PoolLimits {
                per_target: options.idle_per_origin,
                total: options.idle_total,
                idle: options.idle_timeout,
            }),
            tasks,
        }
    }

    /// The time scale of the exchanges.
    pub fn clock(&self) -> SteadyClock {
        self.clock
    }

    /// Connections open now, idle ones included.
    pub fn n_connections(&self) -> usize {
        self.tasks.len()
    }

    /// Closes connections idle for too long; to be called now and then.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// Makes the request, follows redirects, passes the body of a 200 or 206 to `sink`, and tells what happened. Never
    /// fails: a failure is the content of the exchange.
    pub async fn fetch(&self, request: &Request, sink: &mut dyn BodySink) -> Exchange {
        let started = Instant::now();
        let deadline = started + request.limits.total;
        let mut redirects: Vec<Redirect> = Vec::new();
        let mut visited: Vec<Url> = Vec::new();
        let first = match parse(&request.url) {
            Ok(url) => url,
            Err(fault) => return self.failed(request, started, None, redirects, fault),
        };
        let mut hop = Hop::to(first.clone());
        loop {
            let headers = if same_origin(&first, &hop.url) { &*request.headers } else { &[] };
            let read = match self.hop(request, headers, &mut hop, deadline, sink).await {
                Ok(read) => read,
                Err(fault) => return self.failed(request, started, Some(hop), redirects, fault),
            };
            let status = read.response.status;
            let location = read.response.headers.iter().find(|(name, _)| name == "location").map(|(_, v)| v.clone());
            let (true, Some(location)) = (matches!(status, 301 | 302 | 303 | 307 | 308), location) else {
                return self.exchange(request, started, hop, redirects, read);
            };
            redirects.push(Redirect { status, location: location.clone() });
            visited.push(hop.url.clone());
            let fault = |kind, detail| Fault { phase: Phase::Policy, kind, detail };
            let next = hop.url.join(&location).ok().filter(usable).ok_or_else(|| {
                fault(
                    FailureKind::BadRedirect,
                    format!("redirect to {:?} cannot be followed", printable_url(&location)),
                )
            });
            let next = next.and_then(|next| {
                if visited.contains(&next) {
                    Err(fault(
                        FailureKind::RedirectLoop,
                        format!("{} redirects back to itself", printable_url(next.as_str())),
                    ))
                } else if redirects.len() > usize::from(request.limits.max_redirects) {
                    let max = request.limits.max_redirects;
                    Err(fault(FailureKind::TooManyRedirects, format!("more than {max} redirects")))
                } else {
                    Ok(next)
                }
            });
            match next {
                Ok(next) => hop = Hop::to(next),
                Err(fault) => return self.failed(request, started, Some(hop), redirects, fault),
            }
        }
    }

    async fn hop(
        &self,
        request: &Request,
        headers: &[(String, String)],
        hop: &mut Hop,
        deadline: Instant,
        sink: &mut dyn BodySink,
    ) -> Result<ReadBody, Fault> {
        let target = Target {
            https: hop.url.scheme() == "https",
            host: hop.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: hop.url.port_or_known_default().unwrap_or(80),
            rules: request.access.rules,
            extra_roots_pem: request.access.extra_roots_pem.clone().filter(|_| hop.url.scheme() == "https"),
        };
        let message = self.message(request, headers, &hop.url)?;
        let limits =
            StepLimits { dns: request.limits.dns, connect: request.limits.connect, tls: request.limits.tls, deadline };
        let idle = if request.reuse == Reuse::Allowed { self.pool.take(&target) } else { None };
        hop.timings.reused = idle.is_some();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect(&target, limits, hop).await?,
        };
        hop.note(&connection);
        let answer = match send(&mut connection, message.clone(), request.limits.ttfb, deadline).await {
            // The server closed an idle connection as we began to use it: that says nothing about the object. Only
            // where no byte of an answer came may the request be sent again unseen.
            Err(fault)
                if hop.timings.reused
                    && matches!(fault.kind, FailureKind::Closed | FailureKind::Reset)
                    && connection.times.answered().is_none() =>
            {
                hop.timings = Timings::default();
                connection = self.connect(&target, limits, hop).await?;
                hop.note(&connection);
                send(&mut connection, message, request.limits.ttfb, deadline).await
            }
            answer => answer,
        }?;
        let head_at = connection.times.answered().unwrap_or(answer.at);
        hop.timings.ttfb_us = Some(micros(head_at.saturating_duration_since(answer.sent)));
        let rules = BodyRules {
            kind: request.kind,
            deadline,
            max_bytes: request.limits.max_body_bytes,
            ranged: request.range.is_some(),
        };
        let read = answer::read(answer.response, head_at, &rules, sink).await;
        hop.timings.body_us = Some(micros(read.ended.saturating_duration_since(head_at)));
        hop.timings.longest_stall_us = Some(micros(read.longest_stall));
        hop.timings.slowest_bits_per_second = read.slowest_bits_per_second;
        if read.reusable {
            self.pool.put(target, connection);
        }
        Ok(read)
    }

    async fn connect(&self, target: &Target, limits: StepLimits, hop: &mut Hop) -> Result<Connection, Fault> {
        let made = self.connector.connect(target, limits, &mut hop.report).await;
        hop.remote = hop.report.remote;
        hop.timings.dns_us = hop.report.dns.map(micros);
        hop.timings.connect_us = hop.report.connect.map(micros);
        hop.timings.tls_us = hop.report.tls.map(micros);
        made
    }

    fn message(
        &self,
        request: &Request,
        headers: &[(String, String)],
        url: &Url,
    ) -> Result<hyper::Request<Empty<Bytes>>, Fault> {
        let bad = |detail: String| Fault { phase: Phase::Policy, kind: FailureKind::BadUrl, detail };
        let coding = if request.kind.is_manifest() { "gzip" } else { "identity" };
        let mut message = hyper::Request::get(&url[Position::BeforePath..Position::AfterQuery])
            .header(header::HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(header::USER_AGENT, &self.user_agent)
            .header(header::ACCEPT, "*/*")
            .header(header::ACCEPT_ENCODING, coding);
        if !url.username().is_empty() || url.password().is_some() {
            message = message.header(header::AUTHORIZATION, basic(url));
        }
        if let Some((first, last)) = request.range {
            message = message.header(header::RANGE, format!("bytes={first}-{last}"));
        }
        if let Some(etag) = &request.etag {
            message = message.header(header::IF_NONE_MATCH, etag);
        }
        let mut message =
            message.body(Empty::new()).map_err(|error| bad(format!("the URL cannot be asked: {error}")))?;
        for (name, value) in headers.iter().take(32) {
            let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = pair.ok_or_else(|| bad(format!("request header {name:?} is not valid")))?;
            message.headers_mut().insert(name, value);
        }
        Ok(message)
    }

    fn exchange(
        &self,
        request: &Request,
        started: Instant,
        hop: Hop,
        redirects: Vec<Redirect>,
        read: ReadBody,
    ) -> Exchange {
        Exchange {
            t_end: self.clock.at(read.ended),
            outcome: Outcome::Response(read.response),
            http_version: Some("HTTP/1.1".into()),
            ..self.blank(request, started, Some(hop), redirects)
        }
    }

    fn failed(
        &self,
        request: &Request,
        started: Instant,
        hop: Option<Hop>,
        redirects: Vec<Redirect>,
        fault: Fault,
    ) -> Exchange {
        Exchange { outcome: Outcome::Failed(fault.into()), ..self.blank(request, started, hop, redirects) }
    }

    /// All but the outcome; `t_end` is now.
    fn blank(&self, request: &Request, started: Instant, hop: Option<Hop>, redirects: Vec<Redirect>) -> Exchange {
        let origin = Url::parse(&request.url).ok().and_then(|url| origin_of(&url)).unwrap_or_default();
        let never = Failure { phase: Phase::Policy, kind: FailureKind::Other, detail: String::new() };
        let mut exchange = Exchange {
            url: request.url.clone(),
            final_url: None,
            origin,
            method: "GET".into(),
            t_req: self.clock.at(started),
            t_end: self.clock.now(),
            timings: Timings::default(),
            remote_addr: None,
            http_version: None,
            tls: None,
            redirects,
            failed_addresses: Vec::new(),
            outcome: Outcome::Failed(never),
        };
        if let Some(hop) = hop {
            exchange.final_url = (!exchange.redirects.is_empty()).then(|| hop.url.to_string());
            exchange.timings = hop.timings;
            exchange.remote_addr = hop.remote.map(|remote| remote.to_string());
            exchange.tls = hop.tls;
            exchange.failed_addresses = hop.report.failed;
        }
        exchange
    }
}

impl Hop {
    fn to(url: Url) -> Self {
        Self { url, timings: Timings::default(), report: ConnectReport::default(), remote: None, tls: None }
    }
    fn note(&mut self, connection: &Connection) {
        self.remote = Some(connection.remote);
        self.tls.clone_from(&connection.tls);
    }
}

struct Answer {
    response: hyper::Response<hyper::body::Incoming>,
    /// When the request was written.
    sent: Instant,
    /// When the head was read.
    at: Instant,
}

async fn send(
    connection: &mut Connection,
    message: hyper::Request<Empty<Bytes>>,
    ttfb: Duration,
    deadline: Instant,
) -> Result<Answer, Fault> {
    connection.times.reset();
    let started = Instant::now();
    let until = deadline.min(started + ttfb);
    match tokio::time::timeout_at(until, connection.sender.send_request(message)).await {
        Err(_) => {
            let waited = started.elapsed().as_millis();
            let detail = format!("no answer {waited} ms after the request");
            Err(Fault { phase: Phase::Request, kind: FailureKind::TimedOut, detail })
        }
        Ok(Err(error)) => Err(outcome::request_fault(&error)),
        Ok(Ok(response)) => {
            Ok(Answer { response, sent: connection.times.sent().unwrap_or(started), at: Instant::now() })
        }
    }
}

fn parse(text: &str) -> Result<Url, Fault> {
    let bad = |detail| Err(Fault { phase: Phase::Policy, kind: FailureKind::BadUrl, detail });
    if text.len() > MAX_URL_BYTES {
        return bad(format!("the URL has {} bytes, more than {MAX_URL_BYTES}", text.len()));
    }
    match Url::parse(text) {
        Err(error) => bad(format!("{}: {error}", printable_url(text))),
        Ok(url) if usable(&url) => Ok(url),
        Ok(url) => bad(format!("{} is not an http or https URL with a host", printable_url(url.as_str()))),
    }
}

fn usable(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|h| !h.is_empty())
        && url.as_str().len() <= MAX_URL_BYTES
}

/// User and password of the URL as RFC 7617 has them.
fn basic(url: &Url) -> String {
    use base64::Engine;
    let decode = |text: &str| percent_decode(text.as_bytes());
    let pair = [decode(url.username()), b":".to_vec(), decode(url.password().unwrap_or_default())].concat();
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, more)) = rest.split_first() {
        let hex = |at: usize| more.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &more[2..];
            }
            _ => {
                out.push(byte);
                rest = more;
            }
        }
    }
    out
}

/// `scheme://host:port`.
pub fn origin_of(url: &Url) -> Option<String> {
    Some(format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default()?))
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
