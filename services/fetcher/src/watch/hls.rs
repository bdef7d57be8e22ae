//! An HLS stream: the multivariant playlist, its media playlists by the cadence of `ow_timeline`, and what they list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ow_domain::capture::{BlockingReload, Exchange, ObjectKind, Promised, Track};
use ow_domain::job::{Depth, StreamJob};
use ow_domain::{Span, Time};
use ow_hls::{ByteRange, Define, KeyMethod, MediaPlaylist, Playlist, Segment, Variables};
use ow_media::InitFacts;
use ow_timeline::{Burst, ChannelPlan, PollFailure, Polled, RemovedSegment, SegmentPlan, SegmentReason};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use super::budget::Priority;
use super::keys::{KeyTable, Secret};
use super::parts;
use super::tracks::TrackTable;
use super::transfer::{Ask, Channel, ManifestAnswer};

/// Segments and init sections asked for or waiting; beyond that new ones are left out and counted.
pub(super) const MAX_WAITING: usize = 256;
/// Init sections kept per rendition.
pub(super) const MAX_INITS: usize = 16;
/// Bytes of a segment with depth `head`: PAT, PMT and the first picture's parameter sets, or `moof`.
pub(super) const HEAD_BYTES: u64 = 64 << 10;
/// Bytes of a segment of which only matters that it is there.
const LOOK_BYTES: u64 = 1 << 10;
/// Key ids told of one segment.
pub(super) const MAX_KEY_IDS: usize = 16;
/// One hint of so many held-back answers is asked for: a player asks for each.
const HINT_EVERY: u32 = 12;
/// Usual time limit of a request for a key.
const KEY_PATIENCE: Span = Span::from_secs(10);

/// Runs until it is dropped.
pub(super) async fn run(channel: Arc<Channel>, stream: Arc<StreamJob>) {
    let mut settings = channel.options.cadence.clone();
    settings.initial_segments = channel.job().limits.initial_segments;
    let seed = format!("{}/{}", channel.job().channel, stream.stream);
    let rules = channel.options.key_rules.clone();
    let plan = ChannelPlan::new(&seed, channel.now(), settings, rules);
    let watcher = Watcher {
        channel,
        stream,
        seed,
        plan,
        entry_etag: None,
        defines: Arc::new([]),
        independent: false,
        renditions: HashMap::new(),
        keys: KeyTable::default(),
        n_waiting: 0,
        requests: JoinSet::new(),
    };
    watcher.run().await;
}

struct Watcher {
    channel: Arc<Channel>,
    stream: Arc<StreamJob>,
    seed: String,
    plan: ChannelPlan,
    entry_etag: Option<String>,
    /// EXT-X-DEFINE of the multivariant playlist, for IMPORT.
    defines: Arc<[Define]>,
    /// EXT-X-INDEPENDENT-SEGMENTS of the multivariant playlist.
    independent: bool,
    renditions: HashMap<Box<str>, Rendition>,
    keys: KeyTable,
    n_waiting: usize,
    /// Requests under way; dropped with the watcher.
    requests: JoinSet<Done>,
}

