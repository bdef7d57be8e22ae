//! Every file of the corpus gives what it is, at any cut.

use std::path::Path;

use ow_domain::facts::{Container, EsKind, SegmentFacts};
use ow_media::SegmentParser;

fn parse(bytes: &[u8], step: usize) -> SegmentFacts {
    let mut parser = SegmentParser::new(None);
    bytes.chunks(step).for_each(|piece| parser.push(piece));
    parser.finish(true)
}

fn read(name: &str) -> SegmentFacts {
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)).unwrap();
    let facts = parse(&bytes, bytes.len());
    for step in [1, 13, 188, 1_000] {
        assert_eq!(parse(&bytes, step), facts, "{name} in steps of {step}");
    }
    facts
}

/// Codec, codec string, access units, duration at 90 kHz, and width or sample rate.
type Expected = (&'static str, &'static str, u32, i64, u32);

#[test]
fn transport_streams_are_told_exactly() {
    let table: [(&str, Expected, Expected); 3] = [
        ("h264-aac.ts", ("h264", "avc1.", 10, 90_000, 64), ("aac", "mp4a.40.2", 48, 92_160, 48_000)),
        ("h264-eac3.ts", ("h264", "avc1.", 10, 90_000, 64), ("eac3", "ec-3", 32, 92_160, 48_000)),
        ("h265-ac3.ts", ("h265", "hvc1.", 10, 90_000, 64), ("ac3", "ac-3", 32, 92_160, 48_000)),
    ];
    for (name, video, audio) in table {
        let facts = read(name);
        assert_eq!((facts.container, facts.n_issues), (Container::MpegTs, 0), "{name}: {:?}", facts.issues);
        let ts = facts.ts.as_ref().unwrap();
        assert_eq!(
            (ts.cc_errors, ts.sync_losses, ts.psi.n_programs, ts.psi.pes_before_pmt),
            (0, 0, 1, false),
            "{name}"
        );
        assert!(ts.silent_pids.is_empty() && ts.pcr.unwrap().n_jumps == 0, "{name}: {ts:?}");
        for ((codec, string, n, duration, size), kind) in [(video, EsKind::Video), (audio, EsKind::Audio)] {
            let stream = facts.elementary.iter().find(|e| e.kind == kind).unwrap();
            assert_eq!((stream.codec.as_str(), stream.found_codec.as_deref(), stream.n_walk_errors), (codec, None, 0));
            assert!(stream.codec_string.as_ref().unwrap().starts_with(string), "{name}: {stream:?}");
            assert_eq!((stream.n_access_units, stream.duration), (n, Some(duration)), "{name}");
            assert_eq!(stream.width.or(stream.sample_rate), Some(size), "{name}");
            let stamps = stream.stamps.unwrap();
            assert_eq!((stamps.n_backward, stamps.n_without_pts, stamps.n_pts_before_dts), (0, 0, 0), "{name}");
            assert!(stream.end_dts.is_some(), "{name}");
        }
        let video = facts.main().unwrap();
        assert_eq!((video.starts_with_keyframe, video.parameter_sets_first), (Some(true), Some(true)), "{name}");
        let set = video.video.as_ref().unwrap();
        assert_eq!((set.frame_rate, set.interlaced, set.chroma_format), (Some((10, 1)), false, 1), "{name}");
    }
    let gop = read("h264-aac.ts").main().unwrap().clone();
    assert_eq!((gop.n_keyframes, gop.keyframes.unwrap().max_distance), (2, Some(45_000)));
}

#[test]
fn sound_alone_and_text_are_told() {
    let mp2 = read("mp2.ts");
    let sound = mp2.main().unwrap();
    assert_eq!((sound.codec.as_str(), sound.channels, sound.n_walk_errors), ("mpa", Some(1), 0));
    for (name, codec, start) in
        [("packed.aac", "aac", Some(900_000)), ("audio.mp3", "mpa", None), ("audio.ac3", "ac3", None)]
    {
        let facts = read(name);
        let sound = facts.main().unwrap();
        assert_eq!((facts.container, sound.codec.as_str()), (Container::PackedAudio, codec), "{name}");
        assert_eq!((sound.first_pts, facts.packed.as_ref().unwrap().has_id3), (start, name != "audio.ac3"), "{name}");
        assert!((sound.duration.unwrap() - 90_000).abs() < 6_000, "{name}: {sound:?}");
    }
    let vtt = read("cues.vtt").vtt.unwrap();
    assert_eq!((vtt.mpegts, vtt.first_cue_ms, vtt.last_cue_end_ms), (Some(900_000), Some(1_000), Some(4_000)));
    assert!(read("interlaced.ts").main().unwrap().video.as_ref().unwrap().interlaced);
    assert_eq!(read("fragments.mp4").container, Container::IsoBmff);
}

#[test]
fn the_corpus_is_small() {
    let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).unwrap();
    let bytes: u64 = folder.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 200_000, "{bytes} bytes");
}

#[test]
fn encrypted_fragments_are_told_exactly() {
    for (scheme, iv_bytes) in [("cenc", 8), ("cbcs", 0)] {
        let facts = read(&format!("cmaf-{scheme}.mp4"));
        assert_eq!((facts.container, facts.n_issues), (Container::IsoBmff, 0), "{scheme}: {:?}", facts.issues);
        let video = facts.main().unwrap();
        assert_eq!((video.codec.as_str(), video.n_access_units, video.encrypted), ("h264", 10, true), "{scheme}");
        assert_eq!(video.seconds(video.duration.unwrap()), Some(1.0), "{scheme}");
        let mp4 = facts.mp4.as_ref().unwrap();
        let protection = mp4.tracks[0].protection.as_ref().unwrap();
        assert_eq!((protection.scheme.as_deref(), protection.iv_bytes), (Some(scheme), iv_bytes));
        assert_eq!(protection.kid.as_deref(), Some("00112233445566778899aabbccddeeff"));
        let (run, n_pssh) = (&mp4.runs[0], mp4.pssh.len());
        assert_eq!((run.is_protected, run.n_senc_samples, run.n_inner_gaps, n_pssh), (Some(true), Some(10), 0, 2));
        assert!(mp4.sidx.is_some() && mp4.pssh.iter().any(|p| p.kids.len() == 1), "{scheme}: {mp4:?}");
    }
}
