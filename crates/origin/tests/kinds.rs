//! Faults of containers, ladders, MPDs and headers: what the wire shows, read by a walker of the test's own.

mod reader;

use std::time::Duration;

use ow_origin::{Clock, FaultKind, FaultSpec, Origin, OriginConfig, Seam, start_with_clock};
use reader::{EPOCH_US, attribute, fetch, fetch_text, get, mp4, playlist, ts};

/// 2 s segments, no phase; 100 ms after segment 1000 was published.
async fn origin() -> Origin {
    let config = OriginConfig { segment_ms: 2_000, phase_shift: false, ..OriginConfig::default() };
    start_with_clock(config, Clock::manual(EPOCH_US + 2_002_100_000)).await.expect("starts")
}

fn add(origin: &Origin, kind: FaultKind) -> String {
    origin.faults.add(FaultSpec::new(kind)).expect("adds")
}

async fn segment(origin: &Origin, path: &str) -> Vec<u8> {
    fetch(origin.addr, &format!("/live/ch1/{path}")).await
}

async fn mpd(origin: &Origin) -> String {
    fetch_text(origin.addr, "/live/ch1/dash/timeline.mpd").await
}

#[tokio::test]
async fn cuts_of_ts() {
    let origin = origin().await;
    let clean = segment(&origin, "ts/360p/1000.ts").await;
    let walk = |body: &[u8]| ts::Walker::default().segment(body);
    let id = add(&origin, FaultKind::PsiNotFirst {});
    let got = segment(&origin, "ts/360p/1000.ts").await;
    assert_eq!(got.len(), clean.len());
    assert!(got[1] & 0x1f != 0 || got[2] != 0, "F28: the first packet is no PAT");
    let mut packets: [Vec<&[u8]>; 2] = [clean.chunks(188).collect(), got.chunks(188).collect()];
    packets.iter_mut().for_each(|p| p.sort_unstable());
    assert_eq!(packets[0], packets[1], "the same packets in another order");
    origin.faults.remove(&id);

    let id = add(&origin, FaultKind::StartsInsideGop {});
    let wrong = walk(&segment(&origin, "ts/360p/1000.ts").await).expect_err("F29");
    assert!(wrong.iter().any(|w| w.starts_with("picture 0: IDR false")), "{wrong:?}");
    assert!(wrong.iter().any(|w| w.starts_with("picture 40: IDR true")), "{wrong:?}");
    origin.faults.remove(&id);

    let id = add(&origin, FaultKind::CutShift { gops: 1 });
    let facts = walk(&segment(&origin, "ts/360p/999.ts").await).expect("clean in itself");
    assert_eq!(facts.first_pts, (1_000_i64 * 180_000).rem_euclid(1 << 33), "F11");
    let list = playlist(&fetch_text(origin.addr, "/live/ch1/ts/360p/index.m3u8").await);
    let newest = list.segments.last().expect("segments");
    assert_eq!((newest.uri.as_str(), newest.pdt_us), ("999.ts", Some(EPOCH_US + 2_000_000_000)));
    origin.faults.remove(&id);

    let _ = add(&origin, FaultKind::FrameRateHalved {});
    assert_eq!(segment(&origin, "ts/360p/1000.ts").await, clean, "F21: published before");
    origin.clock.advance(Duration::from_secs(4));
    let mut walker = ts::Walker::default();
    walker.segment(&clean).expect("clean");
    let next = segment(&origin, "ts/360p/1001.ts").await;
    let wrong = walker.segment(&next).expect_err("F21");
    assert!(wrong.iter().any(|w| w == "DTS step of 7200"), "{wrong:?}");
    assert!(!wrong.iter().any(|w| w.contains("counter")), "continuity counters run on: {wrong:?}");
    assert_ne!(sps(&next), sps(&clean), "the parameters tell of it");
}

/// The first sequence parameter set of an Annex B stream in TS packets, as far as its first packet holds it.
fn sps(segment: &[u8]) -> &[u8] {
    let at = segment.windows(5).position(|w| w == [0, 0, 0, 1, 0x67]).expect("an SPS");
    let end = segment[at + 4..].windows(4).position(|w| w == [0, 0, 0, 1]).expect("its end");
    &segment[at + 4..at + 4 + end]
}

