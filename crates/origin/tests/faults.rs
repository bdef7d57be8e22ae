//! Each fault does on the wire what it says, only where it was chosen, and stops when removed.

mod reader;

use std::time::Duration;

use ow_origin::{
    Clock, Discontinuity, FaultKind, FaultScript, FaultSpec, Flap, Format, Malformed, ObjectKind, Origin, OriginConfig,
    Rewrite, Sequence, start_with_clock,
};
use reader::{Answer, EPOCH_US, End, Playlist, attribute, fetch, fetch_text, get, mp4, playlist, request, ts};

const INDEX: &str = "/live/ch1/ts/360p/index.m3u8";
const SEGMENT: &str = "/live/ch1/ts/360p/1000.ts";
const MASTER: &str = "/live/ch1/ts/master.m3u8";
const MPD: &str = "/live/ch1/dash/timeline.mpd";

/// 2 s segments, no phase; stands 100 ms after segment 1000 was published.
async fn origin() -> Origin {
    origin_with(OriginConfig::default()).await
}

async fn origin_with(config: OriginConfig) -> Origin {
    let config = OriginConfig { segment_ms: 2_000, phase_shift: false, ..config };
    start_with_clock(config, Clock::manual(EPOCH_US + 2_002_100_000)).await.expect("starts")
}

async fn list(origin: &Origin, path: &str) -> Playlist {
    playlist(&fetch_text(origin.addr, path).await)
}

fn uris(list: &Playlist) -> Vec<&str> {
    list.segments.iter().map(|s| s.uri.as_str()).collect()
}

/// The answers of `path` under a fault; then asserts that it is gone with the fault.
async fn under(origin: &Origin, spec: FaultSpec, path: &str) -> Answer {
    let clean = get(origin.addr, path).await;
    let name = spec.fault.name();
    let id = origin.faults.add(spec).unwrap_or_else(|e| panic!("{name}: {e}"));
    let answer = get(origin.addr, path).await;
    assert!(origin.faults.remove(&id), "{name}");
    let after = get(origin.addr, path).await;
    assert_eq!((after.status, after.end, &after.body), (clean.status, clean.end, &clean.body), "{name} is gone");
    assert_eq!((clean.status, clean.end), (200, End::Whole));
    answer
}

#[tokio::test]
async fn faults_on_the_socket() {
    let origin = origin().await;
    for path in [MASTER, INDEX, SEGMENT, "/live/ch1/cmaf/360p/init.mp4", "/live/ch1/dash/number.mpd"] {
        // An MPD with the time in it would differ; the clock stands still here.
        let len = fetch(origin.addr, path).await.len();
        for status in [404, 500, 503, 204, 403] {
            let answer = under(&origin, FaultSpec::new(FaultKind::HttpStatus { status }), path).await;
            assert_eq!((answer.status, answer.end), (status, End::Whole), "{path}");
        }
        let answer = under(&origin, FaultSpec::new(FaultKind::EmptyBody {}), path).await;
        assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (200, Some("0"), 0), "{path}");
        let answer = under(&origin, FaultSpec::new(FaultKind::Html {}), path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(answer.text().starts_with("<!DOCTYPE html>"));
        for (after_bytes, sent) in [(None, len / 2), (Some(100), 100), (Some(1 << 40), len - 1)] {
            let answer = under(&origin, FaultSpec::new(FaultKind::Truncated { after_bytes }), path).await;
            assert_eq!((answer.status, answer.end, answer.body.len()), (200, End::Short, sent), "{path}");
            assert_eq!(answer.header("content-length"), Some(len.to_string().as_str()));
        }
        let answer = under(&origin, FaultSpec::new(FaultKind::Reset { after_bytes: 0 }), path).await;
        assert_eq!((answer.status, answer.end), (0, End::Reset), "{path}");
        let answer = under(&origin, FaultSpec::new(FaultKind::Reset { after_bytes: 64 }), path).await;
        assert_eq!((answer.status, answer.end, answer.body.len()), (200, End::Reset, 64), "{path}");
    }
    let answer = under(&origin, FaultSpec::new(FaultKind::Hang { after_bytes: None }), SEGMENT).await;
    assert_eq!((answer.status, answer.end), (0, End::Silent));
    let answer = under(&origin, FaultSpec::new(FaultKind::Hang { after_bytes: Some(1_000) }), SEGMENT).await;
    assert_eq!((answer.status, answer.end, answer.body.len()), (200, End::Silent, 1_000));
    let answer = under(&origin, FaultSpec::new(FaultKind::SlowFirstByte { delay_ms: 300 }), SEGMENT).await;
    assert!(answer.end == End::Whole && answer.took >= Duration::from_millis(300), "{:?}", answer.took);
    let len = fetch(origin.addr, INDEX).await.len() as u64;
    let answer = under(&origin, FaultSpec::new(FaultKind::Throttled { bytes_per_s: len * 2 }), INDEX).await;
    assert!(answer.end == End::Whole && answer.took >= Duration::from_millis(400), "{:?}", answer.took);
}

