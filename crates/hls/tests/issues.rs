//! What is a breach and what is not, by table.

use ow_hls::{
    ClosedCaptions, DefineSource, IssueFamily, IssueKind, KeyMethod, MediaType, Playlist, PlaylistType, Variables,
    parse,
};

/// Kinds and lines of the issues of a body.
fn issues(body: &[u8]) -> Vec<(IssueKind, u32)> {
    parse(body, Variables::default()).1.iter().map(|issue| (issue.kind, issue.line)).collect()
}

fn check(body: &str, expected: &[(IssueKind, u32)]) {
    assert_eq!(issues(body.as_bytes()), expected, "{body}");
}

fn media(body: &str) -> ow_hls::MediaPlaylist {
    match parse(body.as_bytes(), Variables::default()).0 {
        Playlist::Media(playlist) => *playlist,
        Playlist::Multivariant(_) => panic!("a media playlist was expected"),
    }
}

fn multivariant(body: &str) -> ow_hls::MultivariantPlaylist {
    match parse(body.as_bytes(), Variables::default()).0 {
        Playlist::Multivariant(playlist) => *playlist,
        Playlist::Media(_) => panic!("a multivariant playlist was expected"),
    }
}

const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n";
const MVP: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nv.m3u8\n";

#[test]
fn what_is_legal_is_no_issue() {
    for body in [
        MEDIA,
        MVP,
        "#EXTM3U\r\n#EXT-X-TARGETDURATION:6\r\n#EXTINF:6,\r\na.ts\r\n\r\n\r\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts",
        "#EXTM3U\n# a comment\n#EXT-X-FOO:1\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.5,Tiếng Việt\na.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:LATER\n#EXT-X-KEY:METHOD=LATER,URI=\"k\"\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FOO=\"x\",X-A_b=2\n#EXT-X-UNKNOWN\n# c\nv.m3u8\n",
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"unused\",NAME=\"a\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,CLOSED-CAPTIONS=NONE\nv\n",
        // A radio entry is a media playlist.
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-CUE-OUT:30\n#EXTINF:6,\na.aac\n#EXT-X-CUE-IN\n",
    ] {
        check(body, &[]);
    }
}

#[test]
fn encoding_and_first_line() {
    use IssueKind::*;
    check("", &[(Empty, 0), (TargetDurationMissing, 0)]);
    check(&format!("\u{feff}{MEDIA}"), &[(Bom, 1)]);
    check(&MEDIA.replace("a.ts", "a\u{7}.ts"), &[(ControlCharacter, 4)]);
    check(&MEDIA.replace("6,", "6,\ttab"), &[(ControlCharacter, 3)]);
    check(&MEDIA.replace("#EXTM3U\n", ""), &[(FirstLine, 1)]);
    check(&MEDIA.replace("#EXTM3U", "#EXTM3U8"), &[(FirstLine, 1)]);
    check(&MEDIA.replace("#EXTM3U\n", "\n#EXTM3U\n"), &[(FirstLine, 1), (TagDuplicate, 2)]);
    let mut body = MEDIA.as_bytes().to_vec();
    body.extend(b"#EXTINF:6,\n\xff.ts\n");
    assert_eq!(issues(&body), [(InvalidUtf8, 6)]);
}