#[tokio::test]
async fn boxes_of_cmaf() {
    let origin = origin().await;
    let init = mp4::init(&segment(&origin, "cmaf/360p/init.mp4").await);
    let clean = mp4::segment(&segment(&origin, "cmaf/360p/1000.m4s").await, &init);
    let id = add(&origin, FaultKind::TfdtNegative {});
    let got = segment(&origin, "cmaf/360p/1000.m4s").await;
    assert!(tfdt(&got).1 >= 1 << 63, "F33: {:x?}", tfdt(&got));
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::Tfdt32 {});
    let got = segment(&origin, "cmaf/360p/1000.m4s").await;
    assert_eq!(tfdt(&got), (0, clean.decode_time & 0xffff_ffff), "F35");
    // All sizes still fit: the walk ends at the end.
    let (moof, mdat) = (&mp4::boxes(&got)[1], &mp4::boxes(&got)[2]);
    assert_eq!((moof.0, mdat.0), (&b"moof"[..], &b"mdat"[..]));
    let trun = got.windows(4).position(|w| w == b"trun").expect("trun");
    let offset = u32::from_be_bytes(got[trun + 12..trun + 16].try_into().expect("4 bytes")) as usize;
    assert_eq!(moof.2 - 8 + offset, mdat.2, "the data offset points to the media");
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::StartsInsideGop {});
    let got = mp4::segment(&segment(&origin, "cmaf/360p/1000.m4s").await, &init);
    assert!(!got.idrs[0] && !got.syncs[0] && got.idrs[40], "F29");
    assert_eq!(got.decode_time, clean.decode_time);
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::SampleEntry { fourcc: "avc3".into() });
    assert_eq!(mp4::init(&segment(&origin, "cmaf/360p/init.mp4").await).sample_entry, "avc3", "F24");
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::TimestampDrift { ppm: -20_000 });
    origin.clock.advance(Duration::from_secs(6));
    for (n, late) in [(1_000, 0), (1_001, -3_600), (1_002, -7_200)] {
        let got = mp4::segment(&segment(&origin, &format!("cmaf/360p/{n}.m4s")).await, &init);
        assert_eq!(got.decode_time as i64, n * 180_000 + late, "F34");
    }
    origin.faults.remove(&id);
    let _ = add(&origin, FaultKind::MapChanged {});
    origin.clock.advance(Duration::from_secs(4));
    let text = fetch_text(origin.addr, "/live/ch1/cmaf/360p/index.m3u8").await;
    let maps: Vec<&str> = text.lines().filter(|l| l.starts_with("#EXT-X-MAP")).collect();
    assert_eq!(maps, ["#EXT-X-MAP:URI=\"init.mp4\"", "#EXT-X-MAP:URI=\"init-b.mp4\""], "F38");
    assert!(!text.contains("DISCONTINUITY"));
    let (a, b) = (segment(&origin, "cmaf/360p/init.mp4").await, segment(&origin, "cmaf/360p/init-b.mp4").await);
    assert_eq!(a.iter().zip(&b).filter(|(a, b)| a != b).count(), 2, "the level, twice");
    assert_eq!(mp4::init(&b), init);
}

/// Version and time.
fn tfdt(segment: &[u8]) -> (u8, u64) {
    let at = segment.windows(4).position(|w| w == b"tfdt").expect("tfdt") + 4;
    let number = |len: usize| segment[at + 4..at + 4 + len].iter().fold(0, |n, b| n << 8 | u64::from(*b));
    (segment[at], number(if segment[at] == 1 { 8 } else { 4 }))
}

