//! Starting, serving and stopping.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::{Stream, Switch, SwitchedIo};
use crate::clock::Clock;
use crate::config::{OriginConfig, OriginError};
use crate::fault::FaultHandle;
use crate::respond;

/// A connection that sends no request for so long is closed.
const IDLE: Duration = Duration::from_secs(120);
/// After the stop: how long answers in hand may take.
const DRAIN: Duration = Duration::from_secs(1);

/// A running origin. Stops when dropped.
#[derive(Debug)]
pub struct Origin {
    /// Where it listens (the port that was given, also when 0 was asked for).
    pub addr: SocketAddr,
    /// Adds and removes faults without HTTP.
    pub faults: FaultHandle,
    /// The time it takes as now.
    pub clock: Clock,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Origin {
    /// `http://<addr><path>`; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Multivariant playlist, TS.
    pub fn hls_ts(&self, channel: &str) -> String {
        self.url(&format!("/live/{channel}/ts/master.m3u8"))
    }

    /// Multivariant playlist, fMP4 with separate audio.
    pub fn hls_cmaf(&self, channel: &str) -> String {
        self.url(&format!("/live/{channel}/cmaf/master.m3u8"))
    }

    /// Multivariant playlist, low-latency fMP4 with separate audio.
    pub fn hls_ll(&self, channel: &str) -> String {
        self.url(&format!("/live/{channel}/ll/master.m3u8"))
    }

    /// MPD with `SegmentTimeline` and `$Time$`.
    pub fn dash_timeline(&self, channel: &str) -> String {
        self.url(&format!("/live/{channel}/dash/timeline.mpd"))
    }

    /// MPD with `$Number$` and `@duration`.
    pub fn dash_number(&self, channel: &str) -> String {
        self.url(&format!("/live/{channel}/dash/number.mpd"))
    }

    /// Stops taking connections, finishes answers in hand for up to a second, closes.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts an origin on the system's time.
pub async fn start(config: OriginConfig) -> Result<Origin, OriginError> {
    start_with_clock(config, Clock::system()).await
}

/// Starts an origin on a given time. Scripted faults count from now on.
pub async fn start_with_clock(config: OriginConfig, clock: Clock) -> Result<Origin, OriginError> {
    let addr = config.listen;
    let origin = respond::Origin::new(config, clock.clone())?;
    let listen = |source| OriginError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    let faults = origin.faults.clone();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(accept(listener, Arc::new(origin), stop.clone(), tasks.clone()));
    tasks.close();
    tracing::info!(%addr, "origin listens");
    Ok(Origin { addr, faults, clock, stop, tasks })
}

/// Runs an origin until `shutdown`; for `ottwatch origin`.
pub async fn run(config: OriginConfig, shutdown: CancellationToken) -> Result<(), OriginError> {
    let origin = start(config).await?;
    shutdown.cancelled().await;
    origin.shutdown().await;
    Ok(())
}

async fn accept(listener: TcpListener, origin: Arc<respond::Origin>, stop: CancellationToken, tasks: TaskTracker) {
    // When full, further connections wait in the listen queue.
    let slots = Arc::new(Semaphore::new(origin.config.max_connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (origin, stop) = (origin.clone(), stop.clone());
                tasks.spawn(async move {
                    serve(stream, peer, origin, stop).await;
                    drop(slot);
                });
            }
            Err(error) => {
                // For example too many open files: others must close first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, origin: Arc<respond::Origin>, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "cannot set TCP_NODELAY");
    }
    serve_on(stream, peer, origin, stop).await;
}

pub(crate) async fn serve_on<S: Stream>(
    stream: S,
    peer: SocketAddr,
    origin: Arc<respond::Origin>,
    stop: CancellationToken,
) {
    let switch = Arc::new(Switch::default());
    let io = SwitchedIo::new(stream, switch.clone());
    let service = service_fn(move |request| {
        let (origin, switch) = (origin.clone(), switch.clone());
        async move {
            let response = match request.uri().path().starts_with("/control") {
                true => origin.control(request, peer, &switch).await,
                false => origin.respond(&request, &switch).await,
            };
            Ok::<_, Infallible>(response)
        }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(IDLE).serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // Hanging and throttled answers do not hold up the stop.
            match tokio::time::timeout(DRAIN, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection ended");
    }
}