#[tokio::test]
async fn selectors_choose() {
    let origin = origin().await;
    let gone = || FaultSpec::new(FaultKind::HttpStatus { status: 410 });
    for (spec, path, expected) in [
        (gone().channel("ch1"), INDEX, 410),
        (gone().channel("ch2"), INDEX, 200),
        (gone().channel("ch?"), INDEX, 410),
        (gone().rendition("3*"), INDEX, 410),
        (gone().rendition("240p"), INDEX, 200),
        (gone().rendition("360p"), MASTER, 200),
        (gone().objects(&[ObjectKind::Segment]), INDEX, 200),
        (gone().objects(&[ObjectKind::Segment, ObjectKind::Mpd]), SEGMENT, 410),
        (gone().formats(&[Format::Cmaf]), SEGMENT, 200),
        (gone().formats(&[Format::Cmaf, Format::Ts]), SEGMENT, 410),
        (gone().every(10), SEGMENT, 410),
        (gone().every(3), SEGMENT, 200),
    ] {
        let shown = format!("{:?}", spec.select);
        let id = origin.faults.add(spec).expect("adds");
        assert_eq!(get(origin.addr, path).await.status, expected, "{shown} on {path}");
        assert!(origin.faults.remove(&id));
    }
    // Of playlists, every n-th request.
    origin.faults.add(gone().objects(&[ObjectKind::MediaPlaylist]).every(3)).expect("adds");
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(get(origin.addr, INDEX).await.status);
    }
    assert_eq!(statuses, [200, 200, 410, 200, 200, 410, 200]);
    assert_eq!(origin.faults.list()[0].n_hits, 2);
    assert_eq!(origin.faults.clear(), 1);
}

#[tokio::test]
async fn faults_come_and_go_by_time() {
    let script = "cycle_ms = 60000\n[[step]]\nat_ms = 10000\nfor_ms = 5000\nselect = { channel = \"ch1\", object = [\"segment\"] }\n\
                  fault = { kind = \"http-status\", status = 503 }\n";
    let script = FaultScript::from_toml(script).expect("reads");
    let origin = origin_with(OriginConfig { script, ..OriginConfig::default() }).await;
    let start = origin.clock.now_us();
    let newest = format!("/live/ch1/ts/360p/{}.ts", 1_000);
    for (at_s, expected) in [(0, 200), (9, 200), (10, 503), (14, 503), (15, 200)] {
        origin.clock.set(start + at_s * 1_000_000);
        assert_eq!(get(origin.addr, &newest).await.status, expected, "at {at_s} s");
    }
    // The cycle again.
    origin.clock.set(start + 70_000_000);
    assert_eq!(get(origin.addr, "/live/ch1/ts/360p/1034.ts").await.status, 503);
    assert_eq!(get(origin.addr, "/live/ch2/ts/360p/1034.ts").await.status, 200);
    origin.faults.clear();
    let start = origin.clock.now_us();
    let kind = FaultKind::HttpStatus { status: 500 };
    let flap = Some(Flap { on_ms: 2_000, off_ms: 3_000 });
    origin.faults.add(FaultSpec { flap, for_ms: Some(9_000), ..FaultSpec::new(kind) }).expect("adds");
    for (at_ms, expected) in
        [(0, 500), (1_999, 500), (2_000, 200), (4_999, 200), (5_000, 500), (7_000, 200), (9_000, 200), (10_500, 200)]
    {
        origin.clock.set(start + at_ms * 1_000);
        assert_eq!(get(origin.addr, INDEX).await.status, expected, "at {at_ms} ms");
    }
    assert!(origin.faults.list().is_empty(), "it is over");
}

