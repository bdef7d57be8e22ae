//! Facts of segments made by the project's own packager, and of bytes built by hand.

use ow_domain::facts::{Container, EsKind, SegmentFacts};
use ow_media::{InitFacts, SegmentParser};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn parse(bytes: &[u8], init: Option<&InitFacts>) -> SegmentFacts {
    let mut parser = SegmentParser::new(init);
    parser.push(bytes);
    parser.finish(true)
}

fn parse_in_pieces(bytes: &[u8], cuts: &[usize], init: Option<&InitFacts>) -> SegmentFacts {
    let mut parser = SegmentParser::new(init);
    let mut rest = bytes;
    for cut in cuts {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        parser.push(piece);
        rest = after;
    }
    parser.push(rest);
    parser.finish(true)
}

/// One GET on a connection of its own; the body.
async fn get(origin: &ow_origin::Origin, path: &str) -> Vec<u8> {
    let mut socket = tokio::net::TcpStream::connect(origin.addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer[..head]));
    answer.split_off(head)
}

/// Paths of the segments that a media playlist lists.
async fn listed(origin: &ow_origin::Origin, playlist: &str) -> Vec<String> {
    let text = String::from_utf8(get(origin, playlist).await).unwrap();
    let folder = &playlist[..=playlist.rfind('/').unwrap()];
    text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(|l| format!("{folder}{l}")).collect()
}

async fn origin() -> ow_origin::Origin {
    ow_origin::start(ow_origin::OriginConfig { segment_ms: 2_000, ..Default::default() }).await.unwrap()
}

#[tokio::test]
async fn transport_stream_segments_join_exactly() {
    let origin = origin().await;
    let segments = listed(&origin, "/live/ch1/ts/360p/index.m3u8").await;
    let mut previous: Option<SegmentFacts> = None;
    for path in &segments {
        let facts = parse(&get(&origin, path).await, None);
        assert_eq!((facts.container, facts.n_issues), (Container::MpegTs, 0), "{path}: {:?}", facts.issues);
        let ts = facts.ts.as_ref().unwrap();
        assert!(ts.pat_pmt_first && ts.cc_errors == 0 && ts.silent_pids.is_empty() && ts.first_pcr.is_some());
        let video = facts.main().unwrap();
        assert_eq!((video.kind, video.codec.as_str(), video.timescale), (EsKind::Video, "h264", 90_000));
        assert_eq!((video.width, video.height), (Some(640), Some(360)));
        assert!(video.codec_string.as_deref().unwrap().starts_with("avc1."));
        assert_eq!(
            (video.n_access_units, video.duration, video.access_unit_duration),
            (50, Some(180_000), Some(3_600))
        );
        assert_eq!((video.starts_with_keyframe, video.n_keyframes), (Some(true), 1));
        let audio = facts.elementary.iter().find(|e| e.kind == EsKind::Audio).unwrap();
        assert_eq!((audio.codec.as_str(), audio.sample_rate), ("aac", Some(48_000)));
        assert_eq!(audio.duration, Some(i64::from(audio.n_access_units) * 1_920));
        if let Some(before) = &previous {
            let before = before.main().unwrap();
            assert_eq!(video.first_pts.unwrap(), before.first_pts.unwrap() + before.duration.unwrap(), "{path}");
        }
        previous = Some(facts);
    }
    assert!(segments.len() >= 3);
}

