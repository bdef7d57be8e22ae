//! The writer of InfluxDB: batches of lines from a bounded queue to the v2 write API (which v3 accepts as well).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ow_service::{Health, Ops};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use reqwest::{Certificate, Client, StatusCode, Url};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::InfluxConfig;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const PART: &str = "influx";

/// The settings do not do.
#[derive(Debug, thiserror::Error)]
pub enum InfluxError {
    #[error("influx.url {value:?}: {reason}; for example \"https://influx.example.net:8086\"")]
    Url { value: String, reason: String },
    #[error("influx.{key} {path:?} cannot be used")]
    File {
        key: &'static str,
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("no HTTP client could be made")]
    Client(#[source] reqwest::Error),
}

/// Why a batch was not taken.
enum Refusal {
    /// Worth another try.
    Later(String),
    /// The same lines will be refused again.
    Never(String),
}

/// Queue and client.
#[derive(Debug)]
pub struct Influx {
    config: InfluxConfig,
    client: Client,
    url: Url,
    queue: Mutex<VecDeque<String>>,
    filled: Notify,
    health: Health,
    written: Counter,
    dropped: Counter,
    waiting: Gauge,
}

impl Influx {
    pub fn new(config: InfluxConfig, ops: &Ops) -> Result<Self, InfluxError> {
        let bad = |reason: String| InfluxError::Url { value: config.url.clone(), reason };
        let base: Url = config.url.parse().map_err(|e| bad(format!("is no URL ({e})")))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(bad("is neither http nor https".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(InfluxError::Url {
                value: "(not shown)".to_owned(),
                reason: "holds a user or password; use token_file".to_owned(),
            });
        }
        let mut url = base.clone();
        url.set_path(&format!("{}/api/v2/write", base.path().trim_end_matches('/')));
        url.query_pairs_mut()
            .clear()
            .append_pair("org", &config.org)
            .append_pair("bucket", &config.bucket)
            .append_pair("precision", "ms");
        // Fails when there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .timeout(config.timeout.0)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("ottwatch-recorder");
        if let Some(path) = &config.ca_file {
            let file = |source| InfluxError::File { key: "ca_file", path: path.clone(), source };
            let pem = std::fs::read(path).map_err(|e| file(e.into()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| file(e.into()))?;
            client = client.tls_certs_merge(certificates);
        }
        let influx = Self {
            client: client.build().map_err(InfluxError::Client)?,
            url,
            config,
            queue: Mutex::default(),
            filled: Notify::new(),
            health: ops.health.clone(),
            written: Counter::default(),
            dropped: Counter::default(),
            waiting: Gauge::default(),
        };
        influx.token()?;
        ops.register(|r| {
            r.register("influx_lines", "Lines written to InfluxDB", influx.written.clone());
            r.register("influx_dropped_lines", "Lines dropped: queue full, or refused", influx.dropped.clone());
            r.register("influx_waiting_lines", "Lines in the queue", influx.waiting.clone());
        });
        Ok(influx)
    }

    fn token(&self) -> Result<Option<String>, InfluxError> {
        let Some(path) = &self.config.token_file else { return Ok(None) };
        let file = |source| InfluxError::File { key: "token_file", path: path.clone(), source };
        let token = std::fs::read_to_string(path).map_err(|e| file(e.into()))?.trim().to_owned();
        if token.is_empty() || token.contains(char::is_control) {
            return Err(file("it is empty or holds more than one line".into()));
        }
        Ok(Some(token))
    }

    /// Puts lines into the queue. When it is full the oldest go, and are counted.
    pub fn push(&self, lines: Vec<String>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.extend(lines);
        let excess = queue.len().saturating_sub(self.config.queue_lines.max(1));
        queue.drain(..excess);
        self.dropped.inc_by(excess as u64);
        self.waiting.set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
        if queue.len() >= self.config.batch_lines {
            self.filled.notify_one();
        }
    }

    /// Writes until `stop`, then what is left, as long as the server takes it.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.filled.notified() => {}
                () = tokio::time::sleep(self.config.flush_interval.0) => {}
            }
            while let Some(batch) = self.take() {
                if !self.write(&batch, &stop).await {
                    break;
                }
            }
        }
        while let Some(batch) = self.take() {
            if self.post(batch.join("\n")).await.is_err() {
                let lost = batch.len() + self.queue.lock().unwrap_or_else(PoisonError::into_inner).len();
                self.dropped.inc_by(lost as u64);
                tracing::warn!(n_lines = lost, "lines for InfluxDB were given up at the end");
                return;
            }
            self.written.inc_by(batch.len() as u64);
        }
    }

    fn take(&self) -> Option<Vec<String>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let n_lines = queue.len().min(self.config.batch_lines.max(1));
        let batch: Vec<String> = queue.drain(..n_lines).collect();
        self.waiting.set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
        (!batch.is_empty()).then_some(batch)
    }

    /// Tries until the batch is taken or refused for good. `false`: stopped meanwhile; the batch is back in the queue.
    async fn write(&self, batch: &[String], stop: &CancellationToken) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.post(batch.join("\n")).await {
                Ok(()) => {
                    self.written.inc_by(batch.len() as u64);
                    self.health.well(PART);
                    return true;
                }
                Err(Refusal::Never(reason)) => {
                    tracing::error!(reason, n_lines = batch.len(), "InfluxDB refused lines; they are dropped");
                    self.dropped.inc_by(batch.len() as u64);
                    return true;
                }
                Err(Refusal::Later(reason)) => {
                    tracing::warn!(reason, "lines were not written to InfluxDB and are tried again");
                    self.health.ill(PART, reason);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {
                    let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                    batch.iter().rev().for_each(|line| queue.push_front(line.clone()));
                    return false;
                }
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn post(&self, body: String) -> Result<(), Refusal> {
        let mut request =
            self.client.post(self.url.clone()).header("content-type", "text/plain; charset=utf-8").body(body);
        if let Some(token) = self.token().map_err(|error| Refusal::Later(error.to_string()))? {
            request = request.header("authorization", format!("Token {token}"));
        }
        let response = request.send().await.map_err(|error| Refusal::Later(error.without_url().to_string()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        // Says which line is wrong; no secret of ours.
        let text: String = response.text().await.unwrap_or_default().chars().take(300).collect();
        let reason = format!("{status}: {text}");
        match status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Refusal::Never(reason))
            }
            _ => Err(Refusal::Later(reason)),
        }
    }
}
