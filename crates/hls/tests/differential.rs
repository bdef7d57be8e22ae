//! The same answers as other readers, where those are right.
//!
//! Left out, because the others are wrong or silent there: m3u8-rs loses tags after the last segment, keeps one
//! DATERANGE per segment, accepts a missing last URI and holds durations as f32.

use ow_hls::{Playlist, Variables, parse};
use proptest::prelude::*;
use quick_m3u8::tag::KnownTag;
use quick_m3u8::tag::hls::Tag;
use quick_m3u8::{HlsLine, Reader, config::ParsingOptionsBuilder};

#[derive(Debug, Clone)]
struct Spec {
    duration_ms: u64,
    uri: String,
    discontinuity: bool,
    range: Option<(u64, u64)>,
    key: bool,
    parts: Vec<(u32, bool)>,
}

fn any_segment() -> impl Strategy<Value = Spec> {
    let range = prop::option::of((1u64..1 << 40, 0u64..1 << 40));
    let parts = prop::collection::vec((1u32..999, any::<bool>()), 0..3);
    (1u64..20_000, "[a-z0-9/_-]{1,12}\\.(ts|m4s)(\\?[a-z=&]{1,6})?", any::<bool>(), range, any::<bool>(), parts)
        .prop_map(|(duration_ms, uri, discontinuity, range, key, parts)| Spec {
            duration_ms,
            uri,
            discontinuity,
            range,
            key,
            parts,
        })
}

fn text(first: u64, segments: &[Spec], with_parts: bool) -> String {
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:20\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for spec in segments {
        if spec.discontinuity {
            out += "#EXT-X-DISCONTINUITY\n";
        }
        if spec.key {
            out += "#EXT-X-KEY:METHOD=AES-128,URI=\"https://k/1\",IV=0x00000000000000000000000000000001\n";
        }
        for (ms, independent) in spec.parts.iter().filter(|_| with_parts) {
            let independent = if *independent { ",INDEPENDENT=YES" } else { "" };
            out += &format!("#EXT-X-PART:DURATION=0.{ms:03},URI=\"{}.p\"{independent}\n", spec.uri);
        }
        out += &format!("#EXTINF:{}.{:03},\n", spec.duration_ms / 1000, spec.duration_ms % 1000);
        if let Some((length, offset)) = spec.range {
            out += &format!("#EXT-X-BYTERANGE:{length}@{offset}\n");
        }
        out += &spec.uri;
        out.push('\n');
    }
    out
}

fn ours(text: &str) -> ow_hls::MediaPlaylist {
    let (playlist, issues) = parse(text.as_bytes(), Variables::default());
    assert!(issues.is_empty(), "{issues:?}\n{text}");
    playlist.as_media().cloned().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn media_playlists_as_m3u8_rs_reads_them(first in 0u64..1 << 50, segments in prop::collection::vec(any_segment(), 1..20)) {
        let text = text(first, &segments, false);
        let ours = ours(&text);
        let Ok(m3u8_rs::Playlist::MediaPlaylist(theirs)) = m3u8_rs::parse_playlist_res(text.as_bytes()) else {
            return Err(TestCaseError::fail(text));
        };
        prop_assert_eq!(ours.first_msn(), theirs.media_sequence);
        prop_assert_eq!(ours.target_duration.unwrap().value, theirs.target_duration);
        prop_assert_eq!(ours.segments.len(), theirs.segments.len());
        for (a, b) in ours.segments.iter().zip(&theirs.segments) {
            prop_assert_eq!(&*a.uri, b.uri.as_str());
            prop_assert_eq!(a.discontinuity.is_some(), b.discontinuity);
            prop_assert!((a.duration_us as f64 / 1e6 - f64::from(b.duration)).abs() < 1e-5);
            let range = b.byte_range.as_ref().map(|range| (range.length, range.offset.unwrap_or(0)));
            prop_assert_eq!(a.byte_range.map(|range| (range.length, range.offset)), range);
        }
    }

    #[test]
    fn tags_and_lines_as_quick_m3u8_reads_them(first in 0u64..1 << 50, segments in prop::collection::vec(any_segment(), 1..20)) {
        let text = text(first, &segments, true);
        let ours = ours(&text);
        let options = ParsingOptionsBuilder::new().with_parsing_for_all_tags().build();
        let mut reader = Reader::from_str(&text, options);
        let (mut uris, mut durations, mut parts, mut discontinuities) = (vec![], vec![], vec![], 0);
        while let Ok(Some(line)) = reader.read_line() {
            match line {
                HlsLine::Uri(uri) => uris.push(uri.into_owned()),
                HlsLine::KnownTag(KnownTag::Hls(Tag::Inf(inf))) => durations.push(inf.duration()),
                HlsLine::KnownTag(KnownTag::Hls(Tag::Part(part))) => {
                    parts.push((part.uri().to_owned(), part.duration(), part.independent()));
                }
                HlsLine::KnownTag(KnownTag::Hls(Tag::Discontinuity(_))) => discontinuities += 1,
                _ => {}
            }
        }
        prop_assert_eq!(ours.segments.iter().map(|s| s.uri.to_string()).collect::<Vec<_>>(), uris);
        prop_assert_eq!(ours.segments.last().unwrap().dsn, discontinuities);
        let close = |us: i64, seconds: f64| (us as f64 / 1e6 - seconds).abs() < 1e-6;
        prop_assert!(ours.segments.iter().zip(&durations).all(|(s, d)| close(s.duration_us, *d)));
        prop_assert_eq!(ours.parts().count(), parts.len());
        for ((_, part), (uri, duration, independent)) in ours.parts().zip(&parts) {
            prop_assert!(*part.uri == **uri && part.independent == *independent && close(part.duration_us, *duration));
        }
    }

    #[test]
    fn multivariant_playlists_as_m3u8_rs_reads_them(
        variants in prop::collection::vec((1u64..1 << 40, 1u32..8000, 1u32..5000, "[a-z0-9]{1,9}\\.m3u8", any::<bool>()), 1..10),
    ) {
        let mut text = String::from("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"a.m3u8\"\n");
        for (bandwidth, width, height, uri, audio) in &variants {
            let audio = if *audio { ",AUDIO=\"a\"" } else { "" };
            text += &format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION={width}x{height}{audio}\n{uri}\n");
        }
        let (Playlist::Multivariant(ours), issues) = parse(text.as_bytes(), Variables::default()) else {
            return Err(TestCaseError::fail(text));
        };
        prop_assert!(issues.is_empty());
        let Ok(m3u8_rs::Playlist::MasterPlaylist(theirs)) = m3u8_rs::parse_playlist_res(text.as_bytes()) else {
            return Err(TestCaseError::fail(text));
        };
        prop_assert_eq!(ours.media.len(), theirs.alternatives.len());
        prop_assert_eq!(ours.variants.len(), theirs.variants.len());
        for (a, b) in ours.variants.iter().zip(&theirs.variants) {
            prop_assert_eq!(&*a.uri, b.uri.as_str());
            prop_assert_eq!(a.bandwidth, Some(b.bandwidth));
            prop_assert_eq!(a.codecs.join(","), b.codecs.clone().unwrap());
            prop_assert_eq!(a.audio.as_deref(), b.audio.as_deref());
            let resolution = b.resolution.map(|r| (r.width, r.height));
            prop_assert_eq!(a.resolution.map(|r| (u64::from(r.width), u64::from(r.height))), resolution);
        }
    }
}
