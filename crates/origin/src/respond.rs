//! From a request to a response: find the object, make it as of now, let the faults change it, answer as a good origin would.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::body::{Cut as End, OriginBody, Switch};
use crate::clock::Clock;
use crate::cmaf;
use crate::config::{OriginConfig, OriginError};
use crate::fault::{FaultHandle, FaultKind, Format, Hit, Rewrite, Seam};
use crate::hls::{self, Name};
use crate::ladder::Ladder;
use crate::ll::{self, Asked};
use crate::mpd::{self, Utc};
use crate::packager::{Cut, Packager, Twist};
use crate::protect::{self, Dress, Key, Keyring, Protection};
use crate::route::{Item, Object};
use crate::timeline::{Timeline, iso};

const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Service</title></head><body><h1>It works!</h1></body></html>\n";

/// All that answering needs; shared by the connections.
#[derive(Debug)]
pub(crate) struct Origin {
    pub config: OriginConfig,
    pub packager: Packager,
    pub clock: Clock,
    pub faults: FaultHandle,
}

/// What a fault does to the bytes of a segment.
type Change = fn(&Bytes) -> Bytes;

/// An answer before conditions, ranges and what faults do on the socket.
struct Reply {
    status: StatusCode,
    content_type: &'static str,
    cache_s: i64,
    /// Quoted; empty: none.
    etag: String,
    body: Bytes,
    /// Answers range requests.
    has_ranges: bool,
}

impl Reply {
    fn text(status: StatusCode, text: &'static str) -> Reply {
        let (etag, body) = (String::new(), Bytes::from_static(text.as_bytes()));
        Reply { status, content_type: "text/plain; charset=utf-8", cache_s: 0, etag, body, has_ranges: false }
    }

    fn not_found() -> Reply {
        Reply::text(StatusCode::NOT_FOUND, "not found\n")
    }
}