#[test]
fn multivariant_breaches() {
    use IssueKind::*;
    // GV115: a STREAM-INF followed by another tag.
    let two = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb.m3u8\n";
    check(two, &[(StreamInfWithoutUri, 2)]);
    assert_eq!(multivariant(two).variants.len(), 2);
    check("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", &[(StreamInfWithoutUri, 2)]);
    check(&format!("{MVP}stray.m3u8\n"), &[(UriWithoutStreamInf, 4)]);
    check(&format!("{MVP}#EXTINF:6,\n"), &[(MixedTags, 4)]);
    check(&format!("{MEDIA}{}", &MVP[8..]), &[(MixedTags, 5), (SegmentWithoutExtinf, 6)]);
    check("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\"\n", &[(NoVariant, 0)]);
    check(&MVP.replace("=1000", "=1000,BANDWIDTH=2"), &[(AttributeDuplicate, 2)]);
    check(&MVP.replace("=1000", "=1000,"), &[(AttributeList, 2)]);
    check(&MVP.replace("=1000", "=1000, CODECS=\"avc1\""), &[(AttributeSpace, 2)]);
    check(&MVP.replace("BANDWIDTH=1000", "CODECS=\"avc1"), &[(AttributeList, 2), (AttributeMissing, 2)]);
    check(&MVP.replace("1000", "much"), &[(AttributeValue, 2)]);
    check(&MVP.replace("1000", "1,RESOLUTION=big"), &[(AttributeValue, 2)]);
    check(&format!("{MVP}#EXT-X-VERSION:6\n#EXT-X-VERSION:6\n"), &[(TagDuplicate, 5)]);
    check(&format!("{MVP}#EXT-X-MEDIA:NAME=\"a\"\n"), &[(AttributeMissing, 4), (AttributeMissing, 4)]);
}

#[test]
fn groups_resolve_by_type() {
    // GV116.
    let body = |variant: &str, media: &str| {
        format!("#EXTM3U\n#EXT-X-MEDIA:TYPE={media},NAME=\"n\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,{variant}\nv\n")
    };
    for (variant, media, resolved) in [
        ("AUDIO=\"a1\"", "AUDIO,GROUP-ID=\"a1\"", true),
        ("AUDIO=\"a2\"", "AUDIO,GROUP-ID=\"a1\"", false),
        ("AUDIO=\"a1\"", "SUBTITLES,GROUP-ID=\"a1\"", false),
        ("SUBTITLES=\"s\"", "SUBTITLES,GROUP-ID=\"s\"", true),
        ("VIDEO=\"s\"", "SUBTITLES,GROUP-ID=\"s\"", false),
        ("CLOSED-CAPTIONS=\"c\"", "CLOSED-CAPTIONS,GROUP-ID=\"c\"", true),
        ("CLOSED-CAPTIONS=\"NONE\"", "AUDIO,GROUP-ID=\"a\"", false),
        ("CLOSED-CAPTIONS=NONE", "AUDIO,GROUP-ID=\"a\"", true),
    ] {
        let found = issues(body(variant, media).as_bytes());
        let expected: &[_] = if resolved { &[] } else { &[(IssueKind::GroupUnresolved, 3)] };
        assert_eq!(found, expected, "{variant} {media}");
    }
    assert_eq!(IssueKind::GroupUnresolved.family(), IssueFamily::Group);
}

