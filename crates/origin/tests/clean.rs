//! A clean origin is clean: many segments of each format and rendition, over loops, the 33-bit wrap and a restart of the process.

mod reader;

use ow_origin::{Clock, Origin, OriginConfig, start_with_clock};
use reader::{EPOCH_US, End, Playlist, attribute, fetch, fetch_text, get, mp4, playlist, request, ts, unix_us};

const VIDEO: [&str; 3] = ["360p", "240p", "144p"];
const ALL: [&str; 4] = ["360p", "240p", "144p", "audio"];
/// 2^33 ticks of 90 kHz, in segments of 2 s, times 300: just before a wrap of a stream that is 11 months old.
const NEAR_WRAP: i64 = 300 * 95_443_717_689 / 2_000_000 - 5;

/// Stands at the moment when `n` was published, with no phase.
async fn origin_at(segment_ms: u32, n: i64) -> Origin {
    let config = OriginConfig { segment_ms, phase_shift: false, ..OriginConfig::default() };
    let clock = Clock::manual(0);
    publish(&clock, segment_ms, n);
    start_with_clock(config, clock).await.expect("starts")
}

fn publish(clock: &Clock, segment_ms: u32, n: i64) {
    clock.set(EPOCH_US + (n + 1) * i64::from(segment_ms) * 1_000);
}

/// Starts and places in the loop, (segment duration, first number, how many).
const PLAYS: [(u32, i64, i64); 5] =
    [(2_000, 1_000, 20), (2_000, NEAR_WRAP, 12), (6_000, 4_671_234, 17), (10_000, 77, 9), (4_000, 0, 10)];

/// What holds for a playlist by itself and against the one before.
fn check_playlist(list: &Playlist, before: Option<&Playlist>, segment_ms: u32, n: i64) {
    let segment_us = i64::from(segment_ms) * 1_000;
    assert_eq!(i64::from(list.target_duration) * 1_000_000, segment_us);
    assert_eq!(list.media_sequence, (n - 5).max(0));
    assert_eq!(list.segments.len() as i64, (n + 1).min(6));
    assert!(!list.is_ended && list.discontinuity_sequence.is_none());
    for (i, s) in list.segments.iter().enumerate() {
        assert!((s.duration_us - segment_us).abs() <= 21_334, "{s:?}");
        assert!(!s.is_discontinuous && !s.is_gap, "{s:?}");
        let wall = EPOCH_US + (list.media_sequence + i as i64) * segment_us;
        assert!((s.pdt_us.expect("PDT") - wall).abs() <= 22_334, "{s:?}");
    }
    for pair in list.segments.windows(2) {
        let step = pair[1].pdt_us.expect("PDT") - pair[0].pdt_us.expect("PDT");
        assert!((step - pair[0].duration_us).abs() <= 1_000, "{pair:?}");
    }
    if let Some(before) = before {
        let kept = (before.media_sequence + before.segments.len() as i64 - list.media_sequence) as usize;
        assert_eq!(kept, list.segments.len() - 1, "one new segment");
        assert_eq!(before.segments[before.segments.len() - kept..], list.segments[..kept]);
    }
}

#[tokio::test]
async fn ts_runs_on() {
    for (segment_ms, first, count) in PLAYS {
        let mut origin = origin_at(segment_ms, first).await;
        let rates = rates(&fetch_text(origin.addr, "/live/ch1/ts/master.m3u8").await);
        let mut walkers = VIDEO.map(|_| ts::Walker::default());
        let mut lists: [Option<Playlist>; 3] = Default::default();
        let mut sizes = [0; 3];
        let mut starts = Vec::new();
        for n in first..first + count {
            if n == first + count / 2 {
                // Another process, another address: the same stream.
                origin = origin_at(segment_ms, n).await;
            }
            publish(&origin.clock, segment_ms, n);
            for (i, rendition) in VIDEO.into_iter().enumerate() {
                let base = format!("/live/ch1/ts/{rendition}");
                let list = playlist(&fetch_text(origin.addr, &format!("{base}/index.m3u8")).await);
                check_playlist(&list, lists[i].as_ref(), segment_ms, n);
                let newest = list.segments.last().expect("segments").clone();
                lists[i] = Some(list);
                let body = fetch(origin.addr, &format!("{base}/{}", newest.uri)).await;
                let facts = walkers[i].segment(&body).unwrap_or_else(|e| panic!("{rendition} {n}: {e:?}"));
                assert_eq!(facts.n_pictures * 40_000, newest.duration_us);
                let start = (n * i64::from(segment_ms) * 90).rem_euclid(1 << 33);
                assert_eq!(facts.first_pts, start, "{rendition} {n}");
                starts.push(start);
                assert!((0..1_920).contains(&ts::signed(facts.first_audio_pts - start)));
                let per_second = body.len() as u64 * 8_000 / u64::from(segment_ms);
                assert!(per_second <= rates[i].0, "{rendition} {n}: {per_second} > {}", rates[i].0);
                sizes[i] += body.len() as u64;
            }
        }
        assert_eq!(starts.is_sorted(), first != NEAR_WRAP, "the wrap is met where it should be");
        for (i, size) in sizes.into_iter().enumerate() {
            let measured = size * 8_000 / (count as u64 * u64::from(segment_ms));
            assert!(measured.abs_diff(rates[i].1) * 10 < rates[i].1, "average {measured}, declared {}", rates[i].1);
        }
    }
}

