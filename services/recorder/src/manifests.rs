//! Manifests as they were served, into the store: bodies once per digest, in batches.
//!
//! Handlers give a capture to one writer and wait for its batch; so at most `concurrency` captures are in hand, and the
//! rest waits in JetStream, within the limits of the stream. While the store is away the writer tries again, and
//! nothing else waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ow_bus::{Delivered, Handler, Outcome};
use ow_domain::capture::{Capture, Outcome as Ended};
use ow_domain::{Span, Time};
use ow_service::{Health, Ops};
use ow_store::Store;
use ow_store::manifests::{ManifestLoad, ManifestText};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Loads of one transaction.
const BATCH: usize = 256;
/// How long the first load of a batch waits for others.
const GATHER: Duration = Duration::from_millis(100);
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// What has not changed is kept once in this time all the same: so it is known that it was still served.
const AT_LEAST_EVERY: Span = Span::from_secs(60);
/// Manifests whose last state is remembered; with more, all are forgotten and some rows are written that need not be.
const MAX_REMEMBERED: usize = 100_000;
const PART: &str = "manifests";

/// What the keeping of manifests counts.
#[derive(Debug, Clone, Default)]
pub struct ManifestMetrics {
    kept: Counter,
    unchanged: Counter,
    refused: Counter,
}

impl ManifestMetrics {
    pub fn register(ops: &Ops) -> Self {
        let m = Self::default();
        ops.register(|r| {
            r.register("manifest_loads", "Loads of manifests written to the store", m.kept.clone());
            r.register(
                "manifest_loads_unchanged",
                "Loads that brought nothing new within a minute",
                m.unchanged.clone(),
            );
            r.register("manifest_loads_refused", "Loads that the store can never take", m.refused.clone());
        });
        m
    }
}

/// One load on its way to the writer, and where its handler waits.
#[derive(Debug)]
pub struct Waiting {
    load: ManifestLoad,
    done: oneshot::Sender<()>,
}

/// Gives captures of manifests to the writer.
#[derive(Debug)]
pub struct ManifestHandler {
    pub writer: mpsc::Sender<Waiting>,
}

impl Handler<Capture> for ManifestHandler {
    async fn handle(&self, delivered: Delivered<Capture>) -> Outcome {
        let capture = delivered.message;
        if !capture.object.is_manifest() {
            return Outcome::Done;
        }
        let (done, written) = oneshot::channel();
        let load = load_of(capture);
        // Without a writer the service is ending: the message comes again.
        match self.writer.send(Waiting { load, done }).await {
            Ok(()) if written.await.is_ok() => Outcome::Done,
            _ => Outcome::Later(Duration::ZERO),
        }
    }
}

fn load_of(capture: Capture) -> ManifestLoad {
    let url = capture.exchange.url_without_query();
    let (status, failure, digest) = match capture.exchange.outcome {
        Ended::Response(response) => (Some(response.status), None, response.digest),
        Ended::Failed(failure) => {
            let phase = format!("{:?}", failure.phase).to_lowercase();
            (None, Some(format!("{phase} {}: {}", failure.kind.as_str(), failure.detail)), None)
        }
    };
    // A digest stands for a text: without one nothing can be shown for it.
    let digest = digest.filter(|_| capture.body.is_some());
    ManifestLoad {
        channel: capture.channel.to_string(),
        stream: capture.stream.to_string(),
        object: capture.object,
        track: capture.track.map(|track| track.id.to_string()),
        probe: capture.probe.to_string(),
        at: capture.exchange.t_end,
        url,
        status,
        failure,
        digest,
        body: capture.body.map(|body| ManifestText { text: body.text, lossy: body.lossy }),
        capture: capture.id,
    }
}

/// The one that writes.
#[derive(Debug)]
pub struct ManifestWriter {
    pub store: Store,
    pub health: Health,
    pub metrics: ManifestMetrics,
}

/// What was written last of one manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Last {
    at: Time,
    status: Option<u16>,
    failed: bool,
    /// Of the last load that had a body.
    digest: Option<String>,
}

/// Decides which loads are worth a row.
#[derive(Debug, Default)]
struct Changes(HashMap<[String; 5], Last>);

impl Changes {
    /// True when the load is to be written. A 304 says what the body before said.
    fn take(&mut self, load: &mut ManifestLoad) -> bool {
        let key = [
            load.channel.clone(),
            load.stream.clone(),
            load.object.as_str().to_owned(),
            load.track.clone().unwrap_or_default(),
            load.probe.clone(),
        ];
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(&key) {
            self.0.clear();
        }
        let last = self.0.get(&key);
        if load.status == Some(304) {
            load.digest = last.and_then(|last| last.digest.clone());
        }
        let is_new = last.is_none_or(|last| {
            let is_same_status = last.status == load.status || load.status == Some(304) || last.status == Some(304);
            let is_same = is_same_status
                && last.failed == load.failure.is_some()
                && (load.digest.is_none() || last.digest == load.digest);
            !is_same || load.at - last.at >= AT_LEAST_EVERY || load.at < last.at
        });
        if is_new {
            let digest = load.digest.clone().or_else(|| last.and_then(|last| last.digest.clone()));
            let next = Last { at: load.at, status: load.status, failed: load.failure.is_some(), digest };
            self.0.insert(key, next);
        }
        is_new
    }
}