#[test]
fn media_playlist_breaches() {
    use IssueKind::*;
    check("#EXTM3U\n#EXTINF:6,\na.ts\n", &[(TargetDurationMissing, 0)]);
    check(&MEDIA.replace(":6\n", ":6.5\n"), &[(TagValue, 2)]);
    check(&MEDIA.replace(":6\n", "\n"), &[(TagValue, 2), (TargetDurationMissing, 0)]);
    check(&format!("{MEDIA}#EXT-X-TARGETDURATION:6\n"), &[(TagDuplicate, 5)]);
    check(&format!("{MEDIA}#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n"), &[(TagDuplicate, 6)]);
    check(&format!("{MEDIA}b.ts\n"), &[(SegmentWithoutExtinf, 5)]);
    check(&format!("{MEDIA}#EXTINF:6,\n"), &[(ExtinfWithoutUri, 5)]);
    check(&format!("{MEDIA}#EXTINF:6,\n#EXTINF:6,\nb.ts\n"), &[(ExtinfWithoutUri, 5)]);
    check(&format!("{MEDIA}#EXT-X-MEDIA-SEQUENCE:7\n"), &[(TagMisplaced, 5)]);
    check(&MEDIA.replace("#EXTINF", "#EXT-X-MEDIA-SEQUENCE:-1\n#EXTINF"), &[(TagValue, 3)]);
    check(&MEDIA.replace("#EXTINF", "#EXT-X-BYTERANGE:ten\n#EXTINF"), &[(ByteRange, 3)]);
    check(&MEDIA.replace("#EXTINF", "#EXT-X-BYTERANGE:10\n#EXTINF"), &[(ByteRangeWithoutOffset, 3)]);
    check(&MEDIA.replace("#EXTINF", "#EXT-X-MAP:FOO=1\n#EXTINF"), &[(AttributeMissing, 3)]);
    check(&MEDIA.replace("#EXTINF", "#EXT-X-KEY:METHOD=AES-128\n#EXTINF"), &[(AttributeMissing, 3)]);
    check(
        &MEDIA.replace("#EXTINF", "#EXT-X-DATERANGE:START-DATE=\"x\"\n#EXTINF"),
        &[(AttributeMissing, 3), (AttributeValue, 3)],
    );
    for (text, expected) in [
        ("2026-11-22T09:41:07.250Z", None),
        ("2026-11-22T09:41:07.250+0700", None),
        ("2026-11-22T09:41:07Z", Some(DateTimeWithoutMillis)),
        ("2026-11-22T09:41:07.250", Some(DateTimeWithoutZone)),
        ("noon", Some(DateTimeInvalid)),
    ] {
        let body = MEDIA.replace("#EXTINF", &format!("#EXT-X-PROGRAM-DATE-TIME:{text}\n#EXTINF"));
        check(&body, &expected.map(|kind| (kind, 3)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn extinf_breaches_and_values() {
    use IssueKind::*;
    for (text, expected, us) in [
        ("6,", None, 6_000_000),
        ("6.5,", None, 6_500_000),
        ("6", None, 6_000_000),
        (" 6.0 ,title", None, 6_000_000),
        ("5.99466666666666,", None, 5_994_667),
        ("5.9946666666666666,", Some(ExtinfTooPrecise), 5_994_667),
        ("abc,", Some(ExtinfNotANumber), 0),
        (",", Some(ExtinfNotANumber), 0),
        ("1e3,", Some(ExtinfNotANumber), 0),
        ("-1,", Some(ExtinfNegative), 0),
        ("0,", Some(ExtinfZero), 0),
    ] {
        let body = MEDIA.replace("6,", text);
        check(&body, &expected.map(|kind| (kind, 3)).into_iter().collect::<Vec<_>>());
        assert_eq!(media(&body).segments[0].duration_us, us, "{text}");
    }
    assert_eq!(ExtinfZero.family(), IssueFamily::Extinf);
}

#[test]
fn segments_carry_what_applies_to_them() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n\
         #EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"700@0\"\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://1\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:x\",KEYFORMAT=\"urn:uuid:y\"\n#EXT-X-BITRATE:800\n\
         #EXTINF:6.0,one\n#EXT-X-BYTERANGE:100@0\nfile.mp4\n\
         #EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:41:07.250Z\n#EXTINF:6,\n#EXT-X-BYTERANGE:50\nfile.mp4\n\
         #EXT-X-CUE-OUT:30\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-GAP\n#EXTINF:6,\ngap.mp4\n#EXT-X-CUE-IN\n",
    );
    let [a, b, c] = playlist.segments.as_slice() else { panic!("three segments were expected") };
    assert_eq!([a.msn, b.msn, c.msn], [100, 101, 102]);
    assert_eq!([a.dsn, b.dsn, c.dsn], [3, 4, 4]);
    assert_eq!((a.line, a.extinf_line, b.discontinuity, c.gap), (13, 11, Some(14), Some(21)));
    assert_eq!(b.byte_range.map(|range| (range.length, range.offset, range.explicit)), Some((50, 100, false)));
    assert_eq!(b.program_date_time.map(|date| date.unix_us), Some(1_795_340_467_250_000));
    assert_eq!((a.keys.as_ref().map(|keys| keys.len()), c.keys.is_none()), (Some(2), true));
    assert_eq!(a.keys.as_ref().unwrap()[0].method, KeyMethod::SampleAes);
    assert!(std::sync::Arc::ptr_eq(a.keys.as_ref().unwrap(), b.keys.as_ref().unwrap()));
    assert_eq!(a.map.as_ref().map(|map| (&*map.uri, map.byte_range.unwrap().length)), Some(("init.mp4", 700)));
    assert_eq!((a.bitrate_kbps, a.duration_is_integer, b.duration_is_integer), (Some(800), false, true));
    assert_eq!(playlist.playlist_type.unwrap().value, PlaylistType::Event);
    assert_eq!(
        (playlist.last_msn(), playlist.window_us(), playlist.target_duration_us()),
        (Some(102), 18_000_000, 6_000_000)
    );
    let cues: Vec<_> = (0..=3).flat_map(|i| playlist.raw_tags_of(i)).map(|tag| (&*tag.name, tag.segment)).collect();
    assert_eq!(cues, [("EXT-X-CUE-OUT", 2), ("EXT-X-CUE-IN", 3)]);
}

#[test]
fn low_latency_tags_are_read() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-VERSION:9\n#EXT-X-PART-INF:PART-TARGET=0.33334\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,CAN-SKIP-UNTIL=24.0\n#EXT-X-MEDIA-SEQUENCE:266\n\
         #EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXT-X-PART:DURATION=0.33334,URI=\"p1.mp4\",INDEPENDENT=YES\n\
         #EXT-X-PART:DURATION=0.33334,URI=\"f.mp4\",BYTERANGE=\"20@10\"\n#EXT-X-PART:DURATION=0.33334,URI=\"f.mp4\",BYTERANGE=\"5\",GAP=YES\n\
         #EXTINF:4,\nf269.mp4\n#EXT-X-PART:DURATION=0.2,URI=\"n.mp4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"h.mp4\",BYTERANGE-START=7\n\
         #EXT-X-RENDITION-REPORT:URI=\"../1M/index.m3u8\",LAST-MSN=269,LAST-PART=2\n",
    );
    let parts: Vec<_> = playlist.parts().map(|(msn, part)| (msn, &*part.uri)).collect();
    assert_eq!(parts, [(269, "p1.mp4"), (269, "f.mp4"), (269, "f.mp4"), (270, "n.mp4")]);
    let part = &playlist.segments[0].parts[2];
    assert_eq!((part.byte_range.unwrap().offset, part.gap, part.duration_us), (30, true, 333_340));
    assert_eq!(playlist.part_inf.unwrap().part_target_us, 333_340);
    let control = playlist.server_control.as_ref().unwrap();
    assert!(control.can_block_reload && control.part_hold_back_us == Some(1_000_000) && control.hold_back_us.is_none());
    assert_eq!(playlist.skip.as_ref().unwrap().skipped_segments, 3);
    assert_eq!(playlist.preload_hints[0].byte_range_start, 7);
    assert_eq!(playlist.rendition_reports[0].last_part, Some(2));
}