#[tokio::test]
async fn frozen_and_stale_playlists() {
    let origin = origin().await;
    let clean = fetch(origin.addr, INDEX).await;
    let mpd = fetch_text(origin.addr, MPD).await;
    let id = origin.faults.add(FaultSpec::new(FaultKind::FrozenPlaylist {}).channel("ch1")).expect("adds");
    origin.clock.advance(Duration::from_secs(20));
    assert_eq!(fetch(origin.addr, INDEX).await, clean, "F07");
    let frozen = fetch_text(origin.addr, MPD).await;
    assert_eq!(attribute(&frozen, "publishTime"), attribute(&mpd, "publishTime"), "F52");
    assert_eq!(list(&origin, "/live/ch2/ts/360p/index.m3u8").await.media_sequence, 1_005);
    origin.faults.remove(&id);
    assert_eq!(list(&origin, INDEX).await.media_sequence, 1_005);

    origin.faults.add(FaultSpec::new(FaultKind::StaleCopy { behind: 2 }).every(2)).expect("adds");
    assert_eq!(list(&origin, INDEX).await.media_sequence, 1_005);
    assert_eq!(list(&origin, INDEX).await.media_sequence, 1_003, "F61");
    assert_eq!(list(&origin, INDEX).await.media_sequence, 1_005);
}

#[tokio::test]
async fn restarts() {
    for (sequence, discontinuity) in [
        (Sequence::Reset, Discontinuity::Unmarked),
        (Sequence::Reset, Discontinuity::Marked),
        (Sequence::Continue, Discontinuity::Marked),
        (Sequence::Continue, Discontinuity::Unmarked),
    ] {
        let origin = origin().await;
        let kind = FaultKind::PackagerRestart { sequence, discontinuity, start_number: 2 };
        let marked = discontinuity == Discontinuity::Marked;
        let id = origin.faults.add(FaultSpec::new(kind)).expect("adds");
        assert_eq!(list(&origin, INDEX).await.media_sequence, 995, "the old list until the first new segment");
        let mut walker = ts::Walker::default();
        for step in 1..=9 {
            origin.clock.advance(Duration::from_secs(2));
            let got = list(&origin, INDEX).await;
            let reset = sequence == Sequence::Reset;
            // F01: 1000 -> 2; F02: 1, 2, 3 segments.
            let first = if reset { 2 + (step - 6).max(0) } else { 995 + step };
            assert_eq!(got.media_sequence, first, "{sequence:?} {step}");
            assert_eq!(got.segments.len() as i64, if reset { step.min(6) } else { 6 });
            let is_new = |uri: &str| uri.starts_with('r');
            let n_new = got.segments.iter().filter(|s| is_new(&s.uri)).count() as i64;
            assert_eq!(n_new, step.min(6));
            let tags = got.segments.iter().filter(|s| s.is_discontinuous).map(|s| s.uri.clone()).collect::<Vec<_>>();
            let expected: &[&str] = if marked && step <= 6 { &["r1001-2-1001.ts"] } else { &[] };
            assert_eq!(tags, expected);
            assert_eq!(got.discontinuity_sequence, (marked && step > 6).then_some(1));
            // The new media starts at its own number and runs on.
            let uri = &got.segments.last().expect("segments").uri;
            let facts = walker.segment(&fetch(origin.addr, &format!("/live/ch1/ts/360p/{uri}")).await).expect("clean");
            assert_eq!(facts.first_pts, (1 + step) * 180_000);
            let init = mp4::init(&fetch(origin.addr, "/live/ch1/cmaf/360p/init.mp4").await);
            let uri = uri.replace(".ts", ".m4s");
            let facts = mp4::segment(&fetch(origin.addr, &format!("/live/ch1/cmaf/360p/{uri}")).await, &init);
            assert_eq!(facts.decode_time as i64, (1 + step) * 180_000);
        }
        assert!(origin.faults.remove(&id));
        let got = list(&origin, INDEX).await;
        assert_eq!((got.media_sequence, uris(&got)[0]), (1_004, "1004.ts"));
    }
}

