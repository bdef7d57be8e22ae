//! Somebody else's reading of the same fragments: ffprobe over what ffmpeg and the live packager make.

mod support;

use std::path::Path;
use std::process::Command;

use ow_domain::facts::{EsKind, SegmentFacts};
use ow_media::{InitFacts, SegmentParser};
use serde_json::Value;

fn parse(bytes: &[u8], init: Option<&InitFacts>) -> (SegmentFacts, Option<InitFacts>) {
    let mut parser = SegmentParser::new(init);
    bytes.chunks(10_007).for_each(|piece| parser.push(piece));
    parser.finish_with_init(true)
}

/// PTS, DTS, duration, size and key flag of every packet.
type Packet = (i64, i64, Option<i64>, u64, bool);

fn probe(path: &Path) -> (Value, Vec<Packet>) {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_streams", "-show_packets"])
        .arg(path)
        .output()
        .expect("ffprobe is on PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packet = |p: &Value| {
        let size = p["size"].as_str().unwrap().parse().unwrap();
        let key = p["flags"].as_str().unwrap_or_default().contains('K');
        (p["pts"].as_i64().unwrap(), p["dts"].as_i64().unwrap(), p["duration"].as_i64(), size, key)
    };
    let packets = all["packets"].as_array().unwrap().iter().map(packet).collect();
    (all["streams"][0].clone(), packets)
}

/// One fragment file against the packets that ffprobe lists; gives the end of its decode times.
fn compare(name: &str, folder: &Path, init_bytes: &[u8], bytes: &[u8], encrypted: bool) -> (i64, i64) {
    let (told, init) = parse(init_bytes, None);
    assert_eq!(told.n_issues, 0, "{name}: {:?}", told.issues);
    let (facts, _) = parse(bytes, init.as_ref());
    assert_eq!(facts.n_issues, 0, "{name}: {:?}", facts.issues);
    let file = folder.join("joined.mp4");
    std::fs::write(&file, [init_bytes, bytes].concat()).unwrap();
    let (stream, packets) = probe(&file);
    let ours = &facts.elementary[0];
    let mp4 = facts.mp4.as_ref().unwrap();
    let run = &mp4.runs[0];
    let declared = &told.mp4.as_ref().unwrap().tracks[0];
    assert_eq!(stream["time_base"], format!("1/{}", ours.timescale), "{name}");
    assert_eq!(ours.n_access_units as usize, packets.len(), "{name}: samples");
    assert_eq!(ours.payload_bytes, packets.iter().map(|p| p.3).sum::<u64>(), "{name}: bytes");
    // ffprobe shifts presentation times so that none is before its decode time.
    let delay = (-run.min_composition_offset).max(0);
    assert_eq!(ours.first_pts.map(|t| t + delay), packets.iter().map(|p| p.0).min(), "{name}: first presentation time");
    // The edit list moves decode times too in ffprobe's reading.
    let shift = declared.edit_shift;
    assert_eq!(ours.first_dts.map(|t| t - shift), Some(packets[0].1), "{name}: first decode time");
    assert_eq!(ours.last_dts.map(|t| t - shift), packets.last().map(|p| p.1), "{name}: last decode time");
    let end = packets.iter().filter_map(|p| Some(p.0 + p.2?)).max();
    let last = ours.first_pts.unwrap() + ours.duration.unwrap();
    assert!(end.is_none_or(|end| end - delay == last), "{name}: presentation end {last}, {end:?}");
    let n_keys = packets.iter().filter(|p| p.4).count();
    assert_eq!((run.n_inner_gaps, run.n_without_tfdt, run.n_walk_errors), (0, 0, 0), "{name}");
    assert_eq!((ours.encrypted, declared.protection.is_some()), (encrypted, encrypted), "{name}");
    if ours.kind == EsKind::Video {
        assert_eq!(ours.n_keyframes as usize, n_keys, "{name}: key frames");
        assert_eq!(ours.starts_with_keyframe, Some(packets[0].4), "{name}");
        let number = |key: &str| stream[key].as_u64().map(|n| n as u32);
        assert_eq!((ours.width, ours.height), (number("width"), number("height")), "{name}");
        assert_eq!(Some(u32::from(ours.video.as_ref().unwrap().level)), number("level"), "{name}: level");
        if !encrypted {
            assert_eq!(run.n_walked, ours.n_access_units, "{name}: every sample is walked");
            let idr = if ours.codec == "h264" { &[5][..] } else { &[19, 20, 21] };
            assert!(idr.contains(&run.first_slice_type.unwrap()), "{name}: {:?}", run.first_slice_type);
        }
    } else {
        let rate: u32 = stream["sample_rate"].as_str().unwrap().parse().unwrap();
        assert_eq!(ours.sample_rate, Some(rate), "{name}");
        assert_eq!(ours.channels.map(u64::from), stream["channels"].as_u64(), "{name}");
    }
    (ours.first_dts.unwrap(), run.end_dts.unwrap())
}

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=6"];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=6"];