/// BANDWIDTH and AVERAGE-BANDWIDTH of each variant, in order.
fn rates(master: &str) -> Vec<(u64, u64)> {
    let lines = master.lines().filter(|l| l.starts_with("#EXT-X-STREAM-INF:"));
    let rate = |l: &str, name: &str| -> u64 {
        let text = l.split([':', ',']).find_map(|a| a.strip_prefix(name)).expect(name);
        text.parse().expect("integer")
    };
    lines.map(|l| (rate(l, "BANDWIDTH="), rate(l, "AVERAGE-BANDWIDTH="))).collect()
}

/// Checks a CMAF segment against the one before; returns its facts.
fn check_cmaf(data: &[u8], init: &mp4::Init, before: Option<&mp4::Facts>, n: i64) -> mp4::Facts {
    let facts = mp4::segment(data, init);
    assert_eq!(facts.sequence as i64, (n + 1) & 0xffff_ffff);
    assert_eq!((facts.display_start, facts.display_end), (facts.decode_time, facts.decode_time + facts.duration));
    if let Some(before) = before {
        assert_eq!(facts.decode_time, before.decode_time + before.duration, "tfdt runs on");
    }
    if init.sample_entry == "avc1" {
        assert!(facts.idrs.iter().enumerate().all(|(i, idr)| *idr == (i % 50 == 0)), "IDRs {:?}", facts.idrs);
        assert!(facts.syncs[0] && !facts.syncs[1]);
    } else {
        assert!(facts.syncs.iter().all(|s| *s));
    }
    facts
}

#[tokio::test]
async fn cmaf_runs_on() {
    for (segment_ms, first, count) in PLAYS {
        let mut origin = origin_at(segment_ms, first).await;
        let rates = rates(&fetch_text(origin.addr, "/live/ch1/cmaf/master.m3u8").await);
        let mut lists: [Option<Playlist>; 4] = Default::default();
        let mut facts: [Option<mp4::Facts>; 4] = Default::default();
        let mut inits = Vec::new();
        for rendition in ALL {
            inits.push(mp4::init(&fetch(origin.addr, &format!("/live/ch1/cmaf/{rendition}/init.mp4")).await));
        }
        for n in first..first + count {
            if n == first + count / 2 {
                origin = origin_at(segment_ms, n).await;
            }
            publish(&origin.clock, segment_ms, n);
            let mut sizes = Vec::new();
            for (i, rendition) in ALL.into_iter().enumerate() {
                let base = format!("/live/ch1/cmaf/{rendition}");
                let list = playlist(&fetch_text(origin.addr, &format!("{base}/index.m3u8")).await);
                check_playlist(&list, lists[i].as_ref(), segment_ms, n);
                assert_eq!(list.map.as_deref(), Some("init.mp4"));
                let newest = list.segments.last().expect("segments").clone();
                let body = fetch(origin.addr, &format!("{base}/{}", newest.uri)).await;
                let now = check_cmaf(&body, &inits[i], facts[i].as_ref(), n);
                assert_eq!(now.duration * 1_000_000 / u64::from(inits[i].timescale), newest.duration_us as u64);
                let nominal = n as u64 * u64::from(segment_ms) * u64::from(inits[i].timescale) / 1_000;
                assert!((0..1_024).contains(&(now.decode_time - nominal)) && (i == 3 || now.decode_time == nominal));
                sizes.push(body.len() as u64);
                (lists[i], facts[i]) = (Some(list), Some(now));
            }
            for i in 0..3 {
                let per_second = (sizes[i] + sizes[3]) * 8_000 / u64::from(segment_ms);
                assert!(per_second <= rates[i].0, "{per_second} > {}", rates[i].0);
            }
        }
        assert_eq!(
            inits[0],
            mp4::Init { timescale: 90_000, handler: "vide".into(), sample_entry: "avc1".into(), track: 1 }
        );
        assert_eq!(
            inits[3],
            mp4::Init { timescale: 48_000, handler: "soun".into(), sample_entry: "mp4a".into(), track: 1 }
        );
    }
}

