//! One request of a channel, and its capture.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ow_domain::capture::{
    BlockingReload, Capture, Exchange, FailureKind, ManifestBody, ObjectKind, Outcome, Promised, TimeCheck, Track,
};
use ow_domain::facts::{DecryptFacts, DecryptedStart};
use ow_domain::job::{FetchJob, StreamJob};
use ow_domain::{Span, Time};
use ow_hls::Variables;
use ow_media::{Decryptor, InitFacts, SegmentParser};
use ow_service::sealing;
use ow_timeline::dash::{TimeSource, early_retry};
use tokio::sync::{Semaphore, mpsc, watch};
use url::Url;

use super::budget::Priority;
use super::hls::usable;
use super::keys::{Opener, Secret};
use super::tracks::TrackTable;
use super::{CaptureSink, WatchOptions};
use crate::http::{Access, BodySink, Collect, Ignore, Limits, Request, Reuse, origin_of};
use crate::own::OwnWatch;

/// Second try of a listed object (`segment_retry_ms`).
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// So long a segment that was listed early is asked for again; with the second try after it a missing one is told within two
/// seconds of its listing.
const LISTED_EARLY: Span = Span::from_millis(1_250);
/// Larger than any key; what is longer is none.
const MAX_KEY_BYTES: u64 = 4 << 10;
/// Headers of the answer with a key that say nothing of its bytes.
const KEY_HEADERS: [&str; 8] =
    ["age", "cache-control", "content-encoding", "content-length", "content-type", "date", "retry-after", "server"];
const KEY_BUDGET_WAIT: Duration = Duration::from_secs(5);
/// A poll that starts later than this after its plan is the probe's own lateness.
pub(super) const LATE: Span = Span::from_secs(1);
/// Parallel segment transfers of a channel, whatever the job says.
const MAX_PARALLEL: usize = 64;
/// Longest wait for a time source (`utctiming_timeout_s`), and most bytes of its answer.
const TIME_LIMIT: Duration = Duration::from_secs(2);
const TIME_BYTES: u64 = 4 << 10;

/// What the requests of a channel share.
pub(super) struct Channel {
    jobs: watch::Receiver<Arc<FetchJob>>,
    pub options: WatchOptions,
    out: mpsc::Sender<Capture>,
    late: Arc<AtomicU32>,
    transfers: Semaphore,
}

/// One object to ask for.
pub(super) struct Ask<'a> {
    pub stream: &'a StreamJob,
    pub object: ObjectKind,
    pub track: Option<&'a Track>,
    pub promised: Option<Promised>,
    pub url: String,
    pub etag: Option<String>,
    pub range: Option<(u64, u64)>,
    /// Usual duration of the object's kind: the time limit grows with it.
    pub usual: Span,
    pub priority: Priority,
    pub retry: bool,
    pub extra: bool,
    /// The answer may be held back until the playlist holds this: then `usual` is the whole time limit.
    pub blocking: Option<BlockingReload>,
    /// What the time sources of an MPD said since the last one.
    pub time_checks: Vec<TimeCheck>,
    /// The segment is encrypted as a whole, and this is its key.
    pub opener: Option<Opener>,
}

/// What came of a manifest request.
pub(super) struct ManifestAnswer {
    pub exchange: Exchange,
    /// Body of a complete 200.
    pub text: Option<String>,
}

impl Channel {
    pub(super) fn new(
        first: Arc<FetchJob>,
        jobs: watch::Receiver<Arc<FetchJob>>,
        options: WatchOptions,
        out: mpsc::Sender<Capture>,
    ) -> Arc<Self> {
        let parallel = (first.limits.max_parallel as usize).clamp(1, MAX_PARALLEL);
        Arc::new(Self { jobs, options, out, late: Arc::default(), transfers: Semaphore::new(parallel) })
    }

    pub(super) fn late(&self) -> Arc<AtomicU32> {
        self.late.clone()
    }

    /// The job as it reads now.
    pub(super) fn job(&self) -> Arc<FetchJob> {
        self.jobs.borrow().clone()
    }

    pub(super) fn now(&self) -> Time {
        self.options.probe.clock().now()
    }

    /// A poll begins, so long after it was due.
    pub(super) fn polled(&self, late: Span) {
        self.options.own.polled(late);
        if late > LATE {
            self.count_late(1);
        }
    }

    /// Counts requests that were late or left out.
    pub(super) fn count_late(&self, n: u32) {
        self.late.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) async fn sleep_until(&self, time: Time) {
        tokio::time::sleep_until(self.options.probe.clock().instant(time)).await;
    }