#[tokio::test]
async fn restarts_in_a_cycle() {
    for (sequence, discontinuity) in [("reset", "unmarked"), ("continue", "marked")] {
        let script = format!(
            "cycle_ms = 60000\n[[step]]\nat_ms = 9800\nfault = {{ kind = \"packager-restart\", sequence = \"{sequence}\", \
             discontinuity = \"{discontinuity}\" }}\n"
        );
        let script = FaultScript::from_toml(&script).expect("reads");
        let origin = origin_with(OriginConfig { script, ..OriginConfig::default() }).await;
        let start = origin.clock.now_us();
        let mut seen = std::collections::BTreeMap::new();
        let mut before: Option<Playlist> = None;
        for step in 0..95 {
            origin.clock.set(start + step * 2_000_000);
            let got = list(&origin, INDEX).await;
            let newest = got.segments.last().expect("segments").uri.clone();
            // Struck 200 ms before 10, 70 and 130 s after the first list: the segment published 100 ms later is the first of the new packager.
            let expected = match step {
                0..5 => format!("{}.ts", 1_000 + step),
                5..35 => format!("r1005-2-{}.ts", 1_000 + step),
                35..65 => format!("r1035-2-{}.ts", 1_000 + step),
                _ => format!("r1065-2-{}.ts", 1_000 + step),
            };
            assert_eq!(newest, expected);
            let (reset, marked) = (sequence == "reset", discontinuity == "marked");
            if let Some(before) = before.filter(|_| !(reset && matches!(step, 5 | 35 | 65))) {
                assert!(got.media_sequence - before.media_sequence <= 1, "{step}");
                let kept = &before.segments[(got.media_sequence - before.media_sequence) as usize..];
                assert_eq!(kept, &got.segments[..kept.len()], "nothing listed is rewritten at {step}");
            }
            if reset {
                let place = (step - 5).rem_euclid(30);
                assert_eq!(got.media_sequence, if step < 5 { 995 + step } else { 2 + (place - 5).max(0) }, "{step}");
            }
            // The discontinuity sequence of each segment stays what it was (RFC 8216 §6.2.2).
            let mut dsn = got.discontinuity_sequence.unwrap_or(0);
            for s in got.segments.iter().filter(|_| marked) {
                dsn += i64::from(s.is_discontinuous);
                assert_eq!(*seen.entry(s.uri.clone()).or_insert(dsn), dsn, "{} at {step}", s.uri);
            }
            before = Some(got);
        }
    }
}

/// What one fault makes of the media playlist at 995..=1000.
async fn listed(kind: FaultKind, every: u64) -> Playlist {
    let origin = origin().await;
    let answer = under(&origin, FaultSpec::new(kind).every(every), INDEX).await;
    playlist(&answer.text())
}

