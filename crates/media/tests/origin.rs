//! Segments of the live packager: facts must be exact.

mod support;

use ow_domain::facts::{Container, EsKind, SegmentFacts};
use ow_media::{InitFacts, SegmentParser};
use ow_origin::{Origin, OriginConfig};
use support::{get, listed};

fn parse(bytes: &[u8], init: Option<&InitFacts>, step: usize) -> (SegmentFacts, Option<InitFacts>) {
    let mut parser = SegmentParser::new(init);
    bytes.chunks(step).for_each(|piece| parser.push(piece));
    parser.finish_with_init(true)
}

async fn origin() -> Origin {
    ow_origin::start(OriginConfig { segment_ms: 2_000, ..OriginConfig::default() }).await.unwrap()
}

#[tokio::test]
async fn transport_stream_segments_join_without_a_gap() {
    let origin = origin().await;
    let mut next: Option<(i64, i64)> = None;
    for path in listed(&origin, "/live/one/ts/360p/index.m3u8").await.iter().take(3) {
        let bytes = get(&origin, path).await;
        let (facts, _) = parse(&bytes, None, 256 << 10);
        for step in [1, 187, 189, 4_096] {
            assert_eq!(parse(&bytes, None, step).0, facts, "steps of {step}");
        }
        assert_eq!((facts.container, facts.n_issues), (Container::MpegTs, 0), "{:?}", facts.issues);
        let ts = facts.ts.as_ref().unwrap();
        assert_eq!(ts.n_packets * 188, bytes.len() as u64);
        assert!(ts.pat_pmt_first && ts.silent_pids.is_empty() && ts.first_pcr.is_some());
        let video = facts.main().unwrap();
        assert_eq!((video.kind, video.codec.as_str(), video.n_access_units), (EsKind::Video, "h264", 50));
        assert_eq!((video.duration, video.access_unit_duration), (Some(180_000), Some(3_600)));
        assert_eq!((video.starts_with_keyframe, video.n_keyframes), (Some(true), 1));
        assert_eq!((video.width, video.height), (Some(640), Some(360)));
        assert!(video.codec_string.as_ref().unwrap().starts_with("avc1."), "{video:?}");
        let audio = facts.elementary.iter().find(|e| e.kind == EsKind::Audio).unwrap();
        assert_eq!((audio.codec.as_str(), audio.sample_rate, audio.channels), ("aac", Some(48_000), Some(2)));
        assert_eq!(audio.duration, Some(i64::from(audio.n_access_units) * 1_920));
        let starts = (video.first_pts.unwrap(), audio.first_pts.unwrap());
        if let Some(expected) = next {
            assert_eq!(starts, expected, "the segment begins where the one before ended");
        }
        let wrap = 1 << 33;
        next = Some(((starts.0 + 180_000) % wrap, (starts.1 + audio.duration.unwrap()) % wrap));
    }
}

#[tokio::test]
async fn cmaf_segments_join_without_a_gap() {
    let origin = origin().await;
    for (rendition, kind, timescale, n, unit) in
        [("360p", EsKind::Video, 90_000, Some(50), 3_600), ("audio", EsKind::Audio, 48_000, None, 1_024)]
    {
        let dir = format!("/live/one/cmaf/{rendition}");
        let (facts, init) = parse(&get(&origin, &format!("{dir}/init.mp4")).await, None, 100);
        let init = init.expect("an init section");
        assert_eq!((facts.container, facts.n_issues), (Container::IsoBmff, 0), "{:?}", facts.issues);
        assert_eq!(facts.mp4.as_ref().unwrap().init_track_ids, [1]);
        assert_eq!(facts.main().unwrap().timescale, timescale);
        let mut next = None;
        for path in listed(&origin, &format!("{dir}/index.m3u8")).await.iter().take(3) {
            let bytes = get(&origin, path).await;
            let (facts, none) = parse(&bytes, Some(&init), 256 << 10);
            for step in [1, 7, 4_096] {
                assert_eq!(parse(&bytes, Some(&init), step).0, facts, "steps of {step}");
            }
            assert!(none.is_none());
            assert_eq!(facts.n_issues, 0, "{:?}", facts.issues);
            let main = facts.main().unwrap();
            assert_eq!((main.kind, main.timescale, main.access_unit_duration), (kind, timescale, Some(unit)));
            assert_eq!(n.unwrap_or(main.n_access_units), main.n_access_units);
            assert_eq!(main.duration, Some(i64::from(main.n_access_units) * unit));
            assert_eq!(main.starts_with_keyframe, (kind == EsKind::Video).then_some(true));
            let start = main.first_pts.unwrap();
            assert_eq!(next.unwrap_or(start), start, "{rendition}: the segment begins where the one before ended");
            next = Some(start + main.duration.unwrap());
            let mp4 = facts.mp4.as_ref().unwrap();
            assert_eq!((mp4.n_fragments, mp4.tfdt_version), (1, Some(1)));
            assert_eq!(main.payload_bytes, mp4.mdat_bytes);
        }
        match kind {
            EsKind::Video => {
                let video = &init.tracks[0];
                assert_eq!((video.width, video.height, video.codec.as_str()), (Some(640), Some(360), "h264"));
            }
            _ => {
                let audio = &init.tracks[0];
                assert_eq!((audio.sample_rate, audio.channels), (Some(48_000), Some(2)));
                assert_eq!(audio.codec_string.as_deref(), Some("mp4a.40.2"));
            }
        }
    }
}