#[test]
fn multivariant_fields_are_read() {
    let playlist = multivariant(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=-12.5,PRECISE=YES\n\
         #EXT-X-CONTENT-STEERING:SERVER-URI=\"/s\",PATHWAY-ID=\"CDN-A\"\n\
         #EXT-X-SESSION-DATA:DATA-ID=\"com.example.t\",VALUE=\"x\"\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES-CTR,URI=\"u\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Vietnamese\",LANGUAGE=\"vi\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"a.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=5000000,AVERAGE-BANDWIDTH=4000000,CODECS=\"avc1.640028, mp4a.40.2\",RESOLUTION=1920x1080,FRAME-RATE=29.970,AUDIO=\"a\",CLOSED-CAPTIONS=NONE\n\
         v.m3u8\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,URI=\"i.m3u8\"\n",
    );
    let variant = &playlist.variants[0];
    assert_eq!((variant.bandwidth, variant.frame_rate_milli, variant.uri_line), (Some(5_000_000), Some(29_970), 10));
    assert_eq!(variant.codecs.iter().map(|c| &**c).collect::<Vec<_>>(), ["avc1.640028", "mp4a.40.2"]);
    assert_eq!(variant.resolution.map(|r| (r.width, r.height)), Some((1920, 1080)));
    assert_eq!(variant.closed_captions, Some(ClosedCaptions::None));
    assert_eq!(
        (&*playlist.i_frame_variants[0].uri, playlist.start.as_ref().unwrap().time_offset_us),
        ("i.m3u8", -12_500_000)
    );
    let audio = &playlist.media[0];
    assert!(audio.media_type == MediaType::Audio && audio.default && audio.autoselect == Some(true) && !audio.forced);
    assert_eq!(playlist.session_keys[0].method, KeyMethod::SampleAesCtr);
    assert_eq!(playlist.content_steering.as_ref().unwrap().pathway_id.as_deref(), Some("CDN-A"));
    assert_eq!(playlist.session_data[0].value.as_deref(), Some("x"));
}