#[tokio::test]
async fn media_playlist_faults() {
    let clean = list(&origin().await, INDEX).await;
    let check = |got: Playlist, change: fn(&mut Playlist)| {
        let mut expected = playlist("#EXTM3U\n");
        expected.target_duration = clean.target_duration;
        expected.media_sequence = clean.media_sequence;
        expected.segments = clean.segments.clone();
        change(&mut expected);
        assert_eq!(got, expected);
        assert_ne!(got, clean, "something changed");
    };
    check(listed(FaultKind::Endlist {}, 1).await, |l| l.is_ended = true);
    check(listed(FaultKind::SequenceShift { by: -3 }, 1).await, |l| l.media_sequence = 992);
    check(listed(FaultKind::TargetDuration { seconds: 1 }, 1).await, |l| l.target_duration = 1);
    check(listed(FaultKind::DiscontinuitySequence {}, 1).await, |l| l.discontinuity_sequence = Some(1));
    check(listed(FaultKind::ExtinfExceedsTarget {}, 3).await, |l| {
        // 996 and 999 are multiples of 3.
        l.segments[1].duration_us = 3_000_000;
        l.segments[4].duration_us = 3_000_000;
    });
    check(listed(FaultKind::ExtinfMismatch { percent: 56 }, 1).await, |l| {
        l.segments.iter_mut().for_each(|s| s.duration_us = 1_120_000);
    });
    check(listed(FaultKind::PdtMissing {}, 1).await, |l| l.segments.iter_mut().for_each(|s| s.pdt_us = None));
    check(listed(FaultKind::Gap {}, 5).await, |l| {
        l.segments[0].is_gap = true;
        l.segments[5].is_gap = true;
    });
    check(listed(FaultKind::SegmentRewritten { how: Rewrite::Uri }, 1_000).await, |l| {
        l.segments[5].uri = "w1000-1000.ts".into();
    });
    check(listed(FaultKind::SegmentRewritten { how: Rewrite::Extinf }, 1_000).await, |l| {
        l.segments[5].duration_us = 2_010_000;
    });
    check(listed(FaultKind::MediaSequenceJump { by: 50 }, 1).await, |l| {
        l.media_sequence += 50;
        for s in &mut l.segments {
            let n: i64 = s.uri.trim_end_matches(".ts").parse().expect("number");
            s.uri = format!("{}.ts", n + 50);
            s.pdt_us = s.pdt_us.map(|t| t + 100_000_000);
        }
    });
}

#[tokio::test]
async fn faults_over_several_playlists() {
    let origin = origin().await;
    origin.faults.add(FaultSpec::new(FaultKind::PdtJump { by_ms: 500 }).channel("pdt")).expect("adds");
    origin.faults.add(FaultSpec::new(FaultKind::DiscontinuitySequence {}).channel("dseq")).expect("adds");
    origin.faults.add(FaultSpec::new(FaultKind::SegmentRewritten { how: Rewrite::Uri }).channel("uri")).expect("adds");
    origin.clock.advance(Duration::from_secs(4));
    let steps = |l: &Playlist| {
        l.segments.windows(2).map(|w| w[1].pdt_us.unwrap_or(0) - w[0].pdt_us.unwrap_or(0)).collect::<Vec<_>>()
    };
    let two = 2_000_000;
    let got = list(&origin, "/live/pdt/ts/360p/index.m3u8").await;
    assert_eq!(steps(&got), [two, two, two, two + 500_000, two], "at segment 1001");
    assert_eq!(list(&origin, "/live/dseq/ts/360p/index.m3u8").await.discontinuity_sequence, Some(3));
    let uri = "/live/uri/ts/360p";
    let got = list(&origin, &format!("{uri}/index.m3u8")).await;
    assert_eq!(uris(&got)[5], "w1002-1002.ts");
    origin.clock.advance(Duration::from_secs(2));
    let later = list(&origin, &format!("{uri}/index.m3u8")).await;
    assert_eq!(uris(&later)[4], "w1003-1002.ts");
    let (a, b) = (
        fetch(origin.addr, &format!("{uri}/w1002-1002.ts")).await,
        fetch(origin.addr, &format!("{uri}/w1003-1002.ts")).await,
    );
    assert!(a == b && a == fetch(origin.addr, &format!("{uri}/1002.ts")).await);
}

