//! Low-latency HLS of a clean origin: parts make the segments, answers are held back, delta updates leave out what is old.

mod reader;

use ow_origin::{Blocking, Clock, FaultKind, FaultSpec, MemoryOrigin, OriginConfig, start_with_clock};
use reader::{EPOCH_US, fetch, fetch_text, get, mp4};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ALL: [&str; 4] = ["360p", "240p", "144p", "audio"];

fn config(segment_ms: u32, part_ms: u32) -> OriginConfig {
    OriginConfig { segment_ms, part_ms, phase_shift: false, ..OriginConfig::default() }
}

/// Attribute of a tag line, without quotes.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let list = line.split_once(':').map_or("", |(_, list)| list);
    list.split(',').find_map(|a| a.strip_prefix(name)?.strip_prefix('=')).map(|v| v.trim_matches('"'))
}

fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
}

fn us(text: &str) -> i64 {
    (text.parse::<f64>().expect("seconds") * 1e6).round() as i64
}

#[tokio::test]
async fn parts_are_their_segment() {
    for (segment_ms, part_ms, first) in
        [(4_000, 400, 1_000), (2_000, 200, 8_388_607), (6_000, 1_000, 77), (4_000, 2_000, 20)]
    {
        let clock = Clock::manual(EPOCH_US + (first + 2) * i64::from(segment_ms) * 1_000 + 50_000);
        let origin = start_with_clock(config(segment_ms, part_ms), clock).await.expect("starts");
        let n_parts = i64::from(segment_ms / part_ms);
        for rendition in ALL {
            let base = format!("/live/ch1/ll/{rendition}");
            let init = mp4::init(&fetch(origin.addr, &format!("{base}/init.mp4")).await);
            let text = fetch_text(origin.addr, &format!("{base}/index.m3u8")).await;
            let target = us(attribute(tag(&text, "#EXT-X-PART-INF").expect("PART-INF"), "PART-TARGET").expect("value"));
            let mut next = None;
            let mut sequence = None;
            for n in [first, first + 1] {
                let mut whole = Vec::new();
                let mut listed_us = 0;
                for part in 0..n_parts {
                    let uri = format!("{n}.{part}.m4s");
                    let line = text
                        .lines()
                        .find(|l| l.contains(&format!("\"{uri}\"")))
                        .unwrap_or_else(|| panic!("{uri}: {text}"));
                    let body = fetch(origin.addr, &format!("{base}/{uri}")).await;
                    let facts = mp4::segment(&body, &init);
                    assert_eq!(facts.decode_time, next.unwrap_or(facts.decode_time), "{uri}: time runs on");
                    assert_eq!(facts.sequence, sequence.unwrap_or(facts.sequence), "{uri}: numbers run on");
                    next = Some(facts.decode_time + facts.duration);
                    sequence = Some(facts.sequence.wrapping_add(1));
                    let duration_us = us(attribute(line, "DURATION").expect("DURATION"));
                    assert!((facts.duration as i64 * 1_000_000 / i64::from(init.timescale) - duration_us).abs() <= 1);
                    assert!(duration_us <= target && duration_us * 100 >= target * 85, "{line}, target {target}");
                    let has_key = rendition == "audio" || facts.idrs.iter().any(|idr| *idr);
                    assert_eq!(attribute(line, "INDEPENDENT") == Some("YES"), has_key, "{line}");
                    listed_us += duration_us;
                    whole.extend_from_slice(&body);
                }
                assert_eq!(fetch(origin.addr, &format!("{base}/{n}.m4s")).await, whole, "{rendition} {n}");
                let before = text.split(&format!("\n{n}.m4s\n")).next().expect("listed");
                let extinf = before.rsplit("#EXTINF:").next().expect("EXTINF").trim_end_matches([',', '\n']);
                assert!((us(extinf) - listed_us).abs() <= n_parts, "{extinf} of {listed_us}");
            }
            let hint = attribute(tag(&text, "#EXT-X-PRELOAD-HINT").expect("hint"), "URI").expect("URI");
            assert_eq!(hint, format!("{}.0.m4s", first + 2));
            assert_eq!(text.matches("#EXT-X-RENDITION-REPORT:").count(), 3);
            let report = format!(
                "URI=\"../{}/index.m3u8\",LAST-MSN={},LAST-PART={}\n",
                if rendition == "audio" { "144p" } else { "audio" },
                first + 1,
                n_parts - 1
            );
            assert!(text.contains(&report), "{report} in {text}");
            for path in [
                format!("{base}/{}.1.m4s", first + 2),
                format!("{base}/{first}.{n_parts}.m4s"),
                format!("{base}/{}.m4s", first + 2),
            ] {
                assert_eq!(get(origin.addr, &path).await.status, 404, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn delta_updates_leave_out_what_is_old() {
    let clock = Clock::manual(EPOCH_US + 2_000_900_000);
    let origin = start_with_clock(config(4_000, 400), clock).await.expect("starts");
    let path = "/live/ch1/ll/240p/index.m3u8";
    let full = fetch_text(origin.addr, path).await;
    assert!(full.contains("#EXT-X-VERSION:9\n") && full.contains("CAN-SKIP-UNTIL=24.000000"), "{full}");
    assert_eq!(full.matches("#EXTINF:").count(), 12);
    let delta = fetch_text(origin.addr, &format!("{path}?_HLS_skip=YES")).await;
    let skipped: usize = attribute(tag(&delta, "#EXT-X-SKIP").expect("SKIP"), "SKIPPED-SEGMENTS")
        .expect("count")
        .parse()
        .expect("integer");
    // 24 s before the end, which is 0.8 s behind the last segment.
    assert_eq!(skipped, 6);
    let from_segment = |text: &str, i: usize| {
        text.match_indices("#EXT-X-PROGRAM-DATE-TIME").nth(i).map(|(at, _)| text[at..].to_owned())
    };
    assert_eq!(from_segment(&delta, 0), from_segment(&full, skipped), "what is left is as in the whole");
    assert_eq!(tag(&delta, "#EXT-X-MEDIA-SEQUENCE"), tag(&full, "#EXT-X-MEDIA-SEQUENCE"));
}

/// Status and body over a connection in memory.
async fn ask(origin: &MemoryOrigin, path: &str) -> (u16, String) {
    let mut stream = origin.connect();
    let head = format!("GET {path} HTTP/1.1\r\nhost: o\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sends");
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.expect("reads");
    let text = String::from_utf8_lossy(&got).into_owned();
    (text.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("status"), text)
}

/// Segment 500 is the newest, of 501 two parts are there, the third in 0.3 s.
fn live() -> (MemoryOrigin, Clock) {
    let clock = Clock::running_from(EPOCH_US + 501 * 4_000_000 + 900_000);
    (MemoryOrigin::new(config(4_000, 400), clock.clone()).expect("starts"), clock)
}

#[tokio::test(start_paused = true)]
async fn answers_are_held_back() {
    for (path, status, after_ms, has) in [
        ("index.m3u8", 200, 0, "\"501.1.m4s\""),
        ("index.m3u8?_HLS_msn=501&_HLS_part=1", 200, 0, "\"501.1.m4s\""),
        ("index.m3u8?_HLS_msn=501&_HLS_part=2", 200, 300, "\"501.2.m4s\""),
        ("index.m3u8?_HLS_msn=501&_HLS_part=4", 200, 1_100, "\"501.4.m4s\""),
        ("index.m3u8?_HLS_msn=501", 200, 3_100, "\n501.m4s\n"),
        ("501.2.m4s", 200, 300, "moof"),
        ("501.3.m4s", 404, 0, "not found"),
        ("index.m3u8?_HLS_part=1", 400, 0, ""),
        ("index.m3u8?_HLS_msn=503", 400, 0, ""),
    ] {
        let (origin, clock) = live();
        let from = clock.now_us();
        let (got, text) = ask(&origin, &format!("/live/ch1/ll/360p/{path}")).await;
        assert_eq!(got, status, "{path}");
        assert!(text.contains(has), "{path}: {text}");
        let took_ms = (clock.now_us() - from) / 1_000;
        assert!((after_ms..after_ms + 20).contains(&took_ms), "{path}: {took_ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_low_latency() {
    let next = "index.m3u8?_HLS_msn=501&_HLS_part=2";
    for (kind, path, status, after_ms, has) in [
        (FaultKind::FrozenPlaylist {}, next, 503, 12_000, ""),
        (FaultKind::BlockingIgnored { form: Blocking::Any }, next, 200, 0, "URI=\"501.2.m4s\"\n#EXT-X-REND"),
        (
            FaultKind::BlockingIgnored { form: Blocking::Segment },
            next,
            200,
            300,
            "PART:DURATION=0.400000,URI=\"501.2.m4s\"",
        ),
        (FaultKind::BlockingIgnored { form: Blocking::Segment }, "index.m3u8?_HLS_msn=501", 200, 0, "\n500.m4s\n"),
        (FaultKind::PartsMissing {}, next, 503, 12_000, ""),
        (FaultKind::PartsMissing {}, "index.m3u8?_HLS_msn=501", 200, 3_100, "\n501.m4s\n"),
        (FaultKind::PartTarget { ms: 300 }, "index.m3u8", 200, 0, "PART-TARGET=0.300000\n"),
        (FaultKind::PartsIndependent {}, "index.m3u8", 200, 0, "URI=\"501.1.m4s\",INDEPENDENT=YES\n"),
        (FaultKind::Endlist {}, next, 200, 0, "#EXT-X-ENDLIST\n"),
    ] {
        let (origin, clock) = live();
        origin.faults.add(FaultSpec::new(kind.clone())).expect("adds");
        let from = clock.now_us();
        let (got, text) = ask(&origin, &format!("/live/ch1/ll/360p/{path}")).await;
        assert_eq!(got, status, "{kind:?} {path}");
        assert!(text.contains(has), "{kind:?} {path}: {text}");
        assert!(!matches!(kind, FaultKind::PartsMissing {}) || !text.contains("#EXT-X-PART:"), "{text}");
        assert!(!matches!(kind, FaultKind::Endlist {}) || !text.contains("PRELOAD"), "{text}");
        let took_ms = (clock.now_us() - from) / 1_000;
        assert!((after_ms..after_ms + 450).contains(&took_ms), "{kind:?} {path}: {took_ms} ms");
    }
}

#[tokio::test]
async fn parts_of_an_overwritten_file_are_of_another_time() {
    let clock = Clock::manual(EPOCH_US + 501 * 4_000_000 + 900_000);
    let origin = start_with_clock(config(4_000, 400), clock).await.expect("starts");
    let base = "/live/ch1/ll/360p";
    let before = fetch(origin.addr, &format!("{base}/499.3.m4s")).await;
    origin.faults.add(FaultSpec::new(FaultKind::PartsOverwritten {})).expect("adds");
    let init = mp4::init(&fetch(origin.addr, &format!("{base}/init.mp4")).await);
    let time = |body: &[u8]| mp4::segment(body, &init).decode_time;
    let got = fetch(origin.addr, &format!("{base}/500.3.m4s")).await;
    assert_eq!(time(&got), time(&before));
}
