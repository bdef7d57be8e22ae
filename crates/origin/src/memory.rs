//! An origin without sockets: connections are pipes in memory, so that minutes of a stream pass in a moment where tokio's time is paused.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::body::Stream;
use crate::clock::Clock;
use crate::config::{OriginConfig, OriginError};
use crate::fault::FaultHandle;
use crate::respond;
use crate::server::serve_on;

/// Bytes on their way in each direction.
const PIPE_BYTES: usize = 256 * 1024;

/// An origin to which [`MemoryOrigin::connect`] leads. Connections end when it is dropped.
#[derive(Debug)]
pub struct MemoryOrigin {
    origin: Arc<respond::Origin>,
    /// Adds and removes faults.
    pub faults: FaultHandle,
    stop: CancellationToken,
}

impl MemoryOrigin {
    /// `listen` of the configuration is not used. Scripted faults count from now on.
    pub fn new(config: OriginConfig, clock: Clock) -> Result<MemoryOrigin, OriginError> {
        let origin = respond::Origin::new(config, clock)?;
        let faults = origin.faults.clone();
        Ok(MemoryOrigin { origin: Arc::new(origin), faults, stop: CancellationToken::new() })
    }

    /// The client's side of a new HTTP/1.1 connection; to be called in a tokio runtime, which serves it.
    pub fn connect(&self) -> MemoryStream {
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        let was_reset = Arc::new(AtomicBool::new(false));
        let server = MemoryStream { pipe: server, was_reset: was_reset.clone() };
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        tokio::spawn(serve_on(server, peer, self.origin.clone(), self.stop.clone()));
        MemoryStream { pipe: client, was_reset }
    }
}

impl Drop for MemoryOrigin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// One side of a connection in memory.
#[derive(Debug)]
pub struct MemoryStream {
    pipe: DuplexStream,
    was_reset: Arc<AtomicBool>,
}

impl Stream for MemoryStream {
    fn reset(&self) -> io::Result<()> {
        self.was_reset.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(cx, buf))?;
        // As a socket: what had arrived is read first, then comes the error.
        if buf.filled().len() == before && buf.remaining() > 0 && self.was_reset.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
