//! Watching one channel: when to ask for what, and each answer into a [`Capture`]. It judges nothing.
//!
//! [`watch_channel`] is the whole of it for one process; the service gives it a bus for a [`CaptureSink`], `check` a
//! queue. Per stream one task plans ([`hls`], [`dash`]); per request one task fetches ([`transfer`]). A changed job is
//! taken over in place: streams that stay the same go on, with the new revision and limits.
//!
//! Memory of a channel: at most `max_parallel` segment transfers with two read buffers each, one playlist body per
//! rendition (`max_manifest_bytes` at worst), 64 renditions, 256 waiting segments, 64 waiting captures.

pub mod budget;
mod dash;
mod hls;
mod keys;
mod parts;
mod tracks;
mod transfer;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ow_domain::capture::{Capture, Protocol};
use ow_domain::job::{FetchJob, StreamJob};
use ow_timeline::{CadenceSettings, KeyRules};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use tracks::{MAX_TRACKS, TrackTable};

use crate::http::Probe;
use crate::own::{OwnSettings, OwnWatch};
use budget::Budgets;
use transfer::Channel;

/// Captures waiting for the sink: when full, requests wait (facts are not dropped).
const QUEUE: usize = 64;

/// Where captures go, in the order in which their requests ended.
pub trait CaptureSink: Send + 'static {
    /// Takes the capture, waiting if it must.
    fn send(&mut self, capture: Capture) -> impl Future<Output = ()> + Send;
}

/// A queue; a closed one drops what comes.
impl CaptureSink for mpsc::Sender<Capture> {
    async fn send(&mut self, capture: Capture) {
        let _ = mpsc::Sender::send(self, capture).await;
    }
}

/// What channels share, and how they are polled.
#[derive(Clone)]
pub struct WatchOptions {
    pub probe: Arc<Probe>,
    pub budgets: Arc<Budgets>,
    /// What the process measures of itself.
    pub own: Arc<OwnWatch>,
    /// `initial_segments` is taken from the job.
    pub cadence: CadenceSettings,
    pub key_rules: KeyRules,
}

impl WatchOptions {
    pub fn new(probe: Arc<Probe>) -> Self {
        let own = Arc::new(OwnWatch::new(OwnSettings::default(), probe.clock()));
        Self {
            probe,
            budgets: Arc::default(),
            own,
            cadence: CadenceSettings::default(),
            key_rules: KeyRules::default(),
        }
    }
}

/// Watches one channel until `shutdown`, starting at once; for `check` and tests. See [`follow_channel`].
pub async fn watch_channel<S: CaptureSink>(job: FetchJob, probe: Arc<Probe>, sink: S, shutdown: CancellationToken) {
    let mut options = WatchOptions::new(probe);
    options.cadence.phase_spread = ow_domain::Span::ZERO;
    let (_keep, jobs) = watch::channel(Arc::new(job));
    follow_channel(jobs, options, sink, shutdown).await;
}

/// Watches the channel of a job, and follows changes of the job, until `shutdown`. `max_parallel` stays that of the
/// first job; all other limits are taken over. Returns when requests under way are
/// dropped and all captures are with the sink.
pub async fn follow_channel<S: CaptureSink>(
    mut jobs: watch::Receiver<Arc<FetchJob>>,
    options: WatchOptions,
    sink: S,
    shutdown: CancellationToken,
) {
    let (out, waiting) = mpsc::channel(QUEUE);
    let first = jobs.borrow_and_update().clone();
    let own = options.own.clone();
    let channel = Channel::new(first.clone(), jobs.clone(), options, out);
    let tasks = TaskTracker::new();
    let teller = tasks.spawn(transfer::tell(waiting, sink, channel.late(), own));
    let mut streams: HashMap<StreamKey, CancellationToken> = HashMap::new();
    let mut job = first;
    let mut following = true;
    loop {
        streams.retain(|stream, stop| {
            let wanted = job.streams.iter().any(|s| *stream == StreamKey::of(s));
            if !wanted {
                stop.cancel();
            }
            wanted
        });
        for stream in &job.streams {
            if let Entry::Vacant(free) = streams.entry(StreamKey::of(stream)) {
                let stop = free.insert(shutdown.child_token()).clone();
                tasks.spawn(run_stream(channel.clone(), Arc::new(stream.clone()), stop));
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = jobs.changed(), if following => match changed {
                Ok(()) => job = jobs.borrow_and_update().clone(),
                Err(_) => following = false,
            },
        }
    }
    drop(channel);
    tasks.close();
    tasks.wait().await;
    if let Err(error) = teller.await {
        tracing::error!(%error, "captures of a channel were lost");
    }
}

/// A stream order as a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct StreamKey(String);

impl StreamKey {
    fn of(stream: &StreamJob) -> Self {
        Self(format!("{stream:?}"))
    }
}

async fn run_stream(channel: Arc<Channel>, stream: Arc<StreamJob>, stop: CancellationToken) {
    let work = async {
        match stream.protocol {
            Protocol::Hls => hls::run(channel, stream).await,
            Protocol::Dash => dash::run(channel, stream).await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}
