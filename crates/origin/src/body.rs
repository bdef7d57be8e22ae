//! Response bodies that can be slow, short, or end the connection, and the socket wrapper through which they end it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// A throttled body is sent in slices of so long.
const SLICE: Duration = Duration::from_millis(50);

/// What happens where a body is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The connection is closed in order.
    Close,
    /// The connection is reset.
    Reset,
    /// Nothing more comes.
    Hang,
}

/// Tells the connection's socket to end once all that was written is out.
#[derive(Debug, Default)]
pub(crate) struct Switch(AtomicU8);

impl Switch {
    const CLOSE: u8 = 1;
    const RESET: u8 = 2;

    pub fn arm(&self, cut: Cut) {
        match cut {
            Cut::Close => self.0.store(Switch::CLOSE, Ordering::SeqCst),
            Cut::Reset => self.0.store(Switch::RESET, Ordering::SeqCst),
            Cut::Hang => {}
        }
    }
}

/// Bytes with a pace and an end.
pub(crate) struct OriginBody {
    rest: Bytes,
    /// `Content-Length`: the whole body, also when it is cut.
    declared: u64,
    pace: Option<Pace>,
    /// Where it ends before its time: bytes left until then.
    cut: Option<(usize, Cut)>,
    switch: Arc<Switch>,
}

struct Pace {
    slice_bytes: usize,
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl OriginBody {
    pub fn new(bytes: Bytes, switch: Arc<Switch>) -> OriginBody {
        OriginBody { declared: bytes.len() as u64, rest: bytes, pace: None, cut: None, switch }
    }

    pub fn len(&self) -> usize {
        self.rest.len()
    }

    pub fn throttle(&mut self, bytes_per_s: u64) {
        let slice_bytes = (bytes_per_s / (1_000 / SLICE.as_millis() as u64)).clamp(1, 1 << 24);
        // Below 20 bytes/s a slice is one byte and lasts longer.
        let every = Duration::from_micros(slice_bytes * 1_000_000 / bytes_per_s.max(1));
        let next = Box::pin(sleep_until(Instant::now() + every));
        self.pace = Some(Pace { slice_bytes: slice_bytes as usize, every, next });
    }

    /// Ends after so many bytes; of several cuts the first counts.
    pub fn cut(&mut self, after: usize, cut: Cut) {
        if self.cut.is_none_or(|(at, _)| after < at) {
            self.cut = Some((after, cut));
        }
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let mut take = this.rest.len();
        if let Some((left, cut)) = this.cut {
            if left == 0 {
                // Pending for ever: the socket's next flush ends the connection, or the client does.
                this.switch.arm(cut);
                return Poll::Pending;
            }
            take = take.min(left);
        }
        if take == 0 {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut this.pace {
            ready!(pace.next.as_mut().poll(cx));
            let next = pace.next.deadline() + pace.every;
            pace.next.as_mut().reset(next);
            take = take.min(pace.slice_bytes);
        }
        if let Some((left, _)) = &mut this.cut {
            *left -= take;
        }
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(take)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // Only asked before the first byte.
        SizeHint::with_exact(self.declared)
    }
}

/// A connection's socket. hyper flushes it after it has written all it has: the moment to end it when a body or handler asked for that.
pub(crate) struct SwitchedIo<S> {
    io: TokioIo<S>,
    switch: Arc<Switch>,
}

/// The server's side of a connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The client is to see a reset when this side is dropped.
    fn reset(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn reset(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl<S> SwitchedIo<S> {
    pub fn new(stream: S, switch: Arc<Switch>) -> SwitchedIo<S> {
        SwitchedIo { io: TokioIo::new(stream), switch }
    }
}

impl<S: Stream> Read for SwitchedIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: Stream> Write for SwitchedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        match self.switch.0.load(Ordering::SeqCst) {
            0 => Poll::Ready(Ok(())),
            cut => {
                if cut == Switch::RESET {
                    self.io.inner().reset()?;
                }
                Poll::Ready(Err(io::Error::other("ended by a fault")))
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
