//! What holds for any input, and that reading undoes writing.

use std::sync::Arc;

use ow_hls::{
    AttributeList, Key, Map, MediaPlaylist, MultivariantPlaylist, Part, Playlist, Variables, parse, sniff, write,
};
use proptest::prelude::*;

/// Lines that occur, some of them broken.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0u64..10_000_000, "[a-zA-Z ]{0,8}").prop_map(|(us, title)| format!("#EXTINF:{}.{:06},{}", us / 1_000_000, us % 1_000_000, title.trim())),
        4 => "[a-z0-9]{1,8}\\.ts",
        1 => (0u64..5).prop_map(|n| format!("#EXTINF:{n},")),
        1 => Just("#EXT-X-DISCONTINUITY".to_owned()),
        1 => Just("#EXT-X-GAP".to_owned()),
        1 => (1u64..1000, prop::option::of(0u64..1000)).prop_map(|(n, o)| match o {
            Some(o) => format!("#EXT-X-BYTERANGE:{n}@{o}"),
            None => format!("#EXT-X-BYTERANGE:{n}"),
        }),
        1 => (0u32..86_400_000).prop_map(|ms| format!(
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T{:02}:{:02}:{:02}.{:03}Z", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000
        )),
        1 => "[a-z]{1,4}".prop_map(|uri| format!("#EXT-X-MAP:URI=\"{uri}.mp4\",BYTERANGE=\"10@0\"")),
        1 => "[a-z]{1,4}".prop_map(|uri| format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\",IV=0x1")),
        1 => "[a-z]{1,4}".prop_map(|uri| format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"{uri}\",KEYFORMAT=\"f\"")),
        1 => Just("#EXT-X-KEY:METHOD=NONE".to_owned()),
        1 => ("[a-z]{1,4}", 1u32..900_000, any::<bool>()).prop_map(|(uri, us, independent)| format!(
            "#EXT-X-PART:DURATION=0.{us:06},URI=\"{uri}\"{}", if independent { ",INDEPENDENT=YES" } else { "" }
        )),
        1 => "[A-Z]{1,4}".prop_map(|id| format!("#EXT-X-DATERANGE:ID=\"{id}\",START-DATE=\"2026-11-22T00:00:00.000Z\",DURATION=1.5,X-A=\"b,c\"")),
        1 => "[A-Z-]{1,6}".prop_map(|name| format!("#EXT-X-Q{name}:1,2")),
        1 => (1u64..9000).prop_map(|n| format!("#EXT-X-BITRATE:{n}")),
        1 => Just("#EXT-X-ENDLIST".to_owned()),
        1 => Just("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=18.0".to_owned()),
        1 => Just("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"h\"".to_owned()),
        1 => Just("#EXT-X-RENDITION-REPORT:URI=\"r\",LAST-MSN=4".to_owned()),
        1 => ("[A-Z]{0,3}", "[=,\" ]{0,3}", "[a-z0-9]{0,3}").prop_map(|(a, b, c)| format!("#EXT-X-MAP:{a}{b}{c}")),
    ]
}