/// The part of an MPD that is about one AdaptationSet, and its segments as (t, d).
fn timeline(mpd: &str, set: usize) -> (String, Vec<(u64, u64)>) {
    let part = mpd.split("<AdaptationSet ").nth(set).expect("set").to_owned();
    let mut out = Vec::new();
    for s in part.split("<S ").skip(1) {
        let number = |name| attribute(&format!(" {s}"), name).map(|v| v.parse::<u64>().expect("integer"));
        let (t, d) = (number("t").expect("t"), number("d").expect("d"));
        let has_repeat = s.split("/>").next().is_some_and(|s| s.contains(" r="));
        let repeat = if has_repeat { number("r").expect("r") } else { 0 };
        out.extend((0..=repeat).map(|k| (t + k * d, d)));
    }
    (part, out)
}

#[tokio::test]
async fn dash_timeline_runs_on() {
    for (segment_ms, first, count) in PLAYS {
        let origin = origin_at(segment_ms, first).await;
        let mut last: [Option<Vec<(u64, u64)>>; 2] = [None, None];
        for n in first..first + count {
            publish(&origin.clock, segment_ms, n);
            let mpd = fetch_text(origin.addr, "/live/ch1/dash/timeline.mpd").await;
            let now = origin.clock.now_us();
            let seconds = segment_ms / 1_000;
            for (name, expected) in [
                ("type", "dynamic".to_owned()),
                ("availabilityStartTime", "2026-01-01T00:00:00.000Z".to_owned()),
                ("minimumUpdatePeriod", format!("PT{seconds}S")),
                ("timeShiftBufferDepth", format!("PT{}S", 6 * seconds)),
            ] {
                assert_eq!(attribute(&mpd, name), Some(expected.as_str()), "{name}");
            }
            assert_eq!(unix_us(attribute(&mpd, "publishTime").expect("publishTime")), now);
            let utc = mpd.split("<UTCTiming ").nth(1).expect("UTCTiming");
            assert_eq!(unix_us(attribute(utc, "value").expect("value")), now);
            for (set, renditions) in [(1, &ALL[..3]), (2, &ALL[3..])] {
                let (part, segments) = timeline(&mpd, set);
                let scale: u64 = attribute(&part, "timescale").expect("timescale").parse().expect("integer");
                assert_eq!(segments.len() as i64, (n + 1).min(6));
                assert!(segments.windows(2).all(|w| w[0].0 + w[0].1 == w[1].0), "no gap: {segments:?}");
                let (t, d) = *segments.last().expect("segments");
                // Availability: AST + end of the segment, within the audio's frame.
                let end_us = EPOCH_US + ((t + d) as i128 * 1_000_000 / i128::from(scale)) as i64;
                assert!((end_us - now).abs() <= 21_334, "the newest ends now");
                if let Some(before) = &last[set - 1] {
                    assert_eq!(before.last().expect("segments"), &segments[segments.len() - 2]);
                }
                for rendition in renditions {
                    let init = mp4::init(&fetch(origin.addr, &format!("/live/ch1/dash/{rendition}/init.mp4")).await);
                    let body = fetch(origin.addr, &format!("/live/ch1/dash/{rendition}/t{t}.m4s")).await;
                    let facts = check_cmaf(&body, &init, None, n);
                    assert_eq!((facts.display_start, facts.duration, u64::from(init.timescale)), (t, d, scale));
                }
                let (oldest, _) = segments[0];
                assert_eq!(
                    get(origin.addr, &format!("/live/ch1/dash/{}/t{oldest}.m4s", renditions[0])).await.status,
                    200
                );
                assert_eq!(
                    get(origin.addr, &format!("/live/ch1/dash/{}/t{}.m4s", renditions[0], t + 1)).await.status,
                    404
                );
                last[set - 1] = Some(segments);
            }
        }
    }
}