    /// Fetches a manifest. Manifests do not wait for transfers of segments: there is one per rendition at most.
    pub(super) async fn manifest(&self, ask: Ask<'_>) -> ManifestAnswer {
        let job = self.job();
        let mut limits = Limits::manifest(&job.limits, ask.usual.to_std());
        if ask.blocking.is_some() {
            limits.total = ask.usual.to_std();
            limits.ttfb = limits.total;
        }
        let request = request(&job, &ask, limits);
        let origin = origin(&request.url);
        self.options.budgets.take(&origin, &job.limits, ask.priority, Duration::ZERO).await;
        let mut body = Collect::default();
        let exchange = self.options.probe.fetch(&request, &mut body).await;
        self.options.budgets.pay(&origin, body_bytes(&exchange));
        self.options.own.received(&exchange);
        self.options.own.explain(&exchange).await;
        let mut capture = capture(&job, &ask, exchange);
        if capture.exchange.status() == Some(200) {
            capture.body = Some(text(body.0));
        }
        capture.clock_uncertainty_us = self.options.own.uncertainty_us();
        let exchange = capture.exchange.clone();
        let complete = exchange.is_complete_success();
        let text = capture.body.as_ref().filter(|_| complete).map(|body| body.text.clone());
        if ask.object == ObjectKind::Mvp
            && let Some(ow_hls::Playlist::Media(_)) = text.as_deref().and_then(|t| usable(t, Variables::default()))
        {
            // The entry is itself a media playlist, which only its text tells.
            capture.object = ObjectKind::MediaPlaylist;
            capture.track = TrackTable::single(&request.url).tracks.pop().map(|(track, _)| track);
        }
        let _ = self.out.send(capture).await;
        ManifestAnswer { exchange, text }
    }

    /// Asks an HTTP time source (ISO/IEC 23009-1 5.8.4.11): between which two times it is there, and when that was
    /// said. `None` when it is none, or the budget of its host is used up. No capture is made.
    pub(super) async fn time(&self, stream: &StreamJob, source: &TimeSource) -> Option<TimeCheck> {
        let (url, from_header) = match source {
            TimeSource::HttpHead(url) => (url, true),
            TimeSource::HttpText(url) => (url, false),
            TimeSource::Direct(_) => return None,
        };
        let job = self.job();
        let ask = Ask {
            stream,
            object: ObjectKind::Key,
            track: None,
            promised: None,
            url: url.clone(),
            etag: None,
            range: None,
            usual: Span::ZERO,
            priority: Priority::Extra,
            retry: false,
            extra: true,
            blocking: None,
            time_checks: Vec::new(),
            opener: None,
        };
        let limits =
            Limits { total: TIME_LIMIT, max_body_bytes: TIME_BYTES, ..Limits::manifest(&job.limits, Duration::ZERO) };
        let request = request(&job, &ask, limits);
        let origin = origin(&request.url);
        if !self.options.budgets.take(&origin, &job.limits, ask.priority, Duration::ZERO).await {
            return None;
        }
        let mut body = Collect::default();
        let exchange = self.options.probe.fetch(&request, &mut body).await;
        self.options.budgets.pay(&origin, body_bytes(&exchange));
        let said = match exchange.status() {
            // A Date is cut to the second.
            Some(200..=299) if from_header => {
                exchange.header("date").and_then(Time::parse_http_date).map(|at| (at, at + Span::from_secs(1)))
            }
            Some(200) if exchange.is_complete_success() => std::str::from_utf8(&body.0)
                .ok()
                .and_then(|text| ow_dash::parse_date_time(text.trim()))
                .map(|at| Time::from_unix_micros(at.unix_us))
                .map(|at| (at, at)),
            _ => None,
        };
        let age = exchange.header("age").and_then(|age| age.trim().parse::<i64>().ok()).filter(|age| *age > 0);
        Some(TimeCheck {
            url: exchange.url_without_query(),
            t_req: exchange.t_req,
            t_end: exchange.t_end,
            said,
            age_us: age.map(|age| Span::from_secs(age).micros()),
            outcome: match &exchange.outcome {
                Outcome::Response(response) => response.status.to_string(),
                Outcome::Failed(failure) => failure.kind.as_str().to_owned(),
            },
        })
    }