impl Origin {
    /// Scripted faults count from now on.
    pub fn new(config: OriginConfig, clock: Clock) -> Result<Origin, OriginError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(OriginError::Config(problems));
        }
        let packager = Packager::new(Ladder::embedded()?, config.segment_ms, config.part_ms);
        let faults = FaultHandle::new(&config, clock.clone());
        Ok(Origin { config, packager, clock, faults })
    }

    /// Answers everything but `/control`.
    pub async fn respond<B>(&self, request: &Request<B>, switch: &Arc<Switch>) -> Response<OriginBody> {
        let now_us = self.clock.now_us();
        let path = request.uri().path();
        let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
        if !is_read {
            let mut response =
                self.finish(Reply::text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n"), request, now_us, switch);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if path == "/time" {
            let body = Bytes::from(iso(now_us));
            let reply = Reply { body, ..Reply::text(StatusCode::OK, "") };
            return self.finish(reply, request, now_us, switch);
        }
        let object = Object::parse(path).filter(|o| self.config.has_channel(o.channel));
        let Some(object) = object else {
            return self.finish(Reply::not_found(), request, now_us, switch);
        };
        let mut target = object.target();
        if let Item::Segment(rendition, Name::At { time }) = object.item {
            target.number = self.packager.number_at(rendition, time);
        }
        let mut hits = self.faults.hits(&target, now_us);
        let asked = Asked::parse(request.uri().query().unwrap_or_default());
        let mut now_us = now_us;
        let mut reply = match self.hold_back(&object, asked, now_us, &hits).await {
            Ok(at_us) => {
                if at_us != now_us {
                    now_us = at_us;
                    hits = self.faults.hits(&target, now_us);
                }
                self.make(&object, target.number, now_us, request, asked, &hits)
            }
            Err((at_us, status)) => {
                now_us = at_us;
                Reply::text(status, "no such part now\n")
            }
        };
        for hit in &hits {
            match *hit.kind() {
                FaultKind::HttpStatus { status } => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    let has_body = !matches!(status.as_u16(), 204 | 304);
                    reply = Reply::text(status, if has_body { "fault\n" } else { "" });
                }
                FaultKind::Rendition404 {} => reply = Reply::not_found(),
                FaultKind::Html {} => {
                    let body = Bytes::from_static(HTML.as_bytes());
                    reply = Reply { content_type: "text/html; charset=utf-8", body, ..Reply::text(StatusCode::OK, "") };
                }
                FaultKind::EmptyBody {} => {
                    let content_type = reply.content_type;
                    reply = Reply { content_type, ..Reply::text(StatusCode::OK, "") };
                }
                _ => {}
            }
        }
        let mut response = self.finish(reply, request, now_us, switch);
        let len = response.body().len();
        for hit in &hits {
            self.change_headers(response.headers_mut(), hit, now_us);
            let body = response.body_mut();
            match *hit.kind() {
                FaultKind::SlowFirstByte { delay_ms } => tokio::time::sleep(Duration::from_millis(delay_ms)).await,
                FaultKind::Throttled { bytes_per_s } => body.throttle(bytes_per_s),
                FaultKind::Truncated { after_bytes } if len > 0 => {
                    let after = after_bytes.map_or(len / 2, |n| usize::try_from(n).unwrap_or(len));
                    body.cut(after.min(len - 1), End::Close);
                }
                FaultKind::Hang { after_bytes: Some(n) } if len > 0 => {
                    body.cut(usize::try_from(n).unwrap_or(len).min(len - 1), End::Hang);
                }
                FaultKind::Hang { .. } => std::future::pending().await,
                FaultKind::Reset { after_bytes } if after_bytes > 0 && len > 0 => {
                    body.cut(usize::try_from(after_bytes).unwrap_or(len).min(len), End::Reset);
                }
                FaultKind::Reset { .. } => {
                    switch.arm(End::Reset);
                    std::future::pending().await
                }
                _ => {}
            }
        }
        response
    }

    fn change_headers(&self, headers: &mut HeaderMap, hit: &Hit, now_us: i64) {
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        match *hit.kind() {
            FaultKind::CacheHeaders { max_age_s, age_s } => {
                headers.insert(header::CACHE_CONTROL, value(format!("public, max-age={max_age_s}")));
                headers.insert(header::AGE, value(age_s.to_string()));
            }
            // A cache tells how long it has had what it sends.
            FaultKind::StaleCopy { behind } => {
                headers.insert(header::AGE, value((behind * self.config.segment_ms / 1_000).to_string()));
            }
            FaultKind::DateShift { by_ms } => {
                headers.insert(header::DATE, value(http_date(now_us + by_ms * 1_000)));
            }
            _ => {}
        }
    }

    fn make<B>(
        &self,
        object: &Object<'_>,
        number: Option<i64>,
        now_us: i64,
        request: &Request<B>,
        asked: Asked,
        hits: &[Hit],
    ) -> Reply {
        let timeline = self.timeline(object);
        let packager = &self.packager;
        let malformed =
            hits.iter().find_map(|h| if let FaultKind::Malformed { how } = *h.kind() { Some(how) } else { None });
        match object.item {
            Item::Master => {
                let text = hls::master(packager, object.format, object.dress, hits);
                let body = malformed.map_or(text.clone().into_bytes(), |how| hls::malform(&text, how));
                playlist(body, 60)
            }
            Item::Playlist(rendition) => {
                if timeline.edge(now_us) < 0 {
                    return Reply::not_found();
                }
                let low = (object.format == Format::Ll).then_some(asked);
                let (packaging, ads) = ((object.channel, object.format, object.dress), self.config.ad_breaks);
                let text = hls::media(packager, &timeline, packaging, rendition, now_us, ads, low, hits);
                let body = malformed.map_or(text.clone().into_bytes(), |how| hls::malform(&text, how));
                playlist(body, 1)
            }
            Item::Mpd(addressing) => {
                if timeline.edge(now_us) < 0 {
                    return Reply::not_found();
                }
                let key = (object.dress == Dress::Drm).then(|| Key::of(object.channel, 0));
                let still = mpd::mpd(packager, &timeline, (addressing, key), now_us, None, hits);
                let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).filter(|h| is_host(h));
                let utc = Utc { now_us, host: host.unwrap_or("localhost") };
                let text = mpd::mpd(packager, &timeline, (addressing, key), now_us, Some(utc), hits);
                let body = malformed.map_or(text.clone().into_bytes(), |how| mpd::malform(&text, how));
                let etag = format!("W/{}", etag_of(still.as_bytes()));
                let body = Bytes::from(body);
                Reply {
                    content_type: "application/dash+xml",
                    cache_s: 1,
                    etag,
                    body,
                    ..Reply::text(StatusCode::OK, "")
                }
            }
            Item::TextPlaylist => {
                let text = hls::subtitles(packager, &timeline, now_us, hits);
                let body = malformed.map_or(text.clone().into_bytes(), |how| hls::malform(&text, how));
                playlist(body, 1)
            }
            Item::Text(n) => {
                if !timeline.is_available(n, now_us) {
                    return Reply::not_found();
                }
                let body = Bytes::from(hls::text(&timeline, n, hits));
                let (content_type, etag) = ("text/vtt", etag_of(&body));
                Reply { content_type, cache_s: 60, etag, body, has_ranges: true, ..Reply::text(StatusCode::OK, "") }
            }
            Item::Key(generation) => {
                let body = Bytes::copy_from_slice(&Key::of(object.channel, generation).key);
                Reply { content_type: "application/octet-stream", cache_s: 60, body, ..Reply::text(StatusCode::OK, "") }
            }
            Item::Init(rendition) | Item::OtherInit(rendition) | Item::KeyInit(rendition, _) => {
                let mut body = packager.init(rendition);
                if object.dress == Dress::Drm {
                    let is_kept = hits.iter().any(|h| matches!(h.kind(), FaultKind::KidKept {}));
                    let generation = match object.item {
                        Item::KeyInit(_, generation) => generation,
                        _ => 0,
                    };
                    let mut key = Key::of(object.channel, generation);
                    if is_kept {
                        key.id = Key::of(object.channel, 0).id;
                    }
                    body = protect::init(&body, &key);
                }
                if matches!(object.item, Item::OtherInit(_)) {
                    body = cmaf::with_lower_level(&body);
                }
                for hit in hits {
                    if let FaultKind::SampleEntry { fourcc } = hit.kind()
                        && let Some(at) = cmaf::find(&body, b"avc1")
                    {
                        body = [&body[..at], fourcc.as_bytes(), &body[at + 4..]].concat().into();
                    }
                }
                let content_type = mp4_type(rendition);
                let etag = etag_of(&body);
                Reply { content_type, cache_s: 3_600, etag, body, has_ranges: true, ..Reply::text(StatusCode::OK, "") }
            }
            Item::Part(rendition, n, part) => self.part(&timeline, rendition, n, part, now_us, hits),
            Item::Segment(rendition, name) => self.segment(object, &timeline, rendition, name, number, now_us, hits),
        }
    }

    fn timeline(&self, object: &Object<'_>) -> Timeline {
        let timeline = Timeline::of(object.channel, &self.config);
        if object.format == Format::Ll { timeline.low_latency() } else { timeline }
    }

    /// Waits for what a blocking reload or a hint is for (draft-pantos-hls-rfc8216bis 6.2.5.2, 6.2.6); gives the time of the answer, or
    /// the status of a refusal with it.
    async fn hold_back(
        &self,
        object: &Object<'_>,
        asked: Asked,
        from_us: i64,
        hits: &[Hit],
    ) -> Result<i64, (i64, StatusCode)> {
        if object.format != Format::Ll {
            return Ok(from_us);
        }
        let (timeline, parts) = (self.timeline(object), ll::Grid { n_parts: self.packager.n_parts() });
        let mut now_us = from_us;
        loop {
            let seen_us = hls::seen_at(&timeline, now_us, hits);
            let wait = match object.item {
                Item::Playlist(_) => parts.wait_of_playlist(&timeline, seen_us, asked, hits),
                Item::Part(_, n, part) => parts.wait_of_part(&timeline, seen_us, n, part),
                _ => ll::Wait::Over,
            };
            match wait {
                ll::Wait::Over => return Ok(now_us),
                ll::Wait::Refused => return Err((now_us, StatusCode::BAD_REQUEST)),
                ll::Wait::Until(_) if now_us - from_us >= ll::PATIENCE * timeline.segment_us => {
                    return Err((now_us, StatusCode::SERVICE_UNAVAILABLE));
                }
                ll::Wait::Until(left_us) if self.clock.is_running() => {
                    let left_us = left_us.clamp(1_000, timeline.segment_us);
                    tokio::time::sleep(Duration::from_micros(left_us.unsigned_abs())).await;
                }
                // Somebody moves the time.
                ll::Wait::Until(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
            now_us = self.clock.now_us();
        }
    }

    fn part(&self, timeline: &Timeline, rendition: usize, n: i64, part: i64, now_us: i64, hits: &[Hit]) -> Reply {
        let parts = ll::Grid { n_parts: self.packager.n_parts() };
        let is_gone = n <= timeline.edge(now_us) && !timeline.is_available(n, now_us);
        if n < 0 || part >= parts.n_parts || !parts.is_ready(timeline, now_us, n, part) || is_gone {
            return Reply::not_found();
        }
        let mut media = n;
        let mut twist = Twist { published: Some(n), ..Twist::default() };
        let taken = |hit: &&Hit| !hit.entry.is_for_new() || n > timeline.edge(hit.since_us);
        for hit in hits.iter().filter(taken) {
            match *hit.kind() {
                FaultKind::PartsOverwritten {} => media = (n - 1).max(0),
                FaultKind::TimestampJump { by_ms } => twist.shift_us += by_ms * 1_000,
                _ => {}
            }
        }
        let body = self.packager.part(rendition, media, part, twist);
        let etag = format!("\"{rendition:x}-{media:x}.{part:x}-{:x}-{:x}\"", twist.shift_us, body.len());
        let content_type = mp4_type(rendition);
        let cache_s = (timeline.window + 1) * timeline.segment_us / 1_000_000;
        Reply { content_type, cache_s, etag, body, has_ranges: true, ..Reply::text(StatusCode::OK, "") }
    }

    #[expect(clippy::too_many_arguments, reason = "a segment is all of these")]
    fn segment(
        &self,
        object: &Object<'_>,
        timeline: &Timeline,
        rendition: usize,
        name: Name,
        number: Option<i64>,
        now_us: i64,
        hits: &[Hit],
    ) -> Reply {
        let Some(n) = number else {
            return Reply::not_found();
        };
        let ahead_us = hls::seen_at(timeline, now_us, hits).max(now_us);
        if !timeline.is_available(n, now_us) && !timeline.is_available(n, ahead_us) {
            return Reply::not_found();
        }
        // The number whose media is sent.
        let mut media = match name {
            Name::Restarted { since, start, n } => start + n - since,
            _ => n,
        };
        let mut twist = Twist { published: Some(n), ..Twist::default() };
        // What is done to the bytes in the end, and what tells one such from another.
        let mut done: Vec<(char, Change)> = Vec::new();
        let (mut iv_shift, mut ahead, mut other_headers) = (0, 0, false);
        let taken = |hit: &&Hit| !hit.entry.is_for_new() || n > timeline.edge(hit.since_us);
        for hit in hits.iter().filter(taken) {
            let since = timeline.edge(hit.since_us) + 1;
            match *hit.kind() {
                FaultKind::Gap {} => return Reply::not_found(),
                FaultKind::OldestSegment404 {} if n <= timeline.first(now_us) => return Reply::not_found(),
                FaultKind::SegmentLate { by_ms } if now_us < timeline.published(n) + by_ms as i64 * 1_000 => {
                    return Reply::not_found();
                }
                FaultKind::PeriodSeam { how: Seam::TailMissing } if n == since => {
                    return Reply::text(StatusCode::FORBIDDEN, "forbidden\n");
                }
                FaultKind::SegmentRewritten { how: Rewrite::Bytes } => {
                    media = (media - 1).max(0);
                    twist.published = Some(media);
                }
                FaultKind::TimestampJump { by_ms } => twist.shift_us += by_ms * 1_000,
                FaultKind::TimestampDrift { ppm } => {
                    twist.shift_us += (n - since + 1).max(0) * timeline.segment_us / 1_000 * i64::from(ppm) / 1_000;
                }
                FaultKind::StartsInsideGop {} => twist.cut = Some((Cut::InsideGop, since)),
                FaultKind::FrameRateHalved {} if n >= since => twist.cut = Some((Cut::Halved, since)),
                FaultKind::CutShift { gops } => twist.cut = Some((Cut::Later { gops }, since)),
                FaultKind::ZeroedPayload {} => done.push(('z', zeroed)),
                FaultKind::ContinuityError {} => done.push(('c', without_packet)),
                FaultKind::PsiNotFirst {} => done.push(('p', psi_later)),
                FaultKind::TfdtNegative {} => {
                    done.push(('n', |b| cmaf::with_tfdt(b, |time| (time % 90_000).wrapping_sub(180_000))));
                }
                FaultKind::Tfdt32 {} => done.push(('w', |b| cmaf::with_tfdt32(b))),
                FaultKind::IvShift { by } => iv_shift += i64::from(by),
                FaultKind::KeyAhead { segments } => ahead += i64::from(segments),
                FaultKind::PsshDiffers {} => other_headers = true,
                _ => {}
            }
        }
        let (mut body, content_type) = match object.format {
            Format::Ts => (self.packager.ts(rendition, media, twist), "video/mp2t"),
            Format::Ll => (self.packager.of_parts(rendition, media, twist), mp4_type(rendition)),
            _ => (self.packager.cmaf(rendition, media, twist), mp4_type(rendition)),
        };
        for (_, change) in &done {
            body = change(&body);
        }
        let keyring = Keyring::new(object.channel, timeline, hits);
        let generation = keyring.generation(n + ahead);
        match object.dress {
            Dress::Plain | Dress::Subtitles => {}
            Dress::Aes128 => body = protect::whole(&body, &keyring.key(generation), n + iv_shift),
            Dress::Drm => {
                let in_band = keyring.is_in_band(generation);
                let headers = (in_band || other_headers).then_some(other_headers);
                let protection = Protection { key: keyring.key(generation), in_band, headers };
                body = protect::segment(&body, rendition != crate::ladder::AUDIO, &protection);
            }
        }
        let flaws = done.iter().map(|(name, _)| name).collect::<String>();
        let cut = twist.cut.map(|(cut, _)| format!("{cut:?}").len()).unwrap_or_default();
        let etag = format!(
            "\"{rendition:x}-{media:x}-{:x}-{flaws}{cut}-{generation:x}{iv_shift:x}-{:x}\"",
            twist.shift_us,
            body.len()
        );
        // As long as it can be fetched at all.
        let cache_s = (timeline.window + 1) * timeline.segment_us / 1_000_000;
        Reply { content_type, cache_s, etag, body, has_ranges: true, ..Reply::text(StatusCode::OK, "") }
    }

    fn finish<B>(&self, reply: Reply, request: &Request<B>, now_us: i64, switch: &Arc<Switch>) -> Response<OriginBody> {
        let Reply { mut status, content_type, cache_s, etag, mut body, has_ranges } = reply;
        let mut headers = HeaderMap::with_capacity(10);
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        let is_ok = status == StatusCode::OK && !etag.is_empty();
        if is_ok && is_known(request.headers(), &etag) {
            status = StatusCode::NOT_MODIFIED;
            body = Bytes::new();
        } else if is_ok && has_ranges && request.method() == Method::GET {
            match range_of(request.headers(), &etag, body.len()) {
                Range::Whole => {}
                Range::Part { start, end } => {
                    status = StatusCode::PARTIAL_CONTENT;
                    headers.insert(header::CONTENT_RANGE, value(format!("bytes {start}-{}/{}", end - 1, body.len())));
                    body = body.slice(start..end);
                }
                Range::Outside => {
                    status = StatusCode::RANGE_NOT_SATISFIABLE;
                    headers.insert(header::CONTENT_RANGE, value(format!("bytes */{}", body.len())));
                    body = Bytes::new();
                }
            }
        }
        if has_ranges {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        if !etag.is_empty() {
            headers.insert(header::ETAG, value(etag));
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        let cache = if cache_s > 0 { format!("public, max-age={cache_s}") } else { "no-store".into() };
        headers.insert(header::CACHE_CONTROL, value(cache));
        // Of the origin's clock, which tests set: the wire must agree with itself.
        headers.insert(header::DATE, value(http_date(now_us)));
        // Players in a browser come from elsewhere.
        const FOR_ALL: HeaderName = header::ACCESS_CONTROL_ALLOW_ORIGIN;
        headers.insert(FOR_ALL, HeaderValue::from_static("*"));
        let mut response = Response::new(OriginBody::new(body, switch.clone()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

fn http_date(us: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(us).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn playlist(body: Vec<u8>, cache_s: i64) -> Reply {
    let etag = etag_of(&body);
    let (content_type, body) = ("application/vnd.apple.mpegurl", Bytes::from(body));
    Reply { content_type, cache_s, etag, body, ..Reply::text(StatusCode::OK, "") }
}

fn mp4_type(rendition: usize) -> &'static str {
    if rendition == crate::ladder::AUDIO { "audio/mp4" } else { "video/mp4" }
}

/// Strong, by 64-bit FNV-1a.
fn etag_of(body: &[u8]) -> String {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("\"{hash:016x}\"")
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b))
}

/// Of TS the payload of packets that begin nothing: headers and tables stay.
fn zeroed(segment: &Bytes) -> Bytes {
    if segment.first() == Some(&0x47) {
        let mut out = segment.to_vec();
        let half = segment.len() / 376;
        for packet in out.chunks_exact_mut(188).skip(half).filter(|p| p[1] & 0x40 == 0) {
            let head = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
            packet.get_mut(head..).unwrap_or_default().fill(0);
        }
        return out.into();
    }
    [&segment[..segment.len() / 2], &vec![0; segment.len() - segment.len() / 2]].concat().into()
}

/// PAT and PMT, the first two packets, go behind the packets that follow them up to the next PAT.
fn psi_later(segment: &Bytes) -> Bytes {
    let is_pat = |at: &usize| segment[at + 1] & 0x1f == 0 && segment[at + 2] == 0;
    let next = (2 * 188..segment.len()).step_by(188).find(is_pat).unwrap_or(segment.len());
    [&segment[2 * 188..next], &segment[..2 * 188], &segment[next..]].concat().into()
}

/// The packet in the middle that carries video is left out.
fn without_packet(segment: &Bytes) -> Bytes {
    let is_video = |at: &usize| segment[at + 1] & 0x5f == 0x01 && segment[at + 2] == 0 && segment[at + 3] & 0x20 == 0;
    let middle = segment.len() / 376 * 188;
    match (middle..segment.len()).step_by(188).find(is_video) {
        Some(at) => [&segment[..at], &segment[at + 188..]].concat().into(),
        None => segment.clone(),
    }
}

/// If-None-Match, RFC 9110 §13.1.2: weak comparison.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let mut given =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    given.any(|tag| tag.trim() == "*" || strong(tag) == strong(etag))
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { start: usize, end: usize },
    Outside,
}

/// One byte range (RFC 9110 §14.2); several, or what cannot be read, give the whole.
fn range_of(headers: &HeaderMap, etag: &str, len: usize) -> Range {
    let Some(spec) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("bytes="))
    else {
        return Range::Whole;
    };
    if headers.get(header::IF_RANGE).is_some_and(|tag| tag.as_bytes() != etag.as_bytes()) {
        return Range::Whole;
    }
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<usize>().unwrap_or(usize::MAX));
    match spec.split_once('-').map(|(a, b)| (a.trim(), b.trim())) {
        Some(("", last)) if !last.is_empty() => match number(last) {
            Some(0) => Range::Outside,
            Some(last) if len > 0 => Range::Part { start: len.saturating_sub(last), end: len },
            _ => Range::Whole,
        },
        Some((first, "")) if !first.is_empty() => match number(first) {
            Some(start) if start < len => Range::Part { start, end: len },
            Some(_) => Range::Outside,
            None => Range::Whole,
        },
        Some((first, last)) if !first.is_empty() => match (number(first), number(last)) {
            (Some(start), Some(last)) if start > last => Range::Whole,
            (Some(start), Some(_)) if start >= len => Range::Outside,
            (Some(start), Some(last)) => Range::Part { start, end: last.saturating_add(1).min(len) },
            _ => Range::Whole,
        },
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (spec, expected) in [
            ("bytes=0-9", Range::Part { start: 0, end: 10 }),
            ("bytes=90-", Range::Part { start: 90, end: 100 }),
            ("bytes=-10", Range::Part { start: 90, end: 100 }),
            ("bytes=-1000", Range::Part { start: 0, end: 100 }),
            ("bytes=50-1000", Range::Part { start: 50, end: 100 }),
            ("bytes=100-", Range::Outside),
            ("bytes=100-200", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=9-8", Range::Whole),
            ("bytes=0-1,5-6", Range::Whole),
            ("bytes=", Range::Whole),
            ("bytes=x-1", Range::Whole),
            ("lines=0-1", Range::Whole),
            ("bytes=99999999999999999999999-", Range::Outside),
        ] {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(spec))]);
            assert_eq!(range_of(&headers, "\"e\"", 100), expected, "{spec}");
        }
    }
}
