//! Connections: plain or TLS, bounded in number, slow senders cut off, ended in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::tls::Acceptors;

/// Header lines of one request; more are answered with 431.
const MAX_HEADERS: usize = 100;
/// Request line and headers together; more are answered with 431.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// From the beginning of a request, or of waiting for one, to the end of its headers.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// After a failed accept (no file handles left), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Server {
    pub listener: TcpListener,
    pub tls: Option<Acceptors>,
    pub max_connections: usize,
    /// How long requests in hand may take when the server ends; then they are cut off.
    pub drain: Duration,
}

impl Server {
    /// Answers until `stop`, then finishes what is in hand.
    pub async fn run(self, router: Router, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        let places = Arc::new(Semaphore::new(self.max_connections));
        loop {
            // When all places are taken, who comes waits in the queue of the kernel.
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = places.clone().acquire_owned() => place,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let connection = one(stream, peer, self.tls.clone(), router.clone(), stop.clone());
            let cut = cut.clone();
            connections.spawn(async move {
                let _place = place;
                tokio::select! {
                    () = cut.cancelled() => {}
                    () = connection => {}
                }
            });
        }
        drop(self.listener);
        connections.close();
        if tokio::time::timeout(self.drain, connections.wait()).await.is_err() {
            tracing::warn!(n = connections.len(), "connections cut off");
            cut.cancel();
            connections.wait().await;
        }
    }
}

async fn one(stream: TcpStream, peer: SocketAddr, tls: Option<Acceptors>, router: Router, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return talk(stream, peer, router, stop).await };
    match tokio::time::timeout(HANDSHAKE_DEADLINE, tls.now().accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, peer, router, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

async fn talk<S>(stream: S, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            // The request in hand is finished, no other is taken.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}