    /// Fetches a segment or init section, a second time if it fails. `patience` bounds the wait for budget.
    /// Gives the facts of an init section.
    pub(super) async fn media(
        &self,
        mut ask: Ask<'_>,
        init: Option<Arc<InitFacts>>,
        cut: Option<u64>,
        patience: Duration,
    ) -> Option<InitFacts> {
        loop {
            let Ok(_permit) = self.transfers.acquire().await else { return None };
            let job = self.job();
            let mut request = request(&job, &ask, Limits::segment(&job.limits, ask.usual.to_std()));
            if let Some(cut) = cut {
                let first = ask.range.map_or(0, |(first, _)| first);
                let last = first.saturating_add(cut.max(1) - 1);
                request.range = Some((first, ask.range.map_or(last, |(_, end)| last.min(end))));
            }
            let origin = origin(&request.url);
            if !self.options.budgets.take(&origin, &job.limits, ask.priority, patience).await {
                self.count_late(1);
                return None;
            }
            let decryptor = ask.opener.as_ref().filter(|_| cut.is_none()).map(|opener| Decryptor::new(opener.with));
            let mut sink = Parsing { parser: SegmentParser::new(init.as_deref()), decryptor };
            let exchange = self.options.probe.fetch(&request, &mut sink).await;
            self.options.budgets.pay(&origin, body_bytes(&exchange));
            self.options.own.received(&exchange);
            self.options.own.explain(&exchange).await;
            let good = exchange.is_complete_success();
            let early = match ask.promised.as_ref().is_some_and(|p| p.dash.is_some()) {
                true => next_early_try(&ask, &exchange),
                false => next_listed_try(&ask, &exchange),
            };
            let again = !good && !ask.retry && !early.was_early() && may_try_again(&exchange);
            let mut capture = capture(&job, &ask, exchange);
            let read = matches!(&capture.exchange.outcome, Outcome::Response(r) if matches!(r.status, 200 | 206));
            let mut found = None;
            if read {
                let (mut facts, init) = sink.parser.finish_with_init(good && cut.is_none());
                if let Some((opener, decryptor)) = ask.opener.as_ref().zip(sink.decryptor).filter(|_| good) {
                    facts.decrypted = Some(decrypted(opener, decryptor, capture.exchange.t_req));
                }
                capture.facts = Some(facts);
                found = init;
            }
            capture.promised.clone_from(&ask.promised);
            if let Some(dash) = capture.promised.as_mut().and_then(|p| p.dash.as_mut()) {
                dash.gives_up = early == Early::Last;
            }
            if let (Some(promised), Early::Again(_)) = (capture.promised.as_mut().filter(|p| p.dash.is_none()), early) {
                promised.early.get_or_insert_default().waits = true;
            }
            let t_req = capture.exchange.t_req;
            if let (Some(promised), Early::Again(_)) = (ask.promised.as_mut().filter(|p| p.dash.is_none()), early) {
                count_early(promised, &capture.exchange);
            }
            capture.clock_uncertainty_us = self.options.own.uncertainty_us();
            let _ = self.out.send(capture).await;
            if let Early::Again(at) = early {
                drop(_permit);
                if let Some(dash) = ask.promised.as_mut().and_then(|p| p.dash.as_mut()) {
                    dash.n_early += 1;
                    dash.last_early = Some(t_req);
                }
                self.sleep_until(at).await;
                continue;
            }
            if !again {
                return found.filter(|_| good);
            }
            drop(_permit);
            tokio::time::sleep(RETRY_AFTER).await;
            ask.retry = true;
        }
    }
}

impl Channel {
    /// Asks for a part before it is listed. The answer may take as long as `usual`, so no transfer waits for it; its bytes come again
    /// with the part.
    pub(super) async fn hint(&self, ask: Ask<'_>) {
        let job = self.job();
        let total = ask.usual.to_std();
        let limits = Limits { total, ttfb: total, ..Limits::segment(&job.limits, total) };
        let request = request(&job, &ask, limits);
        let origin = origin(&request.url);
        if !self.options.budgets.take(&origin, &job.limits, ask.priority, Duration::from_secs(1)).await {
            return self.count_late(1);
        }
        let exchange = self.options.probe.fetch(&request, &mut Ignore).await;
        self.options.budgets.pay(&origin, body_bytes(&exchange));
        self.options.own.received(&exchange);
        let mut capture = capture(&job, &ask, exchange);
        capture.clock_uncertainty_us = self.options.own.uncertainty_us();
        let _ = self.out.send(capture).await;
    }