#[tokio::test]
async fn playlists_and_ladders() {
    let origin = origin().await;
    let index = "/live/ch1/ts/360p/index.m3u8";
    let clean = playlist(&fetch_text(origin.addr, index).await);
    let master = fetch_text(origin.addr, "/live/ch1/ts/master.m3u8").await;
    let under = async |kind: FaultKind| {
        let id = add(&origin, kind);
        let got = (
            playlist(&fetch_text(origin.addr, index).await),
            fetch_text(origin.addr, "/live/ch1/ts/master.m3u8").await,
        );
        origin.faults.remove(&id);
        got
    };
    let (got, _) = under(FaultKind::ShortWindow { segments: 2 }).await;
    assert_eq!((got.media_sequence, &got.segments[..]), (999, &clean.segments[4..]), "F13");
    let (got, _) = under(FaultKind::DiscontinuitySequenceShift { by: 1 }).await;
    assert_eq!((got.discontinuity_sequence, &got.segments), (Some(1), &clean.segments), "F06");
    let (got, _) = under(FaultKind::PdtOffset { by_ms: 500 }).await;
    let off: Vec<i64> =
        got.segments.iter().zip(&clean.segments).map(|(a, b)| a.pdt_us.unwrap_or(0) - b.pdt_us.unwrap_or(0)).collect();
    assert_eq!(off, [500_000; 6], "F16");
    let (_, got) = under(FaultKind::Codecs { value: "avc1.66.12".into() }).await;
    assert_eq!(got.matches("CODECS=\"avc1.66.12,mp4a.40.2\"").count(), 3, "F22: {got}");
    let (_, got) = under(FaultKind::Bandwidth { percent: 50 }).await;
    let peak = |text: &str| -> u64 {
        let rest = text.split("INF:BANDWIDTH=").nth(1).and_then(|r| r.split(',').next());
        rest.and_then(|n| n.parse().ok()).expect("a number")
    };
    assert_eq!(peak(&got), peak(&master) / 2, "F25");
    let (got, _) = under(FaultKind::ClockAhead { by_ms: 1_950 }).await;
    assert_eq!(got.segments.last().map(|s| s.uri.as_str()), Some("1001.ts"), "F60");
    let id = add(&origin, FaultKind::ClockAhead { by_ms: 1_950 });
    assert_eq!(get(origin.addr, "/live/ch1/ts/360p/1001.ts").await.status, 404, "F60: not there yet");
    origin.faults.remove(&id);
}

#[tokio::test]
async fn discontinuities_that_are_not_told_rightly() {
    let origin = origin().await;
    let restart = r#"{"fault": {"kind": "packager-restart", "sequence": "continue", "discontinuity": "marked"}}"#;
    origin.faults.add(serde_json::from_str(restart).expect("reads")).expect("adds");
    let uncounted = add(&origin, FaultKind::DiscontinuityUncounted {});
    let dateless = add(&origin, FaultKind::PdtAfterDiscontinuityMissing {});
    let index = "/live/ch1/ts/360p/index.m3u8";
    origin.clock.advance(Duration::from_secs(4));
    let got = playlist(&fetch_text(origin.addr, index).await);
    let at = got.segments.iter().position(|s| s.is_discontinuous).expect("a tag");
    let dated: Vec<bool> = got.segments.iter().map(|s| s.pdt_us.is_some()).collect();
    assert_eq!(dated, (0..6).map(|i| i < at).collect::<Vec<_>>(), "F15");
    origin.faults.remove(&dateless);
    origin.clock.advance(Duration::from_secs(20));
    let got = playlist(&fetch_text(origin.addr, index).await);
    assert!(got.segments.iter().all(|s| !s.is_discontinuous), "it has left");
    assert_eq!(got.discontinuity_sequence, None, "F05");
    origin.faults.remove(&uncounted);
    assert_eq!(playlist(&fetch_text(origin.addr, index).await).discontinuity_sequence, Some(1));
}

#[tokio::test]
async fn headers_of_caches() {
    let origin = origin().await;
    let index = "/live/ch1/ts/360p/index.m3u8";
    let clean = get(origin.addr, index).await;
    assert_eq!((clean.header("age"), clean.header("cache-control")), (None, Some("public, max-age=1")));
    let id = add(&origin, FaultKind::CacheHeaders { max_age_s: 60, age_s: 40 });
    let got = get(origin.addr, index).await;
    assert_eq!((got.header("age"), got.header("cache-control")), (Some("40"), Some("public, max-age=60")), "F62");
    assert_eq!(got.body, clean.body);
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::DateShift { by_ms: -45_000 });
    let got = get(origin.addr, index).await;
    assert_eq!(clean.header("date"), Some("Thu, 01 Jan 2026 00:33:22 GMT"));
    assert_eq!(got.header("date"), Some("Thu, 01 Jan 2026 00:32:37 GMT"), "F63");
    origin.faults.remove(&id);
    let _ = add(&origin, FaultKind::StaleCopy { behind: 3 });
    assert_eq!(get(origin.addr, index).await.header("age"), Some("6"), "F61");
}