struct Rendition {
    track: Arc<Track>,
    url: String,
    etag: Option<String>,
    target: Span,
    inits: HashMap<InitKey, InitSlot>,
    /// Newest part that was looked at: segment and place.
    last_part: Option<(u64, u32)>,
    /// Held-back answers until a hint is asked for.
    until_hint: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct InitKey {
    url: String,
    range: Option<(u64, u64)>,
}

/// The facts of an init section once its request has ended; `None` inside when it failed.
pub(super) type InitSlot = watch::Receiver<Option<Option<Arc<InitFacts>>>>;

enum Done {
    Entry(ManifestAnswer),
    Media(Box<str>, Option<BlockingReload>, ManifestAnswer),
    Transfer,
    /// URL of a key, when it was there, whether it came, and its bytes.
    Key(String, Time, bool, Option<Secret>),
}

impl Watcher {
    async fn run(mut self) {
        loop {
            let wake = self.plan.next_wakeup();
            let channel = self.channel.clone();
            tokio::select! {
                Some(done) = self.requests.join_next() => match done {
                    Ok(Done::Entry(answer)) => self.on_entry(answer),
                    Ok(Done::Media(name, blocking, answer)) => self.on_media(&name, blocking, answer),
                    Ok(Done::Transfer) => self.n_waiting -= 1,
                    Ok(Done::Key(url, at, worked, bytes)) => self.keys.done(&url, at, worked, bytes),
                    Err(error) => {
                        // A panic in a request: the state no longer knows what is in flight, so begin anew.
                        tracing::error!(%error, channel = %self.channel.job().channel, "a request ended unexpectedly");
                        return Box::pin(run(self.channel, self.stream)).await;
                    }
                },
                () = async { match wake { Some(at) => channel.sleep_until(at).await, None => std::future::pending().await } } => {
                    let now = self.channel.now();
                    let burst = self.plan.take_due(now);
                    self.ask(&burst, now);
                }
            }
        }
    }

    fn ask(&mut self, burst: &Burst, now: Time) {
        if !burst.is_empty() {
            self.channel.polled(now - burst.due);
        }
        if burst.mvp {
            let (channel, stream, etag) = (self.channel.clone(), self.stream.clone(), self.entry_etag.clone());
            let usual = self.plan.settings().assumed_duration;
            self.requests.spawn(async move {
                let ask = Ask { etag, usual, ..manifest(&stream, ObjectKind::Mvp, stream.url.clone()) };
                Done::Entry(channel.manifest(ask).await)
            });
        }
        let plain = burst.renditions.iter().map(|name| (name, None));
        let reloads = burst.reloads.iter().map(|(name, reload)| (name, Some(*reload)));
        for (name, blocking) in plain.chain(reloads) {
            let Some(rendition) = self.renditions.get(name) else { continue };
            let (channel, stream, name) = (self.channel.clone(), self.stream.clone(), name.clone());
            let track = rendition.track.clone();
            let (url, etag, usual) = match blocking {
                Some(reload) => (parts::reload_url(&rendition.url, reload), None, parts::patience(rendition.target)),
                None => (rendition.url.clone(), rendition.etag.clone(), rendition.target),
            };
            self.requests.spawn(async move {
                let ask = Ask {
                    etag,
                    usual,
                    track: Some(&track),
                    priority: Priority::MediaPlaylist,
                    blocking,
                    ..manifest(&stream, ObjectKind::MediaPlaylist, url)
                };
                Done::Media(name, blocking, channel.manifest(ask).await)
            });
        }
    }

    fn on_entry(&mut self, answer: ManifestAnswer) {
        let exchange = &answer.exchange;
        if exchange.status() == Some(304) {
            return self.plan.on_mvp(exchange.t_req);
        }
        let base = exchange.base_url().to_owned();
        let parsed = answer.text.as_deref().and_then(|text| usable(text, Variables::for_url(&base)));
        match parsed {
            Some(Playlist::Multivariant(playlist)) => {
                self.entry_etag = exchange.header("etag").map(Into::into);
                self.defines = playlist.defines.clone().into();
                self.independent = playlist.independent_segments.is_some();
                let names = self.set_tracks(TrackTable::read(&playlist, &base));
                self.plan.on_mvp(exchange.t_req);
                self.plan.set_renditions(self.channel.now(), names.iter().map(|name| &**name));
            }
            Some(Playlist::Media(playlist)) => {
                // The entry is itself a media playlist: this was its first poll.
                let settings = self.plan.settings().clone();
                let rules = self.channel.options.key_rules.clone();
                self.plan = ChannelPlan::without_mvp(&self.seed, exchange.t_req, settings, rules);
                let names = self.set_tracks(TrackTable::single(&self.stream.url));
                self.plan.set_renditions(exchange.t_req, names.iter().map(|name| &**name));
                for name in names {
                    self.plan_segments(&name, &answer.exchange, &playlist);
                }
            }
            None => {
                self.entry_etag = None;
                self.plan.on_mvp_failure(failure(exchange));
            }
        }
    }