    /// Fetches a key: of its body only the length is told. True when it came with a good status; its bytes where they are 16.
    pub(super) async fn key(&self, ask: Ask<'_>) -> (bool, Option<Secret>) {
        let Ok(_permit) = self.transfers.acquire().await else { return (false, None) };
        let job = self.job();
        let limits = Limits { max_body_bytes: MAX_KEY_BYTES, ..Limits::segment(&job.limits, ask.usual.to_std()) };
        let request = request(&job, &ask, limits);
        let origin = origin(&request.url);
        if !self.options.budgets.take(&origin, &job.limits, ask.priority, KEY_BUDGET_WAIT).await {
            self.count_late(1);
            return (false, None);
        }
        let mut body = Collect::default();
        let mut exchange = self.options.probe.fetch(&request, &mut body).await;
        self.options.budgets.pay(&origin, body_bytes(&exchange));
        let worked = exchange.is_complete_success();
        if let Outcome::Response(response) = &mut exchange.outcome {
            (response.digest, response.sniff) = (None, None);
            // An entity tag may well be a digest of the body.
            response.headers.retain(|(name, _)| KEY_HEADERS.contains(&name.as_str()));
        }
        let mut capture = capture(&job, &ask, exchange);
        capture.clock_uncertainty_us = self.options.probe.clock().uncertainty_us();
        let _ = self.out.send(capture).await;
        (worked, <[u8; 16]>::try_from(body.0.as_slice()).ok().filter(|_| worked).map(Secret))
    }
}

/// Asks again on the ladder of DASH, then once more as for any failure. Only for the newest segment, asked for when it was
/// listed (CHECKS `hls-segment-listed-early`).
fn next_listed_try(ask: &Ask<'_>, exchange: &Exchange) -> Early {
    let Some((promised, duration)) = ask.promised.as_ref().and_then(|p| Some((p, Span::from_micros(p.duration_us?))))
    else {
        return Early::No;
    };
    let is_newest = ask.object == ObjectKind::Segment && promised.from_edge == 0 && promised.number.is_some();
    let waited = exchange.t_req - promised.listed_at;
    let at_once = promised.early.is_some() || waited <= duration.mul_ratio(1, 2);
    if !is_newest
        || !at_once
        || ask.extra
        || ask.retry
        || !matches!(exchange.status(), Some(400 | 403 | 404 | 410 | 425))
    {
        return Early::No;
    }
    let until = promised.listed_at + LISTED_EARLY;
    match early_retry(promised.listed_at, duration, exchange.t_req) {
        Some(at) if at <= until => Early::Again(at.max(exchange.t_end)),
        _ => Early::No,
    }
}

/// Remembers a try that was too early for those after it.
fn count_early(promised: &mut Promised, exchange: &Exchange) {
    let early = promised.early.get_or_insert_default();
    early.n = early.n.saturating_add(1);
    early.last = Some(exchange.t_req);
    early.status = exchange.status();
    early.remote_addr.clone_from(&exchange.remote_addr);
    early.from_cache = exchange.header("age").and_then(|age| age.trim().parse::<u64>().ok()).is_some_and(|age| age > 0);
}

/// A segment of DASH that is not there at its availability time is asked for again, until it is certainly late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Early {
    No,
    Again(Time),
    /// It was too early time and again: no more tries.
    Last,
}

impl Early {
    fn was_early(self) -> bool {
        self != Self::No
    }
}

fn next_early_try(ask: &Ask<'_>, exchange: &Exchange) -> Early {
    let Some((promised, dash)) = ask.promised.as_ref().and_then(|p| Some((p, p.dash.as_ref()?))) else {
        return Early::No;
    };
    let (Some(from), Some(duration)) = (dash.promised_from(promised.listed_at), promised.duration_us) else {
        return Early::No;
    };
    if ask.extra || ask.retry || !matches!(exchange.status(), Some(404 | 410 | 425)) {
        return Early::No;
    }
    match early_retry(from, Span::from_micros(duration), exchange.t_req) {
        Some(at) => Early::Again(at.max(exchange.t_end)),
        None if dash.n_early > 0 => Early::Last,
        None => Early::No,
    }
}

struct Parsing {
    parser: SegmentParser,
    decryptor: Option<Decryptor>,
}

impl BodySink for Parsing {
    fn push(&mut self, bytes: &[u8]) {
        self.parser.push(bytes);
        if let Some(decryptor) = &mut self.decryptor {
            decryptor.push(bytes);
        }
    }
}

/// What the key made of a segment; one that opened nothing is doubted.
fn decrypted(opener: &Opener, decryptor: Decryptor, asked_at: Time) -> DecryptFacts {
    let facts = decryptor.finish(asked_at - opener.key_at);
    if facts.start != DecryptedStart::Media || !facts.padding {
        opener.doubted.store(true, Ordering::Relaxed);
    }
    facts
}