#[tokio::test]
async fn segment_faults() {
    let origin = origin().await;
    let clean = fetch(origin.addr, SEGMENT).await;
    let before = fetch(origin.addr, "/live/ch1/ts/360p/999.ts").await;
    let walk = |body: &[u8]| {
        let mut walker = ts::Walker::default();
        walker.segment(&before).expect("clean");
        walker.segment(body).map(|_| ())
    };
    walk(&clean).expect("clean");
    let answer = under(&origin, FaultSpec::new(FaultKind::SegmentRewritten { how: Rewrite::Bytes }), SEGMENT).await;
    assert_eq!(answer.body, before);
    let answer = under(&origin, FaultSpec::new(FaultKind::ContinuityError {}), SEGMENT).await;
    assert_eq!(answer.body.len(), clean.len() - 188);
    let wrong = walk(&answer.body).expect_err("a packet is lost");
    assert!(wrong.len() == 1 && wrong[0].contains("counter"), "{wrong:?}");
    let answer = under(&origin, FaultSpec::new(FaultKind::TimestampJump { by_ms: 400 }), SEGMENT).await;
    let wrong = walk(&answer.body).expect_err("a jump");
    assert_eq!(wrong.iter().filter(|w| w.starts_with("DTS step of 39600")).count(), 1, "{wrong:?}");
    let answer = under(&origin, FaultSpec::new(FaultKind::ZeroedPayload {}), SEGMENT).await;
    assert_eq!((answer.body.len(), &answer.body[..1_000]), (clean.len(), &clean[..1_000]));
    // Headers of packets and of the units in them stay: what is missing is the media.
    let second_half = answer.body.chunks_exact(188).zip(clean.chunks_exact(188)).skip(clean.len() / 376);
    let (begins, goes_on): (Vec<_>, Vec<_>) = second_half.partition(|(packet, _)| packet[1] & 0x40 != 0);
    assert!(!begins.is_empty() && begins.iter().all(|(packet, clean)| packet == clean));
    assert!(goes_on.len() > begins.len());
    for (packet, clean) in goes_on {
        let head = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
        assert!(packet[..head] == clean[..head] && packet[head..].iter().all(|b| *b == 0));
    }

    let oldest = FaultSpec::new(FaultKind::OldestSegment404 {});
    assert_eq!(under(&origin, oldest.clone(), "/live/ch1/ts/360p/995.ts").await.status, 404, "F14");
    assert_eq!(under(&origin, oldest, "/live/ch1/ts/360p/996.ts").await.status, 200);
    let late = FaultSpec::new(FaultKind::SegmentLate { by_ms: 1_000 });
    assert_eq!(under(&origin, late.clone(), SEGMENT).await.status, 404, "F59");
    assert_eq!(under(&origin, late, "/live/ch1/ts/360p/999.ts").await.status, 200);
    assert_eq!(under(&origin, FaultSpec::new(FaultKind::Gap {}).every(5), SEGMENT).await.status, 404);
    let ahead = "/live/ch1/ts/360p/1050.ts";
    assert_eq!(get(origin.addr, ahead).await.status, 404);
    let id = origin.faults.add(FaultSpec::new(FaultKind::MediaSequenceJump { by: 50 })).expect("adds");
    assert_eq!(get(origin.addr, ahead).await.status, 200);
    assert_eq!(get(origin.addr, SEGMENT).await.status, 200);
    origin.faults.remove(&id);

    let f08 = FaultSpec::new(FaultKind::Rendition404 {}).rendition("240p");
    for path in ["ts/240p/index.m3u8", "ts/240p/1000.ts", "cmaf/240p/init.mp4", "dash/240p/1000.m4s"] {
        assert_eq!(under(&origin, f08.clone(), &format!("/live/ch1/{path}")).await.status, 404, "F08 {path}");
    }
    for path in [MASTER, INDEX, "/live/ch1/dash/360p/1000.m4s"] {
        assert_eq!(under(&origin, f08.clone(), path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn master_and_mpd_faults() {
    let origin = origin().await;
    let missing = |name: &str| FaultSpec::new(FaultKind::MissingRendition {}).rendition(name);
    let text = under(&origin, missing("240p"), MASTER).await.text();
    assert!(!text.contains("240p/index.m3u8") && text.contains("360p/index.m3u8"), "{text}");
    let text = under(&origin, missing("audio"), "/live/ch1/cmaf/master.m3u8").await.text();
    assert!(!text.contains("EXT-X-MEDIA") && text.contains("AUDIO=\"aud\""), "F26: {text}");
    let text = under(&origin, missing("240p"), MPD).await.text();
    assert!(!text.contains("id=\"240p\"") && text.contains("id=\"360p\""), "{text}");
    let text = under(&origin, FaultSpec::new(FaultKind::AvailabilityStart { by_ms: -26_280_000 }), MPD).await.text();
    assert_eq!(attribute(&text, "availabilityStartTime"), Some("2025-12-31T16:42:00.000Z"), "F47");
    let text = under(&origin, FaultSpec::new(FaultKind::TimelineGap {}), MPD).await.text();
    let s = text.lines().filter(|l| l.contains("<S ")).take(2).map(str::trim).collect::<Vec<_>>();
    assert_eq!(s, ["<S t=\"179100000\" d=\"180000\" r=\"1\"/>", "<S t=\"179640000\" d=\"180000\" r=\"2\"/>"], "F51");
    assert!(
        !under(&origin, FaultSpec::new(FaultKind::UtcTimingMissing {}), MPD).await.text().contains("UTCTiming"),
        "F48"
    );
    assert!(
        !under(&origin, FaultSpec::new(FaultKind::PublishTimeMissing {}), MPD).await.text().contains("publishTime"),
        "F57"
    );
    let text = under(&origin, FaultSpec::new(FaultKind::Endlist {}), MPD).await.text();
    assert_eq!(attribute(&text, "type"), Some("static"));
}

#[tokio::test]
async fn malformed_texts() {
    let origin = origin().await;
    let how = |how| FaultSpec::new(FaultKind::Malformed { how });
    for path in [MASTER, INDEX, MPD] {
        let clean = fetch_text(origin.addr, path).await;
        let is_mpd = path == MPD;
        let text = under(&origin, how(Malformed::NoHeader), path).await.text();
        assert!(!text.contains(if is_mpd { "<MPD" } else { "#EXTM3U" }), "{text}");
        let text = under(&origin, how(Malformed::MissingRequired), path).await.text();
        let required: &[&str] = match path {
            MASTER => &["INF:BANDWIDTH"],
            INDEX => &["TARGETDURATION"],
            _ => &["profiles=", "minBufferTime"],
        };
        assert!(required.iter().all(|r| clean.contains(r) && !text.contains(r)), "{text}");
        assert_ne!(under(&origin, how(Malformed::BadNumber), path).await.text(), clean);
        let body = under(&origin, how(Malformed::ByteOrderMark), path).await.body;
        assert_eq!((&body[..3], &body[3..]), (&b"\xef\xbb\xbf"[..], clean.as_bytes()));
        let text = under(&origin, how(Malformed::CutOff), path).await.text();
        assert!(clean.starts_with(&text) && !text.ends_with('\n') && text.len() < clean.len());
        let body = under(&origin, how(Malformed::Binary), path).await.body;
        assert!(String::from_utf8(body).is_err());
    }
}

async fn control(origin: &Origin, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let answer = request(origin.addr, method, path, &[], body).await;
    let value = serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()));
    (answer.status, value)
}

#[tokio::test]
async fn control_over_http() {
    let origin = origin_with(OriginConfig { n_channels: Some(3), ..OriginConfig::default() }).await;
    let faults = "/control/faults";
    let spec = r#"{"id": "freeze", "select": {"channel": "ch1", "rendition": "360p"}, "fault": {"kind": "http-status", "status": 404}, "for_ms": 5000}"#;
    assert_eq!(control(&origin, "POST", faults, spec).await, (201, serde_json::json!({"id": "freeze"})));
    assert_eq!(get(origin.addr, INDEX).await.status, 404);
    let (status, listed) = control(&origin, "GET", faults, "").await;
    assert_eq!((status, &listed[0]["id"], &listed[0]["n_hits"]), (200, &"freeze".into(), &1.into()));
    assert_eq!(listed[0]["fault"], serde_json::json!({"kind": "http-status", "status": 404}));
    assert_eq!(control(&origin, "DELETE", "/control/faults/freeze", "").await.0, 200);
    assert_eq!(get(origin.addr, INDEX).await.status, 200);
    assert_eq!(control(&origin, "DELETE", "/control/faults/freeze", "").await.0, 404);
    let (status, made) = control(&origin, "POST", faults, r#"{"fault": {"kind": "empty-body"}}"#).await;
    assert_eq!((status, made["id"].as_str()), (201, Some("f1")));
    assert_eq!(control(&origin, "DELETE", faults, "").await, (200, serde_json::json!({"removed": 1})));

    for (body, status, told) in [
        ("{", 400, "EOF while parsing"),
        (r#"{"fault": {"kind": "nonsense"}}"#, 400, "unknown variant `nonsense`, expected one of `http-status`"),
        (r#"{"fault": {"kind": "frozen-playlist", "x": 1}}"#, 400, "unknown field `x`"),
        (r#"{"fault": {"kind": "html"}, "sellect": {}}"#, 400, "unknown field `sellect`"),
        (
            r#"{"select": {"channel": "ch9"}, "fault": {"kind": "html"}}"#,
            422,
            "select.channel = ch9: no such channel, the origin has ch1 to ch3; for example ch1",
        ),
        (r#"{"id": "a b", "fault": {"kind": "html"}}"#, 422, "id = a b: must be 1 to 64"),
        (r#"{"for_ms": 0, "fault": {"kind": "html"}}"#, 422, "for_ms = 0"),
        (r#"{"flap": {"on_ms": 0, "off_ms": 1}, "fault": {"kind": "html"}}"#, 422, "both must be at least 1 ms"),
        (r#"{"select": {"object": ["mpd"], "format": ["ts"]}, "fault": {"kind": "html"}}"#, 422, "exclude each other"),
    ] {
        let (got, problem) = control(&origin, "POST", faults, body).await;
        assert!(
            got == status && problem["error"].as_str().is_some_and(|e| e.contains(told)),
            "{body}: {got} {problem}"
        );
    }
    let plain =
        request(origin.addr, "POST", faults, &[("Content-Length", "2"), ("Content-Type", "text/plain")], "").await;
    assert_eq!(plain.status, 415);
    assert_eq!(control(&origin, "PUT", faults, "").await.0, 405);
    assert_eq!(control(&origin, "GET", "/control/other", "").await.0, 404);
    assert!(origin.faults.list().is_empty(), "nothing of that was added");

    let off = origin_with(OriginConfig { control: false, ..OriginConfig::default() }).await;
    assert_eq!(control(&off, "GET", faults, "").await.0, 404);
    assert_eq!(control(&off, "POST", faults, spec).await.0, 404);
}

#[tokio::test]
async fn wrong_configurations_are_refused() {
    let config: OriginConfig = serde_json::from_value(serde_json::json!({
        "segment_ms": 5000, "window_segments": 2, "n_channels": 0,
        "script": {"step": [{"at_ms": 1, "select": {"rendition": "8k"}, "fault": {"kind": "gap"}}]}
    }))
    .expect("reads");
    let error = start_with_clock(config, Clock::system()).await.expect_err("refused").to_string();
    for told in [
        "segment_ms = 5000: must be a multiple of 2000",
        "window_segments = 2",
        "n_channels = 0",
        "step[0].select.rendition: matches no rendition",
    ] {
        assert!(error.contains(told), "{error}");
    }
    assert!(serde_json::from_str::<OriginConfig>(r#"{"segmentms": 2000}"#).is_err());
}

#[tokio::test]
async fn stops_with_answers_in_hand() {
    let origin = origin().await;
    origin.faults.add(FaultSpec::new(FaultKind::Hang { after_bytes: None })).expect("adds");
    let hanging = tokio::spawn(get_until_closed(origin.addr));
    // Wait until the request is there.
    while origin.faults.list()[0].n_hits == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(5), origin.shutdown()).await.expect("stops");
    tokio::time::timeout(Duration::from_secs(5), hanging).await.expect("is closed").expect("ends");
}

async fn get_until_closed(addr: std::net::SocketAddr) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(addr).await.expect("connects");
    stream.write_all(format!("GET {INDEX} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.expect("sends");
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