    /// Gives the names in the order of the table.
    fn set_tracks(&mut self, table: TrackTable) -> Vec<Box<str>> {
        let mut names = Vec::with_capacity(table.tracks.len());
        let mut old = std::mem::take(&mut self.renditions);
        for (track, url) in table.tracks {
            let name: Box<str> = track.id.as_str().into();
            let kept = old.remove(&name).filter(|known| known.url == url);
            let rendition = match kept {
                Some(known) => Rendition { track: Arc::new(track), ..known },
                None => Rendition {
                    track: Arc::new(track),
                    url,
                    etag: None,
                    target: self.plan.settings().assumed_duration,
                    inits: HashMap::new(),
                    last_part: None,
                    until_hint: HINT_EVERY,
                },
            };
            names.push(name.clone());
            self.renditions.insert(name, rendition);
        }
        names
    }

    fn on_media(&mut self, name: &str, blocking: Option<BlockingReload>, answer: ManifestAnswer) {
        let exchange = &answer.exchange;
        let Some(rendition) = self.renditions.get_mut(name) else {
            return self.plan.on_unchanged(name, exchange.t_req, exchange.t_end);
        };
        if exchange.status() == Some(304) {
            return self.plan.on_unchanged(name, exchange.t_req, exchange.t_end);
        }
        let variables = Variables::for_url(exchange.base_url()).importing(&self.defines);
        let parsed = answer.text.as_deref().and_then(|text| usable(text, variables));
        match parsed {
            // The whole playlist, with which it is compared, comes next.
            Some(Playlist::Media(playlist)) if playlist.skip.is_some() => self.plan.on_delta(name, exchange.t_end),
            Some(Playlist::Media(playlist)) => {
                if blocking.is_none() {
                    rendition.etag = exchange.header("etag").map(Into::into);
                }
                self.plan_segments(name, exchange, &playlist);
                if blocking.is_some() {
                    self.new_parts(name, exchange, &playlist);
                    self.hint(name, exchange, &playlist);
                }
            }
            _ => {
                rendition.etag = None;
                self.plan.on_failure(name, failure(exchange));
            }
        }
    }

    /// Tells the plan of a playlist and asks for what it wants.
    fn plan_segments(&mut self, name: &str, exchange: &Exchange, playlist: &MediaPlaylist) {
        let polled = Polled { t_req: exchange.t_req, t_end: exchange.t_end, final_url: exchange.base_url(), playlist };
        let plan = self.plan.on_playlist(name, polled);
        if let Some(rendition) = self.renditions.get_mut(name) {
            rendition.target = Span::from_micros(playlist.target_duration_us());
        }
        if self.stream.depth == Depth::Manifest {
            return;
        }
        let Ok(base) = Url::parse(exchange.base_url()) else { return };
        self.channel.count_late(plan.n_not_planned);
        self.ask_keys(name, &base, playlist, exchange.t_end);
        for index in plan.maps {
            if let Some(segment) = playlist.segments.get(index as usize) {
                self.init(name, &base, segment, exchange.t_end);
            }
        }
        if let Some(gone) = plan.removed {
            self.look_back(name, &gone);
        }
        for planned in plan.segments {
            let Some(segment) = playlist.segments.get(planned.index as usize) else { continue };
            if segment.gap.is_none() && self.is_wanted(&planned) {
                self.segment(name, &base, segment, planned, exchange.t_end, playlist.independent_segments.is_some());
            }
        }
    }