#[test]
fn fragments_of_ffmpeg_are_read_as_ffprobe_reads_them() {
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-sc_threshold", "0"];
    let x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-x265-params"];
    let cases: [(&str, Vec<&str>); 4] = [
        ("h264-aac", [&x264[..], &["-bf", "0", "-c:a", "aac", "-ac", "2"]].concat()),
        ("h264-reordered-ac3", [&x264[..], &["-bf", "3", "-c:a", "ac3", "-ac", "6"]].concat()),
        ("h264-eac3", [&x264[..], &["-bf", "2", "-c:a", "eac3", "-ac", "2"]].concat()),
        ("h265-aac", [&x265[..], &["log-level=none:scenecut=0", "-c:a", "aac", "-ac", "1"]].concat()),
    ];
    for (name, codecs) in cases {
        for fragments in [&["-seg_duration", "2"][..], &["-seg_duration", "2", "-frag_duration", "0.5"]] {
            let folder = tempfile::tempdir().unwrap();
            let status = Command::new("ffmpeg")
                .args(["-v", "error", "-y"])
                .args(PICTURE)
                .args(SOUND)
                .args(&codecs)
                .args(["-f", "dash"])
                .args(fragments)
                .arg(folder.path().join("out.mpd"))
                .status()
                .expect("ffmpeg is on PATH");
            assert!(status.success(), "{name}");
            for stream in 0..2 {
                let init = std::fs::read(folder.path().join(format!("init-stream{stream}.m4s"))).unwrap();
                let mut expected = None;
                for n in 1..=3 {
                    let segment = folder.path().join(format!("chunk-stream{stream}-{n:05}.m4s"));
                    let name = format!("{name} {fragments:?} stream {stream} segment {n}");
                    let bytes = std::fs::read(segment).unwrap();
                    let (start, end) = compare(&name, folder.path(), &init, &bytes, false);
                    assert_eq!(expected.unwrap_or(start), start, "{name}: begins where the one before ended");
                    expected = Some(end);
                }
            }
        }
    }
}

#[test]
fn encrypted_fragments_of_ffmpeg_are_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.mp4");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(PICTURE)
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-g",
            "50",
            "-movflags",
            "frag_keyframe+empty_moov+default_base_moof",
        ])
        .args(["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0123456789abcdef0123456789abcdef"])
        .args(["-encryption_kid", "00112233445566778899aabbccddeeff"])
        .arg(&file)
        .status()
        .expect("ffmpeg is on PATH");
    assert!(status.success());
    let bytes = std::fs::read(&file).unwrap();
    let moof = bytes.windows(4).position(|w| w == b"moof").unwrap() - 4;
    let (told, init) = parse(&bytes[..moof], None);
    let track = &told.mp4.as_ref().unwrap().tracks[0];
    let protection = track.protection.as_ref().unwrap();
    assert_eq!(track.sample_entries, ["encv"]);
    assert_eq!(protection.scheme.as_deref(), Some("cenc"));
    assert_eq!(protection.kid.as_deref(), Some("00112233445566778899aabbccddeeff"));
    assert_eq!((protection.is_protected, protection.iv_bytes), (Some(true), 8));
    assert_eq!(told.elementary[0].codec, "h264");
    // This version of ffmpeg writes no senc into fragments: the sample entry alone tells.
    let (facts, _) = parse(&bytes[moof..], init.as_ref());
    let run = &facts.mp4.as_ref().unwrap().runs[0];
    assert_eq!((facts.n_issues, run.n_fragments, run.n_walked), (0, 3, 0), "{:?}", facts.issues);
    assert!(facts.elementary[0].encrypted && facts.elementary[0].starts_with_keyframe == Some(true));
}

#[tokio::test]
async fn fragments_of_the_live_packager_are_read_as_ffprobe_reads_them() {
    let config = ow_origin::OriginConfig { segment_ms: 2_000, ..ow_origin::OriginConfig::default() };
    let origin = ow_origin::start(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for rendition in ["360p", "144p", "audio"] {
        let base = format!("/live/one/cmaf/{rendition}");
        let playlist = support::listed(&origin, &format!("{base}/index.m3u8")).await;
        let init = support::get(&origin, &format!("{base}/init.mp4")).await;
        let mut expected = None;
        for path in playlist.iter().take(3) {
            let bytes = support::get(&origin, path).await;
            let (start, end) = compare(path, folder.path(), &init, &bytes, false);
            assert_eq!(expected.unwrap_or(start), start, "{path}");
            expected = Some(end);
        }
    }
}