impl ManifestWriter {
    /// Writes until `stop`, or until nobody gives any more. What is in hand then comes again.
    pub async fn run(self, mut waiting: mpsc::Receiver<Waiting>, stop: CancellationToken) -> &'static str {
        let mut changes = Changes::default();
        while let Some(first) = waiting.recv().await {
            let mut batch = vec![first];
            let full = tokio::time::sleep(GATHER);
            tokio::pin!(full);
            while batch.len() < BATCH {
                tokio::select! {
                    () = &mut full => break,
                    next = waiting.recv() => match next {
                        Some(next) => batch.push(next),
                        None => break,
                    },
                }
            }
            // Handlers run side by side; what changed is told by the order in which it was served.
            batch.sort_by_key(|waiting| waiting.load.at);
            let (mut loads, mut handlers) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
            for Waiting { mut load, done } in batch {
                if changes.take(&mut load) {
                    loads.push(load);
                } else {
                    self.metrics.unchanged.inc();
                }
                handlers.push(done);
            }
            if !self.write(loads, &stop).await {
                break;
            }
            for done in handlers {
                // Its message was given up meanwhile, which is no matter: it is written.
                let _ = done.send(());
            }
        }
        "manifests"
    }

    /// Until it is written, or can never be. False: stopped before.
    async fn write(&self, loads: Vec<ManifestLoad>, stop: &CancellationToken) -> bool {
        let mut parts = vec![loads];
        while let Some(part) = parts.pop() {
            loop {
                match self.store.add_manifests(&part).await {
                    Ok(()) => {
                        self.health.well(PART);
                        self.metrics.kept.inc_by(part.len() as u64);
                        break;
                    }
                    Err(error) if error.is_data_fault() => {
                        // One of them: the others are written one by one.
                        if part.len() > 1 {
                            parts.extend(part.into_iter().map(|load| vec![load]));
                        } else {
                            self.metrics.refused.inc();
                            tracing::error!(error = %error.chain(), "a manifest cannot be kept and is left out");
                        }
                        break;
                    }
                    Err(error) => {
                        self.health.ill(PART, error.chain());
                        tracing::debug!(error = %error.chain(), "manifests wait for the store");
                        tokio::select! {
                            () = stop.cancelled() => return false,
                            () = tokio::time::sleep(BETWEEN_TRIES) => {}
                        }
                    }
                }
            }
        }
        true
    }
}

/// Everything for the service: the handler, and the writer with its queue.
pub fn parts(
    store: Store,
    ops: &Ops,
    concurrency: usize,
) -> (Arc<ManifestHandler>, ManifestWriter, mpsc::Receiver<Waiting>) {
    let (writer, waiting) = mpsc::channel(concurrency.max(1));
    let metrics = ManifestMetrics::register(ops);
    (Arc::new(ManifestHandler { writer }), ManifestWriter { store, health: ops.health.clone(), metrics }, waiting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ow_domain::capture::ObjectKind;

    fn load(s: i64, status: Option<u16>, digest: Option<&str>) -> ManifestLoad {
        ManifestLoad {
            channel: "vtv3".into(),
            stream: "main".into(),
            object: ObjectKind::MediaPlaylist,
            track: Some("v1".into()),
            probe: "p".into(),
            at: Time::UNIX_EPOCH + Span::from_secs(s),
            url: String::new(),
            status,
            failure: status.is_none().then(String::new),
            digest: digest.map(str::to_owned),
            body: None,
            capture: String::new(),
        }
    }

    #[test]
    fn rows_are_written_for_changes_and_once_a_minute() {
        let mut changes = Changes::default();
        for (what, s, status, digest, expected, kept) in [
            ("the first", 0, Some(200), Some("a"), true, Some("a")),
            ("the same", 6, Some(200), Some("a"), false, Some("a")),
            ("not modified", 12, Some(304), None, false, Some("a")),
            ("another", 18, Some(200), Some("b"), true, Some("b")),
            ("an error", 24, Some(404), None, true, None),
            ("the same error", 30, Some(404), None, false, None),
            ("no answer", 36, None, None, true, None),
            ("as before the error", 42, Some(200), Some("b"), true, Some("b")),
            ("not modified after a minute", 102, Some(304), None, true, Some("b")),
            ("not modified again", 108, Some(304), None, false, Some("b")),
            ("late, from before", 50, Some(200), Some("b"), true, Some("b")),
        ] {
            let mut load = load(s, status, digest);
            assert_eq!(changes.take(&mut load), expected, "{what}");
            assert_eq!(load.digest.as_deref(), kept, "{what}");
        }
        let mut other = ManifestLoad { track: None, ..load(42, Some(200), Some("b")) };
        assert!(changes.take(&mut other), "another manifest");
    }
}