#[tokio::test]
async fn dash_number_arithmetic() {
    for (segment_ms, n) in [(2_000, 100), (6_000, 4_671_234), (2_000, NEAR_WRAP)] {
        let origin = origin_at(segment_ms, n).await;
        let first = fetch_text(origin.addr, "/live/ch1/dash/number.mpd").await;
        let part = first.split("<AdaptationSet ").nth(1).expect("video");
        assert_eq!(attribute(part, "startNumber"), Some("0"));
        assert_eq!(attribute(part, "duration"), Some((segment_ms * 90).to_string().as_str()));
        for offset_us in [-1, 0, 1, i64::from(segment_ms) * 999] {
            publish(&origin.clock, segment_ms, n);
            origin.clock.set(origin.clock.now_us() + offset_us);
            let now = origin.clock.now_us();
            let d_us = i64::from(segment_ms) * 1_000;
            // ISO/IEC 23009-1 A.3.4 as in the monitor: newest and oldest guaranteed.
            let newest = (now - EPOCH_US) / d_us - 1;
            let oldest = ((now - 6 * d_us - EPOCH_US) / d_us).max(0);
            for rendition in ALL {
                for (k, expected) in
                    [(newest, 200), (newest + 1, 404), (oldest, 200), (oldest - 1, 200), (oldest - 20, 404)]
                {
                    let answer = get(origin.addr, &format!("/live/ch1/dash/{rendition}/{k}.m4s")).await;
                    assert_eq!(answer.status, expected, "{rendition} {k} at {offset_us}");
                }
            }
            // Only the time in it changes.
            let still = |mpd: &str| mpd.lines().filter(|l| !l.contains("UTCTiming")).collect::<String>();
            assert_eq!(still(&first), still(&fetch_text(origin.addr, "/live/ch1/dash/number.mpd").await));
        }
    }
}

#[tokio::test]
async fn segments_come_and_go_in_time() {
    let origin = origin_at(6_000, 500).await;
    let published = origin.clock.now_us();
    let newest = |text: String| playlist(&text).segments.last().expect("segments").uri.clone();
    let index = "/live/ch1/ts/240p/index.m3u8";
    for (offset_s, offset_us, listed, status) in [
        (0, -1, "499.ts", 404),
        (0, 0, "500.ts", 200),
        (6, -1, "500.ts", 200),
        // Out of the window at 36 s; RFC 8216 6.2.2 keeps it for 6 s + 36 s more.
        (36 + 42, 0, "513.ts", 200),
        (36 + 42 + 6, 0, "514.ts", 404),
    ] {
        origin.clock.set(published + offset_s * 1_000_000 + offset_us);
        assert_eq!(newest(fetch_text(origin.addr, index).await), listed, "at {offset_s} s {offset_us}");
        assert_eq!(get(origin.addr, "/live/ch1/ts/240p/500.ts").await.status, status, "at {offset_s} s {offset_us}");
    }
    // Every listed segment can be fetched, at any moment of the cycle.
    for step in 0..12 {
        origin.clock.set(published + step * 999_999);
        for s in playlist(&fetch_text(origin.addr, index).await).segments {
            assert_eq!(get(origin.addr, &format!("/live/ch1/ts/240p/{}", s.uri)).await.status, 200);
        }
    }
}

#[tokio::test]
async fn master_tells_the_ladder() {
    let origin = origin_at(6_000, 500).await;
    let ts = fetch_text(origin.addr, "/live/ch1/ts/master.m3u8").await;
    let cmaf = fetch_text(origin.addr, "/live/ch1/cmaf/master.m3u8").await;
    for (name, size) in [("360p", "640x360"), ("240p", "426x240"), ("144p", "256x144")] {
        for master in [&ts, &cmaf] {
            let mut lines = master.lines();
            let tag = lines.by_ref().find(|l| l.contains(size)).expect(size);
            assert!(
                tag.contains("CODECS=\"avc1.4d40") && tag.contains(",mp4a.40.2\"") && tag.contains("FRAME-RATE=25.000"),
                "{tag}"
            );
            assert_eq!(lines.next(), Some(format!("{name}/index.m3u8").as_str()));
        }
        // CODECS says what the init segment says.
        let init = fetch(origin.addr, &format!("/live/ch1/cmaf/{name}/init.mp4")).await;
        let at = init.windows(4).position(|w| w == b"avcC").expect("avcC") + 5;
        let codecs = format!("avc1.{:02x}{:02x}{:02x}", init[at], init[at + 1], init[at + 2]);
        assert!(ts.contains(&codecs), "{codecs}");
    }
    assert!(cmaf.contains("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\"") && !ts.contains("EXT-X-MEDIA:"));
    let rates = rates(&ts);
    assert!(rates.is_sorted_by(|a, b| a > b), "{rates:?}");
}

