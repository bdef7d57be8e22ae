//! The channel watcher against a live packager with segments of 2 s.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use ow_domain::capture::{Capture, ObjectKind, Protocol};
use ow_domain::facts::Container;
use ow_domain::job::{Depth, FetchJob, FetchLimits, StreamJob};
use ow_domain::{ChannelId, ProbeId, Span, StreamId};
use ow_fetcher::{WatchOptions, follow_channel, watch_channel};
use ow_origin::{FaultKind, FaultSpec, Origin, OriginConfig};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(40);

async fn origin() -> Origin {
    ow_origin::start(OriginConfig { segment_ms: 2_000, ..OriginConfig::default() }).await.unwrap()
}

fn stream(name: &str, url: String, depth: Depth) -> StreamJob {
    let protocol = if url.ends_with(".mpd") { Protocol::Dash } else { Protocol::Hls };
    StreamJob { stream: StreamId::new(name).unwrap(), protocol, url, headers: vec![], depth }
}

fn job(revision: u64, streams: Vec<StreamJob>) -> FetchJob {
    FetchJob {
        channel: ChannelId::new("one").unwrap(),
        probe: ProbeId::new("p").unwrap(),
        revision,
        streams,
        limits: FetchLimits::default(),
    }
}

/// A watcher whose captures are taken until enough is seen.
struct Watching {
    captures: mpsc::Receiver<Capture>,
    seen: Vec<Capture>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Watching {
    fn start(job: FetchJob) -> Self {
        let (sender, captures) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let task = tokio::spawn(watch_channel(job, Arc::new(support::probe()), sender, stop.clone()));
        Self { captures, seen: Vec::new(), stop, task }
    }

    /// Takes captures until `enough` holds.
    async fn until(&mut self, what: &str, enough: impl Fn(&[Capture]) -> bool) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while !enough(&self.seen) {
            match tokio::time::timeout_at(deadline, self.captures.recv()).await {
                Ok(Some(capture)) => self.seen.push(capture),
                Ok(None) => panic!("{what}: the watcher ended"),
                Err(_) => panic!("{what}: not in time; saw {:#?}", summary(&self.seen)),
            }
        }
    }

    /// Stops the watcher; everything in hand has come then.
    async fn end(mut self) -> Vec<Capture> {
        self.stop.cancel();
        while let Some(capture) = self.captures.recv().await {
            self.seen.push(capture);
        }
        self.task.await.unwrap();
        for (i, capture) in self.seen.iter().enumerate() {
            assert_eq!(capture.seq, i as u64 + 1, "numbers tell what is lost");
        }
        self.seen
    }
}

fn summary(captures: &[Capture]) -> Vec<String> {
    captures
        .iter()
        .map(|c| {
            let number = c.promised.as_ref().and_then(|p| p.number);
            format!(
                "{:?} {} {number:?} {:?} retry={} extra={}",
                c.object,
                track(c),
                c.exchange.status(),
                c.retry,
                c.extra
            )
        })
        .collect()
}

fn track(capture: &Capture) -> &str {
    capture.track.as_ref().map_or("-", |track| track.id.as_str())
}

fn of(captures: &[Capture], object: ObjectKind) -> impl Iterator<Item = &Capture> {
    captures.iter().filter(move |c| c.object == object)
}

/// Numbers of the segments of each rendition, besides the oldest.
fn numbers(captures: &[Capture]) -> BTreeMap<&str, Vec<u64>> {
    let mut out: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for capture in of(captures, ObjectKind::Segment).filter(|c| !c.extra && !c.retry) {
        out.entry(track(capture)).or_default().push(capture.promised.as_ref().unwrap().number.unwrap());
    }
    out
}