    /// Asks for the first bytes of a segment that has left the playlist.
    fn look_back(&mut self, name: &str, gone: &RemovedSegment) {
        let Some(rendition) = self.renditions.get(name) else { return };
        let Some(url) = Url::parse(&gone.base).ok().and_then(|base| base.join(&gone.uri).ok()) else { return };
        if self.n_waiting >= MAX_WAITING {
            return self.channel.count_late(1);
        }
        let range = gone.byte_range.and_then(range_of);
        let promised = Promised {
            number: Some(gone.msn),
            duration_us: Some(gone.duration_us),
            byte_range: range,
            from_edge: u32::MAX,
            removed: Some(gone.removed),
            ..Promised::listed(gone.removed.first_listed_at)
        };
        let usual = rendition.target;
        let (channel, stream, track) = (self.channel.clone(), self.stream.clone(), rendition.track.clone());
        self.n_waiting += 1;
        self.requests.spawn(async move {
            let ask = Ask {
                range,
                usual,
                track: Some(&track),
                promised: Some(promised),
                priority: Priority::OldestSegment,
                extra: true,
                ..manifest(&stream, ObjectKind::Segment, url.into())
            };
            channel.media(ask, None, Some(LOOK_BYTES), Duration::from_secs(1)).await;
            Done::Transfer
        });
    }

    /// Asks for the keys of the newest segment that are due.
    fn ask_keys(&mut self, name: &str, base: &Url, playlist: &MediaPlaylist, listed_at: Time) {
        let (Some(newest), Some(rendition)) = (playlist.segments.last(), self.renditions.get(name)) else { return };
        for key in self.keys.due(base, newest, listed_at) {
            let (channel, stream, track) = (self.channel.clone(), self.stream.clone(), rendition.track.clone());
            let promised = Promised { key_method: Some(key.method), ..Promised::listed(listed_at) };
            self.requests.spawn(async move {
                let ask = Ask {
                    usual: KEY_PATIENCE,
                    track: Some(&track),
                    promised: Some(promised),
                    priority: Priority::Init,
                    extra: key.again,
                    ..manifest(&stream, ObjectKind::Key, key.url.clone())
                };
                let (worked, bytes) = channel.key(ask).await;
                Done::Key(key.url, channel.now(), worked, bytes)
            });
        }
    }

    /// By depth: mandatory segments and the oldest are taken also where only one in `n` is.
    fn is_wanted(&self, planned: &SegmentPlan) -> bool {
        match self.stream.depth {
            Depth::Manifest => false,
            Depth::Full | Depth::Head => true,
            Depth::Sampled { n } => {
                planned.mandatory
                    || planned.reason == SegmentReason::OldestProbe
                    || planned.msn.is_multiple_of(u64::from(n.max(1)))
            }
        }
    }

    /// Asks for the init section of a segment unless it is known or under way.
    fn init(&mut self, name: &str, base: &Url, segment: &Segment, listed_at: Time) -> Option<InitSlot> {
        let map = segment.map.as_deref()?;
        let rendition = self.renditions.get_mut(name)?;
        let key = InitKey { url: base.join(&map.uri).ok()?.into(), range: map.byte_range.and_then(range_of) };
        if let Some(slot) = rendition.inits.get(&key) {
            let failed =
                matches!(&*slot.borrow(), Some(None)) || slot.has_changed().is_err() && slot.borrow().is_none();
            if !failed {
                return Some(slot.clone());
            }
        }
        if self.n_waiting >= MAX_WAITING {
            self.channel.count_late(1);
            return None;
        }
        if rendition.inits.len() >= MAX_INITS {
            rendition.inits.clear();
        }
        let (sender, slot) = watch::channel(None);
        rendition.inits.insert(key.clone(), slot.clone());
        let (channel, stream, track) = (self.channel.clone(), self.stream.clone(), rendition.track.clone());
        let usual = rendition.target + rendition.target;
        let promised = Promised {
            byte_range: key.range,
            discontinuity: segment.discontinuity.is_some(),
            key_method: key_method(segment),
            key_ids: key_ids(segment),
            ..Promised::listed(listed_at)
        };
        self.n_waiting += 1;
        self.requests.spawn(async move {
            let ask = Ask {
                range: key.range,
                usual,
                track: Some(&track),
                promised: Some(promised),
                priority: Priority::Init,
                ..manifest(&stream, ObjectKind::Init, key.url)
            };
            let facts = channel.media(ask, None, None, usual.to_std()).await;
            sender.send_replace(Some(facts.map(Arc::new)));
            Done::Transfer
        });
        Some(slot)
    }

