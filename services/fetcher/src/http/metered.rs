//! A stream that notes when the request was written and when the first byte of the answer came.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Times of the request in flight on one connection, microseconds since `base` plus 1; 0 is "not yet".
#[derive(Debug)]
pub(crate) struct WireTimes {
    base: Instant,
    last_write: AtomicU64,
    first_read: AtomicU64,
}

impl WireTimes {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { base: Instant::now(), last_write: AtomicU64::new(0), first_read: AtomicU64::new(0) })
    }
    /// To be called before each request.
    pub(crate) fn reset(&self) {
        self.last_write.store(0, Relaxed);
        self.first_read.store(0, Relaxed);
    }
    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX - 1) + 1
    }
    fn instant(&self, value: &AtomicU64) -> Option<Instant> {
        value.load(Relaxed).checked_sub(1).map(|us| self.base + Duration::from_micros(us))
    }
    /// When the last bytes of the request went out.
    pub(crate) fn sent(&self) -> Option<Instant> {
        self.instant(&self.last_write)
    }
    /// When the first byte of the answer came.
    pub(crate) fn answered(&self) -> Option<Instant> {
        self.instant(&self.first_read)
    }
}

pub(crate) struct Metered<S> {
    stream: S,
    times: Arc<WireTimes>,
}

impl<S> Metered<S> {
    pub(crate) fn new(stream: S, times: Arc<WireTimes>) -> Self {
        Self { stream, times }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(cx, buf);
        if done.is_ready() && buf.filled().len() > before && self.times.first_read.load(Relaxed) == 0 {
            self.times.first_read.store(self.times.now(), Relaxed);
        }
        done
    }
}

impl<S: AsyncWrite + Unpin> Metered<S> {
    fn note(&self, done: &Poll<io::Result<usize>>) {
        if matches!(done, Poll::Ready(Ok(n)) if *n > 0) {
            self.times.last_write.store(self.times.now(), Relaxed);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(&done);
        done
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(&done);
        done
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