#[tokio::test]
async fn every_new_segment_is_fetched_exactly_once() {
    let origin = origin().await;
    let streams = vec![
        stream("ts", origin.hls_ts("one"), Depth::Full),
        stream("cmaf", origin.hls_cmaf("one"), Depth::Full),
        stream("dash", origin.dash_timeline("one"), Depth::Full),
    ];
    let mut watching = Watching::start(job(3, streams));
    // 3 renditions of TS, 4 of fMP4.
    watching
        .until("five segments of each rendition", |seen| {
            ["ts", "cmaf"].iter().all(|name| {
                let of_stream: Vec<Capture> = seen.iter().filter(|c| c.stream.as_str() == *name).cloned().collect();
                let numbers = numbers(&of_stream);
                numbers.len() == if *name == "ts" { 3 } else { 4 } && numbers.values().all(|list| list.len() >= 5)
            })
        })
        .await;
    let seen = watching.end().await;
    assert!(of(&seen, ObjectKind::Mpd).count() >= 1);
    for name in ["ts", "cmaf"] {
        let seen: Vec<Capture> = seen.iter().filter(|c| c.stream.as_str() == name).cloned().collect();
        assert_eq!(of(&seen, ObjectKind::Mvp).count(), 1);
        for (track, mut list) in numbers(&seen) {
            list.sort_unstable();
            let expected: Vec<u64> = (list[0]..list[0] + list.len() as u64).collect();
            assert_eq!(list, expected, "{name} {track}: each once, none left out");
        }
        for capture in &seen {
            assert_eq!((capture.job_revision, capture.late_polls, capture.retry), (3, 0, false));
            assert!(
                matches!(capture.exchange.status(), Some(200 | 304)),
                "{:?}",
                summary(std::slice::from_ref(capture))
            );
            assert!(capture.clock_uncertainty_us >= 50_000);
        }
        let inits: Vec<&str> = of(&seen, ObjectKind::Init).map(track).collect();
        let mut unique = inits.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(inits.len(), unique.len(), "each init section once");
        assert_eq!(inits.len(), if name == "cmaf" { 4 } else { 0 });
        for segment in of(&seen, ObjectKind::Segment) {
            let facts = segment.facts.as_ref().unwrap();
            let expected = if name == "ts" { Container::MpegTs } else { Container::IsoBmff };
            assert_eq!((facts.container, facts.n_issues), (expected, 0), "{:?}", facts.issues);
            let main = facts.main().unwrap();
            assert!(main.timescale > 0, "segments are read with their init section");
            let declared = segment.promised.as_ref().unwrap().duration_us.unwrap();
            let measured = main.duration.unwrap() * 1_000_000 / i64::from(main.timescale);
            assert!((declared - measured).abs() <= 50_000, "{declared} {measured}");
            let listed = segment.promised.as_ref().unwrap().listed_at;
            assert!(listed <= segment.exchange.t_req);
        }
        // The oldest of the window is looked at as well, once a minute.
        assert_eq!(of(&seen, ObjectKind::Segment).filter(|c| c.extra).count(), if name == "ts" { 3 } else { 4 });
    }
}

#[tokio::test]
async fn a_frozen_playlist_is_asked_for_at_half_the_target_duration() {
    let origin = origin().await;
    origin.faults.add(FaultSpec::new(FaultKind::FrozenPlaylist {})).unwrap();
    let mut watching = Watching::start(job(1, vec![stream("ts", origin.hls_ts("one"), Depth::Manifest)]));
    let polls = |seen: &[Capture]| {
        let mut out: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for poll in of(seen, ObjectKind::MediaPlaylist) {
            out.entry(track(poll).to_owned()).or_default().push(poll.exchange.t_req.unix_micros());
        }
        out
    };
    watching
        .until("five polls of each rendition", |seen| {
            let polls = polls(seen);
            polls.len() == 3 && polls.values().all(|list| list.len() >= 5)
        })
        .await;
    let seen = watching.end().await;
    assert_eq!(of(&seen, ObjectKind::Segment).count(), 0, "depth manifest");
    for (track, times) in polls(&seen) {
        // The first wait is for a new segment; then TD/2 = 1 s and up to 10 % and the burst's span more.
        for pair in times[1..].windows(2) {
            let gap = pair[1] - pair[0];
            assert!((1_000_000..1_900_000).contains(&gap), "{track}: {gap} us");
        }
    }
}