    /// Asks for the parts that an answer lists for the first time, the newest of them where there are many.
    fn new_parts(&mut self, name: &str, exchange: &Exchange, playlist: &MediaPlaylist) {
        let (Ok(base), Some(newest)) = (Url::parse(exchange.base_url()), playlist.segments.last()) else { return };
        let Some(rendition) = self.renditions.get_mut(name).filter(|_| self.stream.depth == Depth::Full) else {
            return;
        };
        let new = parts::new_parts(playlist, &mut rendition.last_part);
        if new.is_empty() {
            return;
        }
        let init = self.init(name, &base, newest, exchange.t_end);
        let Some(rendition) = self.renditions.get(name) else { return };
        for (number, place, part) in new {
            let Ok(url) = base.join(&part.uri) else { continue };
            if self.n_waiting >= MAX_WAITING {
                return self.channel.count_late(1);
            }
            let range = part.byte_range.and_then(range_of);
            let promised = Promised {
                number: Some(number),
                duration_us: Some(part.duration_us),
                byte_range: range,
                independent: part.independent,
                key_method: key_method(newest),
                key_ids: key_ids(newest),
                has_map: Some(newest.map.is_some()),
                part: Some(place),
                ..Promised::listed(exchange.t_end)
            };
            let usual = rendition.target;
            let (channel, stream, track) = (self.channel.clone(), self.stream.clone(), rendition.track.clone());
            let init = init.clone();
            self.n_waiting += 1;
            self.requests.spawn(async move {
                let init = wait_for(init).await;
                let ask = Ask {
                    range,
                    usual,
                    track: Some(&track),
                    promised: Some(promised),
                    priority: Priority::OldestSegment,
                    ..manifest(&stream, ObjectKind::Part, url.into())
                };
                channel.media(ask, init, None, Duration::from_secs(1)).await;
                Done::Transfer
            });
        }
    }

    /// Asks now and then for the part that is hinted; the server holds the answer back until it is there.
    fn hint(&mut self, name: &str, exchange: &Exchange, playlist: &MediaPlaylist) {
        let Some(rendition) = self.renditions.get_mut(name).filter(|_| self.stream.depth == Depth::Full) else {
            return;
        };
        rendition.until_hint = rendition.until_hint.saturating_sub(1);
        let (true, Some((number, place, hint))) = (rendition.until_hint == 0, parts::hinted(playlist)) else { return };
        let url = Url::parse(exchange.base_url()).ok().and_then(|base| base.join(&hint.uri).ok());
        // An open range would be the rest of the segment, not the part.
        let is_open = hint.byte_range_start > 0 && hint.byte_range_length.is_none();
        let Some(url) = url.filter(|_| !is_open) else { return };
        rendition.until_hint = HINT_EVERY;
        let range = hint
            .byte_range_length
            .and_then(|length| range_of(ByteRange { length, offset: hint.byte_range_start, explicit: true }));
        let promised = Promised {
            number: Some(number),
            duration_us: None,
            byte_range: range,
            discontinuity: false,
            listed_at: exchange.t_end,
            independent: false,
            from_edge: 0,
            key_method: None,
            key_ids: Vec::new(),
            has_map: None,
            early: None,
            dash: None,
            part: Some(place),
            removed: None,
        };
        let usual = parts::patience(rendition.target);
        let (channel, stream, track) = (self.channel.clone(), self.stream.clone(), rendition.track.clone());
        self.n_waiting += 1;
        self.requests.spawn(async move {
            let ask = Ask {
                range,
                usual,
                track: Some(&track),
                promised: Some(promised),
                priority: Priority::OldestSegment,
                extra: true,
                ..manifest(&stream, ObjectKind::Part, url.into())
            };
            channel.hint(ask).await;
            Done::Transfer
        });
    }