/// Not after refusals of our own, which would only repeat themselves, nor after what we cut ourselves.
fn may_try_again(exchange: &Exchange) -> bool {
    match &exchange.outcome {
        Outcome::Failed(failure) => {
            !matches!(failure.kind, FailureKind::AddressForbidden | FailureKind::BadUrl | FailureKind::OverBudget)
        }
        Outcome::Response(response) => response.body_end != ow_domain::capture::BodyEnd::TooLarge,
    }
}

fn request(job: &FetchJob, ask: &Ask<'_>, limits: Limits) -> Request {
    Request {
        url: ask.url.clone(),
        kind: ask.object,
        headers: opened(job, headers(ask)),
        etag: ask.etag.clone(),
        range: ask.range,
        limits,
        access: Access::from(&job.limits),
        reuse: if ask.retry { Reuse::NewConnection } else { Reuse::Allowed },
    }
}

/// Headers of the job go to the origin of the entry only: they may be credentials. `Origin` is none, and goes everywhere.
fn headers(ask: &Ask<'_>) -> Arc<[(String, String)]> {
    let headers = &ask.stream.headers;
    if headers.is_empty() || origin(&ask.url) == origin(&ask.stream.url) {
        return headers.clone().into();
    }
    headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("origin")).cloned().collect()
}

/// Headers with sealed values opened. One that does not open is left out: the origin then says what it thinks of that.
fn opened(job: &FetchJob, headers: Arc<[(String, String)]>) -> Arc<[(String, String)]> {
    if !headers.iter().any(|(_, value)| value.starts_with(sealing::PREFIX)) {
        return headers;
    }
    let open = |(name, value): &(String, String)| {
        if !value.starts_with(sealing::PREFIX) {
            return Some((name.clone(), value.clone()));
        }
        match sealing::open(&sealing::place("Channel", job.channel.as_str(), name), value) {
            Ok(secret) => Some((name.clone(), secret.reveal().to_owned())),
            Err(error) => {
                tracing::warn!(channel = %job.channel, header = name, %error, "a sealed header cannot be opened");
                None
            }
        }
    };
    headers.iter().filter_map(open).collect()
}

fn origin(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| origin_of(&url)).unwrap_or_default()
}

fn body_bytes(exchange: &Exchange) -> u64 {
    match &exchange.outcome {
        Outcome::Response(response) => response.body_bytes,
        Outcome::Failed(_) => 0,
    }
}

fn text(bytes: Vec<u8>) -> ManifestBody {
    match String::from_utf8(bytes) {
        Ok(text) => ManifestBody { text, lossy: false },
        Err(error) => ManifestBody { text: String::from_utf8_lossy(error.as_bytes()).into_owned(), lossy: true },
    }
}

/// All but id, number and what the body gave.
fn capture(job: &FetchJob, ask: &Ask<'_>, exchange: Exchange) -> Capture {
    Capture {
        id: String::new(),
        channel: job.channel.clone(),
        stream: ask.stream.stream.clone(),
        protocol: ask.stream.protocol,
        probe: job.probe.clone(),
        job_revision: job.revision,
        seq: 0,
        object: ask.object,
        track: ask.track.cloned(),
        promised: ask.promised.clone(),
        exchange,
        clock_uncertainty_us: 0,
        body: None,
        facts: None,
        retry: ask.retry,
        extra: ask.extra,
        late_polls: 0,
        blocking: ask.blocking,
        time_checks: ask.time_checks.clone(),
        probe_facts: None,
    }
}

/// Numbers the captures of a channel and passes them on, one after the other.
pub(super) async fn tell<S: CaptureSink>(
    mut waiting: mpsc::Receiver<Capture>,
    mut sink: S,
    late: Arc<AtomicU32>,
    own: Arc<OwnWatch>,
) {
    let mut seq = 0;
    let mut told = None;
    while let Some(mut capture) = waiting.recv().await {
        seq += 1;
        capture.seq = seq;
        capture.id = uuid::Uuid::now_v7().to_string();
        capture.late_polls = late.swap(0, Ordering::Relaxed);
        // Each measurement once per channel.
        if let Some(facts) = own.latest().filter(|facts| told != Some(facts.at)) {
            told = Some(facts.at);
            capture.probe_facts = Some(Box::new((*facts).clone()));
        }
        sink.send(capture).await;
    }
}
