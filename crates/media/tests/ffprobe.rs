//! Somebody else's reading of the same bytes: ffprobe over what ffmpeg and the live packager make.

mod support;

use std::path::Path;
use std::process::Command;

use ow_domain::facts::{EsKind, SegmentFacts};
use ow_media::SegmentParser;
use serde_json::Value;

fn parse(bytes: &[u8]) -> SegmentFacts {
    let mut parser = SegmentParser::new(None);
    bytes.chunks(65_536).for_each(|piece| parser.push(piece));
    parser.finish(true)
}

/// PTS, DTS and key flag of every packet of a kind of stream, and the stream itself.
struct Probed {
    stream: Value,
    packets: Vec<(i64, i64, bool)>,
}

fn probe(path: &Path, selector: &str) -> Probed {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-select_streams", selector, "-show_streams", "-show_packets"])
        .arg(path)
        .output()
        .expect("ffprobe is on PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packets = all["packets"].as_array().unwrap().iter();
    let packets = packets.map(|p| {
        let pts = p["pts"].as_i64().expect("a PTS");
        (pts, p["dts"].as_i64().unwrap_or(pts), p["flags"].as_str().unwrap_or_default().contains('K'))
    });
    Probed { packets: packets.collect(), stream: all["streams"][0].clone() }
}

/// One segment: our facts against the packets that ffprobe lists.
fn compare(name: &str, path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let facts = parse(&bytes);
    assert_eq!(facts.n_issues, 0, "{name}: {:?}", facts.issues);
    for (kind, selector) in [(EsKind::Video, "v:0"), (EsKind::Audio, "a:0")] {
        let Some(ours) = facts.elementary.iter().find(|e| e.kind == kind) else { continue };
        let theirs = probe(path, selector);
        let first_pts = theirs.packets.iter().map(|p| p.0).min().unwrap();
        let wrap = 1_i64 << 33;
        assert_eq!(ours.first_pts.unwrap(), first_pts.rem_euclid(wrap), "{name} {selector}: first PTS");
        assert_eq!(ours.first_dts.unwrap(), theirs.packets[0].1.rem_euclid(wrap), "{name} {selector}: first DTS");
        assert_eq!(ours.n_access_units as usize, theirs.packets.len(), "{name} {selector}: access units");
        let unit = ours.access_unit_duration.unwrap();
        let last_pts = theirs.packets.iter().map(|p| p.0).max().unwrap();
        let duration = last_pts - first_pts + unit;
        assert!((ours.duration.unwrap() - duration).abs() <= 2, "{name} {selector}: {:?}, {duration}", ours.duration);
        let end = theirs.packets.last().unwrap().1 + unit;
        let off = (ours.end_dts.unwrap() - end.rem_euclid(wrap)).abs();
        assert!(off <= unit / 10, "{name} {selector}: end {:?}, {end}", ours.end_dts);
        if kind == EsKind::Video {
            let n_keys = theirs.packets.iter().filter(|p| p.2).count();
            assert_eq!(ours.n_keyframes as usize, n_keys, "{name}: key frames");
            let number = |key: &str| theirs.stream[key].as_u64().map(|n| n as u32);
            assert_eq!((ours.width, ours.height), (number("width"), number("height")), "{name}");
            let set = ours.video.as_ref().unwrap();
            assert_eq!(Some(u32::from(set.level)), number("level"), "{name}: level");
            let (rate, per) = set.frame_rate.unwrap();
            assert_eq!(theirs.stream["r_frame_rate"], format!("{rate}/{per}"), "{name}: frame rate");
            let transfer = match set.transfer {
                Some(16) => Some("smpte2084"),
                Some(18) => Some("arib-std-b67"),
                Some(1) => Some("bt709"),
                _ => None,
            };
            assert_eq!(theirs.stream["color_transfer"].as_str().filter(|t| *t != "unknown"), transfer, "{name}");
        } else {
            let rate: u32 = theirs.stream["sample_rate"].as_str().unwrap().parse().unwrap();
            assert_eq!(
                (ours.sample_rate, ours.channels),
                (Some(rate), theirs.stream["channels"].as_u64().map(|n| n as u32))
            );
        }
    }
}

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=4"];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=4"];

#[test]
fn segments_of_ffmpeg_are_read_as_ffprobe_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-sc_threshold", "0"];
    let hlg = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-g", "50", "-x265-params"];
    let hlg_colour = ["log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"];
    let cases: [(&str, Vec<&str>); 5] = [
        ("h264-aac", [&x264[..], &["-bf", "0", "-c:a", "aac", "-ac", "2"]].concat()),
        ("h264-reordered-ac3", [&x264[..], &["-bf", "3", "-c:a", "ac3", "-ac", "6"]].concat()),
        ("h264-eac3", [&x264[..], &["-bf", "2", "-c:a", "eac3", "-ac", "2"]].concat()),
        ("h264-mp2", [&x264[..], &["-bf", "2", "-c:a", "mp2", "-ac", "2"]].concat()),
        ("h265-hlg", [&hlg[..], &hlg_colour, &["-c:a", "aac", "-ac", "2"]].concat()),
    ];
    for (name, codecs) in cases {
        // The second run begins just before the wrap of 33 bits.
        for offset in ["0", "95441.5"] {
            let pattern = folder.path().join(format!("{name}-{offset}-%d.ts"));
            let status = Command::new("ffmpeg")
                .args(["-v", "error", "-y"])
                .args(PICTURE)
                .args(SOUND)
                .args(&codecs)
                .args(["-output_ts_offset", offset, "-f", "hls", "-hls_time", "2", "-hls_segment_filename"])
                .arg(&pattern)
                .arg(folder.path().join(format!("{name}-{offset}.m3u8")))
                .status()
                .expect("ffmpeg is on PATH");
            assert!(status.success(), "{name}");
            for n in 0..2 {
                let segment = folder.path().join(format!("{name}-{offset}-{n}.ts"));
                compare(&format!("{name} at {offset}, segment {n}"), &segment);
            }
        }
    }
}

#[tokio::test]
async fn segments_of_the_live_packager_are_read_as_ffprobe_reads_them() {
    let config = ow_origin::OriginConfig { segment_ms: 2_000, ..ow_origin::OriginConfig::default() };
    let origin = ow_origin::start(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for height in ["360p", "144p"] {
        for path in support::listed(&origin, &format!("/live/one/ts/{height}/index.m3u8")).await.iter().take(2) {
            let file = folder.path().join("segment.ts");
            std::fs::write(&file, support::get(&origin, path).await).unwrap();
            compare(path, &file);
        }
    }
}