#[tokio::test]
async fn a_listed_segment_that_fails_is_tried_once_more_on_a_new_connection() {
    let origin = origin().await;
    let fault = FaultSpec::new(FaultKind::HttpStatus { status: 503 }).rendition("240p");
    origin.faults.add(fault.objects(&[ow_origin::ObjectKind::Segment])).unwrap();
    let mut watching = Watching::start(job(1, vec![stream("ts", origin.hls_ts("one"), Depth::Full)]));
    watching
        .until("three second tries", |seen| of(seen, ObjectKind::Segment).filter(|c| c.retry && !c.extra).count() >= 3)
        .await;
    let seen = watching.end().await;
    for again in of(&seen, ObjectKind::Segment).filter(|c| c.retry) {
        assert!(track(again).contains("240p"), "only what failed is tried again: {}", track(again));
        assert!(!again.exchange.timings.reused && again.exchange.timings.connect_us.is_some());
        let first =
            seen.iter().find(|c| c.exchange.url == again.exchange.url && !c.retry && c.extra == again.extra).unwrap();
        assert_eq!((first.exchange.status(), again.exchange.status()), (Some(503), Some(503)));
        let pause = again.exchange.t_req - first.exchange.t_end;
        assert!(pause >= Span::from_millis(500) && pause < Span::from_secs(3), "{pause}");
    }
    let urls: Vec<&str> = of(&seen, ObjectKind::Segment).filter(|c| c.retry).map(|c| c.exchange.url.as_str()).collect();
    let mut unique = urls.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(urls.len(), unique.len(), "once");
}

#[tokio::test]
async fn gaps_are_left_alone_and_heads_are_ranges() {
    let origin = origin().await;
    origin.faults.add(FaultSpec::new(FaultKind::Gap {}).every(2)).unwrap();
    let mut watching = Watching::start(job(1, vec![stream("ts", origin.hls_ts("one"), Depth::Head)]));
    watching
        .until("three segments of each rendition", |seen| {
            let numbers = numbers(seen);
            numbers.len() == 3 && numbers.values().all(|list| list.len() >= 3)
        })
        .await;
    let seen = watching.end().await;
    assert!(
        of(&seen, ObjectKind::MediaPlaylist).any(|c| c.body.as_ref().is_some_and(|b| b.text.contains("EXT-X-GAP")))
    );
    for segment in of(&seen, ObjectKind::Segment) {
        let promised = segment.promised.as_ref().unwrap();
        assert_ne!(segment.exchange.status(), Some(404), "a gap is not asked for: {:?}", promised.number);
        assert_eq!(segment.facts.as_ref().unwrap().container, Container::MpegTs);
    }
}

#[tokio::test]
async fn an_entry_may_be_a_media_playlist() {
    let origin = origin().await;
    let url = origin.url("/live/one/ts/360p/index.m3u8");
    let mut watching = Watching::start(job(1, vec![stream("ts", url, Depth::Full)]));
    watching.until("three segments", |seen| numbers(seen).values().any(|list| list.len() >= 3)).await;
    let seen = watching.end().await;
    assert_eq!(numbers(&seen).keys().copied().collect::<Vec<_>>(), ["main"]);
    let entries: Vec<&Capture> = seen.iter().filter(|c| c.object.is_manifest()).collect();
    assert!(entries.len() >= 2);
    assert!(
        entries.iter().all(|c| c.object == ObjectKind::MediaPlaylist && track(c) == "main"),
        "{:?}",
        summary(&seen)
    );
}

