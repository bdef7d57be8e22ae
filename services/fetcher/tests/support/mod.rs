//! Hand-made servers on loopback that do exactly one thing, right or wrong.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use ow_domain::capture::ObjectKind;
use ow_domain::job::FetchLimits;
use ow_fetcher::http::{Access, Limits, Probe, ProbeOptions, Request, Resolve, ResolveError, Reuse};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a connection of the server does; the number counts connections from 0.
pub type Script = Arc<dyn Fn(usize, TcpStream) -> BoxFuture<'static, ()> + Send + Sync>;

pub struct Server {
    pub addr: SocketAddr,
    pub n_connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let n_connections = Arc::new(AtomicUsize::new(0));
        let count = n_connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(script(count.fetch_add(1, Ordering::SeqCst), stream));
            }
        });
        Self { addr, n_connections, task }
    }
    /// Answers each request with the same bytes, then goes on (`keep`) or closes.
    pub async fn answering(bytes: impl Into<Vec<u8>>, keep: bool) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start(Arc::new(move |_, mut stream| {
            let bytes = bytes.clone();
            Box::pin(async move {
                while read_head(&mut stream).await.is_some() {
                    if stream.write_all(&bytes).await.is_err() || !keep {
                        break;
                    }
                }
                let _ = stream.shutdown().await;
            })
        }))
        .await
    }
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
    pub fn connections(&self) -> usize {
        self.n_connections.load(Ordering::SeqCst)
    }
}

/// Reads one request head; `None` at the end of the connection.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.ok()?;
        head.push(byte);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Closes with a reset instead of an orderly end.
pub fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// A name service from a list.
pub struct Names(pub Vec<(&'static str, Result<Vec<IpAddr>, ResolveError>)>);

impl Resolve for Names {
    fn resolve(&self, host: String) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> {
        let found = self.0.iter().find(|(name, _)| *name == host).map(|(_, answer)| answer.clone());
        Box::pin(async move { found.unwrap_or(Err(ResolveError::NotFound)) })
    }
}

pub fn probe_with(resolver: Names) -> Probe {
    Probe::new(ProbeOptions { resolver: Arc::new(resolver), native_roots: false, ..ProbeOptions::default() })
}

pub fn probe() -> Probe {
    probe_with(Names(vec![]))
}

pub fn quick_limits() -> FetchLimits {
    FetchLimits {
        dns_timeout_ms: 300,
        connect_timeout_ms: 600,
        tls_timeout_ms: 600,
        ttfb_timeout_ms: 500,
        manifest_timeout_ms: 900,
        segment_timeout_ms: 900,
        ..FetchLimits::default()
    }
}

pub fn get(url: impl Into<String>, kind: ObjectKind) -> Request {
    let limits = quick_limits();
    Request {
        url: url.into(),
        kind,
        headers: Arc::new([]),
        etag: None,
        range: None,
        limits: Limits::segment(&limits, Duration::ZERO),
        access: Access::from(&limits),
        reuse: Reuse::Allowed,
    }
}