#[tokio::test]
async fn fragments_join_exactly_given_their_init_section() {
    let origin = origin().await;
    for (rendition, kind, codec) in [("240p", EsKind::Video, "h264"), ("audio", EsKind::Audio, "aac")] {
        let mut parser = SegmentParser::new(None);
        parser.push(&get(&origin, &format!("/live/ch1/cmaf/{rendition}/init.mp4")).await);
        let (facts, init) = parser.finish_with_init(true);
        let init = init.expect("an init section gives init facts");
        assert_eq!(facts.n_issues, 0, "{:?}", facts.issues);
        assert_eq!((facts.main().unwrap().kind, facts.main().unwrap().codec.as_str()), (kind, codec));
        let declared = facts.main().unwrap().codec_string.clone().unwrap();
        assert!(declared.starts_with("avc1.") || declared == "mp4a.40.2", "{declared}");
        let mut expected = None;
        for path in listed(&origin, &format!("/live/ch1/cmaf/{rendition}/index.m3u8")).await {
            let facts = parse(&get(&origin, &path).await, Some(&init));
            assert_eq!((facts.container, facts.n_issues), (Container::IsoBmff, 0), "{path}: {:?}", facts.issues);
            let main = facts.main().unwrap();
            assert_eq!((main.kind, main.timescale > 0), (kind, true));
            assert_eq!(main.starts_with_keyframe, (kind == EsKind::Video).then_some(true));
            if let Some(expected) = expected {
                assert_eq!(main.first_dts, Some(expected), "{path}");
            }
            expected = Some(main.first_dts.unwrap() + main.duration.unwrap());
            let mp4 = facts.mp4.unwrap();
            assert!(mp4.sequence_number.is_some() && mp4.tfdt_version == Some(1) && mp4.mdat_bytes > 0);
        }
    }
}

#[tokio::test]
async fn damage_is_told_where_it_is() {
    let origin = origin().await;
    let path = listed(&origin, "/live/ch1/ts/360p/index.m3u8").await.pop().unwrap();
    let clean = get(&origin, &path).await;

    // A packet of the video PID is missing: one continuity error.
    let mut lost = clean.clone();
    let at = lost.chunks_exact(188).rposition(|p| p[3] & 0x30 == 0x10 && p[1] & 0x40 == 0).unwrap();
    lost.drain(at * 188..(at + 1) * 188);
    let facts = parse(&lost, None);
    assert_eq!(facts.ts.as_ref().unwrap().cc_errors, 1, "{:?}", facts.issues);

    // The same packet twice is legal; three times is not.
    let mut twice = clean.clone();
    let packet = clean[at * 188..(at + 1) * 188].to_vec();
    twice.splice(at * 188..at * 188, packet.clone());
    assert_eq!(parse(&twice, None).ts.unwrap().cc_errors, 0);
    twice.splice(at * 188..at * 188, packet);
    assert_eq!(parse(&twice, None).ts.unwrap().cc_errors, 1);

    // One bad sync byte is no sync loss; two in a row are, and lock comes back.
    let mut bad = clean.clone();
    bad[10 * 188] = 0;
    assert_eq!(parse(&bad, None).ts.unwrap().sync_losses, 0);
    bad[11 * 188] = 0;
    let facts = parse(&bad, None).ts.unwrap();
    assert_eq!(facts.sync_losses, 1);
    assert!(facts.n_packets as usize > clean.len() / 188 - 20);

    // Without PAT and PMT nothing is known of the streams.
    let headless: Vec<u8> = clean
        .chunks_exact(188)
        .filter(|p| !matches!(u16::from(p[1] & 0x1f) << 8 | u16::from(p[2]), 0))
        .flatten()
        .copied()
        .collect();
    let facts = parse(&headless, None);
    assert!(!facts.ts.unwrap().pat_pmt_first);

    // A body that was cut is not blamed on the bytes; a whole one with half a packet is.
    let cut = &clean[..clean.len() - 100];
    assert!(parse(cut, None).issues.iter().any(|i| i.kind == "ts-partial-packet"));
    let mut parser = SegmentParser::new(None);
    parser.push(cut);
    assert_eq!(parser.finish(false).n_issues, 0);
}