#[tokio::test]
async fn a_changed_job_is_taken_over_in_place() {
    let origin = origin().await;
    let ts = stream("ts", origin.hls_ts("one"), Depth::Full);
    let cmaf = stream("cmaf", origin.hls_cmaf("one"), Depth::Manifest);
    let (jobs, following) = watch::channel(Arc::new(job(1, vec![ts.clone()])));
    let (sender, captures) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let mut options = WatchOptions::new(Arc::new(support::probe()));
    options.cadence.phase_spread = Span::ZERO;
    let task = tokio::spawn(follow_channel(following, options, sender, stop.clone()));
    let mut watching = Watching { captures, seen: Vec::new(), stop, task };
    watching.until("the first stream", |seen| of(seen, ObjectKind::Segment).any(|c| c.stream.as_str() == "ts")).await;
    jobs.send_replace(Arc::new(job(2, vec![ts, cmaf.clone()])));
    watching
        .until("both streams", |seen| {
            let of_two = |name: &str| seen.iter().any(|c| c.stream.as_str() == name && c.job_revision == 2);
            of_two("ts") && of_two("cmaf")
        })
        .await;
    jobs.send_replace(Arc::new(job(3, vec![cmaf])));
    watching.until("ten captures of the last", |seen| seen.iter().filter(|c| c.job_revision == 3).count() >= 10).await;
    let seen = watching.end().await;
    let entries = of(&seen, ObjectKind::Mvp).filter(|c| c.stream.as_str() == "ts").count();
    assert_eq!(entries, 1, "a stream that stays goes on");
    let last_ts = seen.iter().rposition(|c| c.stream.as_str() == "ts").unwrap();
    assert!(seen[last_ts..].iter().filter(|c| c.job_revision == 3).count() >= 9, "a stream that is gone ends");
}

#[tokio::test]
async fn an_entry_that_fails_is_asked_again() {
    let origin = origin().await;
    origin.faults.add(FaultSpec::new(FaultKind::Html {})).unwrap();
    let mut watching = Watching::start(job(1, vec![stream("ts", origin.hls_ts("one"), Depth::Full)]));
    watching.until("two entries", |seen| of(seen, ObjectKind::Mvp).count() >= 2).await;
    origin.faults.clear();
    watching.until("a segment", |seen| of(seen, ObjectKind::Segment).next().is_some()).await;
    let seen = watching.end().await;
    let first = of(&seen, ObjectKind::Mvp).next().unwrap();
    assert!(first.body.as_ref().unwrap().text.contains('<'), "what came is told");
}