fn any_multivariant_line() -> impl Strategy<Value = String> {
    prop_oneof![
        (1u64..9_000_000, "[a-z]{1,5}").prop_map(|(bandwidth, uri)| format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"a\"\n{uri}.m3u8"
        )),
        "[a-z]{1,5}".prop_map(|name| format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"{name}\",DEFAULT=YES,URI=\"{name}.m3u8\"")),
        Just("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"".to_owned()),
        Just("#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"k\"".to_owned()),
        Just("#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"v\",LANGUAGE=\"vi\"".to_owned()),
        Just("#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\",PATHWAY-ID=\"p\"".to_owned()),
        Just("#EXT-X-START:TIME-OFFSET=-1.25,PRECISE=YES".to_owned()),
        Just("#EXT-X-INDEPENDENT-SEGMENTS".to_owned()),
        Just("#EXT-X-UNKNOWN:1".to_owned()),
        Just("#EXT-X-VERSION:7".to_owned()),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = sniff(&body);
        let (_, issues) = parse(&body, Variables::default());
        prop_assert!(issues.len() <= ow_hls::MAX_ISSUES + 1);
    }

    #[test]
    fn no_tag_soup_panics(lines in prop::collection::vec("(#EXT[-A-Z]{0,12}:?)?[-A-Z=\",@{}$0-9 .\u{0}-\u{ff}]{0,30}", 0..40)) {
        let body = format!("#EXTM3U\n{}", lines.join("\n"));
        let _ = parse(body.as_bytes(), Variables::for_url("https://h/x?A=1"));
    }

    #[test]
    fn reading_undoes_writing(dseq in prop::option::of(0u64..9), first in prop::option::of(0u64..u64::MAX / 2), lines in prop::collection::vec(any_line(), 0..60)) {
        let mut body = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:6\n");
        if let Some(first) = first { body += &format!("#EXT-X-MEDIA-SEQUENCE:{first}\n"); }
        if let Some(dseq) = dseq { body += &format!("#EXT-X-DISCONTINUITY-SEQUENCE:{dseq}\n"); }
        body += &lines.join("\n");
        let (Playlist::Media(mut model), _) = parse(body.as_bytes(), Variables::default()) else {
            return Err(TestCaseError::fail("a media playlist was expected"));
        };
        // Ranges without offset and without a range before them are written as they are read: at 0.
        model.segments.iter_mut().filter_map(|s| s.byte_range.as_mut()).for_each(|range| range.explicit = true);
        // Tags after the last segment that wait for one are no part of the model.
        let text = write(&Playlist::Media(model.clone()));
        let (Playlist::Media(mut again), _) = parse(text.as_bytes(), Variables::default()) else {
            return Err(TestCaseError::fail(text));
        };
        forget_lines(&mut model);
        forget_lines(&mut again);
        prop_assert_eq!(&model, &again, "{}", text);
    }

    #[test]
    fn reading_undoes_writing_of_multivariant_playlists(lines in prop::collection::vec(any_multivariant_line(), 0..30)) {
        let body = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5\nv\n{}", lines.join("\n"));
        let (Playlist::Multivariant(mut model), _) = parse(body.as_bytes(), Variables::default()) else {
            return Err(TestCaseError::fail("a multivariant playlist was expected"));
        };
        let text = write(&Playlist::Multivariant(model.clone()));
        let (Playlist::Multivariant(mut again), _) = parse(text.as_bytes(), Variables::default()) else {
            return Err(TestCaseError::fail(text));
        };
        forget_multivariant_lines(&mut model);
        forget_multivariant_lines(&mut again);
        prop_assert_eq!(model, again, "{}", text);
    }
}

fn forget_list(list: &mut AttributeList) {
    list.line = 0;
}

fn forget_parts(parts: &mut [Part]) {
    parts.iter_mut().for_each(|part| part.line = 0);
}

fn forget_lines(playlist: &mut MediaPlaylist) {
    playlist.n_lines = 0;
    let at = |at: &mut ow_hls::At<u64>| at.line = 0;
    playlist.target_duration.iter_mut().for_each(at);
    playlist.media_sequence.iter_mut().for_each(at);
    playlist.discontinuity_sequence.iter_mut().for_each(at);
    playlist.end_list = playlist.end_list.map(|_| 0);
    if let Some(control) = &mut playlist.server_control {
        control.line = 0;
        forget_list(&mut control.attributes);
    }
    playlist.preload_hints.iter_mut().for_each(|hint| hint.line = 0);
    playlist.rendition_reports.iter_mut().for_each(|report| report.line = 0);
    playlist.raw_tags.iter_mut().for_each(|tag| tag.line = 0);
    for range in &mut playlist.date_ranges {
        range.line = 0;
        range.start_date.iter_mut().for_each(|date| date.line = 0);
        forget_list(&mut range.attributes);
    }
    forget_parts(&mut playlist.trailing_parts);
    for segment in &mut playlist.segments {
        segment.line = 0;
        segment.extinf_line = segment.extinf_line.min(1);
        segment.discontinuity = segment.discontinuity.map(|_| 0);
        segment.gap = segment.gap.map(|_| 0);
        if let Some(date) = &mut segment.program_date_time {
            date.line = 0;
            date.n_fraction_digits = 6;
        }
        segment.map = segment.map.as_deref().map(|map| Arc::new(Map { line: 0, ..map.clone() }));
        segment.keys = segment.keys.as_deref().map(|keys| keys.iter().map(forget_key).collect());
        forget_parts(&mut segment.parts);
    }
}

fn forget_key(key: &Key) -> Key {
    let mut key = Key { line: 0, ..key.clone() };
    forget_list(&mut key.attributes);
    key
}

fn forget_multivariant_lines(playlist: &mut MultivariantPlaylist) {
    playlist.n_lines = 0;
    playlist.version.iter_mut().for_each(|at| at.line = 0);
    playlist.independent_segments = playlist.independent_segments.map(|_| 0);
    playlist.start.iter_mut().for_each(|start| start.line = 0);
    playlist.content_steering.iter_mut().for_each(|steering| steering.line = 0);
    for variant in playlist.variants.iter_mut().chain(&mut playlist.i_frame_variants) {
        variant.line = 0;
        variant.uri_line = 0;
        forget_list(&mut variant.attributes);
    }
    for rendition in &mut playlist.media {
        rendition.line = 0;
        forget_list(&mut rendition.attributes);
    }
    playlist.session_keys = playlist.session_keys.iter().map(forget_key).collect();
    playlist.session_data.iter_mut().for_each(|data| data.line = 0);
    playlist.raw_tags.iter_mut().for_each(|tag| tag.line = 0);
}
