//! A DASH stream: the MPD by its own period, and its segments at their availability time, by the plan of
//! `ow_timeline::dash`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ow_domain::capture::{Exchange, ObjectKind, Promised, TimeCheck, Track};
use ow_domain::job::{Depth, StreamJob};
use ow_domain::{Span, Time};
use ow_media::InitFacts;
use ow_timeline::PollFailure;
use ow_timeline::dash::{
    DashAnswer, DashDue, DashPlan, DashSegment, DashSettings, Presentation, Resource, SegmentWhy, TimeSource,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::budget::Priority;
use super::hls::{HEAD_BYTES, InitSlot, MAX_INITS, MAX_KEY_IDS, MAX_WAITING, manifest, normal_key_id};
use super::transfer::{Ask, Channel, ManifestAnswer};

/// Representations with key ids that are remembered.
const MAX_KNOWN: usize = 4_096;
/// Most of an index whose end is not known.
const INDEX_BYTES: u64 = 1 << 20;
/// Init sections of all renditions together.
const MAX_ALL_INITS: usize = 4 * MAX_INITS;

/// Runs until it is dropped.
pub(super) async fn run(channel: Arc<Channel>, stream: Arc<StreamJob>) {
    let mut settings = DashSettings { cadence: channel.options.cadence.clone(), ..DashSettings::default() };
    settings.cadence.initial_segments = channel.job().limits.initial_segments;
    let seed = format!("{}/{}", channel.job().channel, stream.stream);
    let plan = DashPlan::new(&seed, channel.now(), settings);
    let watcher = Watcher {
        channel,
        stream,
        plan,
        etag: None,
        asked: None,
        time_checks: Vec::new(),
        inits: HashMap::new(),
        key_ids: HashMap::new(),
        n_waiting: 0,
        requests: JoinSet::new(),
    };
    watcher.run().await;
}

struct Watcher {
    channel: Arc<Channel>,
    stream: Arc<StreamJob>,
    plan: DashPlan,
    /// Of the URL that was asked last.
    etag: Option<String>,
    asked: Option<String>,
    /// What the time sources said, until the next request for the MPD.
    time_checks: Vec<TimeCheck>,
    inits: HashMap<Resource, InitSlot>,
    /// Key ids that the MPD declares by Period and Representation.
    key_ids: HashMap<(String, String), Vec<String>>,
    n_waiting: usize,
    /// Requests under way; dropped with the watcher.
    requests: JoinSet<Done>,
}

enum Done {
    Mpd(Box<ManifestAnswer>),
    Times(Vec<TimeCheck>),
    Transfer,
}

impl Watcher {
    async fn run(mut self) {
        loop {
            let wake = self.plan.next_wakeup();
            let channel = self.channel.clone();
            tokio::select! {
                Some(done) = self.requests.join_next() => match done {
                    Ok(Done::Mpd(answer)) => self.on_mpd(*answer),
                    Ok(Done::Times(checks)) => self.on_times(checks),
                    Ok(Done::Transfer) => self.n_waiting -= 1,
                    Err(error) => {
                        // A panic in a request: the state no longer knows what is in flight, so begin anew.
                        tracing::error!(%error, channel = %self.channel.job().channel, "a request ended unexpectedly");
                        return Box::pin(run(self.channel, self.stream)).await;
                    }
                },
                () = async { match wake { Some(at) => channel.sleep_until(at).await, None => std::future::pending().await } } => {
                    let now = self.channel.now();
                    let due = self.plan.take_due(now);
                    self.ask(due, now);
                }
            }
        }
    }

    fn ask(&mut self, due: DashDue, now: Time) {
        if let Some(due) = due.due {
            self.channel.polled(now - due);
        }
        self.channel.count_late(due.n_not_planned);
        if due.mpd {
            self.ask_mpd(due.location);
        }
        if !due.times.is_empty() {
            self.ask_times(due.times);
        }
        if self.stream.depth == Depth::Manifest {
            return;
        }
        for segment in due.segments {
            if segment.why == SegmentWhy::Index {
                self.init(&segment);
                self.index(&segment);
            } else if self.is_wanted(&segment) {
                self.segment(segment);
            }
        }
    }

    fn ask_mpd(&mut self, location: Option<String>) {
        let url = location.unwrap_or_else(|| self.stream.url.clone());
        if self.asked.as_ref() != Some(&url) {
            self.etag = None;
            self.asked = Some(url.clone());
        }
        let (channel, stream, etag) = (self.channel.clone(), self.stream.clone(), self.etag.clone());
        let usual = self.plan.settings().cadence.assumed_duration;
        let time_checks = std::mem::take(&mut self.time_checks);
        self.requests.spawn(async move {
            let ask = Ask { etag, usual, time_checks, ..manifest(&stream, ObjectKind::Mpd, url) };
            Done::Mpd(Box::new(channel.manifest(ask).await))
        });
    }

    fn ask_times(&mut self, sources: Vec<TimeSource>) {
        let (channel, stream) = (self.channel.clone(), self.stream.clone());
        self.requests.spawn(async move {
            let mut checks = Vec::new();
            for source in &sources {
                checks.extend(channel.time(&stream, source).await);
            }
            Done::Times(checks)
        });
    }

    /// What the sources said goes to the plan, and out with the next MPD.
    fn on_times(&mut self, checks: Vec<TimeCheck>) {
        let now = self.channel.now();
        let told = checks.iter().find(|check| check.said.is_some()).or(checks.first());
        let answer =
            told.map_or(DashAnswer { t_req: now, t_end: now }, |c| DashAnswer { t_req: c.t_req, t_end: c.t_end });
        self.plan.on_time(answer, told.and_then(|check| check.said));
        self.time_checks = checks;
    }

    fn on_mpd(&mut self, answer: ManifestAnswer) {
        let exchange = &answer.exchange;
        let times = DashAnswer { t_req: exchange.t_req, t_end: exchange.t_end };
        if exchange.status() == Some(304) {
            return self.plan.on_unchanged(times);
        }
        let document = answer.text.as_deref().map(|text| ow_dash::parse(text.as_bytes()).0);
        match document.as_ref().and_then(|document| document.as_mpd()).filter(|mpd| !mpd.periods.is_empty()) {
            Some(mpd) => {
                self.etag = exchange.header("etag").map(Into::into);
                self.key_ids = key_ids(mpd);
                let presentation = Presentation::read(mpd, exchange.base_url(), exchange.t_end);
                self.plan.on_mpd(times, presentation);
            }
            None => {
                self.etag = None;
                self.plan.on_failure(failure(exchange));
            }
        }
    }

    /// By depth: mandatory segments and the oldest are taken also where only one in `n` is.
    fn is_wanted(&self, segment: &DashSegment) -> bool {
        match self.stream.depth {
            Depth::Manifest => false,
            Depth::Full | Depth::Head => true,
            Depth::Sampled { n } => {
                segment.mandatory
                    || segment.why == SegmentWhy::Oldest
                    || segment.number.is_multiple_of(u64::from(n.max(1)))
            }
        }
    }

    /// Takes a place among the waiting; false when there is none.
    fn may_wait(&mut self) -> bool {
        if self.n_waiting >= MAX_WAITING {
            self.channel.count_late(1);
            return false;
        }
        self.n_waiting += 1;
        true
    }

    /// Asks for the init section of a segment unless it is known or under way.
    fn init(&mut self, segment: &DashSegment) -> Option<InitSlot> {
        let resource = segment.init.clone()?;
        if let Some(slot) = self.inits.get(&resource) {
            let failed =
                matches!(&*slot.borrow(), Some(None)) || slot.has_changed().is_err() && slot.borrow().is_none();
            if !failed {
                return Some(slot.clone());
            }
        }
        if !self.may_wait() {
            return None;
        }
        if self.inits.len() >= MAX_ALL_INITS {
            self.inits.clear();
        }
        let (sender, slot) = watch::channel(None);
        self.inits.insert(resource.clone(), slot.clone());
        let promised = Promised { duration_us: None, byte_range: range(&resource), ..self.promised(segment) };
        let promised = Promised { number: None, independent: false, from_edge: 0, dash: None, ..promised };
        let usual = segment.duration + segment.duration;
        let (channel, stream, track) = (self.channel.clone(), self.stream.clone(), segment.track.clone());
        self.requests.spawn(async move {
            let ask = Ask {
                range: range(&resource),
                usual,
                track: Some(&track),
                promised: Some(promised),
                priority: Priority::Init,
                ..manifest(&stream, ObjectKind::Init, resource.url)
            };
            let facts = channel.media(ask, None, None, usual.to_std()).await;
            sender.send_replace(Some(facts.map(Arc::new)));
            Done::Transfer
        });
        Some(slot)
    }

    /// Asks for the index of a single resource, as another initialization section.
    fn index(&mut self, segment: &DashSegment) {
        if segment.resource.range.is_none() || !self.may_wait() {
            return;
        }
        let range = range(&segment.resource);
        let promised =
            Promised { number: None, duration_us: None, byte_range: range, dash: None, ..self.promised(segment) };
        let (channel, stream, track) = (self.channel.clone(), self.stream.clone(), segment.track.clone());
        let url = segment.resource.url.clone();
        self.requests.spawn(async move {
            let ask = Ask {
                range,
                track: Some(&track),
                promised: Some(promised),
                priority: Priority::Init,
                ..manifest(&stream, ObjectKind::Init, url)
            };
            channel.media(ask, None, None, Duration::from_secs(6)).await;
            Done::Transfer
        });
    }

    fn promised(&self, segment: &DashSegment) -> Promised {
        let of = (segment.promise.period.clone(), segment.promise.representation.clone());
        Promised {
            number: Some(segment.number),
            duration_us: Some(segment.duration.micros()),
            byte_range: range(&segment.resource),
            discontinuity: segment.discontinuity,
            from_edge: segment.from_edge,
            key_ids: self.key_ids.get(&of).cloned().unwrap_or_default(),
            dash: Some(segment.promise.clone()),
            ..Promised::listed(segment.listed_at)
        }
    }

    fn segment(&mut self, segment: DashSegment) {
        let init = self.init(&segment);
        if !self.may_wait() {
            return;
        }
        let oldest = segment.why == SegmentWhy::Oldest;
        let promised = self.promised(&segment);
        let cut = (self.stream.depth == Depth::Head).then_some(HEAD_BYTES);
        let (channel, stream) = (self.channel.clone(), self.stream.clone());
        self.requests.spawn(async move {
            let init = match init {
                // Ends with the request for the init section, which has limits of its own.
                Some(mut slot) => match slot.wait_for(Option::is_some).await {
                    Ok(found) => found.clone().flatten(),
                    Err(_) => None,
                },
                None => None,
            };
            let track: Arc<Track> = segment.track;
            let ask = Ask {
                range: range(&segment.resource),
                usual: segment.duration + segment.duration,
                track: Some(&track),
                promised: Some(promised),
                priority: if oldest { Priority::OldestSegment } else { Priority::NewSegment },
                extra: oldest,
                ..manifest(&stream, ObjectKind::Segment, segment.resource.url)
            };
            let patience = segment.duration.to_std().max(Duration::from_secs(1));
            let init: Option<Arc<InitFacts>> = init;
            channel.media(ask, init, cut, patience).await;
            Done::Transfer
        });
    }
}

/// `cenc:default_KID` of what applies to each Representation: its own ContentProtection, that of its set and of its Period.
fn key_ids(mpd: &ow_dash::Mpd) -> HashMap<(String, String), Vec<String>> {
    let mut known = HashMap::new();
    for (n, period) in mpd.periods.iter().enumerate() {
        let label = period.id.as_ref().map_or_else(|| format!("#{n}"), |id| id.value.to_string());
        for set in &period.adaptation_sets {
            for representation in &set.representations {
                let levels = [
                    &representation.common.content_protections,
                    &set.common.content_protections,
                    &period.content_protections,
                ];
                let texts = levels.into_iter().flatten().filter_map(|p| p.default_kid.as_ref());
                let mut ids: Vec<String> =
                    texts.flat_map(|at| at.value.split_whitespace()).filter_map(normal_key_id).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.truncate(MAX_KEY_IDS);
                let id = representation.id.as_ref().map_or_else(String::new, |id| id.value.to_string());
                if !ids.is_empty() && known.len() < MAX_KNOWN {
                    known.insert((label.clone(), id), ids);
                }
            }
        }
    }
    known
}

fn range(resource: &Resource) -> Option<(u64, u64)> {
    let (first, last) = resource.range?;
    Some((first, last.unwrap_or_else(|| first.saturating_add(INDEX_BYTES - 1))))
}

fn failure(exchange: &Exchange) -> PollFailure {
    PollFailure {
        t_req: exchange.t_req,
        t_end: exchange.t_end,
        gone: matches!(exchange.status(), Some(404 | 410)),
        // The form in seconds only: a date would be measured with the server's clock.
        retry_after: exchange.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Span::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::key_ids;

    #[test]
    fn key_ids_are_those_of_all_levels() {
        let kid = |text: &str| format!(r#"<ContentProtection schemeIdUri="x" cenc:default_KID="{text}"/>"#);
        let text = format!(
            r#"<MPD xmlns:cenc="urn:mpeg:cenc:2013"><Period><AdaptationSet>{}<Representation id="v1"/><Representation id="v2">{}{}</Representation>
            </AdaptationSet></Period><Period id="p"><AdaptationSet><Representation id="v1"/></AdaptationSet></Period></MPD>"#,
            kid("00112233-4455-6677-8899-AABBCCDDEEFF"),
            kid("10112233-4455-6677-8899-aabbccddeeff no-key 10112233-4455-6677-8899-aabbccddeeff"),
            kid("10112233-4455"),
        );
        let document = ow_dash::parse(text.as_bytes()).0;
        let ids = key_ids(document.as_mpd().unwrap());
        let of = |period: &str, name: &str| ids.get(&(period.to_owned(), name.to_owned())).cloned().unwrap_or_default();
        let first = "00112233445566778899aabbccddeeff";
        assert_eq!(of("#0", "v1"), [first]);
        assert_eq!(of("#0", "v2"), [first, "10112233445566778899aabbccddeeff"]);
        assert!(of("p", "v1").is_empty());
    }
}