#[tokio::test]
async fn mpds() {
    let origin = origin().await;
    let clean = mpd(&origin).await;
    let later = async |kind: FaultKind| {
        let id = add(&origin, kind);
        origin.clock.advance(Duration::from_secs(4));
        let got = mpd(&origin).await;
        origin.faults.remove(&id);
        (got, mpd(&origin).await)
    };
    let id = add(&origin, FaultKind::AvailabilityTimeOffset { by_ms: 1_500 });
    assert_eq!(mpd(&origin).await.matches("availabilityTimeOffset=\"1.500\"").count(), 2, "F46");
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::ZeroAttributes {});
    let got = mpd(&origin).await;
    assert_eq!((attribute(&got, "frameRate"), got.matches("bandwidth=\"0\"").count()), (Some("0"), 4), "F49");
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::TimelineOverlap { by_ms: 100 });
    let s = |text: &str| text.lines().filter(|l| l.contains("<S ")).map(|l| l.trim().to_owned()).collect::<Vec<_>>();
    let first = &s(&mpd(&origin).await)[..3];
    assert_eq!(first[1], "<S t=\"179820000\" d=\"189000\"/>", "F50: {first:?}");
    assert_eq!(first[2], "<S t=\"180000000\" d=\"180000\"/>", "F50: 9000 ticks before the end of the one before");
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::PeriodStart { by_ms: 2_000 });
    assert!(clean.contains("<Period id=\"p0\" start=\"PT0S\">"));
    assert!(mpd(&origin).await.contains("<Period id=\"p0\" start=\"PT2S\">"), "F53");
    origin.faults.remove(&id);
    let id = add(&origin, FaultKind::StartNumberSkew { by_ms: 1_000 });
    let got = mpd(&origin).await;
    assert_eq!(got.matches("startNumber=\"995\"").count(), 3, "F56");
    assert_eq!(
        s(&got)[..3],
        [
            "<S t=\"179100000\" d=\"180000\" r=\"5\"/>",
            "<S t=\"179190000\" d=\"180000\" r=\"5\"/>",
            "<S t=\"179100000\" d=\"180000\" r=\"5\"/>"
        ]
    );
    origin.faults.remove(&id);

    let (got, good) = later(FaultKind::TimelineFrozen {}).await;
    assert_eq!(s(&got), s(&clean), "F52");
    assert!(s(&good) != s(&clean) && attribute(&got, "publishTime") == attribute(&good, "publishTime"), "F52");
    let before = mpd(&origin).await;
    let (got, good) = later(FaultKind::PublishTimeFrozen {}).await;
    assert_eq!(attribute(&got, "publishTime"), attribute(&before, "publishTime"), "F57");
    assert!(s(&got) == s(&good) && attribute(&good, "publishTime") != attribute(&before, "publishTime"), "F57");
}

#[tokio::test]
async fn seams_of_periods() {
    for how in [Seam::Contiguous, Seam::AudioMissing, Seam::Gap, Seam::TailMissing] {
        let origin = origin().await;
        let _ = add(&origin, FaultKind::PeriodSeam { how });
        assert_eq!(mpd(&origin).await.matches("<Period ").count(), 1, "{how:?}: not yet");
        origin.clock.advance(Duration::from_secs(4));
        let got = mpd(&origin).await;
        let (old, new) = got.split_once("<Period id=\"p1\"").expect("a second period");
        // Segment 1001 was being made.
        let since: i64 = if how == Seam::TailMissing { 1_002 } else { 1_001 };
        let start = if how == Seam::Gap { since * 2 + 1 } else { since * 2 };
        assert_eq!(attribute(new, "start"), Some(format!("PT{start}S").as_str()), "{how:?}");
        assert_eq!(attribute(new, "presentationTimeOffset"), Some((since * 180_000).to_string().as_str()), "{how:?}");
        assert_eq!(new.contains("contentType=\"audio\""), how != Seam::AudioMissing, "F54");
        assert!(old.contains("contentType=\"audio\""));
        let line = new.lines().find(|l| l.contains("<S ")).expect("segments");
        assert!(line.contains(&format!("t=\"{}\"", since * 180_000)), "{how:?}: {line}");
        let tail = format!("/live/ch1/dash/360p/t{}.m4s", 1_001 * 180_000);
        assert_eq!(get(origin.addr, &tail).await.status, if how == Seam::TailMissing { 403 } else { 200 }, "F55");
        origin.clock.advance(Duration::from_secs(20));
        assert!(!mpd(&origin).await.contains("id=\"p0\""), "the first period has left");
    }
}