#[tokio::test]
async fn segments_of_dash_are_fetched_once_at_their_availability_time() {
    let origin = origin().await;
    let streams = vec![
        stream("timeline", origin.dash_timeline("one"), Depth::Full),
        stream("number", origin.dash_number("one"), Depth::Full),
    ];
    let mut watching = Watching::start(job(3, streams));
    let split = |seen: &[Capture], name: &str| -> Vec<Capture> {
        seen.iter().filter(|c| c.stream.as_str() == name).cloned().collect()
    };
    watching
        .until("five segments of each rendition", |seen| {
            ["timeline", "number"].iter().all(|name| {
                let of_stream = split(seen, name);
                let numbers = numbers(&of_stream);
                numbers.len() == 4 && numbers.values().all(|list| list.len() >= 5)
            })
        })
        .await;
    let seen = watching.end().await;
    for name in ["timeline", "number"] {
        let seen = split(&seen, name);
        for (track, mut list) in numbers(&seen) {
            list.sort_unstable();
            // The list moves on between polls: numbers of a SegmentTimeline without startNumber count from its head.
            if name == "number" {
                let expected: Vec<u64> = (list[0]..list[0] + list.len() as u64).collect();
                assert_eq!(list, expected, "{name} {track}: each once, none left out");
            }
        }
        let mut urls: Vec<&str> =
            of(&seen, ObjectKind::Segment).filter(|c| !c.extra).map(|c| c.exchange.url.as_str()).collect();
        let n = urls.len();
        urls.sort_unstable();
        urls.dedup();
        assert_eq!(urls.len(), n, "{name}: no segment twice");
        assert_eq!(of(&seen, ObjectKind::Init).count(), 4, "{name}: each init section once");
        let mut tracks: Vec<&str> = of(&seen, ObjectKind::Init).map(track).collect();
        tracks.sort_unstable();
        assert!(tracks[0] == "audio-en" && tracks[1].starts_with("video-"), "{tracks:?}");
        for segment in of(&seen, ObjectKind::Segment) {
            assert_eq!(segment.exchange.status(), Some(200), "{:?}", summary(std::slice::from_ref(segment)));
            let promised = segment.promised.as_ref().unwrap();
            let dash = promised.dash.as_ref().unwrap();
            let available = dash.available_at.unwrap();
            assert!(segment.exchange.t_req >= available && dash.n_early == 0);
            assert_eq!((dash.explicit, dash.period.as_str()), (name == "timeline", "p0"));
            let facts = segment.facts.as_ref().unwrap();
            assert_eq!((facts.container, facts.n_issues), (Container::IsoBmff, 0), "{:?}", facts.issues);
            let main = facts.main().unwrap();
            assert!(main.timescale > 0, "segments are read with their init section");
            let measured = main.duration.unwrap() * 1_000_000 / i64::from(main.timescale);
            assert!((promised.duration_us.unwrap() - measured).abs() <= 50_000);
        }
    }
    let polls = split(&seen, "timeline");
    assert!(of(&polls, ObjectKind::Mpd).count() >= 4, "the MPD is asked for by its period");
    let clocks: Vec<_> = of(&polls, ObjectKind::Mpd).flat_map(|c| &c.time_checks).collect();
    assert_eq!(clocks.len(), 1, "the time source is asked once in a while, and told with the MPD after it");
    assert!(clocks[0].outcome == "200" && clocks[0].url.ends_with("/time"), "{clocks:?}");
    let (from, to) = clocks[0].said.unwrap();
    let slack = Span::from_secs(1);
    assert!(from == to && from >= clocks[0].t_req + -slack && to <= clocks[0].t_end + slack, "{clocks:?}");
    assert_eq!(of(&split(&seen, "number"), ObjectKind::Mpd).count(), 1, "its period is a minute");
}

#[tokio::test]
async fn a_late_segment_of_dash_is_asked_for_until_it_comes() {
    let origin = origin().await;
    // Promised a second earlier than made.
    origin.faults.add(FaultSpec::new(FaultKind::AvailabilityStart { by_ms: -1_000 })).unwrap();
    let mut watching = Watching::start(job(1, vec![stream("number", origin.dash_number("one"), Depth::Full)]));
    watching
        .until("a segment that came after early tries", |seen| {
            of(seen, ObjectKind::Segment).any(|c| {
                let dash = c.promised.as_ref().and_then(|p| p.dash.as_ref());
                c.exchange.status() == Some(200) && dash.is_some_and(|d| d.n_early > 0)
            })
        })
        .await;
    let seen = watching.end().await;
    let dash = |c: &Capture| c.promised.as_ref().unwrap().dash.clone().unwrap();
    let good =
        of(&seen, ObjectKind::Segment).find(|c| c.exchange.status() == Some(200) && dash(c).n_early > 0).unwrap();
    let tries: Vec<&Capture> =
        of(&seen, ObjectKind::Segment).filter(|c| c.exchange.url == good.exchange.url && !c.extra).collect();
    assert_eq!(tries.len() as u32, dash(good).n_early + 1, "each try is a capture");
    assert!(tries[..tries.len() - 1].iter().all(|c| c.exchange.status() == Some(404) && !dash(c).gives_up && !c.retry));
    let late = dash(good).last_early.unwrap() - dash(good).available_at.unwrap();
    assert!(late > Span::ZERO && late < Span::from_millis(1_400), "{late}");
    assert!(good.exchange.t_req - dash(good).last_early.unwrap() >= Span::from_millis(250));
}