#[tokio::test]
async fn channels_do_not_publish_together() {
    let clock = Clock::manual(EPOCH_US + 1_000_000_000_000);
    let config = OriginConfig { n_channels: Some(40), ..OriginConfig::default() };
    let origin = start_with_clock(config, clock).await.expect("starts");
    let mut phases = std::collections::BTreeSet::new();
    for i in 1..=40 {
        let list = playlist(&fetch_text(origin.addr, &format!("/live/ch{i}/ts/360p/index.m3u8")).await);
        phases.insert(list.segments[0].pdt_us.expect("PDT") % 6_000_000 / 100_000);
    }
    assert!(phases.len() > 20, "{phases:?}");
    for (path, status) in
        [("/live/ch41/ts/master.m3u8", 404), ("/live/ch01/ts/master.m3u8", 404), ("/live/ch0/ts/master.m3u8", 404)]
    {
        assert_eq!(get(origin.addr, path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn http_is_as_it_should_be() {
    let origin = origin_at(2_000, 500).await;
    let a = origin.addr;
    for (path, kind) in [
        ("/live/x/ts/master.m3u8", "application/vnd.apple.mpegurl"),
        ("/live/x/ts/360p/index.m3u8", "application/vnd.apple.mpegurl"),
        ("/live/x/ts/360p/500.ts", "video/mp2t"),
        ("/live/x/cmaf/360p/init.mp4", "video/mp4"),
        ("/live/x/cmaf/audio/500.m4s", "audio/mp4"),
        ("/live/x/dash/timeline.mpd", "application/dash+xml"),
        ("/live/x/dash/number.mpd", "application/dash+xml"),
    ] {
        let whole = get(a, path).await;
        assert_eq!((whole.status, whole.end), (200, End::Whole), "{path}");
        assert_eq!(whole.header("content-type"), Some(kind), "{path}");
        assert!(whole.header("cache-control").is_some_and(|c| c.starts_with("public, max-age=")), "{path}");
        assert!(whole.header("date").is_some_and(|d| d.contains("Jan 2026")), "the origin's own date");
        let head = request(a, "HEAD", path, &[], "").await;
        assert_eq!((head.status, head.header("content-length")), (200, whole.header("content-length")), "{path}");
        assert!(head.body.is_empty());
        let etag = whole.header("etag").expect("ETag").to_owned();
        let known = request(a, "GET", path, &[("If-None-Match", &etag)], "").await;
        assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(etag.as_str())), "{path}");
        let other = request(a, "GET", path, &[("If-None-Match", "\"other\"")], "").await;
        assert_eq!(other.status, 200);
        assert_eq!(request(a, "PUT", path, &[], "").await.status, 405, "{path}");
        let part = request(a, "GET", path, &[("Range", "bytes=10-19")], "").await;
        if whole.header("accept-ranges").is_some() {
            assert_eq!((part.status, &part.body[..]), (206, &whole.body[10..20]), "{path}");
            assert_eq!(part.header("content-range"), Some(format!("bytes 10-19/{}", whole.body.len()).as_str()));
            assert_eq!(request(a, "GET", path, &[("Range", "bytes=9999999-")], "").await.status, 416);
        } else {
            assert_eq!(part.status, 200);
        }
    }
    // A segment has one tag over time and processes; a playlist gets another with each segment.
    let other = origin_at(2_000, 501).await;
    for (path, same) in
        [("/live/x/ts/360p/500.ts", true), ("/live/x/ts/360p/index.m3u8", false), ("/live/x/dash/number.mpd", true)]
    {
        let tags = (get(a, path).await, get(other.addr, path).await);
        assert_eq!(tags.0.header("etag") == tags.1.header("etag"), same, "{path}");
    }
    for path in [
        "/",
        "/live/x/ts/720p/index.m3u8",
        "/live/X/ts/master.m3u8",
        "/live/x/ts/360p/99999999999.ts",
        "/live/x/dash/360p/t9007199254740991.m4s",
    ] {
        assert_eq!(get(a, path).await.status, 404, "{path}");
    }
    assert_eq!(unix_us(&get(a, "/time").await.text()), origin.clock.now_us());
}