#[test]
fn boxes_that_lie_are_told() {
    let overrun = b"\0\0\0\x08styp\0\0\xff\xffmoof\0\0";
    assert!(parse(overrun, None).issues.iter().any(|i| i.kind == "mp4-box-overruns"));
    let tiny = b"\0\0\0\x04moof\0\0\0\0";
    assert!(parse(tiny, None).issues.iter().any(|i| i.kind == "mp4-box-size"));
    // An unknown box is no fault.
    assert_eq!(parse(b"\0\0\0\x08styp\0\0\0\x0cabcd\0\0\0\0", None).n_issues, 0);
    // A tfdt that is a negative number.
    let tfdt = [&[0, 0, 0, 20][..], b"tfdt", &[1, 0, 0, 0], &[0xff; 8]].concat();
    let tfhd = [&[0, 0, 0, 16][..], b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]].concat();
    let traf = [&[0, 0, 0, 44][..], b"traf", &tfhd, &tfdt].concat();
    let moof = [&[0, 0, 0, 52][..], b"moof", &traf].concat();
    assert!(parse(&moof, None).issues.iter().any(|i| i.kind == "mp4-tfdt-overflow"));
}

#[test]
fn text_and_nothing_are_told_apart_from_media() {
    for (body, expected) in [
        (&b""[..], Container::Empty),
        (b"<html>sorry</html>", Container::Text),
        (b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n", Container::WebVtt),
        (b"\x01\x02", Container::Unknown),
    ] {
        assert_eq!(parse(body, None).container, expected);
    }
    let cues = parse(b"WEBVTT\n\n00:00.000 --> 00:01.000\na\n\n00:01.000 --> 00:02.000\nb\n", None);
    assert_eq!(cues.elementary[0].n_access_units, 2);
}

#[test]
fn packed_audio_has_the_timestamp_of_its_tag() {
    let mut body = b"ID3\x04\0\0".to_vec();
    let frame =
        [b"PRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0".as_slice(), &900_000_u64.to_be_bytes()]
            .concat();
    body.extend([0, 0, 0, u8::try_from(frame.len()).unwrap()]);
    body.extend(frame);
    for _ in 0..3 {
        // ADTS, AAC-LC, 48 kHz, stereo, 16 bytes.
        body.extend([0xff, 0xf1, 0x4c, 0x80, 0x02, 0x00, 0xfc]);
        body.extend([0; 9]);
    }
    let facts = parse(&body, None);
    let audio = &facts.elementary[0];
    assert_eq!((facts.container, facts.n_issues), (Container::PackedAudio, 0), "{:?}", facts.issues);
    assert_eq!((audio.first_pts, audio.n_access_units, audio.duration), (Some(900_000), 3, Some(3 * 1_920)));
    assert_eq!((audio.sample_rate, audio.channels), (Some(48_000), Some(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_any_cut_same_facts(
        head in prop::sample::select(vec![
            &b""[..], b"\0\0\0\x08styp", b"G", b"ID3\x04\0\0\0\0\0\x05", b"\xff\xf1\x4c\x80\x02\0\xfc", b"\0\0\0\x20moof\0\0\0\x10mfhd", b"WEBVTT",
        ]),
        tail in prop::collection::vec(any::<u8>(), 0..3000),
        cuts in prop::collection::vec(0_usize..700, 0..8),
    ) {
        let bytes = [head, &tail].concat();
        prop_assert_eq!(parse(&bytes, None), parse_in_pieces(&bytes, &cuts, None));
    }

    #[test]
    fn damaged_transport_streams_any_cut_same_facts(
        flips in prop::collection::vec((0_usize..188 * 40, any::<u8>()), 0..30),
        drops in prop::collection::vec(0_usize..188 * 40, 0..4),
        cuts in prop::collection::vec(0_usize..900, 0..12),
    ) {
        let mut bytes = Vec::new();
        for n in 0..40_u8 {
            let mut packet = [n; 188];
            packet[..4].copy_from_slice(&[0x47, 0x40 * (n % 5 == 0) as u8, n % 3, 0x10 | (n / 3 % 16)]);
            bytes.extend(packet);
        }
        for (at, value) in flips {
            bytes[at] = value;
        }
        for at in drops {
            bytes.remove(at.min(bytes.len() - 1));
        }
        prop_assert_eq!(parse(&bytes, None), parse_in_pieces(&bytes, &cuts, None));
    }
}