#[tokio::test]
async fn a_segment_of_hls_that_is_listed_early_is_asked_for_until_it_comes() {
    let origin = origin().await;
    origin.faults.add(FaultSpec::new(FaultKind::SegmentLate { by_ms: 700 })).unwrap();
    let mut watching = Watching::start(job(1, vec![stream("ts", origin.hls_ts("one"), Depth::Full)]));
    let came = |c: &&Capture| {
        c.exchange.status() == Some(200) && c.promised.as_ref().and_then(|p| p.early.as_ref()).is_some_and(|e| e.n > 0)
    };
    watching
        .until("a segment that came after early tries", |seen| of(seen, ObjectKind::Segment).any(|c| came(&c)))
        .await;
    let seen = watching.end().await;
    let good = of(&seen, ObjectKind::Segment).find(came).unwrap();
    let promised = good.promised.clone().unwrap();
    let early = promised.early.unwrap();
    let tries: Vec<&Capture> = of(&seen, ObjectKind::Segment)
        .filter(|c| c.exchange.url == good.exchange.url && c.track == good.track && !c.extra)
        .collect();
    assert_eq!(tries.len() as u32, early.n + 1, "each try is a capture");
    for pair in tries.windows(2) {
        assert!(pair[0].promised.as_ref().and_then(|p| p.early.as_ref()).is_some_and(|e| e.waits) && !pair[0].retry);
        assert_eq!(pair[0].exchange.status(), Some(404));
        assert!(pair[1].exchange.t_req - pair[0].exchange.t_req >= Span::from_millis(250), "the step of the ladder");
    }
    assert!(!early.waits && early.status == Some(404) && early.remote_addr.is_some() && !early.from_cache);
    let late = early.last.unwrap() - promised.listed_at;
    assert!(late < Span::from_millis(1_500), "{late}");
    assert_eq!(promised.has_map, Some(false), "a transport stream without EXT-X-MAP");
}