    fn segment(
        &mut self,
        name: &str,
        base: &Url,
        segment: &Segment,
        planned: SegmentPlan,
        listed_at: Time,
        independent: bool,
    ) {
        let init = self.init(name, base, segment, listed_at);
        let Some(rendition) = self.renditions.get(name) else { return };
        let Ok(url) = base.join(&segment.uri) else { return };
        if self.n_waiting >= MAX_WAITING {
            return self.channel.count_late(1);
        }
        let duration = Span::from_micros(segment.duration_us);
        let range = segment.byte_range.and_then(range_of);
        let oldest = planned.reason == SegmentReason::OldestProbe;
        let promised = Promised {
            number: Some(planned.msn),
            duration_us: Some(segment.duration_us),
            byte_range: range,
            discontinuity: segment.discontinuity.is_some(),
            independent: independent || self.independent,
            from_edge: planned.from_edge,
            key_method: key_method(segment),
            key_ids: key_ids(segment),
            has_map: Some(segment.map.is_some()),
            ..Promised::listed(listed_at)
        };
        let cut = (self.stream.depth == Depth::Head).then_some(HEAD_BYTES);
        let opener = self.keys.opener(base, segment, planned.msn);
        let (channel, stream, track) = (self.channel.clone(), self.stream.clone(), rendition.track.clone());
        self.n_waiting += 1;
        self.requests.spawn(async move {
            let init = wait_for(init).await;
            let ask = Ask {
                opener,
                range,
                usual: duration + duration,
                track: Some(&track),
                promised: Some(promised),
                priority: if oldest { Priority::OldestSegment } else { Priority::NewSegment },
                extra: oldest,
                ..manifest(&stream, ObjectKind::Segment, url.into())
            };
            let patience = duration.to_std().max(Duration::from_secs(1));
            channel.media(ask, init, cut, patience).await;
            Done::Transfer
        });
    }
}

/// The facts of an init section. Ends with the request for it, which has limits of its own.
async fn wait_for(init: Option<InitSlot>) -> Option<Arc<InitFacts>> {
    let mut slot = init?;
    slot.wait_for(Option::is_some).await.ok().and_then(|found| found.clone().flatten())
}

/// A playlist that can be followed. An error page is none, although each of its lines could be a URI.
pub(super) fn usable(text: &str, variables: Variables) -> Option<Playlist> {
    if !text.trim_start_matches('\u{feff}').starts_with("#EXTM3U") {
        return None;
    }
    let playlist = ow_hls::parse(text.as_bytes(), variables).0;
    let usable = playlist.as_media().is_none_or(|media| media.target_duration.is_some() || !media.segments.is_empty());
    usable.then_some(playlist)
}

/// A plain request of the stream.
pub(super) fn manifest(stream: &StreamJob, object: ObjectKind, url: String) -> Ask<'_> {
    Ask {
        stream,
        object,
        track: None,
        promised: None,
        url,
        etag: None,
        range: None,
        usual: Span::ZERO,
        priority: Priority::Entry,
        retry: false,
        extra: false,
        blocking: None,
        time_checks: Vec::new(),
        opener: None,
    }
}

fn range_of(range: ByteRange) -> Option<(u64, u64)> {
    let last = range.offset.checked_add(range.length.checked_sub(1)?)?;
    Some((range.offset, last))
}

fn key_method(segment: &Segment) -> Option<String> {
    let mut keys = segment.keys.as_deref().unwrap_or_default().iter();
    keys.find(|key| key.method != KeyMethod::None).map(|key| key.method.as_str().to_owned())
}

/// KEYID of the keys in force, those of different DRM systems once.
fn key_ids(segment: &Segment) -> Vec<String> {
    let keys = segment.keys.as_deref().unwrap_or_default().iter().filter(|key| key.method != KeyMethod::None);
    let mut ids: Vec<String> = keys.filter_map(|key| normal_key_id(key.attributes.str("KEYID")?)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.truncate(MAX_KEY_IDS);
    ids
}

/// 32 hex digits in lower case; `None` for what is no key id.
pub(super) fn normal_key_id(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let digits: String = digits.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    (digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
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