#[test]
fn variables_are_substituted() {
    let mvp = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"host\",VALUE=\"https://cdn\"\n#EXT-X-DEFINE:QUERYPARAM=\"tok\"\n\
               #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"{$tok}\"\n{$host}/v.m3u8?t={$tok}\n";
    let (playlist, found) = parse(mvp.as_bytes(), Variables::for_url("https://h/m.m3u8?a=1&tok=x%20y#f"));
    let playlist = playlist.as_multivariant().cloned().unwrap();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(&*playlist.variants[0].uri, "https://cdn/v.m3u8?t=x y");
    assert_eq!(playlist.defines[1].source, DefineSource::QueryParam);

    let media = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-DEFINE:IMPORT=\"host\"\n#EXTINF:6,\n{$host}/a.ts\n";
    let (playlist, found) = parse(media.as_bytes(), Variables::default().importing(&playlist.defines));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(&*playlist.as_media().unwrap().segments[0].uri, "https://cdn/a.ts");

    use IssueKind::*;
    check(media, &[(DefineUnresolved, 3), (VariableUndefined, 5)]);
    let define = |text: &str| MEDIA.replace("#EXTINF", &format!("#EXT-X-DEFINE:{text}\n#EXTINF"));
    check(&define("VALUE=\"x\""), &[(DefineInvalid, 3)]);
    check(&define("NAME=\"x\""), &[(DefineInvalid, 3)]);
    check(&define("NAME=\"x\",IMPORT=\"y\""), &[(DefineInvalid, 3)]);
    check(&define("NAME=\"x\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"x\",VALUE=\"2\""), &[(DefineDuplicate, 4)]);
    check(&define("QUERYPARAM=\"gone\""), &[(DefineUnresolved, 3)]);
}

#[test]
fn bounds_hold_and_are_reported_once() {
    use std::fmt::Write;
    let mut body = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:6\n");
    for n in 0..ow_hls::MAX_SEGMENTS + 10 {
        let _ = write!(body, "#EXTINF:6,\n{n}.ts\n");
    }
    let (playlist, found) = parse(body.as_bytes(), Variables::default());
    assert_eq!(playlist.as_media().unwrap().segments.len(), ow_hls::MAX_SEGMENTS);
    assert_eq!(found.iter().map(|issue| issue.kind).collect::<Vec<_>>(), [IssueKind::LimitExceeded]);

    let body = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{}", "x.ts\n".repeat(5000));
    let (_, found) = parse(body.as_bytes(), Variables::default());
    assert_eq!(found.len(), ow_hls::MAX_ISSUES + 1);
    assert!(found.last().unwrap().detail.contains("4800 more"), "{:?}", found.last());

    let bomb = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{}\"\n{}",
        "x".repeat(1000),
        "#EXTINF:6,\n{$a}{$a}{$a}{$a}{$a}{$a}{$a}{$a}{$a}{$a}\n".repeat(1000)
    );
    let (playlist, found) = parse(bomb.as_bytes(), Variables::default());
    let n_bytes: usize = playlist.as_media().unwrap().segments.iter().map(|segment| segment.uri.len()).sum();
    assert!(n_bytes <= ow_hls::MAX_EXPANDED_BYTES);
    assert_eq!(found[0].kind, IssueKind::LimitExceeded);
}

#[test]
fn kinds_have_unique_stable_names() {
    let mut names: Vec<_> = IssueKind::ALL.iter().map(|kind| kind.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), IssueKind::ALL.len());
    for kind in IssueKind::ALL {
        assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{kind}\""));
    }
}