/// A rendition with parts of 0.5 s in segments of 2 s that grows while it is asked, and holds answers back; with
/// `waits` false it promises to and does not.
fn low_latency(waits: bool) -> support::Script {
    let start = tokio::time::Instant::now();
    Arc::new(move |_, mut stream| {
        Box::pin(async move {
            while let Some(head) = support::read_head(&mut stream).await {
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let number = |key: &str| path.split(key).nth(1)?.split('&').next()?.parse::<usize>().ok();
                let body = if path.contains(".m3u8") {
                    // Parts that are there by now, from the first of segment 0 on.
                    let n_parts = || 40 + (start.elapsed().as_millis() / 500) as usize;
                    if let (Some(msn), true) = (number("_HLS_msn="), waits) {
                        let wanted = number("_HLS_part=").map_or(msn * 4 + 4, |part| msn * 4 + part + 1);
                        while n_parts() < wanted {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                    }
                    let n = if waits { n_parts() } else { 40 };
                    let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.5\n".to_owned();
                    text += "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n";
                    text += &format!("#EXT-X-MEDIA-SEQUENCE:{}\n", n / 4 - 6);
                    for part in (n / 4 - 6) * 4..n {
                        text += &format!("#EXT-X-PART:DURATION=0.5,URI=\"p{part}.ts\"\n");
                        if part % 4 == 3 {
                            text += &format!("#EXTINF:2.0,\ns{}.ts\n", part / 4);
                        }
                    }
                    text
                } else {
                    "G".repeat(188)
                };
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        })
    })
}

#[tokio::test]
async fn parts_are_waited_for_and_fetched_once() {
    let server = support::Server::start(low_latency(true)).await;
    let mut watching = Watching::start(job(1, vec![stream("ll", server.url("/v.m3u8"), Depth::Full)]));
    watching.until("eight parts", |seen| of(seen, ObjectKind::Part).count() >= 8).await;
    let seen = watching.end().await;
    let mut lists: Vec<&Capture> = of(&seen, ObjectKind::MediaPlaylist).collect();
    lists.sort_by_key(|c| c.exchange.t_req);
    for pair in lists.windows(2) {
        assert!(pair[0].exchange.t_end <= pair[1].exchange.t_req, "one request at a time");
    }
    let reloads: Vec<_> = lists.iter().filter(|c| c.blocking.is_some()).collect();
    assert!(reloads.len() >= 7, "{:#?}", summary(&seen));
    for reload in &reloads {
        let asked = reload.blocking.unwrap();
        assert!(reload.exchange.url.contains(&format!("_HLS_msn={}", asked.msn)), "{}", reload.exchange.url);
    }
    let mut places: Vec<_> = of(&seen, ObjectKind::Part)
        .filter(|c| !c.retry)
        .map(|c| c.promised.as_ref().unwrap())
        .map(|p| (p.number.unwrap(), p.part.unwrap().index))
        .collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        let of_all = |(msn, index): (u64, u32)| msn * 4 + u64::from(index);
        assert_eq!(of_all(pair[0]) + 1, of_all(pair[1]), "each part once: {places:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_wait_is_asked_no_faster_than_any_other() {
    let server = support::Server::start(low_latency(false)).await;
    let mut watching = Watching::start(job(1, vec![stream("ll", server.url("/v.m3u8"), Depth::Full)]));
    watching.until("three promises broken", |seen| seen.iter().filter(|c| c.blocking.is_some()).count() >= 3).await;
    let seen = watching.end().await;
    let lists: Vec<_> = of(&seen, ObjectKind::MediaPlaylist).collect();
    let plain = lists.iter().filter(|c| c.blocking.is_none()).count();
    assert!(plain >= 3, "plain requests between them");
    let span = lists[lists.len() - 1].exchange.t_req - lists[0].exchange.t_req;
    assert!(span >= Span::from_millis(1_900), "{} requests in {span}", lists.len());
}

#[tokio::test]
async fn the_edge_of_low_latency_hls_is_followed_part_by_part() {
    let config = OriginConfig { segment_ms: 2_000, part_ms: 200, ..OriginConfig::default() };
    let origin = ow_origin::start(config).await.unwrap();
    let mut watching = Watching::start(job(1, vec![stream("ll", origin.hls_ll("one"), Depth::Full)]));
    let is_hint = |c: &Capture| c.promised.as_ref().and_then(|p| p.part).is_some_and(|part| part.hinted);
    let is_delta = |c: &Capture| c.body.as_ref().is_some_and(|body| body.text.contains("#EXT-X-SKIP:"));
    watching
        .until("a hint and a delta update, each with what follows", |seen| {
            let plain_after = seen
                .iter()
                .skip_while(|c| !is_delta(c))
                .any(|c| c.object == ObjectKind::MediaPlaylist && c.blocking.is_none() && c.body.is_some());
            plain_after && seen.iter().any(is_hint)
        })
        .await;
    let seen = watching.end().await;
    let blocking: Vec<&Capture> = of(&seen, ObjectKind::MediaPlaylist).filter(|c| c.blocking.is_some()).collect();
    let tracks: std::collections::BTreeSet<&str> = blocking.iter().map(|c| track(c)).collect();
    assert_eq!(tracks.len(), 1, "one rendition at a time is waited for: {tracks:?}");
    let n_deltas = seen.iter().filter(|c| is_delta(c)).count();
    assert!(blocking.len() > 20 * n_deltas && n_deltas > 0, "{n_deltas} delta updates of {}", blocking.len());
    for capture in &seen {
        assert_eq!(capture.blocking.is_some_and(|asked| asked.skip), is_delta(capture), "asked for, and served");
    }
    let (hints, parts): (Vec<&Capture>, Vec<&Capture>) = of(&seen, ObjectKind::Part).partition(|c| is_hint(c));
    assert!(parts.len() > 5 * hints.len(), "{} hints, {} parts", hints.len(), parts.len());
    for capture in hints.iter().chain(&parts).filter(|c| !c.exchange.url.is_empty()) {
        assert_eq!(capture.exchange.status(), Some(200), "{}", capture.exchange.url);
    }
    assert!(hints.iter().all(|c| c.facts.is_none() && c.extra), "the bytes of a hint come again with its part");
    assert!(
        parts.iter().all(|c| c.facts.as_ref().is_some_and(|f| f.container == Container::IsoBmff)),
        "parts are read"
    );
}
